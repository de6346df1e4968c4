"""Checks of the Python of an environment: `pyvenv.cfg`, the base interpreter, the executable, their versions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.errors import counted
from cloche.fs import list_names
from cloche.fs.checksums import RUNTIME_MANIFEST, parse_manifest, was_edited
from cloche.lifecycle.case import FIX, Finding
from cloche.lifecycle.examination import is_same_file
from cloche.lifecycle.reader import LIBRARY_NAME, recorded_version
from cloche.lifecycle.rebase import PYTHON_NAME, version_like
from cloche.planning.destination import forbids_execution
from cloche.planning.pyvenv_cfg import parse_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.case import Case
    from cloche.model.interpreter import Interpreter


def check_config(case: Case) -> Iterator[Finding]:
    """Report a missing or truncated `pyvenv.cfg`, without which CPython does not recognize the environment."""
    name = case.environment.layout.config
    needed = ("version",) if case.info.is_portable else ("home", "version")
    missing = [key for key in needed if not recorded_setting(name, key, case)]
    if missing:
        problem = "is missing" if not os.path.isfile(case.environment.path_to(name)) else f"has no `{missing[0]}`"
        repairable = "yes" if case.environment.interpreter or case.replacement else "no"
        yield Finding(
            "half-made",
            name,
            f"`{name}` {problem}: the creation was interrupted, or the file was damaged",
            FIX,
            repairable,
        )


def recorded_setting(name: str, key: str, case: Case) -> str:
    """Return a setting as it is in `pyvenv.cfg`, without inference; empty if it is missing."""
    settings = parse_settings(case.overlay.text(name))
    return settings.get(key) or (settings.get("version_info", "") if key == "version" else "")


def check_base(case: Case) -> Iterator[Finding]:
    """Report a base interpreter that no longer exists or has changed, and settings that contradict it."""
    settings, interpreter = case.info.settings, case.environment.interpreter
    replacement, home = case.replacement, settings.get("home", "")
    if case.info.is_portable and interpreter is None:
        return  # reported by `check_start`
    if interpreter is None:
        version = case.info.version_text or "an unknown version"
        if replacement is not None:
            remedy, repairable = f"{FIX} switches to {replacement.name} at `{replacement.executable}`", "yes"
        else:
            install = f"install Python {case.info.version_text}".rstrip()
            remedy, repairable = f"{install} again, or switch to another Python with `cloche upgrade -p`", "no"
        if (found := case.info.base) is not None:
            message = f"its base in `{home}` is now {found.name}, but it was created for {version}"
            yield Finding("base-replaced", home, message, remedy, repairable)
        elif case.info.unusable_base is not None:
            executable, reason = case.info.unusable_base
            if replacement is None:
                remedy = "switch to another Python with `cloche upgrade -p`, or use the tool that created it"
            yield Finding("base-unusable", home or executable, f"its base `{executable}` {reason}", remedy, repairable)
        else:
            message = f"its base, Python {version}{f' in `{home}`' if home else ''}, no longer exists"
            yield Finding("base-gone", home or case.environment.layout.executable, message, remedy, repairable)
        return
    outdated = []
    for key in ("version_info", "version", "python-version"):
        if not (recorded := settings.get(key)):
            continue
        actual = version_like(recorded, interpreter) if key != "python-version" else interpreter.python_version
        if recorded != actual:
            outdated.append(f"`{key}` is {recorded}")
    if outdated and recorded_version(settings) != interpreter.python_version:
        message = f"all its files belong to {interpreter.name}, but {', '.join(outdated)}"
        yield Finding("config-disagrees", case.environment.layout.config, message, FIX, "yes")
    elif outdated:
        message = f"its base is now {interpreter.name}, but {', '.join(outdated)}"
        yield Finding("base-upgraded", case.environment.layout.config, message, FIX, "yes")
    if home and not has_interpreter(home, interpreter):
        message = f"`home` is `{home}`, which has no {interpreter.name}; it runs `{interpreter.executable}`"
        yield Finding("config-disagrees", case.environment.layout.config, message, FIX, "yes")
    for key in ("executable", "base-executable", "base-prefix", "base-exec-prefix"):
        if settings.get(key) and not os.path.exists(settings[key]):
            message = f"`{key}` is `{settings[key]}`, which does not exist, although `home` does"
            yield Finding("config-disagrees", case.environment.layout.config, message, FIX, "yes")


def has_interpreter(home: str, interpreter: Interpreter) -> bool:
    """Return whether a directory contains an interpreter, or another executable of its name or version."""
    directory, name = os.path.split(interpreter.executable)
    kind = "pypy" if interpreter.implementation == "pypy" else "python"
    names = (name, f"{kind}{interpreter.python_version}")
    return is_same_file(directory, home) or any(os.path.isfile(os.path.join(home, candidate)) for candidate in names)


def check_start(case: Case) -> Iterator[Finding]:
    """Report a Python that is missing, does not start, or does not match the environment."""
    layout, examination, interpreter = case.environment.layout, case.examination, case.environment.interpreter
    executable = case.environment.path_to(layout.executable)
    if not os.path.isdir(case.environment.path_to(layout.purelib)):
        remedy = "`cloche upgrade` rebuilds the environment, with the packages in its other directories"
        yield Finding("half-made", layout.purelib, "the directory for packages is missing", remedy)
    if not os.path.lexists(executable):
        yield Finding(
            "half-made",
            layout.executable,
            "the Python of the environment is missing",
            FIX,
            "yes" if case.replacement else "no",
        )
    elif examination.obstacle:
        message = "it is a pipe or a device, and every Python that starts here blocks on reading it"
        yield Finding("start-held-up", examination.obstacle, message, "remove it")
    elif examination.failure and forbids_execution(os.path.realpath(executable)):
        pass  # reported by `check_mount`
    elif examination.failure and case.info.is_portable:
        message = f"its Python does not start: {examination.failure}"
        remedy = "unpack or copy the environment again, or create it again with `cloche --creator portable --clear`"
        yield Finding("python-dead", layout.executable, message, remedy)
    elif examination.failure and interpreter is not None:
        message = f"its Python does not start: {examination.failure}"
        yield Finding("python-dead", layout.executable, message, f"{FIX} switches to `{interpreter.executable}`", "yes")
    elif (
        not examination.failure
        and not is_same_file(examination.prefix, case.root)
        and (case.info.is_portable or recorded_setting(layout.config, "home", case))
    ):
        message = f"its Python reports `{examination.prefix}` as its prefix"
        yield Finding("prefix-wrong", layout.executable, message, "check `pyvenv.cfg`, and the files beside it")
    elif not examination.failure and interpreter and examination.version[:2] != interpreter.version[:2]:
        actual = ".".join(str(part) for part in examination.version)
        message = f"its Python is {actual}, but `pyvenv.cfg` says {interpreter.version_text}"
        remedy = f"choose one with `cloche upgrade -p {interpreter.python_version}` or `-p {actual}`"
        yield Finding("half-upgraded", layout.executable, message, remedy)


def check_runtime(case: Case) -> Iterator[Finding]:
    """Report files of the interpreter in a portable environment that are missing or were modified."""
    recorded = parse_manifest(case.overlay.text(RUNTIME_MANIFEST))
    contents = {path: case.overlay.content(path) for path in recorded}
    missing = [path for path, content in contents.items() if content is None]
    altered = [
        path for path, content in contents.items() if content is not None and was_edited(content, recorded[path])
    ]
    remedy = "copy or unpack the environment again, or refresh it with `cloche --creator portable` and its Python"
    for code, paths, problem in (
        ("record-missing", missing, "is missing"),
        ("record-altered", altered, "was modified after it was installed"),
    ):
        if paths:
            more = f", and {len(paths) - 1} more" if len(paths) > 1 else ""
            yield Finding(code, paths[0], f"this file of its Python {problem}{more}", remedy)


def check_libraries(case: Case) -> Iterator[Finding]:
    """Report the libraries of the system that a portable environment needs and does not find."""
    if not case.info.is_portable or case.host.platform != "linux":
        return
    from cloche.lifecycle.needs import find_missing, find_needs

    executable = case.environment.layout.executable
    for missing in find_missing(case.root, find_needs(case.root, executable), case.host.environ):
        remedy = "install it on this system, or use an environment that was created with `--carry-libraries`"
        if missing.library == "glibc" or not missing.path:
            remedy = "create the environment on a system that is as old as the oldest one that it will be used on"
        yield Finding("library-missing", missing.path or executable, f"`{missing.library}` {missing.reason}", remedy)


def check_mount(case: Case) -> Iterator[Finding]:
    """Report a file system that is mounted with `noexec`: no file in the environment can be executed."""
    layout = case.environment.layout
    if not forbids_execution(case.environment.path_to(layout.bin)):
        return
    starts = not case.examination.failure
    effect = "its scripts can be run only as `python SCRIPT`" if starts else "its Python cannot start"
    message = f"its file system is mounted with `noexec`, so {effect}"
    remedy = "mount it with `exec`, or create the environment on another file system"
    yield Finding("mount-noexec", layout.bin, message, remedy)


def check_other_versions(case: Case) -> Iterator[Finding]:
    """Report executables and library directories of another version."""
    layout, interpreter = case.environment.layout, case.environment.interpreter
    if interpreter is None or case.environment.os_name == "nt":
        return
    for name in list_names(case.environment.path_to(layout.bin)):
        match = PYTHON_NAME.fullmatch(name)
        if match and match["version"] and "." in match["version"] and match["version"] != interpreter.python_version:
            message = f"its name is that of another version, but it starts {interpreter.name}"
            yield Finding("name-of-other-version", f"{layout.bin}/{name}", message, f"{FIX} removes it", "yes")
    own = layout.purelib.split("/")[1] if layout.purelib.count("/") >= 2 else ""
    for name in list_names(case.environment.path_to("lib")):
        site = f"lib/{name}/site-packages"
        if name == own or not LIBRARY_NAME.fullmatch(name):
            continue
        if os.path.isdir(case.environment.path_to(site)) and own:
            count = sum(entry.endswith(".dist-info") for entry in list_names(case.environment.path_to(site)))
            message = f"it is for another version, and has {counted(count, 'package')} that this Python does not find"
            remedy = "`cloche upgrade` transfers them; if they are not needed, remove the directory"
            yield Finding("lib-of-other-version", f"lib/{name}", message, remedy)
