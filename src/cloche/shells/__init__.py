"""Everything that cloche knows about shells, in one module per shell family.

Each module defines the programs of a family, how they quote a word, how they activate an environment, and how to read a
quoted word back. `family` looks shells up; `template` and `words` help to write activators, including those of plugins.
"""
