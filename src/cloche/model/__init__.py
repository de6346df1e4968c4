"""Frozen values that travel through cloche; nothing here reads or writes anything."""

from __future__ import annotations

VERSION = "0.1.0"
