"""What a plugin as a whole promises: it is found, it loads without doing anything, and what it names is there."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from cloche.entrypoints import find_sources
from cloche.extension import resolve
from cloche.plugins import load_sources
from cloche.provided import KINDS
from cloche.testing.checks import Check, as_test, broken, not_applicable, watched

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.extension import Source
    from cloche.plugins import Registry
    from cloche.testing.checks import Test

IMPORT = """\
import sys
from cloche.extension import resolve
from cloche.testing import Watch
with Watch() as watch:
    resolve(sys.argv[1])
print("\\n".join(watch.deeds), end="")
"""


def plugin_contract(name: str) -> Test:
    """Return a test that the installed plugin of that name is found and loads.

    :param name: that of its entry point in group `cloche`, or of its distribution.
    """
    return as_test(plugin_checks(name))


def plugin_checks(name: str) -> list[Check]:
    """Return the promises one by one; see `plugin_contract`."""
    return [
        Check("installed", lambda _: check_installed(name)),
        Check("importing-does-nothing", partial(check_import, name)),
        Check("loads", lambda _: check_loads(name)),
        Check("what-it-names-is-there", lambda _: check_references(name)),
    ]


def sources(name: str) -> list[Source]:
    """:raises Broken: there is no such plugin."""
    found = [source for source in find_sources(sys.path) if name in (source.name, source.distribution)]
    if not found:
        broken(f"no plugin `{name}` is installed here; its distribution needs an entry point in group `cloche`")
    return found


def check_installed(name: str) -> None:
    """The loader finds it."""
    sources(name)


def check_import(name: str, directory: Path) -> None:
    """Importing it in a new interpreter writes nothing and starts nothing."""
    for source in sources(name):
        command = [sys.executable, "-c", IMPORT, source.implementation]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
        if ran.returncode or ran.stdout:
            broken(f"importing plugin {source} {ran.stdout or 'fails: ' + ran.stderr[-600:]}")


def loaded(name: str) -> Registry:
    """:raises Broken: it does not load."""
    registry = watched("loading the plugin", lambda: load_sources(sources(name)))
    for report in registry.reports:
        if report.status != "loaded":
            broken(f"plugin {report.source} is {report.status}: {report.reason}")
    return registry


def check_loads(name: str) -> None:
    """Every hook that it implements exists, and gives things that have names."""
    for report in loaded(name).reports:
        if not report.hooks:
            broken(f"plugin {report.source} implements no hook; is `@cloche.hookimpl` missing?")
    for source in sources(name):
        points = {one.name for one in sources(name) if one.implementation == source.implementation}
        plugin = resolve(source.implementation)
        given = plugin.cloche_commands() if hasattr(plugin, "cloche_commands") else ()
        if missing := sorted({one.name for one in given} - points):
            broken(f"the command `{missing[0]}` needs an entry point of that name, or it is never found")


def check_references(name: str) -> None:
    """Every `package.module:attribute` that it gives can be imported, and is what it is given for."""
    registry = loaded(name)
    given = [one for kind in KINDS for one in registry.all(kind)]
    if not given:
        not_applicable("the plugin gives no component and no command")
    for one in given:
        item = one.resolve()
        if one.kind == "command" and not callable(item):
            broken(f"command `{one.name}` names `{one.reference}`, which cannot be called")
        if one.kind != "command" and getattr(item, "name", one.name) != one.name:
            broken(f"the {one.kind} `{one.name}` calls itself `{item.name}`")
