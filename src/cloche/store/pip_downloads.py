"""Download wheels with pip, so that the user's settings for index, proxy and certificates apply."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from cloche.errors import SeedError
from cloche.model.metadata import normalize_name
from cloche.store.pip import run_pip
from cloche.store.staging import staging_directory
from cloche.store.tags import abi_tags, supported_tags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.requirements import Requirement


def download_wheels(requirements: Sequence[Requirement], interpreter: Interpreter, store: Store) -> dict[str, str]:
    """Download the newest wheels for an interpreter from the user's index into the store; return their paths, by name.

    :raises SeedError: pip cannot be run, or fails; the message contains its error.
    """
    texts = [str(requirement) for requirement in requirements]
    store.progress(f"downloading {', '.join(texts)} for {interpreter.name}")
    command = [store.host.executable or sys.executable, "-m", "pip"]
    wheels = _download(texts, _arguments(interpreter), command, store, at_most=len(texts))
    found = {normalize_name(os.path.basename(wheel).split("-")[0]): wheel for wheel in wheels}
    if found.keys() != {requirement.name for requirement in requirements}:
        raise _download_error(texts, f"pip reported success, but downloaded {', '.join(sorted(found))}")
    return found


def download_with_dependencies(
    requirements: Sequence[str], interpreter: Interpreter, pip: str, wanted: Wanted, store: Store
) -> list[str]:
    """Download wheels together with those that they depend on into the store, and return their paths.

    pip runs in the interpreter itself, so that it evaluates markers and tags for it.

    :param pip: the path of a pip that supports the interpreter.
    :raises SeedError: pip cannot be run, or fails; the message contains its error.
    """
    store.progress(f"downloading the dependencies of {', '.join(requirements)} for {interpreter.name}")
    directories = [*wanted.find_links, *store.readable_directories("wheels")]
    arguments = ["--only-binary", ":all:", *(f"--find-links={directory}" for directory in directories)]
    command = [interpreter.executable, "-I", "-B", pip]
    return _download(requirements, arguments, command, store)


def _download(
    requirements: Sequence[str],
    arguments: Sequence[str],
    command: Sequence[str],
    store: Store,
    at_most: float = float("inf"),
) -> list[str]:
    """Run `pip download`, move the wheels into the store, and return their paths.

    :param command: the command that starts pip.
    :param at_most: how many wheels are expected.
    """
    wheels = store.writable_directory("wheels")
    with staging_directory(store.staging, wheels, prefix=".download-", suffix="") as directory:
        words = ["download", "--dest", directory, "--no-cache-dir", *arguments, "--", *requirements]
        ran = run_pip(command, words, store.host, directory)
        if ran.problem:
            raise _download_error(requirements, ran.problem)
        found = sorted(name for name in os.listdir(directory) if name.endswith(".whl"))
        if not 0 < len(found) <= at_most:
            raise _download_error(requirements, f"pip reported success, but downloaded {len(found)} wheels")
        for name in found:
            wheel = os.path.join(wheels, name)
            if os.path.isdir(wheel) and not os.path.islink(wheel):
                shutil.rmtree(wheel, ignore_errors=True)
            os.replace(os.path.join(directory, name), wheel)  # an existing file may be damaged
    return [os.path.join(wheels, name) for name in found]


def _arguments(interpreter: Interpreter) -> list[str]:
    """Return the arguments that make pip download for `interpreter`, not for the Python that runs pip."""
    platforms = {tag.rpartition("-")[2] for tag in supported_tags(interpreter)} - {"any"}
    arguments = ["--no-deps", "--only-binary", ":all:"]
    arguments += ["--python-version", ".".join(map(str, interpreter.version[:3]))]
    arguments += ["--implementation", "pp" if interpreter.implementation == "pypy" else "cp"]
    for tag in (*abi_tags(interpreter), *(["abi3"] if interpreter.implementation == "cpython" else []), "none"):
        arguments += ["--abi", tag]
    for platform in sorted(platforms) or ["any"]:
        arguments += ["--platform", platform]
    return arguments


def _download_error(requirements: Sequence[str], reason: str) -> SeedError:
    names = " ".join(requirements)
    return SeedError(
        f"pip could not download `{names}`: {reason}",
        hint=f"for details, run `python -m pip download {names}`; `--no-download` avoids the network",
    )
