"""Test searching the source of a plugin's module for a word without importing the module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloche.plugins import Source
from cloche.plugins.entry_points import InstalledPlugins

if TYPE_CHECKING:
    from pathlib import Path


def mentions(implementation: str, *path: Path) -> bool:
    """Return whether the module of a plugin may contain the word `wave`."""
    source = Source("mine", implementation, "acme", "1.0")
    return InstalledPlugins(map(str, path)).mentions(source, b"wave")


def write_module(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "implementation"),
    [
        ("acme.py", "acme"),
        ("acme/__init__.py", "acme"),
        ("acme/shells/plugin.py", "acme.shells.plugin:plugin.inner"),
        ("acme/shells/__init__.py", "acme.shells"),
    ],
)
def test_the_module_of_the_entry_point_is_searched(tmp_path: Path, file: str, implementation: str) -> None:
    write_module(tmp_path / "first" / "other.py", "wave")
    write_module(tmp_path / "second" / file, "nothing")
    path = (tmp_path / "first", tmp_path / "missing", tmp_path / "second")

    assert not mentions(implementation, *path)
    write_module(tmp_path / "second" / file, "a wave")
    assert mentions(implementation, *path)


def test_the_first_directory_on_the_path_is_searched_and_packages_precede_modules(tmp_path: Path) -> None:
    write_module(tmp_path / "first" / "acme.py", "wave")
    write_module(tmp_path / "second" / "acme.py", "nothing")

    assert mentions("acme", tmp_path / "first", tmp_path / "second")
    assert not mentions("acme", tmp_path / "second", tmp_path / "first")
    write_module(tmp_path / "first" / "acme" / "__init__.py", "nothing")
    assert not mentions("acme", tmp_path / "first", tmp_path / "second")


def test_namespace_packages_are_searched(tmp_path: Path) -> None:
    write_module(tmp_path / "first" / "acme" / "other.py", "wave")
    write_module(tmp_path / "second" / "acme" / "shells.py", "nothing")

    assert not mentions("acme.shells", tmp_path / "first", tmp_path / "second")


def test_a_module_without_source_may_contain_the_word(tmp_path: Path) -> None:
    (tmp_path / "acme.so").touch()

    assert mentions("acme", tmp_path)
    assert mentions("", tmp_path)
