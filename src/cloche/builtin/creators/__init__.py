"""The built-in creators: one module for each, and `posix` and `windows`, which several creators use."""
