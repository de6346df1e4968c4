"""A directory of installed distributions, with the modules and metadata that an installer writes."""

from __future__ import annotations

import sys
import textwrap
from itertools import count
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloche.plugins.registry import Registry

SERIAL = count()


class Site:
    """Installs plugins from source text in a test, as modules with unique names."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def module(self, text: str, name: str = "") -> str:
        """Write a module and return its name, which replaces `THIS` in its text."""
        name = name or f"fake_plugin_{next(SERIAL)}"
        source = "import cloche\n" + textwrap.dedent(text).replace("THIS", name)
        (self.directory / f"{name}.py").write_text(source, encoding="utf-8")
        return name

    def install(self, distribution: str, version: str = "1.0", **plugins: str) -> None:
        """Install a distribution with plugins, given as the texts of their modules by name."""
        points = {name.replace("_", "-"): self.module(text) for name, text in plugins.items()}
        self.metadata(distribution, version, points)

    def metadata(self, distribution: str, version: str, points: dict[str, str]) -> None:
        """Write the metadata of a distribution with these entry points of group `cloche`."""
        directory = self.directory / f"{distribution.replace('-', '_')}-{version}.dist-info"
        directory.mkdir()
        (directory / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = [f"{name} = {reference}" for name, reference in points.items()]
        (directory / "entry_points.txt").write_text(
            "\n".join(["[console_scripts]", "x = x:x", "", "[cloche]", *lines, ""])
        )


def offering(kind: str, *names: str, more: str = "") -> str:
    """Return the text of a plugin that offers components of one kind with these names."""
    return f"""
class Fake:
    '''A component of any kind.'''
    def __init__(self, name): self.name = name
    def candidates(self, spec, host): return iter(())
    suffix = '.acme'
    def refusal(self, interpreter=None): return None
    def write(self, members, path): open(path, 'x').close()
    def operations(self, interpreter, layout): return []
    def images(self, interpreter, wanted, store): return []
    def quote(self, text): return repr(text)
    def scripts(self, environment): return [cloche.Script("activate." + self.name, "true\\n")]
{textwrap.indent(textwrap.dedent(more), "    ")}

@cloche.hookimpl
def cloche_{kind}s():
    return [Fake(name) for name in {names!r}]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty directory of distributions, on `sys.path` of this process and of the processes that it starts."""
    site = Site(tmp_path / "site")
    monkeypatch.syspath_prepend(str(site.directory))
    monkeypatch.setenv("PYTHONPATH", str(site.directory))
    yield site
    for name in [name for name in sys.modules if name.startswith("fake_plugin_")]:
        del sys.modules[name]


def statuses(registry: Registry) -> dict[str, str]:
    """Return the status of each plugin that is not built in, by name."""
    return {report.source.name: report.status for report in registry.reports if report.source.distribution != "cloche"}


def reason(registry: Registry, name: str) -> str:
    """Return why a plugin was not loaded."""
    return next(report.reason for report in registry.reports if report.source.name == name)
