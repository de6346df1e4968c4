"""Frozen values that the other packages pass to each other; this package performs no I/O."""

from __future__ import annotations

VERSION = "0.1.0"
