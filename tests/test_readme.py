"""Test that the README can be read on a package index, where its relative links would lead nowhere."""

from __future__ import annotations

import importlib.util
import re
import sys
import types
from typing import TYPE_CHECKING

import pytest

from tests.pages import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = "https://example.org/cloche"
BASES = {
    "hatchling.builders.hooks.plugin.interface": "BuildHookInterface",
    "hatchling.metadata.plugin.interface": "MetadataHookInterface",
}
"""The modules and base classes that the build hooks import."""
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def build() -> types.ModuleType:
    """The build hooks. Their base classes are not needed here, so hatchling need not be installed."""
    spec = importlib.util.spec_from_file_location("hatch_build", REPOSITORY / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for name, base in BASES.items():
            stand_in = types.ModuleType(name)
            setattr(stand_in, base, object)
            patch.setitem(sys.modules, name, stand_in)
        spec.loader.exec_module(module)
    return module


def targets(text: str) -> list[str]:
    """Return the targets of all links and pictures in HTML."""
    return re.findall(r'(?:href|src)="([^"]*)"', text)


def test_all_links_of_the_description_are_absolute(build: types.ModuleType) -> None:
    markdown = pytest.importorskip("readme_renderer.markdown")
    rendered = markdown.render(build.with_absolute_links(README, SOURCE))

    assert rendered is not None
    found = targets(rendered)
    assert len(found) > 10
    assert [target for target in found if not target.startswith(("https://", "#"))] == []
    assert f"{SOURCE}/blob/main/docs/tutorial/first-environment.md" in found
    assert [target for target in found if target.startswith(f"{SOURCE}/raw/main/")] != []


def test_without_a_public_repository_the_description_has_no_dead_links(build: types.ModuleType) -> None:
    markdown = pytest.importorskip("readme_renderer.markdown")
    rendered = markdown.render(build.with_absolute_links(README, ""))

    assert rendered is not None
    assert [target for target in targets(rendered) if not target.startswith(("https://", "#"))] == []
    assert "the tool that you know: venv, virtualenv, uv or conda." in " ".join(rendered.split())


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("plugins/*/README.md")), ids=lambda path: path.parent.name)
def test_the_description_of_a_plugin_can_be_rendered_and_has_no_relative_links(path: Path) -> None:
    markdown = pytest.importorskip("readme_renderer.markdown")
    rendered = markdown.render(path.read_text(encoding="utf-8"))

    assert rendered is not None
    assert [target for target in targets(rendered) if not target.startswith(("https://", "#"))] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](b.md)", "[a](https://example.org/cloche/blob/main/b.md)"),
        ("![a](b.svg)", "![a](https://example.org/cloche/raw/main/b.svg)"),
        ("[a](b.md#c)", "[a](https://example.org/cloche/blob/main/b.md#c)"),
        ("[a\nb](c.md)", "[a\nb](https://example.org/cloche/blob/main/c.md)"),
        ("[a](https://b)", "[a](https://b)"),
        ("[a](#b)", "[a](#b)"),
        ("[a](mailto:b)", "[a](mailto:b)"),
    ],
)
def test_only_relative_links_change(build: types.ModuleType, text: str, expected: str) -> None:
    assert build.with_absolute_links(text, SOURCE) == expected


def test_the_description_in_the_metadata_has_no_relative_links() -> None:
    from importlib.metadata import metadata

    description = str(metadata("cloche").get_payload())

    assert "# cloche" in description
    assert re.findall(r"\]\((?![a-z]+:|#)[^)]*\)", description) == []
