"""Whether an environment has a Python, of one version in all its parts, and the base that it names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.lifecycle.case import FIX, Finding
from cloche.lifecycle.examination import same
from cloche.lifecycle.reader import LIBRARY, listed, version_of
from cloche.lifecycle.rebase import NAME, version_like
from cloche.planning.pyvenv_cfg import parse_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.case import Case
    from cloche.model.interpreter import Interpreter


def config(case: Case) -> Iterator[Finding]:
    """A `pyvenv.cfg` that is not there or was cut short: CPython then takes the directory for no environment."""
    name = case.environment.layout.config
    missing = [key for key in ("home", "version") if not said(name, key, case)]
    if missing:
        what = "is not there" if not os.path.isfile(case.environment.path_to(name)) else f"has no `{missing[0]}`"
        repairable = "yes" if case.environment.interpreter or case.replacement else "no"
        yield Finding(
            "half-made", name, f"`{name}` {what}: its making was broken off, or it was damaged", FIX, repairable
        )


def said(name: str, key: str, case: Case) -> str:
    settings = parse_settings(case.overlay.text(name))
    return settings.get(key) or (settings.get("version_info", "") if key == "version" else "")


def base(case: Case) -> Iterator[Finding]:
    settings, interpreter = case.info.settings, case.environment.interpreter
    other, home = case.replacement, settings.get("home", "")
    if interpreter is None:
        version = case.info.version_text or "an unknown version"
        if other is not None:
            remedy, repairable = f"{FIX} has it use {other.name} at `{other.executable}`", "yes"
        else:
            again = f"install Python {case.info.version_text}".rstrip()
            remedy, repairable = f"{again} again, or `cloche upgrade -p` to one that is there", "no"
        if (standing := case.info.base) is not None:
            message = f"its base in `{home}` is {standing.name} now, and it was made for {version}"
            yield Finding("base-replaced", home, message, remedy, repairable)
        else:
            message = f"its base, Python {version}{f' in `{home}`' if home else ''}, is gone"
            yield Finding("base-gone", home or case.environment.layout.executable, message, remedy, repairable)
        return
    disagreeing = []
    for key in ("version_info", "version", "python-version"):
        if not (recorded := settings.get(key)):
            continue
        actual = version_like(recorded, interpreter) if key != "python-version" else interpreter.python_version
        if recorded != actual:
            disagreeing.append(f"`{key}` is {recorded}")
    if disagreeing and version_of(settings) != interpreter.python_version:
        message = f"it is of {interpreter.name} in all its parts, and {', '.join(disagreeing)}"
        yield Finding("config-disagrees", case.environment.layout.config, message, FIX, "yes")
    elif disagreeing:
        message = f"its base is {interpreter.name} by now, and {', '.join(disagreeing)}"
        yield Finding("base-upgraded", case.environment.layout.config, message, FIX, "yes")
    if home and not has(home, interpreter):
        message = f"`home` is `{home}`, where no {interpreter.name} is; it runs the one at `{interpreter.executable}`"
        yield Finding("config-disagrees", case.environment.layout.config, message, FIX, "yes")
    for key in ("executable", "base-executable", "base-prefix", "base-exec-prefix"):
        if settings.get(key) and not os.path.exists(settings[key]):
            message = f"`{key}` is `{settings[key]}`, which does not exist, while `home` is alive"
            yield Finding("config-disagrees", case.environment.layout.config, message, FIX, "yes")


def has(home: str, interpreter: Interpreter) -> bool:
    """Return whether an interpreter stands in a directory, or one that is called as it is."""
    directory, name = os.path.split(interpreter.executable)
    kind = "pypy" if interpreter.implementation == "pypy" else "python"
    names = (name, f"{kind}{interpreter.python_version}")
    return same(directory, home) or any(os.path.isfile(os.path.join(home, one)) for one in names)


def start(case: Case) -> Iterator[Finding]:
    layout, examined, interpreter = case.environment.layout, case.examined, case.environment.interpreter
    executable = case.environment.path_to(layout.executable)
    if not os.path.isdir(case.environment.path_to(layout.purelib)):
        remedy = "`cloche upgrade` makes it whole, and takes along what is installed elsewhere in it"
        yield Finding("half-made", layout.purelib, "there is no directory for packages", remedy)
    if not os.path.lexists(executable):
        yield Finding(
            "half-made", layout.executable, "there is no Python in it", FIX, "yes" if case.replacement else "no"
        )
    elif examined.obstacle:
        message = "it is a pipe or a device, and every Python that starts here waits for what comes out of it"
        yield Finding("start-held-up", examined.obstacle, message, "remove it")
    elif examined.failure and interpreter is not None:
        message = f"its Python does not start: {examined.failure}"
        yield Finding("python-dead", layout.executable, message, f"{FIX} has it use {interpreter.executable}", "yes")
    elif not examined.failure and not same(examined.prefix, case.root) and said(layout.config, "home", case):
        message = f"its Python takes `{examined.prefix}` for its place"
        yield Finding("prefix-wrong", layout.executable, message, "see what else is in `pyvenv.cfg` and beside it")
    elif not examined.failure and interpreter and examined.version[:2] != interpreter.version[:2]:
        runs = ".".join(str(part) for part in examined.version)
        message = f"its Python is {runs}, and `pyvenv.cfg` says {interpreter.version_text}"
        remedy = f"`cloche upgrade -p {interpreter.python_version}` or `-p {runs}` makes it one of them"
        yield Finding("half-upgraded", layout.executable, message, remedy)


def other_versions(case: Case) -> Iterator[Finding]:
    """Names and directories that another version left behind."""
    layout, interpreter = case.environment.layout, case.environment.interpreter
    if interpreter is None or case.environment.os_name == "nt":
        return
    for name in listed(case.environment.path_to(layout.bin)):
        match = NAME.fullmatch(name)
        if match and match["version"] and "." in match["version"] and match["version"] != interpreter.python_version:
            message = f"it is named for another version, and starts {interpreter.name}"
            yield Finding("name-of-other-version", f"{layout.bin}/{name}", message, f"{FIX} removes it", "yes")
    own = layout.purelib.split("/")[1] if layout.purelib.count("/") >= 2 else ""
    for name in listed(case.environment.path_to("lib")):
        site = f"lib/{name}/site-packages"
        if name == own or not LIBRARY.fullmatch(name):
            continue
        if os.path.isdir(case.environment.path_to(site)) and own:
            count = sum(entry.endswith(".dist-info") for entry in listed(case.environment.path_to(site)))
            message = f"a directory of another version, with {count} packages that this Python does not see"
            remedy = "`cloche upgrade` takes them along; remove it if they are not needed"
            yield Finding("lib-of-other-version", f"lib/{name}", message, remedy)
