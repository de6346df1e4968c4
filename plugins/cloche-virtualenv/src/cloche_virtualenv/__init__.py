"""The Python interface and the command line of virtualenv over cloche, and how they get into a tool's environment.

This module stays empty: tools import the package each time they start.
"""
