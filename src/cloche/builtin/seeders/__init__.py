"""The built-in seeders: one module for each."""
