"""The Python interface and the command line of virtualenv on top of cloche, and their installer for a tool's environment.

This module stays empty: tools import the package whenever they start.
"""
