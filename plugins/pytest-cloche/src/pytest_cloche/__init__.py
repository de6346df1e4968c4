"""Fresh Python environments for tests; for annotations, `Env` is what the fixtures give."""

from __future__ import annotations

from pytest_cloche.env import Env

__all__ = ["Env"]
