"""The built-in packers: one module for each format, and `tar_stream`, which some of them share."""
