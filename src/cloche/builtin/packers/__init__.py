"""The built-in packers, one module for each format."""
