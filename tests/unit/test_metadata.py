"""Test the names and the entry points of distributions, and that one is never taken for another whose name it starts with."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.model.metadata import parse_entry_points, parse_metadata_name, parse_scripts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("pip-26.3.dist-info", ("pip", "26.3")),
        ("pip_tools-7.4.1.dist-info", ("pip-tools", "7.4.1")),
        ("pip-tools-7.4.1.dist-info", ("pip-tools", "7.4.1")),
        ("cloche-broken-1.0.dist-info", ("cloche-broken", "1.0")),
        ("Zope.Interface-5.0.dist-info", ("zope-interface", "5.0")),
        ("pip-1.0-1.dist-info", ("pip", "1.0-1")),
        ("foo-1.0-py3.11.egg-info", ("foo", "1.0")),
        ("foo.egg-info", ("foo", "")),
        ("~ip-26.3.dist-info", ("~ip", "26.3")),
    ],
)
def test_the_name_of_a_metadata_directory_is_parsed(metadata: str, expected: tuple[str, str]) -> None:
    assert parse_metadata_name(metadata) == expected


def test_entry_points_are_parsed_as_the_specification_says() -> None:
    text = """
# a comment
[console_scripts]
Spam = spam . cli : main [extra]
eggs=eggs:run
; another comment
broken
[gui_scripts]
window = spam.gui:show
[cloche]
spam =
"""

    assert list(parse_entry_points(text)) == [
        ("console_scripts", "Spam", "spam . cli:main"),
        ("console_scripts", "eggs", "eggs:run"),
        ("console_scripts", "broken", ""),
        ("gui_scripts", "window", "spam.gui:show"),
        ("cloche", "spam", ""),
    ]
    assert [(point.name, point.kind, point.names_object()) for point in parse_scripts(text)] == [
        ("Spam", "console", False),
        ("eggs", "console", True),
        ("broken", "console", False),
        ("window", "gui", True),
    ]


@pytest.mark.parametrize("name", ["pip-tools-7.4.1.dist-info", "pip_tools-7.4.1.dist-info"])
def test_a_seed_is_installed_beside_a_distribution_whose_name_starts_with_its_own(tmp_path: Path, name: str) -> None:
    environment = cloche.create(tmp_path / "venv", seeds=None)
    other = tmp_path / "venv" / environment.layout.purelib / name
    other.mkdir()

    cloche.create(tmp_path / "venv")

    assert list(other.parent.glob("pip-2*.dist-info"))
    shutil.rmtree(tmp_path / "venv")
