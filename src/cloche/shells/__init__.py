"""Shells: how each quotes, which script activates it, and the line that does."""
