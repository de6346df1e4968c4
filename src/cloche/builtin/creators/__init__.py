"""The built-in creators: one module for each."""
