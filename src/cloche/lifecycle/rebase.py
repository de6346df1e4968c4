"""Rebase an environment: connect it to another base interpreter of the same ABI."""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from cloche.discovery import find_interpreter
from cloche.errors import InterpreterNotFound, UsageError
from cloche.fs import lines_of
from cloche.fs.inputs import UNRECORDED
from cloche.lifecycle.reader import implementation_and_build, recorded_version
from cloche.lifecycle.recorded_command import replace_interpreter
from cloche.model import PYVENV_CFG
from cloche.model.operations import Copy
from cloche.planning.pyvenv_cfg import interpreter_settings, parse_settings, shorten_settings, with_paths_as_written
from cloche.planning.resolve import resolve
from cloche.store.seeds import SeedStore

if TYPE_CHECKING:
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.overlay import Overlay
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.session import Session

PYTHON_NAME = re.compile(r"(?P<kind>python|pypy|graalpy)(?P<version>\d(?:\.\d+)?)?t?d?w?(?:\.exe)?")
"""The file name of a Python in `bin` or `Scripts`."""


def find_replacement(info: EnvironmentInfo, session: Session) -> Interpreter | None:
    """Return an installed interpreter of the version and kind that an environment was created for; None if there is none."""
    version = recorded_version(info.settings)
    if not version:
        return None
    implementation, build = implementation_and_build(info.environment, info.settings)
    try:
        return find_interpreter(
            [f"{implementation}{version}{build}"], session.host, session.registry.finders(), session.probes
        ).interpreter
    except (InterpreterNotFound, UsageError):  # UsageError: what is recorded is not a version
        return None


def is_same_release(one: Interpreter, other: Interpreter) -> bool:
    """Return whether two interpreters are the same release of one implementation."""
    return (one.implementation, one.version) == (other.implementation, other.version)


def has_same_abi(one: Interpreter, other: Interpreter) -> bool:
    """Return whether packages that are installed for one interpreter work with the other, bytecode included."""

    def abi(interpreter: Interpreter) -> tuple[object, ...]:
        return (
            interpreter.implementation,
            interpreter.version[:2],
            interpreter.soabi,
            interpreter.cache_tag,
            interpreter.free_threaded,
            interpreter.debug,
            interpreter.bits,
            interpreter.machine,
        )

    return abi(one) == abi(other)


def rebase(overlay: Overlay, environment: Environment, interpreter: Interpreter, session: Session) -> None:
    """Connect an environment to an interpreter of the same ABI: its executables and its `pyvenv.cfg`."""
    layout = environment.layout
    directory = overlay.on_disk(layout.bin)
    links = {}
    own_files = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        path = f"{layout.bin}/{name}"
        if PYTHON_NAME.fullmatch(name):
            target = overlay.target(path)
            if target is None:
                own_files.append(path)
            elif os.path.isabs(target):
                links[path] = interpreter.executable
        elif replaced := program_of_new_base(overlay, path, interpreter):
            links[path] = replaced
    for path, target in links.items():
        overlay.link(path, target)
    if own_files and f"{layout.bin}/python" in [*own_files, layout.executable]:
        overlay.add(copied_executables(environment, interpreter, session))
    elif not resolves_to_file(overlay, layout.executable):
        overlay.link(layout.executable, interpreter.executable)
        for name in layout.names:
            path = f"{layout.bin}/{name}"
            if not resolves_to_file(overlay, path):
                overlay.link(path, posixpath.basename(layout.executable))
    config = layout.config
    overlay.write_text(config, complete_settings(update_settings(overlay.text(config), interpreter), interpreter))


def program_of_new_base(overlay: Overlay, path: str, interpreter: Interpreter) -> str:
    """Return the new target of a dangling link to a program of the old base; empty for another link, or without one."""
    home = parse_settings(overlay.text(PYVENV_CFG)).get("home", "")
    directory, _, name = (overlay.target(path) or "").rpartition("/")
    program = os.path.join(os.path.dirname(interpreter.executable), name)
    is_lost = bool(home) and directory == home and not os.path.exists(overlay.on_disk(path))
    return program if is_lost and os.path.isfile(program) else ""


def resolves_to_file(overlay: Overlay, path: str) -> bool:
    """Return whether a path is a file, or a chain of links (`python` to `python3`) that ends at one or at an absolute path."""
    visited = set()
    while (target := overlay.target(path)) is not None and not os.path.isabs(target):
        visited.add(path)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if path in visited:
            return False
    return target is not None or os.path.isfile(overlay.on_disk(path))


def copied_executables(environment: Environment, interpreter: Interpreter, session: Session) -> list[Copy]:
    """Return the operations that copy the interpreter's executables into an environment."""
    from cloche.model.plan import EnvironmentSpec

    spec = EnvironmentSpec(creator="copy", wanted=None, activators=())
    blueprint = resolve(spec, interpreter, "", session.registry, SeedStore(session.store), UNRECORDED)
    return [operation for operation in blueprint.operations if isinstance(operation, Copy)]


def update_settings(text: str, interpreter: Interpreter) -> str:
    """Return a `pyvenv.cfg` that names another interpreter; only existing keys change, and keep their form."""
    known = settings_of(interpreter)
    lines = []
    for line in lines_of(text):
        key, separator, setting = line.partition("=")
        name, old = key.strip().lower(), setting.strip()
        if separator and name == "command":
            line = f"{key}={setting.replace(old, replace_interpreter(old, interpreter.executable), 1)}"
        elif separator and name in known:
            new = version_like(old, interpreter) if name in ("version_info", "version") else known[name]
            ending = line[len(line.rstrip("\r\n")) :]
            line = line if old == new else f"{key}= {new}{ending}"
        lines.append(line)
    return shorten_settings("".join(lines))


def complete_settings(text: str, interpreter: Interpreter) -> str:
    """Return a `pyvenv.cfg` with the keys that PEP 405 requires; if one is missing, damaged lines are removed too."""
    known = parse_settings(text)
    missing = {
        "home": known.get("home") or settings_of(interpreter)["home"],
        "include-system-site-packages": known.get("include-system-site-packages") or "false",
        "version": known.get("version") or known.get("version_info") or settings_of(interpreter)["version"],
    }
    if all(known.get(key) for key in ("home", "include-system-site-packages")) and recorded_version(known):
        return text
    intact = [f"{line}\n" for line in text.split("\n") if line.isprintable() and line.partition("=")[2].strip()]
    return "".join([*intact, *(f"{key} = {setting}\n" for key, setting in missing.items() if not known.get(key))])


def settings_of(interpreter: Interpreter) -> dict[str, str]:
    """Return the settings in `pyvenv.cfg` that describe an interpreter."""
    return dict(with_paths_as_written(interpreter_settings(interpreter)))


def version_like(old: str, interpreter: Interpreter) -> str:
    """Return an interpreter's version with as many parts as the old text has: `3.12`, `3.12.1`, `3.12.1.final.0`."""
    count = len(old.split("."))
    return ".".join(str(part) for part in interpreter.version[: count if count in (2, 3, 5) else 3])
