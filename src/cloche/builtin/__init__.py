"""The built-in plugins; they use only the modules that any plugin may use."""
