"""The built-in activators: one package per shell family, with its script templates."""
