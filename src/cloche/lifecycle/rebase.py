"""Which base interpreter an environment stands on, and what it takes to stand it on another of the same ABI."""

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
from cloche.planning.pyvenv_cfg import parse
from cloche.planning.resolve import resolve

if TYPE_CHECKING:
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.overlay import Overlay
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.session import Session

NAME = re.compile(r"(?P<kind>python|pypy|graalpy)(?P<version>\d(?:\.\d+)?)?t?d?w?(?:\.exe)?")
"""How a Python is called in the directory for executables."""


def replacement(portrait: EnvironmentInfo, session: Session) -> Interpreter | None:
    """Return another interpreter of the kind that an environment was made for; None if there is none."""
    version = version_of(portrait.settings)
    if not version:
        return None
    implementation, build = kind_of(portrait.environment, portrait.settings)
    try:
        return find_interpreter(
            [f"{implementation}{version}{build}"], session.host, session.registry.finders(), session.probes
        ).interpreter
    except InterpreterNotFound:
        return None


def same_abi(one: Interpreter, other: Interpreter) -> bool:
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


def rebase(draft: Overlay, environment: Environment, interpreter: Interpreter, session: Session) -> None:
    """Stand an environment on an interpreter of the same ABI: its executable and its `pyvenv.cfg`."""
    layout = environment.layout
    directory = draft.on_disk(layout.bin)
    links = {}
    own_files = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        path = f"{layout.bin}/{name}"
        if NAME.fullmatch(name):
            target = draft.target(path)
            if target is None:
                own_files.append(path)
            elif os.path.isabs(target):
                links[path] = interpreter.executable
    for path, target in links.items():
        draft.link(path, target)
    if own_files and f"{layout.bin}/python" in [*own_files, layout.executable]:
        draft.add(copies(environment, interpreter, session))
    elif not leads(draft, layout.executable):
        draft.link(layout.executable, interpreter.executable)
        for name in layout.names:
            path = f"{layout.bin}/{name}"
            if not leads(draft, path):
                draft.link(path, posixpath.basename(layout.executable))
    config = layout.config
    draft.write_text(config, completed(updated(draft.text(config), interpreter), interpreter))


def leads(draft: Overlay, path: str) -> bool:
    """Return whether a name is a file, or leads out of its environment: `python` to `python3` does if that is there."""
    passed = set()
    while (target := draft.target(path)) is not None and not os.path.isabs(target):
        passed.add(path)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if path in passed:
            return False
    return target is not None or os.path.isfile(draft.on_disk(path))


def copies(environment: Environment, interpreter: Interpreter, session: Session) -> list[Copy]:
    """Return the operations that copy what an environment has of its interpreter."""
    from cloche.model.request import EnvironmentSpec

    spec = EnvironmentSpec(creator="copy", wanted=None, activators=())
    blueprint = resolve(spec, interpreter, "", session.registry, session.seed_store, UNRECORDED)
    return [one for one in blueprint.operations if isinstance(one, Copy)]


def updated(text: str, interpreter: Interpreter) -> str:
    """Return a `pyvenv.cfg` that names another interpreter; only keys that are there change, each in its own style."""
    known = settings_of(interpreter)
    lines = []
    for line in text.splitlines(keepends=True):
        key, separator, setting = line.partition("=")
        name, old = key.strip().lower(), setting.strip()
        if separator and name == "command":
            line = f"{key}={setting.replace(old, pointed(old, interpreter.executable), 1)}"
        elif separator and name in known:
            new = in_style(old, interpreter) if name in ("version_info", "version") else known[name]
            ending = line[len(line.rstrip("\r\n")) :]
            line = line if old == new else f"{key}= {new}{ending}"
        lines.append(line)
    return "".join(lines)


def completed(text: str, interpreter: Interpreter) -> str:
    """Return a `pyvenv.cfg` with what makes a directory an environment (PEP 405), if that is missing; no damaged lines."""
    known = parse(text)
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
    """Return what `pyvenv.cfg` says of an interpreter."""
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


def in_style(old: str, interpreter: Interpreter) -> str:
    """Return an interpreter's version with as many parts as the old text has: `3.12`, `3.12.1`, `3.12.1.final.0`."""
    count = len(old.split("."))
    return ".".join(str(part) for part in interpreter.version[: count if count in (2, 3, 5) else 3])
