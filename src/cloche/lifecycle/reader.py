"""Read an environment of any tool from disk (PEP 405), without starting its Python."""

from __future__ import annotations

import os
import re

from cloche.discovery.base_interpreter import build_in_name
from cloche.discovery.describe import describe_interpreter
from cloche.errors import DestinationError, UsageError
from cloche.fs import is_unreadable, is_within, list_names, read_at_most
from cloche.lifecycle.recorded_command import venv_options
from cloche.model import PYVENV_CFG
from cloche.model.environment import Environment, Layout
from cloche.model.spec import parse_spec
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning.destination import absolute_path, inspect_destination, read_settings
from cloche.planning.existing import conda_environment_error, is_conda_environment
from cloche.planning.layout import layout_of
from cloche.planning.pyvenv_cfg import is_portable, is_relocatable
from cloche.session import current_host
from cloche.shells import quote_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.discovery.cache import ProbeCache
    from cloche.model.aliases import Version
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.spec import InterpreterSpec


def read_environment(path: str, host: Host, cache: ProbeCache) -> Environment:
    """Return the environment at a path; its `interpreter` is None if the base interpreter no longer exists.

    :raises UsageError: the path is blank.
    :raises DestinationError: there is no environment at the path.
    """
    location = absolute_path(path, host)
    refuse_hidden_settings(location)
    settings = effective_settings(location)
    if not settings:
        raise not_an_environment_error(location)
    interpreter = find_base(location, settings, host, cache)
    if interpreter is not None and is_portable(settings):  # its scripts must not contain the path of its Tcl
        interpreter = replace(interpreter, tcl_library="", tk_library="")
    layout = layout_of(interpreter) if interpreter else layout_on_disk(location)
    return Environment(
        location=location,
        layout=layout,
        os_name=interpreter.os_name if interpreter else host.os_name,
        prompt=settings.get("prompt", os.path.basename(location)),
        interpreter=interpreter,
        placement="relocatable" if is_relocatable(settings) else "fixed",
        naming="chosen" if "prompt" in settings else "directory",
    )


def refuse_hidden_settings(location: str) -> None:
    """Refuse an environment whose `pyvenv.cfg` may exist and cannot be read, so that nothing is inferred instead of it.

    :raises DestinationError: its permissions, or those of its directory, do not allow it.
    """
    path = os.path.join(location, PYVENV_CFG)
    errors: list[OSError] = []
    if not os.path.isdir(path):
        read_at_most(path, 1, errors.append)  # `os.access` would not take capabilities into account
    if any(isinstance(error, PermissionError) for error in errors) and not is_unreadable(location):
        raise DestinationError(
            f"`{path}` cannot be read: permission denied", hint="check its permissions, and those of its directories"
        )


def not_an_environment_error(location: str) -> DestinationError:
    """Return the error for a path without an environment, according to what exists there instead."""
    if is_unreadable(location):
        return DestinationError(
            f"`{location}` cannot be read: permission denied", hint="check the permissions of its directories"
        )
    if not os.path.lexists(location):
        try:
            inspect_destination(location, current_host())
        except DestinationError:  # no environment can be created there
            return DestinationError(f"`{location}` does not exist")
        return DestinationError(
            f"`{location}` does not exist",
            hint=f"`cloche {quote_word(location, os.name)}` creates an environment there",
        )
    if not os.path.isdir(location):
        root = os.path.dirname(os.path.dirname(location))  # of `.venv/bin/python`
        nearest = next((each for each in (root, os.path.dirname(location)) if effective_settings(each)), "")
        if not os.path.exists(location):
            kind = "a symbolic link to something that does not exist"
        else:
            kind = "a file" if os.path.isfile(location) else "not a directory"
        return DestinationError(
            f"`{location}` is not an environment: it is {kind}",
            hint=f"name the environment: `{nearest}`"
            if nearest
            else "name the directory that contains the `pyvenv.cfg`",
        )
    if is_conda_environment(location):
        return conda_environment_error(location, os.name)
    return DestinationError(
        f"`{location}` is not an environment: it has no `pyvenv.cfg` with a `home`",
        hint="name the directory that contains the `pyvenv.cfg`",
    )


