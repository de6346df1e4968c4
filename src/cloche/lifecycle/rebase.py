"""Rebase an environment: connect it to another base interpreter of the same ABI."""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from cloche.discovery import find_interpreter
from cloche.errors import InterpreterNotFound
from cloche.fs.inputs import UNRECORDED
from cloche.lifecycle.reader import kind_of, version_of
from cloche.lifecycle.recorded_command import pointed
from cloche.model.operations import Copy
from cloche.planning.pyvenv_cfg import parse_settings
from cloche.planning.resolve import resolve

if TYPE_CHECKING:
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.overlay import Overlay
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.session import Session

NAME = re.compile(r"(?P<kind>python|pypy|graalpy)(?P<version>\d(?:\.\d+)?)?t?d?w?(?:\.exe)?")
"""File names of a Python in `bin` or `Scripts`."""


def find_replacement(info: EnvironmentInfo, session: Session) -> Interpreter | None:
    """Return another interpreter of the kind that an environment was created for; None if there is none."""
    version = version_of(info.settings)
    if not version:
        return None
    implementation, build = kind_of(info.environment, info.settings)
    try:
        return find_interpreter(
            [f"{implementation}{version}{build}"], session.host, session.registry.finders(), session.probes
        ).interpreter
    except InterpreterNotFound:
        return None


def has_same_abi(one: Interpreter, other: Interpreter) -> bool:
    """Return whether what is installed for one interpreter runs on the other unchanged, byte-code included."""

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
        if NAME.fullmatch(name):
            target = overlay.target(path)
            if target is None:
                own_files.append(path)
            elif os.path.isabs(target):
                links[path] = interpreter.executable
    for path, target in links.items():
        overlay.link(path, target)
    if own_files and f"{layout.bin}/python" in [*own_files, layout.executable]:
        overlay.add(copied_executables(environment, interpreter, session))
    elif not leads_out(overlay, layout.executable):
        overlay.link(layout.executable, interpreter.executable)
        for name in layout.names:
            path = f"{layout.bin}/{name}"
            if not leads_out(overlay, path):
                overlay.link(path, posixpath.basename(layout.executable))
    config = layout.config
    overlay.write_text(config, complete_settings(update_settings(overlay.text(config), interpreter), interpreter))


def leads_out(overlay: Overlay, path: str) -> bool:
    """Return whether a name is a file or a link that ends outside, perhaps through others: `python` to `python3`."""
    passed = set()
    while (target := overlay.target(path)) is not None and not os.path.isabs(target):
        passed.add(path)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if path in passed:
            return False
    return target is not None or os.path.isfile(overlay.on_disk(path))


def copied_executables(environment: Environment, interpreter: Interpreter, session: Session) -> list[Copy]:
    """Return the operations that copy the interpreter's executables into an environment."""
    from cloche.model.request import EnvironmentSpec

    spec = EnvironmentSpec(creator="copy", wanted=None, activators=())
    blueprint = resolve(spec, interpreter, "", session.registry, session.seed_store, UNRECORDED)
    return [one for one in blueprint.operations if isinstance(one, Copy)]


def update_settings(text: str, interpreter: Interpreter) -> str:
    """Return a `pyvenv.cfg` that names another interpreter; only existing keys change, each in its own style."""
    known = settings_of(interpreter)
    lines = []
    for line in text.splitlines(keepends=True):
        key, separator, setting = line.partition("=")
        name, old = key.strip().lower(), setting.strip()
        if separator and name == "command":
            line = f"{key}={setting.replace(old, pointed(old, interpreter.executable), 1)}"
        elif separator and name in known:
            new = version_like(old, interpreter) if name in ("version_info", "version") else known[name]
            ending = line[len(line.rstrip("\r\n")) :]
            line = line if old == new else f"{key}= {new}{ending}"
        lines.append(line)
    return "".join(lines)


def complete_settings(text: str, interpreter: Interpreter) -> str:
    """Return a `pyvenv.cfg` with the keys that PEP 405 requires, if any is missing; damaged lines are then left out."""
    known = parse_settings(text)
    missing = {
        "home": known.get("home") or settings_of(interpreter)["home"],
        "include-system-site-packages": known.get("include-system-site-packages") or "false",
        "version": known.get("version") or known.get("version_info") or settings_of(interpreter)["version"],
    }
    if all(known.get(key) for key in ("home", "include-system-site-packages")) and version_of(known):
        return text
    whole = [f"{line}\n" for line in text.splitlines() if line.isprintable() and line.partition("=")[2].strip()]
    return "".join([*whole, *(f"{key} = {setting}\n" for key, setting in missing.items() if not known.get(key))])


def settings_of(interpreter: Interpreter) -> dict[str, str]:
    """Return the settings in `pyvenv.cfg` that describe an interpreter."""
    separator = "\\" if interpreter.os_name == "nt" else "/"
    return {
        "home": interpreter.executable.rpartition(separator)[0],
        "python-version": interpreter.python_version,
        "version_info": ".".join(str(part) for part in interpreter.version),
        "version": ".".join(str(part) for part in interpreter.version[:3]),
        "executable": os.path.realpath(interpreter.executable),
        "base-prefix": interpreter.prefix,
        "base-exec-prefix": interpreter.exec_prefix,
        "base-executable": interpreter.executable,
    }


def version_like(old: str, interpreter: Interpreter) -> str:
    """Return an interpreter's version with as many parts as the old text has: `3.12`, `3.12.1`, `3.12.1.final.0`."""
    count = len(old.split("."))
    return ".".join(str(part) for part in interpreter.version[: count if count in (2, 3, 5) else 3])
