"""Read an environment from disk, whoever made it (PEP 405); nothing is changed."""

from __future__ import annotations

import os

from cloche.destination import read_settings
from cloche.discovery import describe
from cloche.errors import DestinationError
from cloche.layout import layout_of
from cloche.model import Environment, Layout
from cloche.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.discovery.cache import ProbeCache
    from cloche.model import Host, Interpreter


def read(path: str, host: Host, cache: ProbeCache) -> Environment:
    """Return the environment at a path; its `interpreter` is None where the base is gone.

    :raises DestinationError: there is no environment.
    """
    location = os.path.normpath(os.path.join(host.cwd, path))
    settings = read_settings(location)
    if not settings.get("home"):
        raise DestinationError(
            f"`{location}` is not an environment: it has no `pyvenv.cfg` with a `home`",
            hint="`cloche` with its name makes one",
        )
    interpreter = base_of(settings, host, cache)
    layout = layout_of(interpreter) if interpreter else layout_on_disk(location)
    return Environment(
        location=location,
        layout=layout,
        os_name=interpreter.os_name if interpreter else host.os_name,
        prompt=settings.get("prompt") or os.path.basename(location),
        interpreter=interpreter,
    )


def base_of(settings: Mapping[str, str], host: Host, cache: ProbeCache) -> Interpreter | None:
    """Return the base interpreter that a `pyvenv.cfg` names, if it is alive and still of the recorded version."""
    recorded = (settings.get("version_info") or settings.get("version") or "").split(".")
    for executable in base_executables(settings, host):
        if os.path.isfile(executable):
            found = describe(executable, host, cache).interpreter
            if found and recorded[:2] in ([""], found.python_version.split(".")):
                return found
    return None


def standing_base(settings: Mapping[str, str], host: Host, cache: ProbeCache) -> Interpreter | None:
    """Return the interpreter that stands where the base was, whatever it has become; None if none does."""
    for executable in base_executables(settings, host):
        if os.path.isfile(executable) and (found := describe(executable, host, cache).interpreter):
            return found
    return None


def maker_of(settings: Mapping[str, str]) -> str:
    """Return what made an environment, for people: `cloche 0.1.0`, `uv 0.9.2`, `venv`."""
    for name in ("cloche", "virtualenv", "uv"):
        if settings.get(name):
            return f"{name} {settings[name]}"
    return "venv" if "-m venv" in settings.get("command", "-m venv") else "an unknown program"


def base_executables(settings: Mapping[str, str], host: Host) -> list[str]:
    """Return where the base interpreter may stand, the likeliest first (see CPython's `Modules/getpath.py`)."""
    version = (settings.get("version_info") or settings.get("version") or "3").split(".")
    suffix = ".exe" if host.os_name == "nt" else ""
    names = [f"python{'.'.join(version[:2])}{suffix}", f"python3{suffix}", f"python{suffix}", f"pypy3{suffix}"]
    recorded = [settings[key] for key in ("base-executable", "executable") if settings.get(key)]
    return [*recorded[:1], *(os.path.join(settings["home"], name) for name in names), *recorded[1:]]


def layout_on_disk(location: str) -> Layout:
    """Return the layout of an environment whose base is gone, as its directories tell it."""
    windows = os.path.isdir(os.path.join(location, "Scripts"))
    scripts, suffix = ("Scripts", ".exe") if windows else ("bin", "")
    site = "Lib/site-packages"
    if not windows:
        candidates = [
            f"lib/{name}/site-packages"
            for name in sorted(listed(os.path.join(location, "lib")))
            if os.path.isdir(os.path.join(location, "lib", name, "site-packages"))
        ]
        site = candidates[-1] if candidates else "lib/site-packages"
    names = tuple(
        sorted(name for name in listed(os.path.join(location, scripts)) if name.startswith(("python", "pypy")))
    )
    return Layout(
        bin=scripts,
        executable=f"{scripts}/python{suffix}",
        names=names,
        purelib=site,
        platlib=site,
        include="Include" if windows else "include",
    )


def listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
