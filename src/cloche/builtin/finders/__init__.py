"""Where interpreters are looked for, a module for each kind of place."""
