"""Where the first packages come from, a module for each way."""
