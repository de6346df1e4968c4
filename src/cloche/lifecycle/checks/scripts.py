"""Checks of the scripts of an environment: recorded roots, activation scripts, and the Pythons that run scripts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.fs import list_names, open_regular_file
from cloche.fs.checksums import MANIFEST, parse_manifest
from cloche.lifecycle import embedded_paths
from cloche.lifecycle.case import FIX, Finding
from cloche.lifecycle.examination import is_same_file
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.recorded_command import venv_options
from cloche.lifecycle.shebangs import parse_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.case import Case


def check_moved(case: Case) -> Iterator[Finding]:
    """Report the old roots that files still name."""
    old_roots = case.old_roots
    if not old_roots:
        return
    info = case.info
    files_by_root = embedded_paths.find_recorded_roots(
        case.environment, info.settings, list(info.distributions), info.shells, case.overlay
    )
    for root in old_roots:
        files = files_by_root.get(root, [])
        action = "copied" if os.path.isfile(os.path.join(root, "pyvenv.cfg")) else "moved"
        mentions = f"{len(files)} files still name `{root}`, such as `{files[0]}`"
        if len(files) == 1:
            mentions = f"`{files[0]}` still names `{root}`"
        message = f"the environment was {action} from there: {mentions}"
        yield Finding("moved", root, message, f"{FIX} replaces it with `{case.root}`", "yes")


def check_activation(case: Case) -> Iterator[Finding]:
    """Report an environment without activation scripts and, in that case, a missing pip: its creator was interrupted."""
    layout, info = case.environment.layout, case.info
    if info.activators:
        return
    generated = parse_manifest(case.overlay.text(MANIFEST))
    by_cloche = any(path.rpartition("/")[2].lower() in info.shells for path in generated)
    options = venv_options(info.settings.get("command", "")) if info.maker == "venv" else None
    if by_cloche or options is not None or info.maker.startswith("uv "):
        message = f"it has no activation scripts, but {info.maker} writes some"
        yield Finding("half-made", layout.bin, message, FIX, "yes" if case.environment.interpreter else "no")
    if (
        options is not None
        and "--without-pip" not in options
        and all(distribution.key != "pip" for distribution in info.distributions)
    ):
        message = "it has no pip, but venv should have installed it"
        yield Finding("half-made", "pip", message, FIX, "yes" if case.environment.interpreter else "no")


def check_scripts(case: Case) -> Iterator[Finding]:
    """Report scripts that cannot run, that run with another Python, or that a move would break."""
    environment, overlay = case.environment, case.overlay
    own = set(embedded_paths.own_scripts(environment, list(case.info.distributions)))
    for name in list_names(environment.path_to(environment.layout.bin)):
        path = f"{environment.layout.bin}/{name}"
        if overlay.target(path) is not None or PYTHON_NAME.fullmatch(name):
            continue
        header = parse_header(read_head(overlay.on_disk(path)))
        if header is None or not header.program.startswith("/"):
            continue
        root = embedded_paths.environment_of_program(header.program, environment.layout.bin)
        if root in case.old_roots:
            continue  # reported by `check_moved`
        if not os.path.exists(header.program) and not is_same_file(root, case.root):
            repairable = "yes" if path in own else "no"
            remedy = (
                f"{FIX} changes it to the Python of this environment"
                if path in own
                else "reinstall the package that it belongs to, or remove it"
            )
            yield Finding(
                "script-dead", path, f"it runs with `{header.program}`, which does not exist", remedy, repairable
            )
        elif not os.path.exists(header.program) and os.path.basename(header.program) not in environment.layout.names:
            yield Finding(
                "script-dead",
                path,
                f"it runs with `{os.path.basename(header.program)}`, which this environment does not have",
                f"{FIX} changes it to `{os.path.basename(environment.layout.executable)}`",
                "yes",
            )
        elif path in own and not is_executable(overlay.on_disk(path)):
            yield Finding("script-dead", path, "the script is not executable", FIX, "yes")
        elif (
            path in own
            and (not root or not is_same_file(root, case.root))
            and os.path.basename(header.program) != "env"
        ):
            message = f"it belongs to a package here, but runs with `{header.program}`"
            yield Finding("script-foreign", path, message, f"{FIX} changes it to the Python of this environment", "yes")
        elif path in own and environment.placement == "relocatable" and environment.os_name != "nt":
            message = "the environment is relocatable, but this script contains its current path"
            yield Finding("script-fixed", path, message, f"{FIX} changes it to find its Python at run time", "yes")


def is_executable(path: str) -> bool:
    """Return whether the permission bits of a file let anyone execute it; see `check_mount` for file systems."""
    return os.name == "nt" or bool(os.stat(path).st_mode & 0o111)


def read_head(path: str) -> bytes:
    """Return the first 8 KiB of a file; nothing if it cannot be read."""
    try:
        with open_regular_file(path) as file:
            return file.read(8192)
    except OSError:
        return b""