def effective_settings(location: str) -> dict[str, str]:
    """Return the settings in the `pyvenv.cfg` of an environment; missing ones are inferred from its directories.

    Empty if there is no environment. A directory with the standard library is a base interpreter, unless its `pyvenv.cfg`
    makes it a portable environment.
    """
    settings = read_settings(location)
    if settings.get("home") and recorded_version(settings):
        return settings
    layout = layout_on_disk(location)
    library = os.path.dirname(os.path.join(location, layout.purelib))
    if is_portable(settings) and os.path.isfile(os.path.join(library, "os.py")):
        return settings
    if (
        not layout.names
        or not os.path.isdir(os.path.join(location, layout.purelib))
        or os.path.isfile(os.path.join(library, "os.py"))
        or is_conda_environment(location)
    ):
        return settings if settings.get("home") else {}
    base = os.path.realpath(os.path.join(location, layout.executable))
    inferred = {} if base.startswith(os.path.realpath(location) + os.sep) else {"home": os.path.dirname(base)}
    if match := LIBRARY_NAME.fullmatch(os.path.basename(library)):
        inferred |= {"implementation": IMPLEMENTATIONS[match["kind"]], "version": match["version"]}
    return {**inferred, **{key: text for key, text in settings.items() if text or key == "prompt"}}


LIBRARY_NAME = re.compile(r"(?P<kind>python|pypy)(?P<version>\d[\d.]*)(?P<threads>t?)")
"""The name of a Python's own directory in `lib`: `python3.12`, `python3.13t`, `pypy3.10`."""

IMPLEMENTATIONS = {"python": "CPython", "pypy": "PyPy"}
"""Implementations by the `kind` in `LIBRARY_NAME`."""


def library_version(site: str) -> tuple[int, ...]:
    """Return the version in the name of a library directory, for comparison: (3, 12) for `lib/python3.12/site-packages`."""
    match = LIBRARY_NAME.fullmatch(os.path.basename(os.path.dirname(site)))
    return tuple(int(part) for part in match["version"].split(".") if part) if match else ()


def find_base(location: str, settings: Mapping[str, str], host: Host, cache: ProbeCache) -> Interpreter | None:
    """Return the base interpreter that a `pyvenv.cfg` names; None if there is none of the right version."""
    recorded = recorded_version(settings)
    for executable in base_candidates(location, settings, host):
        if os.path.isfile(executable):
            found = describe_interpreter(executable, host, cache).interpreter
            if found and (recorded in ("", found.python_version) or packages_match(location, recorded, found)):
                return found
    return None


def packages_match(location: str, recorded: str, found: Interpreter) -> bool:
    """Return whether packages are installed where an interpreter searches, and not where the recorded version would.

    If they are, the recorded version is wrong.
    """
    library = os.path.dirname(found.scheme["purelib"])
    other = library.replace(found.python_version, recorded)
    return os.path.isdir(os.path.join(location, library)) and not os.path.isdir(os.path.join(location, other))


def recorded_version(settings: Mapping[str, str]) -> str:
    """Return the version that a `pyvenv.cfg` records, as `3.12`; empty if it records none."""
    return ".".join((settings.get("version_info") or settings.get("version") or "").split(".")[:2])


def was_created_for(location: str, spec: InterpreterSpec) -> bool:
    """Return whether an environment was created for a Python that satisfies a request, even if that no longer exists.

    A path matches the base interpreter, and every base below a directory. The machine is not compared.
    """
    settings = effective_settings(location)
    if spec.path:
        bases = [os.path.join(settings.get("home", ""), "python"), settings.get("base-executable", "")]
        bases.append(settings.get("executable", ""))
        path = os.path.abspath(os.path.expanduser(spec.path))
        return any(is_within(base, place) for base in bases for place in (path, os.path.realpath(path)))
    if (version := recorded_release(settings)) is None:
        return False
    implementation, build = recorded_implementation_and_build(layout_on_disk(location), settings)
    refusal = spec.refusal_of_build(implementation, version, free_threaded="t" in build, debug="d" in build)
    return refusal is None


def recorded_release(settings: Mapping[str, str]) -> Version | None:
    """Return the version that a `pyvenv.cfg` records, in the form of `sys.version_info`; None if it records none."""
    text = settings.get("version_info") or settings.get("version") or ""
    numbers, level, serial = text, "final", "0"
    if text.count(".") == 4:
        numbers, level, serial = text.rsplit(".", 2)
    try:
        spec = parse_spec(numbers)
    except UsageError:
        return None
    if len(spec.release) < 2 or not serial.isdecimal():
        return None
    major, minor, micro = (*spec.release, 0)[:3]
    return (major, minor, micro, *(spec.prerelease or (level, int(serial))))


def implementation_and_build(environment: Environment, settings: Mapping[str, str]) -> tuple[str, str]:
    """Return the implementation that an environment was created for, and its build as in `Interpreter.build`.

    `venv` records neither. If the base interpreter no longer exists, both follow from `implementation` and the names of
    executables in `pyvenv.cfg`, and from the name of the library directory.
    """
    if environment.interpreter is not None:
        return environment.interpreter.implementation, environment.interpreter.build
    return recorded_implementation_and_build(environment.layout, settings)


