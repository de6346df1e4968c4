"""Which path of an interpreter an environment should be made from; it reads links and `pyvenv.cfg`, and starts nothing.

An environment points at its base by a directory (`home` in `pyvenv.cfg`) and a name. Both should be those that outlive
an upgrade, and those from which the interpreter finds its standard library: CPython looks for `lib/pythonX.Y/os.py` in
the parents of `home` (Modules/getpath.py, `STDLIB_LANDMARK`).
"""

from __future__ import annotations

import os

from cloche.fs.files import read_regular
from cloche.fs.inputs import UNRECORDED
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning import pyvenv_cfg

if TYPE_CHECKING:
    from cloche.fs.inputs import Inputs
    from cloche.model.interpreter import Interpreter

DEEPEST = 8
"""Environments made from environments made from ..., and links to links; beyond this it is a loop."""

LARGEST = 1 << 16
"""Bytes of a `pyvenv.cfg` that are read."""


def environment(executable: str, inputs: Inputs = UNRECORDED) -> dict[str, str] | None:
    """Return the settings of the environment that an executable belongs to, None if it belongs to none.

    The rule is getpath's: a `pyvenv.cfg` that has `home`, beside the executable or one directory above, where the
    executable itself is not resolved.

    :raises LookupError: it cannot be read, so that nobody can tell; the text is to be read after the path.
    """
    directory = os.path.dirname(executable)
    for place in (directory, os.path.dirname(directory)):
        path = os.path.join(place, pyvenv_cfg.NAME)
        inputs.path(path)
        content = read_regular(path, LARGEST)
        if content is None and os.path.isfile(path):
            raise LookupError(f"belongs to an environment whose `{path}` cannot be read")
        if content is not None:
            settings = pyvenv_cfg.parse(content.decode("utf-8", "surrogateescape"))
            return settings if settings.get("home") else None
    return None


def base(executable: str, inputs: Inputs = UNRECORDED) -> str:
    """Return the executable that stands behind an environment's, itself if it belongs to no environment.

    :raises LookupError: the environment's base is gone, or cannot be told; the text is to be read after the path.
    """
    for _ in range(DEEPEST):
        inputs.path(executable)
        settings = environment(executable, inputs)
        if settings is None:
            return executable
        below = _behind(executable, settings, inputs)
        if below is None:
            raise LookupError(f"belongs to an environment whose base, in {settings['home']}, is gone")
        executable = below
    raise LookupError("belongs to an environment whose base is an environment, and so on without an end")


def _behind(executable: str, settings: dict[str, str], inputs: Inputs) -> str | None:
    home = settings["home"]
    for name in _names(executable, settings):
        path = os.path.join(home, name)
        inputs.path(path)
        if os.path.isabs(home) and os.path.isfile(path) and not _is_same(path, executable, whole=True):
            return path
    for key in ("base-executable", "executable"):
        path = settings.get(key, "")
        inputs.path(path)
        if os.path.isabs(path) and os.path.isfile(path) and not _is_same(path, executable, whole=True):
            return path
    return None


def _names(executable: str, settings: dict[str, str]) -> list[str]:
    """What an environment's executable may be called in `home`: the exact name first, `python` last.

    A copied `python` says nothing, and in the meantime that name in `home` may have come to mean another version; what
    is recorded with a version in its name tells builds apart (`python3.13t`, `python3.13d`).
    """
    own = os.path.basename(executable)
    suffix = ".exe" if own.lower().endswith(".exe") else ""
    version = settings.get("version_info") or settings.get("version") or settings.get("python-version", "")
    minor = ".".join(version.split(".")[:2])
    kind = "pypy" if "pypy" in settings.get("implementation", own).lower() else "python"
    linked = [os.path.basename(os.path.realpath(executable))] if os.path.islink(executable) else []
    recorded = [settings.get(key, "") for key in ("base-executable", "executable")]
    beside = [path for path in recorded if minor and minor in os.path.basename(path)]
    named = [os.path.basename(path) for path in beside if _is_same(os.path.dirname(path), settings["home"], whole=True)]
    exact = [f"{kind}{minor}{suffix}"] if minor and not own.removesuffix(suffix).endswith("t") else []
    return [*linked, *named, *exact, own, f"{kind}3{suffix}", f"{kind}{suffix}", f"python3{suffix}", f"python{suffix}"]


def settled(interpreter: Interpreter) -> Interpreter:
    """Return the interpreter with the executable that environments should name; see `stable`."""
    if interpreter.os_name == "nt":
        return interpreter
    stdlib = os.path.relpath(interpreter.stdlib, interpreter.prefix)
    suffix = "t" if interpreter.free_threaded else ""
    kind = "pypy" if interpreter.implementation == "pypy" else "python"
    name = f"{kind}{interpreter.python_version}{suffix}"
    return replace(interpreter, executable=stable(interpreter.executable, interpreter.prefix, stdlib, name))


def stable(executable: str, prefix: str, stdlib: str, name: str) -> str:
    """Return the path of an executable that outlives an upgrade and from which its prefix is found.

    A link is followed only as long as `prefix`, by `stdlib` in it, is not to be found from where it stands; links among
    the parent directories stay, since they are how `opt/` of Homebrew or uv's `cpython-3.12-...` stay valid. Beside
    `python3`, which may mean another version tomorrow, `name` is taken if it is the same file.
    """
    path = executable
    for _ in range(DEEPEST):
        if _reaches(path, prefix, stdlib) or not os.path.islink(path):
            break
        joined = os.path.join(os.path.dirname(path), os.readlink(path))
        plain = os.path.normpath(joined)
        if not _is_same(joined, plain):  # `..` behind a linked directory means another place
            path = joined
            break
        path = _alias(plain)
    path = _alias(path)
    versioned = os.path.join(os.path.dirname(path), name)
    return versioned if versioned != path and _is_same(versioned, path) else path


def _reaches(executable: str, prefix: str, stdlib: str) -> bool:
    """Whether the first parent directory with the standard library is the prefix.

    Where `/lib` is a link to `/usr/lib`, `/` has the system's own too, and every directory reaches that.
    """
    place = os.path.dirname(executable)
    while True:
        if os.path.exists(os.path.join(place, stdlib, "os.py")):
            return _is_same(place, prefix)
        if place == (place := os.path.dirname(place)):
            return False


def _alias(path: str) -> str:
    """Return the path through the link that a package manager keeps for upgrades, if there is one."""
    before, found, after = path.partition("/Cellar/")  # Homebrew: Cellar/python@3.12/3.12.4/... = opt/python@3.12/...
    if found and after.count("/") > 1:
        formula, _, rest = after.split("/", 2)
        if _is_same(other := f"{before}/opt/{formula}/{rest}", path):
            return other
    parts = path.rsplit("/", 3)  # uv: cpython-3.12.4-linux-x86_64-gnu/bin/python3.12 = cpython-3.12-linux-.../bin/...
    if len(parts) == 4 and parts[1].count("-") == 4:
        implementation, version, rest = parts[1].split("-", 2)
        number, variant, kind = version.partition("+")
        minor = f"{implementation}-{'.'.join(number.split('.')[:2])}{variant}{kind}-{rest}"
        if minor != parts[1] and _is_same(other := "/".join([parts[0], minor, *parts[2:]]), path):
            return other
    return path


def _is_same(one: str, other: str, *, whole: bool = False) -> bool:
    """Whether two paths lead to one file; with `whole` they have to be one path too."""
    if whole:
        return os.path.normcase(os.path.abspath(one)) == os.path.normcase(os.path.abspath(other))
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
