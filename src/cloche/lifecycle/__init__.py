"""Environments that exist: read them, whoever made them."""
