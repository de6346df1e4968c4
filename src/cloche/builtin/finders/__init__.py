"""The built-in finders: one module for each source of interpreters."""
