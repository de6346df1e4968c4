"""The plugins that come in the box; they stand on what any plugin may stand on."""
