"""cloche creates Python environments."""
