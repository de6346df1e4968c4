"""The recorded roots of an environment: where it is, or was, according to its own files."""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from cloche.fs import list_names
from cloche.lifecycle import recorded_command
from cloche.lifecycle.editable_modules import roots_of_lost_editables
from cloche.lifecycle.embedded_paths import launchers
from cloche.lifecycle.embedded_paths.activation_scripts import roots_in_script
from cloche.lifecycle.embedded_paths.shebangs import parse_header
from cloche.model import PYVENV_CFG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.overlay import Files
    from cloche.model.environment import Environment
    from cloche.shells import ShellFamily


def find_recorded_roots(
    environment: Environment,
    settings: Mapping[str, str],
    distributions: list[InstalledDistribution],
    shells: Mapping[str, ShellFamily],
    files: Files,
) -> dict[str, list[str]]:
    """Return the roots that files in an environment record for it, with the paths of these files.

    Roots are recorded by activation scripts, by the command in `pyvenv.cfg` (except in a relocatable environment, where
    it may name any former path), by editable installs of a source directory in the environment, and by the first lines of
    scripts that belong to installed packages. Other scripts may have a reason to name another environment.
    """
    found: dict[str, list[str]] = {}
    layout = environment.layout
    for name in list_names(files.on_disk(layout.bin)):
        path = f"{layout.bin}/{name}"
        if shell := shells.get(name.lower()):
            for root in roots_in_script(files.text(path), shell):
                is_bin = posixpath.normpath(root.replace("\\", "/")).endswith(f"/{layout.bin}")
                found.setdefault(os.path.dirname(root) if is_bin else root, []).append(path)
    destination = recorded_command.recorded_destination(settings.get("command", ""), environment.location)
    if destination and environment.placement == "fixed":
        found.setdefault(destination, []).append(layout.config)
    for root, paths in roots_of_lost_editables(distributions, environment.location).items():
        found.setdefault(root, []).extend(paths)
    scripts = own_scripts(environment, distributions)
    by_script: dict[str, list[str]] = {}
    for path in scripts:
        program = program_of_script(files, path)
        if program and (root := environment_of_program(program, layout.bin)):
            by_script.setdefault(root, []).append(path)
    for root, paths in by_script.items():
        if root in found or 2 * len(paths) > len(scripts):  # a few of them may have been changed by hand
            found.setdefault(root, []).extend(paths)
    return {root: paths for root, paths in found.items() if is_possible_root(root, settings)}


def is_possible_root(root: str, settings: Mapping[str, str]) -> bool:
    """Return whether a path may be an old root: not the base interpreter, nor a directory with other content."""
    home = settings.get("home", "")
    bases = [os.path.dirname(home), *(settings.get(key, "") for key in ("base-prefix", "base-exec-prefix"))]
    bases += (os.path.dirname(os.path.dirname(settings.get(key, ""))) for key in ("executable", "base-executable"))
    if root.rstrip("/\\") in ("", *bases):
        return False
    return not os.path.isdir(root) or os.path.isfile(os.path.join(root, PYVENV_CFG)) or not os.listdir(root)


def own_scripts(environment: Environment, distributions: Sequence[InstalledDistribution]) -> list[str]:
    """Return the existing files in the directory of executables that belong to an installed distribution, sorted."""
    prefix = f"{environment.layout.bin}/"
    recorded = {
        row.path for distribution in distributions for row in distribution.rows_outside if row.path.startswith(prefix)
    }
    declared = {
        prefix + point.name + suffix
        for distribution in distributions
        for point in distribution.entry_points
        for suffix in ("", ".exe")
    }
    present = {prefix + name for name in list_names(os.path.join(environment.location, environment.layout.bin))}
    return sorted((recorded | declared) & present)


def program_of_script(files: Files, path: str) -> str:
    """Return the program that runs a script or that a launcher starts; empty if there is none."""
    if files.target(path) is not None:
        return ""
    content = files.beginning(path)
    if content.startswith(b"MZ"):
        launcher = launchers.parse_launcher(files.content(path) or b"")
        return launcher.program if launcher else ""
    header = parse_header(content)
    return header.program if header else ""


def environment_of_program(program: str, scripts: str) -> str:
    """Return the root of the environment that a Python belongs to: `/x/env` for `/x/env/bin/python3`; else empty.

    :param scripts: the name of the directory of executables.
    """
    directory, _, name = program.replace("\\", "/").rpartition("/")
    if not re.match(r"(python|pypy|graalpy)", name) or not directory.endswith(f"/{scripts}"):
        return ""
    return program[: len(directory) - len(scripts) - 1]
