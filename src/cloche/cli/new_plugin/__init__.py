"""`cloche plugins new KIND`: write a plugin to start from. The files beside this module are its templates."""

from __future__ import annotations

import os
import re

from cloche.apply import DestinationChanged, apply
from cloche.errors import DestinationError, UsageError
from cloche.model.operations import MakeDir, Write
from cloche.model.value import TYPE_CHECKING
from cloche.planning.destination import absolute_path, inspect_destination
from cloche.shells.template import resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model.interpreter import Host

KINDS = ("activator", "command", "created", "creator", "finder", "packer", "seeder")
"""What a plugin can be; each has a template."""

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def write_plugin(kind: str, directory: str, host: Host) -> tuple[str, Sequence[str]]:
    """Write a plugin of a kind to a directory that does not exist or is empty, all or nothing.

    Return its absolute path, and the paths of its files below it. Its names come from the name of the directory:
    `cloche-acme` is the distribution of the plugin `acme`, in the module `cloche_acme`.

    :raises UsageError: the kind does not exist, or the name of the directory cannot be that of a distribution.
    :raises DestinationError: the directory has files in it.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind of plugin `{kind}`", hint=f"choose one of {', '.join(KINDS)}")
    location = absolute_path(directory, host)
    distribution = os.path.basename(location)
    if not NAME.fullmatch(distribution):
        raise UsageError(
            f"`{distribution}` cannot be the name of a plugin",
            hint="use lower-case letters, digits and hyphens, for example `cloche-acme`",
        )
    destination = inspect_destination(location, host)
    if destination.state not in ("absent", "empty"):
        raise DestinationError(f"`{location}` already has files in it", hint="choose a directory that does not exist")
    module = distribution.replace("-", "_")
    slots = {
        "__DISTRIBUTION__": distribution,
        "__MODULE__": module,
        "__NAME__": distribution.removeprefix("cloche-"),
    }
    files = {
        "pyproject.toml": "pyproject.toml.txt",
        f"src/{module}/__init__.py": f"{kind}.py.txt",
        "tests/test_contract.py": "test_contract.py.txt",
    }
    directories = [MakeDir("src"), MakeDir(f"src/{module}"), MakeDir("tests")]
    writes = [Write(path, filled(resource(__name__, template), slots)) for path, template in files.items()]
    try:
        apply([*directories, *writes], destination.target, "new")
    except DestinationChanged:
        raise DestinationError(
            f"`{location}` already has files in it", hint="choose a directory that does not exist"
        ) from None
    return location, tuple(files)


def filled(template: str, slots: dict[str, str]) -> bytes:
    """Return a template with its slots replaced; the slots of activation scripts, such as `__CLOCHE_ROOT__`, stay."""
    for slot, text in slots.items():
        template = template.replace(slot, text)
    return template.encode()
