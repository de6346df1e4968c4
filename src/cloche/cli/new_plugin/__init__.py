"""`cloche plugins new KIND`: write a plugin to start from. The files beside this module are its templates."""

from __future__ import annotations

import os
import re

from cloche.apply import DestinationChanged, apply
from cloche.cli.commands import COMMANDS
from cloche.errors import DestinationError, UsageError
from cloche.model import VERSION
from cloche.model.operations import MakeDir, Write
from cloche.model.value import TYPE_CHECKING
from cloche.planning.destination import absolute_path, inspect_destination
from cloche.plugins import BUILT_IN
from cloche.plugins.registry import load_plugins
from cloche.plugins.similar_names import suggestion
from cloche.shells.template import resource

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from cloche.model.interpreter import Host

SUMMARIES = {
    "activator": "activates environments in one more shell",
    "command": "adds a command",
    "created": "acts on each new environment",
    "creator": "creates environments in one more way",
    "finder": "finds Pythons in one more place",
    "packer": "packs environments in one more format",
    "seeder": "installs seeds in one more way",
}
"""What a plugin can be, and what such a plugin does."""

USES = {
    "activator": "Every new environment then has the script `activate.__NAME__`.",
    "command": "You can then run `cloche __NAME__`.",
    "created": "cloche then runs it after it has created an environment.",
    "creator": "To use it, run `cloche .venv --creator __NAME__`.",
    "finder": "`cloche pythons` then also lists what it finds.",
    "packer": "To use it, run `cloche ./env --creator portable`, then `cloche pack env -o env.__NAME__`.",
    "seeder": "To use it, run `cloche .venv --seeder __NAME__ --find-links DIR`.",
}
"""How to use a plugin of each kind once it is installed."""

PLUGIN_KINDS = tuple(SUMMARIES)

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

LONGEST = 100
"""The most characters of a name; the paths of some files contain it twice."""

DEVICES = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")
"""Names of devices. No file or directory on Windows can have one, so the repository could not be cloned there."""

PUBLISHED = tuple(
    """cloche-elvish cloche-example cloche-nushell cloche-python-envs cloche-virtualenv cloche-xonsh hatch-cloche nox-cloche
    pdm-cloche pytest-cloche tox-cloche""".split()
)
"""The distributions that belong to cloche."""


def write_plugin(kind: str, directory: str, host: Host) -> tuple[str, Sequence[str]]:
    """Write a plugin of a kind to a directory that does not exist or is empty, all or nothing.

    Return its absolute path, and the paths of its files below it. Its names come from the name of the directory: `acme` and
    `cloche-acme` contain the distribution `cloche-acme` with the plugin `acme`, in the module `cloche_acme`.

    :raises UsageError: the kind does not exist, or the name of the directory cannot be that of a plugin.
    :raises DestinationError: the directory has files in it.
    """
    if kind not in PLUGIN_KINDS:
        hint = f"choose one of {', '.join(PLUGIN_KINDS)}"
        raise UsageError(f"unknown kind of plugin `{kind}`{suggestion(kind, PLUGIN_KINDS)}", hint=hint)
    location = absolute_path(directory, host)
    distribution, name = names_for(kind, os.path.basename(location))
    destination = inspect_destination(location, host)
    if destination.state not in ("absent", "empty"):
        raise DestinationError(f"`{location}` already has files in it", hint="choose a directory that does not exist")
    module = distribution.replace("-", "_")
    slots = {
        "__USE__": USES[kind],  # first, because it has a slot itself
        "__DISTRIBUTION__": distribution,
        "__MODULE__": module,
        "__NAME__": name,
        "__KIND__": kind,
        "__SUMMARY__": SUMMARIES[kind],
        "__CONTRACTS__": ", ".join(sorted((f"{kind}_contract", "plugin_contract"))),
        "__VERSION__": VERSION,
    }
    has_own_test = kind in ("activator", "command", "created")
    files = {
        "README.md": "README.md.txt",
        "pyproject.toml": "pyproject.toml.txt",
        f"src/{module}/__init__.py": f"{kind}.py.txt",
        f"src/{module}/py.typed": "",
        "tests/test_contract.py": f"test_{kind if has_own_test else 'component'}.py.txt",
    }
    if kind == "activator":
        files[f"src/{module}/activate.{name}"] = "activate.txt"
    directories = [MakeDir("src"), MakeDir(f"src/{module}"), MakeDir("tests")]
    writes = [
        Write(path, filled(resource(__name__, template), slots) if template else b"")
        for path, template in files.items()
    ]
    try:
        apply([*directories, *writes], destination.target, "new")
    except DestinationChanged:
        raise DestinationError(
            f"`{location}` already has files in it", hint="choose a directory that does not exist"
        ) from None
    return location, tuple(files)


def names_for(kind: str, directory: str) -> tuple[str, str]:
    """Return the names of the distribution and of the plugin in a directory.

    :raises UsageError: the name cannot be that of a distribution, cloche itself uses it, or Windows reserves it.
    """
    words = directory.split("-")
    name = "-".join(word for word in words if word != "cloche")
    if not NAME.fullmatch(directory):
        raise UsageError(
            f"`{directory}` cannot be the name of a plugin",
            hint="start with a letter, and join words of lower-case letters and digits with hyphens: `cloche-acme`",
        )
    if not NAME.fullmatch(name) or len(directory) > LONGEST or name in ("all", "none", BUILT_IN.name):
        raise UsageError(
            f"`{directory}` cannot be the name of a plugin",
            hint="choose another name, for example `cloche-acme`"
            if len(directory) <= LONGEST
            else "choose a shorter name",
        )
    if DEVICES.fullmatch(directory):
        raise UsageError(
            f"Windows reserves the name `{directory}`", hint="choose another name, for example `cloche-acme`"
        )
    distribution = directory if "cloche" in words else f"cloche-{name}"
    if distribution in PUBLISHED:
        raise UsageError(f"the distribution `{distribution}` already exists", hint="choose another name")
    if name in (COMMANDS if kind == "command" else built_in_names(kind)):
        raise UsageError(
            f"cloche already has a {kind} named `{name}`", hint="choose another name, so that users can tell them apart"
        )
    return distribution, name


def built_in_names(kind: str) -> Container[str]:
    """Return the names of the built-in components of a kind."""
    return {
        component.name for report in load_plugins(()).reports for component in report.provides if component.kind == kind
    }


def filled(template: str, slots: dict[str, str]) -> bytes:
    """Return a template with its slots replaced; the slots of activation scripts, such as `__CLOCHE_ROOT__`, stay."""
    for slot, text in slots.items():
        template = template.replace(slot, text)
    return template.encode()
