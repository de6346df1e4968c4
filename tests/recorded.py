"""Recorded probe results of interpreters on other machines, so that tests can plan for them on any machine."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from cloche.discovery import serialization

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter

DIRECTORY = os.path.join(os.path.dirname(__file__), "data", "probes")
RECORDED_NAMES = sorted(name.removesuffix(".json") for name in os.listdir(DIRECTORY))


def recorded_interpreter(name: str) -> Interpreter:
    """Return a recorded interpreter by its file name without the suffix: `cpython-3.12-windows`."""
    with open(os.path.join(DIRECTORY, f"{name}.json"), encoding="utf-8") as file:
        return serialization.interpreter_from_dict(json.load(file))
