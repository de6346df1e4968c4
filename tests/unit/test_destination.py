"""What an existing `pyvenv.cfg` tells of the Python that an environment is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloche.destination import Destination, other_python
from cloche.layout import layout_of
from tests.unit.interpreters import interpreter

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("recorded", "name", "other"),
    [
        ("GraalVM", "GraalPy 3.11.7", None),
        ("PyPy", "PyPy 3.10.14", None),
        ("CPython", "CPython 3.12.1", None),
        ("", "CPython 3.12.1", None),
        ("GraalVM", "CPython 3.11.7", "GraalVM"),
        ("CPython", "PyPy 3.10.14", "CPython"),
    ],
)
def test_an_environment_is_of_the_implementation_that_is_recorded(
    tmp_path: Path, recorded: str, name: str, other: str | None
) -> None:
    """`GraalVM` is how GraalPy calls itself, and how virtualenv and cloche write it down."""
    python = interpreter(name)
    layout = layout_of(python)
    (tmp_path / layout.purelib).mkdir(parents=True)
    settings = {"home": "/opt/python/bin", "implementation": recorded, "version": python.version_text}
    destination = Destination(str(tmp_path), str(tmp_path), "environment", settings, fixed=False)
    assert other_python(destination, python, layout) == other
