"""The built-in plugins; they use only the modules that every plugin may use."""
