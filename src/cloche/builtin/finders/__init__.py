"""The built-in finders: one module for each, and `installations` and `shims`, which several finders use."""
