"""Check that an environment has every part that it was created with: `pyvenv.cfg`, a Python, activation scripts, pip."""

from __future__ import annotations

import filecmp
import os
from typing import TYPE_CHECKING

from cloche.fs import list_names
from cloche.fs.manifests import MANIFEST, parse_manifest
from cloche.lifecycle.doctor.case import ONLY_YOU, Finding
from cloche.lifecycle.recorded_command import venv_options
from cloche.planning.pyvenv_cfg import parse_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.doctor.case import Case

PIP = "pip"
"""The key of a missing pip in `missing_parts`; the other keys are paths."""


def check_parts(case: Case) -> Iterator[Finding]:
    """Report missing parts, all in one finding, because an interrupted creation or a deleted directory is one cause."""
    layout = case.environment.layout
    parts = missing_parts(case)
    config = case.environment.path_to(layout.config)
    if os.path.isdir(config):
        remove = case.command("rm", "-r", config)
        remedy = (
            f"{ONLY_YOU}: move the directory elsewhere, or remove it with {remove}; then {case.fix} restores the file"
        )
        yield Finding("half-made", layout.config, "it is a directory", remedy)
    elif parts and case.can_be_rebased:
        *others, last = parts.values()
        message = f"{', '.join(others)}, and {last}" if others else last
        yield Finding("half-made", next(iter(parts)), message, f"{case.fix} restores what is missing", repairable=True)
    elif parts and case.info.is_portable:
        message = f"{next(iter(parts.values()))}, and its Python cannot be found"
        yield Finding("half-made", next(iter(parts)), message, refresh_remedy(case))
    has_packages = os.path.isdir(case.environment.path_to(layout.purelib))
    if not has_packages and (case.can_be_rebased or case.info.is_portable):  # `check_base` suggests the same otherwise
        remedy = f"{upgrade_command(case)} rebuilds the environment, with the packages in its other directories"
        yield Finding("half-made", layout.purelib, "the directory for packages is missing", remedy)


def missing_parts(case: Case) -> dict[str, str]:
    """Return what is missing, in the order of creation: for each path, or for `PIP`, a clause that says so."""
    environment, info, layout = case.environment, case.info, case.environment.layout
    parts = {}
    needed = ("version",) if info.is_portable else ("home", "version")
    missing = [key for key in needed if not recorded_setting(layout.config, key, case)]
    if missing and layout.config != case.examination.obstacle:
        has_file = os.path.isfile(environment.path_to(layout.config))
        parts[layout.config] = f"`{layout.config}` {f'has no `{missing[0]}`' if has_file else 'is missing'}"
    if not has_executables(case):
        parts[layout.bin] = f"`{layout.bin}` is missing, with its Python and its scripts"
        return parts
    if not os.path.lexists(environment.path_to(layout.executable)):
        parts[layout.executable] = "its Python is missing"
    parts.update(wrong_names(case))
    if info.activators:
        parts.update((path, f"`{path}` is empty") for path in empty_activation_scripts(case))
        return parts
    options = venv_options(info.settings.get("command", "")) if info.created_by == "venv" else None
    if writes_activation_scripts(case, options):
        parts[layout.bin] = f"it has no activation scripts, but {info.created_by} writes some"
    has_pip = any(distribution.key == "pip" for distribution in info.distributions)
    if options is not None and "--without-pip" not in options and not has_pip:
        parts[PIP] = "it has no pip, but venv installs it"
    return parts


def empty_activation_scripts(case: Case) -> Iterator[str]:
    """Yield the paths of empty activation scripts, as a crash of the system leaves them, for shells of this system."""
    environment, shells = case.environment, case.info.shells
    for name in case.info.activators:
        path = f"{environment.layout.bin}/{name}"
        status = case.tree.status_of_target(path)
        if status is not None and not status.st_size and shells[name.lower()].test_options:
            yield path


def wrong_names(case: Case) -> Iterator[tuple[str, str]]:
    """Yield the other names of the Python that are missing, or are links to another program.

    With such a name, a command runs a Python that does not find the packages. Only cloche is known to create all of them. A
    file may be a wrapper of the user.
    """
    environment, layout, interpreter = case.environment, case.environment.layout, case.environment.interpreter
    python = environment.path_to(layout.executable)
    if interpreter is None or environment.os_name == "nt" or not os.path.exists(python):
        return
    for name in layout.names:
        path = environment.path_to(f"{layout.bin}/{name}")
        if not os.path.lexists(path):
            if case.info.created_by.startswith("cloche "):
                yield f"{layout.bin}/{name}", f"`{layout.bin}/{name}` is missing"
        elif os.path.islink(path) and os.path.exists(path) and not is_same_program(path, python):
            if not is_same_program(python, interpreter.executable):
                return  # then it is not known which of the names is right
            yield (
                f"{layout.bin}/{name}",
                f"`{layout.bin}/{name}` links to a program other than `{layout.executable}`",
            )


def is_same_program(one: str, other: str) -> bool:
    """Return whether two paths lead to one file, or to copies of it."""
    return os.path.samefile(one, other) or filecmp.cmp(one, other, shallow=False)


def has_executables(case: Case) -> bool:
    """Return whether there is anything in the directory of executables; if not, all that was in it is one loss."""
    return bool(list_names(case.environment.path_to(case.environment.layout.bin)))


def writes_activation_scripts(case: Case, venv: list[str] | None) -> bool:
    """Return whether the tool that created an environment writes activation scripts.

    :param venv: the options of the command of `venv`; None if another tool created the environment.
    """
    generated = parse_manifest(case.files.text(MANIFEST))
    by_cloche = any(path.rpartition("/")[2].lower() in case.info.shells for path in generated)
    return by_cloche or venv is not None or case.info.created_by.startswith("uv ")


def recorded_setting(name: str, key: str, case: Case) -> str:
    """Return a setting as it is in `pyvenv.cfg`, without inference; empty if it is missing."""
    settings = parse_settings(case.files.text(name))
    return settings.get(key) or (settings.get("version_info", "") if key == "version" else "")


def upgrade_command(case: Case, python: str = "") -> str:
    """Return the command that upgrades an environment, by default to the Python that it has."""
    return case.command("cloche", "upgrade", *(["-p", python] if python else []), case.root)


def refresh_remedy(case: Case) -> str:
    """Return the remedy for a portable environment whose interpreter is damaged."""
    python = case.info.version_text or "3"
    command = case.command("cloche", "--creator", "portable", "-p", python, case.root)
    return f"unpack or copy the environment again, or refresh its Python from an installed one with {command}"
