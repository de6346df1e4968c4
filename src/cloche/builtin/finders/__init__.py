"""The built-in finders: one module for each, and the modules `installations` and `shims`, which they use."""