def recorded_implementation_and_build(layout: Layout, settings: Mapping[str, str]) -> tuple[str, str]:
    """Return what `implementation_and_build` returns, without the base interpreter."""
    recorded = settings.get("implementation", "").lower()
    library = LIBRARY_NAME.fullmatch(os.path.basename(os.path.dirname(layout.purelib)))
    inferred = IMPLEMENTATIONS[library["kind"]].lower() if library else "cpython"
    implementation = {"graalvm": "graalpy"}.get(recorded, recorded)
    build = recorded_build(settings) or (library["threads"] if library else "")
    return (implementation if implementation in ("cpython", "pypy", "graalpy") else inferred), build


def recorded_build(settings: Mapping[str, str]) -> str:
    """Return the build in the names of the executables that a `pyvenv.cfg` records, as in `Interpreter.build`."""
    names = (os.path.basename(settings.get(key, "")) for key in ("base-executable", "executable"))
    return next(filter(None, map(build_in_name, names)), "")


def current_base(location: str, settings: Mapping[str, str], host: Host, cache: ProbeCache) -> Interpreter | None:
    """Return the interpreter that exists at the path of the base, of any version; None if there is none."""
    for executable in base_candidates(location, settings, host):
        if os.path.isfile(executable) and (found := describe_interpreter(executable, host, cache).interpreter):
            return found
    return None


def unusable_base(location: str, settings: Mapping[str, str], host: Host, cache: ProbeCache) -> tuple[str, str] | None:
    """Return the path of the base interpreter, and why it cannot be used; None if it does not exist."""
    candidates = base_candidates(location, settings, host)
    for executable in candidates:
        if os.path.isfile(executable):
            return executable, describe_interpreter(executable, host, cache).reason
    hidden = next(filter(is_unreadable, candidates), "")
    return (hidden, "cannot be read: permission denied") if hidden else None


def created_by(settings: Mapping[str, str]) -> str:
    """Return the name of the tool that created an environment, for display: `cloche 0.1.0`, `uv 0.9.2`, `venv`."""
    for name in ("cloche", "virtualenv", "uv"):
        if settings.get(name):
            return f"{name} {settings[name]}"
    is_command_of_venv = "command" not in settings or venv_options(settings["command"]) is not None
    return "venv" if "include-system-site-packages" in settings and is_command_of_venv else "an unknown program"


def base_candidates(location: str, settings: Mapping[str, str], host: Host) -> list[str]:
    """Return the possible paths of the base interpreter, most likely first (see CPython's `Modules/getpath.py`).

    A portable environment is its own base.
    """
    suffix = ".exe" if host.os_name == "nt" else ""
    build = recorded_build(settings)
    names = [f"python{recorded_version(settings) or 3}{build}{suffix}", f"python3{build}{suffix}"]
    if not build:  # names without a build are those of a release
        names += [f"python{suffix}", f"pypy3{suffix}"]
    recorded = [settings[key] for key in ("base-executable", "executable") if settings.get(key)]
    home = os.path.join(location, "bin") if is_portable(settings) else settings.get("home", "")
    return [*recorded[:1], *(os.path.join(home, name) for name in names if home), *recorded[1:]]


def copied_links(environment: Environment) -> list[tuple[str, str]]:
    """Return the links between directories, as (path, target), that have become directories: `lib64` after `cp -rL`.

    Archives and the caches of CI services often store what a link leads to instead of the link.
    """
    return [
        (path, target)
        for path, target in environment.layout.links or [("lib64", "lib")]
        if os.path.isdir(environment.path_to(path))
        and not os.path.islink(environment.path_to(path))
        and os.path.isdir(environment.path_to(target))
        and not any(site.startswith(f"{path}/") for site in (environment.layout.purelib, environment.layout.platlib))
    ]


def layout_on_disk(location: str) -> Layout:
    """Return the layout of an environment whose base no longer exists, inferred from its directories."""
    windows = os.path.isdir(os.path.join(location, "Scripts"))
    scripts, suffix = ("Scripts", ".exe") if windows else ("bin", "")
    site = "Lib/site-packages"
    if not windows:
        candidates = [
            f"lib/{name}/site-packages"
            for name in list_names(os.path.join(location, "lib"))
            if os.path.isdir(os.path.join(location, "lib", name, "site-packages"))
        ]
        site = max(candidates, key=library_version, default="lib/site-packages")
    names = tuple(name for name in list_names(os.path.join(location, scripts)) if name.startswith(("python", "pypy")))
    return Layout(
        bin=scripts,
        executable=f"{scripts}/python{suffix}",
        names=names,
        purelib=site,
        platlib=site,
        include="Include" if windows else "include",
    )
