"""How environments are made, a module for each way."""
