"""The base interpreter of an environment, and the path by which to refer to it.

Both are found from links and `pyvenv.cfg`, without starting a process.

An environment refers to its base by a directory (`home` in `pyvenv.cfg`) and a file name. Both should stay valid when
the base is upgraded, and the interpreter must find its standard library from them: CPython looks for
`lib/pythonX.Y/os.py` in the parents of `home` (Modules/getpath.py, `STDLIB_LANDMARK`).
"""

from __future__ import annotations

import os

from cloche.fs import is_same_file, read_at_most
from cloche.fs.inputs import UNRECORDED
from cloche.model import PYVENV_CFG
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning import pyvenv_cfg

if TYPE_CHECKING:
    from cloche.fs.inputs import Inputs
    from cloche.model.interpreter import Interpreter

MAX_DEPTH = 8
"""How many environments based on environments, or links to links, to follow before assuming a loop."""

MAX_BYTES = 1 << 16
"""The maximum size of a `pyvenv.cfg`."""


def environment_settings(executable: str, inputs: Inputs) -> dict[str, str] | None:
    """Return the settings of the environment that an executable belongs to, None if there is no environment.

    The rule is that of CPython's Modules/getpath.py: a `pyvenv.cfg` with the key `home`, beside the executable or one
    directory above, without following links of the executable.

    :raises LookupError: the file cannot be read; the message is phrased to follow the path of the executable.
    """
    directory = os.path.dirname(executable)
    for candidate in (directory, os.path.dirname(directory)):
        path = os.path.join(candidate, PYVENV_CFG)
        inputs.path(path)
        content = read_at_most(path, MAX_BYTES)
        if content is None and os.path.isfile(path):
            raise LookupError(f"belongs to an environment whose `{path}` cannot be read")
        if content is not None:
            settings = pyvenv_cfg.parse_settings(content.decode("utf-8", "surrogateescape"))
            return settings if settings.get("home") else None
    return None


def find_base_problem(interpreter: Interpreter) -> str:
    """Return why no environment can refer to an interpreter, phrased to follow its path; empty if one can."""
    executable = interpreter.executable
    for path in (os.path.dirname(executable), executable, interpreter.prefix, interpreter.exec_prefix):
        if problem := pyvenv_cfg.find_value_problem(path):
            return f"cannot be named in pyvenv.cfg, because its path {problem}"
    return ""


def find_path_problem(started: Interpreter, found: Interpreter | None, path: str) -> str:
    """Return why an interpreter that a wrapper started gives a wrong path for itself; empty if its path is right.

    Python derives its path from the name under which it is started, which is any text after `exec -a`.

    :param found: what was found at `path`, its own path, or at the path of the base if `path` is in an environment.
    """
    if not os.path.exists(started.executable):
        return f"says that its path is `{started.executable}`, which does not exist"
    if found is None:
        return ""
    is_base = path != started.executable  # whose patch release may be newer
    mine, other = ((one.implementation, one.version[: 2 if is_base else 5], one.build) for one in (started, found))
    return f"says that its path is `{started.executable}`, which is {found.name}" if mine != other else ""


def resolve_base(executable: str, inputs: Inputs = UNRECORDED) -> str:
    """Return the base executable of an environment's executable; any other executable is returned unchanged.

    :raises LookupError: the base does not exist or cannot be determined; the message is phrased to follow the path.
    """
    for _ in range(MAX_DEPTH):
        inputs.path(executable)
        settings = environment_settings(executable, inputs)
        if settings is None:
            return executable
        base = _direct_base(executable, settings, inputs)
        if base is None:
            raise LookupError(f"belongs to an environment whose base in `{settings['home']}` no longer exists")
        executable = base
    raise LookupError("belongs to an environment whose base interpreters refer to each other")


def _direct_base(executable: str, settings: dict[str, str], inputs: Inputs) -> str | None:
    """Return the executable that the settings refer to: in `home`, else by its recorded path; None if neither exists."""
    in_home = [os.path.join(settings["home"], name) for name in _names_in_home(executable, settings)]
    recorded = [settings.get(key, "") for key in ("base-executable", "executable")]
    for path in (*in_home, *recorded):
        inputs.path(path)
        if os.path.isabs(path) and os.path.isfile(path) and not _is_same_path(path, executable):
            return path
    return None


