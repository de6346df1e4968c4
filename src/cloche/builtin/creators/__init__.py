"""The built-in creators: one module for each, and the modules `posix` and `windows`, which they use."""
