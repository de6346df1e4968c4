"""The built-in finders: one module for each, and `installations`, which some of them use."""
