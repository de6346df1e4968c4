"""Read an environment from disk, whoever made it (PEP 405); nothing is changed."""

from __future__ import annotations

import os
import re

from cloche.discovery.describe import describe_interpreter
from cloche.errors import DestinationError
from cloche.model.environment import Environment, Layout
from cloche.model.value import TYPE_CHECKING
from cloche.planning.destination import absolute, is_relocatable, read_settings
from cloche.planning.layout import layout_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.discovery.cache import ProbeCache
    from cloche.model.interpreter import Host, Interpreter


def read(path: str, host: Host, cache: ProbeCache) -> Environment:
    """Return the environment at a path; its `interpreter` is None where the base is gone.

    :raises UsageError: the path is blank.
    :raises DestinationError: there is no environment.
    """
    location = absolute(path, host)
    settings = known_settings(location)
    if not settings:
        raise no_environment(location)
    interpreter = base_of(location, settings, host, cache)
    layout = layout_of(interpreter) if interpreter else layout_on_disk(location)
    return Environment(
        location=location,
        layout=layout,
        os_name=interpreter.os_name if interpreter else host.os_name,
        prompt=settings.get("prompt") or os.path.basename(location),
        interpreter=interpreter,
        placement="relocatable" if is_relocatable(settings) else "fixed",
        naming="chosen" if settings.get("prompt") else "directory",
    )


def no_environment(location: str) -> DestinationError:
    """Return the error for a place where there is none, by what is there instead."""
    if not os.path.lexists(location):
        return DestinationError(f"there is nothing at `{location}`", hint="`cloche` with its name makes an environment")
    if not os.path.isdir(location):
        return DestinationError(
            f"`{location}` is not an environment: it is a file", hint="name the directory that has the `pyvenv.cfg`"
        )
    if os.path.isdir(os.path.join(location, "conda-meta")):
        return DestinationError(f"`{location}` is an environment of conda", hint="`conda` itself mends and moves those")
    return DestinationError(
        f"`{location}` is not an environment: it has no `pyvenv.cfg` with a `home`",
        hint="`cloche` with its name makes one",
    )


def known_settings(location: str) -> dict[str, str]:
    """Return what the `pyvenv.cfg` at a place says; where it is cut short, what the rest of an environment there tells.

    Empty if there is no environment. A base interpreter has the same directories, and its library in them.
    """
    settings = read_settings(location)
    if settings.get("home") and version_of(settings):
        return settings
    layout = layout_on_disk(location)
    library = os.path.dirname(os.path.join(location, layout.purelib))
    if (
        not layout.names
        or not os.path.isdir(os.path.join(location, layout.purelib))
        or os.path.isfile(os.path.join(library, "os.py"))
        or os.path.isdir(os.path.join(location, "conda-meta"))
    ):
        return settings if settings.get("home") else {}
    base = os.path.realpath(os.path.join(location, layout.executable))
    inferred = {} if base.startswith(os.path.realpath(location) + os.sep) else {"home": os.path.dirname(base)}
    if match := LIBRARY.fullmatch(os.path.basename(library)):
        inferred |= {"implementation": IMPLEMENTATIONS[match["kind"]], "version": match["version"]}
    return {**inferred, **{key: text for key, text in settings.items() if text}}


LIBRARY = re.compile(r"(?P<kind>python|pypy)(?P<version>\d[\d.]*)(?P<threads>t?)")
"""How the directory below `lib` is called that is a Python's own."""

IMPLEMENTATIONS = {"python": "CPython", "pypy": "PyPy"}


def base_of(location: str, settings: Mapping[str, str], host: Host, cache: ProbeCache) -> Interpreter | None:
    """Return the base interpreter that a `pyvenv.cfg` names, if it is alive and what the environment was made for."""
    recorded = version_of(settings)
    for executable in base_executables(settings, host):
        if os.path.isfile(executable):
            found = describe_interpreter(executable, host, cache).interpreter
            if found and (recorded in ("", found.python_version) or contradicts(location, recorded, found)):
                return found
    return None


