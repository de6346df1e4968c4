"""Plugins: the hooks, how plugins are found and loaded, and what they offer."""
