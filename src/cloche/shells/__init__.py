"""Shells: one module for each family, with all that cloche knows of it.

A module says which programs it is about and how they quote a word, activate an environment and read a quoted word back.
`catalogue` finds the shell for a program or a script; `template` and `words` are what the modules, and activators of
plugins, are written with.
"""
