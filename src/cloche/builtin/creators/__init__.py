"""The built-in creators: one module for each, and `posix`, `windows` and `distutils_guard`, which they share."""
