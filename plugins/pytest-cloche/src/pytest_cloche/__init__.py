"""A pytest plugin that gives tests fresh Python environments; `Env` is their type, for annotations."""

from __future__ import annotations

from pytest_cloche.env import Env

__all__ = ["Env"]
