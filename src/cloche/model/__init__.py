"""Frozen values that the other packages pass to each other; this package performs no I/O."""

from __future__ import annotations

VERSION = "0.1.0"

PYVENV_CFG = "pyvenv.cfg"
"""The name of the file in the root of an environment by which Python recognizes it (PEP 405)."""