def contradicts(location: str, recorded: str, found: Interpreter) -> bool:
    """Return whether the packages lie where an interpreter looks, and not where one of the recorded version would."""
    library = os.path.dirname(found.scheme["purelib"])
    other = library.replace(found.python_version, recorded)
    return os.path.isdir(os.path.join(location, library)) and not os.path.isdir(os.path.join(location, other))


def version_of(settings: Mapping[str, str]) -> str:
    """Return the version that a `pyvenv.cfg` names, as `3.12`; empty if it names none."""
    return ".".join((settings.get("version_info") or settings.get("version") or "").split(".")[:2])


def kind_of(environment: Environment, settings: Mapping[str, str]) -> tuple[str, str]:
    """Return the implementation that an environment was made for, and its build: `t`, `d`, both or nothing.

    `venv` records neither. Where the base is gone, the directory for packages tells; not of a debug build.
    """
    if environment.interpreter is not None:
        return environment.interpreter.implementation, build_of(environment.interpreter)
    recorded = settings.get("implementation", "").lower()
    library = LIBRARY.fullmatch(os.path.basename(os.path.dirname(environment.layout.purelib)))
    found = IMPLEMENTATIONS[library["kind"]].lower() if library else "cpython"
    named = {"graalvm": "graalpy"}.get(recorded, recorded)
    threads = library["threads"] if library else ""
    return (named if named in ("cpython", "pypy", "graalpy") else found), threads


def build_of(interpreter: Interpreter) -> str:
    return "t" * interpreter.free_threaded + "d" * interpreter.debug


def standing_base(settings: Mapping[str, str], host: Host, cache: ProbeCache) -> Interpreter | None:
    """Return the interpreter that stands where the base was, whatever it has become; None if none does."""
    for executable in base_executables(settings, host):
        if os.path.isfile(executable) and (found := describe_interpreter(executable, host, cache).interpreter):
            return found
    return None


def maker_of(settings: Mapping[str, str]) -> str:
    """Return what made an environment, for people: `cloche 0.1.0`, `uv 0.9.2`, `venv`."""
    for name in ("cloche", "virtualenv", "uv"):
        if settings.get(name):
            return f"{name} {settings[name]}"
    by_venv = "include-system-site-packages" in settings and "-m venv" in settings.get("command", "-m venv")
    return "venv" if by_venv else "an unknown program"


def base_executables(settings: Mapping[str, str], host: Host) -> list[str]:
    """Return where the base interpreter may stand, the likeliest first (see CPython's `Modules/getpath.py`)."""
    suffix = ".exe" if host.os_name == "nt" else ""
    names = [f"python{version_of(settings) or 3}{suffix}", f"python3{suffix}", f"python{suffix}", f"pypy3{suffix}"]
    recorded = [settings[key] for key in ("base-executable", "executable") if settings.get(key)]
    home = settings.get("home", "")
    return [*recorded[:1], *(os.path.join(home, name) for name in names if home), *recorded[1:]]


def layout_on_disk(location: str) -> Layout:
    """Return the layout of an environment whose base is gone, as its directories tell it."""
    windows = os.path.isdir(os.path.join(location, "Scripts"))
    scripts, suffix = ("Scripts", ".exe") if windows else ("bin", "")
    site = "Lib/site-packages"
    if not windows:
        candidates = [
            f"lib/{name}/site-packages"
            for name in listed(os.path.join(location, "lib"))
            if os.path.isdir(os.path.join(location, "lib", name, "site-packages"))
        ]
        site = candidates[-1] if candidates else "lib/site-packages"
    names = tuple(name for name in listed(os.path.join(location, scripts)) if name.startswith(("python", "pypy")))
    return Layout(
        bin=scripts,
        executable=f"{scripts}/python{suffix}",
        names=names,
        purelib=site,
        platlib=site,
        include="Include" if windows else "include",
    )


def listed(directory: str) -> list[str]:
    """Return the names in a directory, sorted; none if it cannot be read."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