def _names_in_home(executable: str, settings: dict[str, str]) -> list[str]:
    """Return the names that an environment's executable may have in `home`: the exact name first, `python` last.

    The name `python` of a copied executable is not reliable, because `python` in `home` may be another version by now.
    A recorded name with a version in it distinguishes builds (`python3.13t`, `python3.13d`); if one does, names without
    the build are left out.
    """
    own = os.path.basename(executable)
    suffix = ".exe" if own.lower().endswith(".exe") else ""
    version = settings.get("version_info") or settings.get("version") or settings.get("python-version", "")
    minor = ".".join(version.split(".")[:2])
    kind = "pypy" if settings.get("implementation", own).lower().startswith("pypy") else "python"
    linked = [os.path.basename(os.path.realpath(executable))] if os.path.islink(executable) else []
    recorded = [settings.get(key, "") for key in ("base-executable", "executable")]
    versioned = [
        path for path in recorded if minor and os.path.basename(path).startswith((f"python{minor}", f"pypy{minor}"))
    ]
    named = [os.path.basename(path) for path in versioned if _is_same_path(os.path.dirname(path), settings["home"])]
    names = [*linked, *(os.path.basename(path) for path in recorded), own]
    build = next(filter(None, map(build_in_name, names)), "")
    exact = [f"{kind}{minor}{build}{suffix}"] if minor else []
    if build:  # the other names may be of another build
        return [*linked, *named, *exact, *([own] if build_in_name(own) else [])]
    return [*linked, *named, *exact, own, f"{kind}3{suffix}", f"{kind}{suffix}", f"python3{suffix}", f"python{suffix}"]


def build_in_name(name: str) -> str:
    """Return the build in the file name of an executable (`t`, `d` or `td`, as `Interpreter.build`), empty if none is."""
    stem = name.removesuffix(".exe").removesuffix("w")
    if stem.endswith("-dbg"):  # on Debian
        return "d"
    before = stem.rstrip("td")
    return stem[len(before) :] if before[-1:].isdigit() and stem[len(before) :] in ("t", "d", "td") else ""


def with_stable_executable(interpreter: Interpreter) -> Interpreter:
    """Return the interpreter with the executable path that environments should refer to; see `stable_executable`."""
    if interpreter.os_name == "nt":
        return interpreter
    stdlib = os.path.relpath(interpreter.stdlib, interpreter.prefix)
    kind = "pypy" if interpreter.implementation == "pypy" else "python"
    name = f"{kind}{interpreter.python_version}"
    names = dict.fromkeys((f"{name}{interpreter.build}", name))
    return replace(
        interpreter, executable=stable_executable(interpreter.executable, interpreter.prefix, stdlib, *names)
    )


def stable_executable(executable: str, prefix: str, stdlib: str, *names: str) -> str:
    """Return a path of an executable that stays valid after an upgrade and from which `prefix` can be found.

    A link is followed only if `prefix` cannot be found from its own directory. Links among the parent directories are
    kept: they are how `opt/` of Homebrew and `cpython-3.12-...` of uv stay valid. `python3` may be another version
    after an upgrade, so the first of `names`, which include the version, that is the same file is preferred.

    :param stdlib: the standard library relative to `prefix`, by which `prefix` is recognized.
    """
    path = without_dots(executable)
    for _ in range(MAX_DEPTH):
        if _finds_prefix(path, prefix, stdlib) or not os.path.islink(path):
            break
        path = _through_upgrade_link(without_dots(os.path.join(os.path.dirname(path), os.readlink(path))))
    path = _through_upgrade_link(path)
    versioned = (os.path.join(os.path.dirname(path), name) for name in names)
    return next((other for other in versioned if other == path or is_same_file(other, path)), path)


def without_dots(path: str) -> str:
    """Return an absolute path without `.` and `..`, as CPython's `venv` records it, but always the path of the same file.

    After a linked directory, `..` leads elsewhere than in the text of the path. The directory is then resolved, as the system
    does it. A link at the path itself is kept.
    """
    plain = os.path.normpath(path)
    if plain == path or is_same_file(path, plain) or not os.path.exists(path):
        return plain
    if os.path.basename(path) in ("", ".", ".."):
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _finds_prefix(executable: str, prefix: str, stdlib: str) -> bool:
    """Return whether the first parent directory that has the standard library is the prefix.

    Where `/lib` is a link to `/usr/lib`, `/` appears to have the system's standard library as well.
    """
    directory = os.path.dirname(executable)
    while True:
        if os.path.exists(os.path.join(directory, stdlib, "os.py")):
            return is_same_file(directory, prefix)
        if directory == (directory := os.path.dirname(directory)):
            return False


def _through_upgrade_link(path: str) -> str:
    """Return the path through the link that Homebrew or uv updates on an upgrade; without one, the path itself."""
    before, found, after = path.partition("/Cellar/")  # Homebrew: Cellar/python@3.12/3.12.4/... = opt/python@3.12/...
    if found and after.count("/") > 1:
        formula, _, rest = after.split("/", 2)
        if is_same_file(other := f"{before}/opt/{formula}/{rest}", path):
            return other
    parts = path.rsplit("/", 3)  # uv: cpython-3.12.4-linux-x86_64-gnu/bin/python3.12 = cpython-3.12-linux-.../bin/...
    if len(parts) == 4 and parts[1].count("-") == 4:
        implementation, version, rest = parts[1].split("-", 2)
        number, variant, kind = version.partition("+")
        minor = f"{implementation}-{'.'.join(number.split('.')[:2])}{variant}{kind}-{rest}"
        if minor != parts[1] and is_same_file(other := "/".join([parts[0], minor, *parts[2:]]), path):
            return other
    return path


def _is_same_path(one: str, other: str) -> bool:
    return os.path.normcase(os.path.abspath(one)) == os.path.normcase(os.path.abspath(other))
