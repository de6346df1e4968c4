"""The contract of plugins: they are found, have no side effects when loaded, and their references can be imported."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from cloche.plugins.components import COMPONENT_KINDS
from cloche.plugins.entry_points import command_sources, find_sources
from cloche.plugins.registry import load_sources
from cloche.testing.checks import Check, as_test, broken, call_without_side_effects, not_applicable

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.plugins import Source
    from cloche.plugins.registry import Registry
    from cloche.testing.checks import ContractTest

IMPORT = """\
import sys
from cloche.plugins import load_object
from cloche.testing import Watch
with Watch() as watch:
    load_object(sys.argv[1])
print("\\n".join(watch.side_effects), end="")
"""


def plugin_contract(name: str) -> ContractTest:
    """Return a test that an installed plugin is found and loads.

    :param name: the name of its entry point in the group `cloche`, or of its distribution.
    """
    return as_test(plugin_checks(name))


def plugin_checks(name: str) -> list[Check]:
    """Return the checks of `plugin_contract`."""
    return [
        Check("installed", lambda _: check_installed(name)),
        Check("import-without-side-effects", partial(check_import, name)),
        Check("loads", lambda _: check_loads(name)),
        Check("references", lambda _: check_references(name)),
    ]


def plugin_sources(name: str) -> list[Source]:
    """Return the entry points of a plugin.

    :raises Broken: the plugin is not installed.
    """
    found = [source for source in find_sources(sys.path) if name in (source.name, source.distribution)]
    if not found:
        broken(f"plugin `{name}` is not installed; its distribution needs an entry point in the group `cloche`")
    return found


def check_installed(name: str) -> None:
    """Check that cloche finds the plugin."""
    plugin_sources(name)


def check_import(name: str, directory: Path) -> None:
    """Check that importing the plugin in a new process has no side effects."""
    for source in plugin_sources(name):
        command = [sys.executable, "-c", IMPORT, source.implementation]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
        if ran.returncode:
            load_plugin(name)  # reports the same cause with fewer words
            broken(f"importing plugin {source} in a new process fails: {ran.stderr[-600:]}")
        if ran.stdout:
            broken(f"importing plugin {source} {ran.stdout}")


def load_plugin(name: str) -> Registry:
    """Return a registry with the components of a plugin.

    :raises Broken: the plugin does not load.
    """
    registry = call_without_side_effects("loading the plugin", lambda: load_sources(plugin_sources(name)))
    for report in registry.reports:
        if report.status != "loaded":
            broken(f"plugin {report.source} is {report.status}: {report.reason}")
    return registry


def check_loads(name: str) -> None:
    """Check that the plugin implements a hook, and that cloche finds each of its commands."""
    for report in load_plugin(name).reports:
        if not report.hooks:
            broken(f"plugin {report.source} implements no hook; is `@cloche.hookimpl` missing?")
    for command in load_plugin(name).all("command"):
        found = {source.implementation for source in command_sources(command.name, sys.path)}
        if command.source.implementation not in found:
            module = command.source.implementation.partition(":")[0]
            broken(
                f"the command `{command.name}` is not found: its plugin needs an entry point of that name, "
                f"or the word `cloche_commands` in the file of the module `{module}`"
            )


def check_references(name: str) -> None:
    """Check that every `package.module:attribute` of the plugin can be imported, and has the right type and name."""
    registry = load_plugin(name)
    components = [component for kind in COMPONENT_KINDS for component in registry.all(kind)]
    if not components:
        not_applicable("the plugin offers no component and no command")
    for component in components:
        item = component.load()
        if component.kind == "command" and not callable(item):
            broken(f"command `{component.name}` refers to `{component.reference}`, which is not callable")
        if component.kind != "command" and getattr(item, "name", component.name) != component.name:
            broken(f"the {component.kind} `{component.name}` refers to an object with the name `{item.name}`")
