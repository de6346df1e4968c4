"""What a destination holds already: an environment of which Python, or the very Python that one is to be made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloche.destination import Destination, other_python, refuse_base
from cloche.errors import DestinationError
from cloche.layout import layout_of
from tests.unit.interpreters import interpreter

if TYPE_CHECKING:
    from pathlib import Path


def test_a_directory_with_the_base_in_it_is_not_replaced(tmp_path: Path) -> None:
    """Even where it is reached by a link: the new environment would be made from what is gone."""
    (tmp_path / "python" / "bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to("python")
    base = interpreter("CPython 3.12.1", str(tmp_path / "link" / "bin" / "python3.12"))
    for place in ("python", "link", "python/bin"):
        with pytest.raises(DestinationError, match="made from"):
            refuse_base(str(tmp_path / place), base)
    refuse_base(str(tmp_path / "pyth"), base)


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
