"""Install the stand-in for virtualenv into a tool's environment, and remove it again without a trace."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from cloche import DestinationError, __version__, load, lock_environment
from cloche.model.value import Value
from cloche_virtualenv.installed import metadata_directory, pieces_of_virtualenv, version_of
from cloche_virtualenv.journal import (
    KEPT_DIRECTORY,
    Journal,
    do_moves,
    path_in,
    read_journal,
    undo_moves,
    undo_unfinished,
)
from cloche_virtualenv.stand_in import check_stand_in, directories_of, missing_modules, write_stand_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche import Environment

COMPATIBLE_VERSION = "21.15.8"
"""The version of virtualenv that the stand-in is compatible with, and reports if it replaces no virtualenv."""

MINIMUM_PYTHON = (3, 10)
"""The oldest Python that cloche runs on."""


class Status(Value):
    """Which virtualenv an environment has."""

    environment: str
    announced: str
    """The version of `virtualenv` there; empty if there is none."""
    installed: bool
    """Whether it is the stand-in."""
    kept: str
    """The version of the virtualenv that is kept aside; empty if there is none."""
    borrowed: Mapping[str, str]
    """The modules that the stand-in borrows from another environment, with the directories that contain them."""
    replaced: bool = False
    """Whether another virtualenv was installed over the stand-in."""


def status(target: str) -> Status:
    """Return which virtualenv an environment has, without changing anything.

    :raises DestinationError: `target` is not an environment.
    """
    environment = load(target)
    journal = read_journal(environment)
    found = version_of(metadata_directory(environment))
    if journal is None or journal.phase == "moving":
        return Status(environment.location, found, False, "", {})
    is_installed = found == journal.announced
    return Status(environment.location, found, is_installed, journal.kept, journal.borrowed, replaced=not is_installed)


def install(target: str) -> Status:
    """Install the stand-in into a tool's environment, and keep the virtualenv that it replaces.

    :raises DestinationError: `target` is not an environment, or its Python cannot run cloche, or it has a virtualenv
        that could not be restored.
    :raises ClocheError: the stand-in does not work there. The environment is unchanged.
    """
    environment = load(target)
    check_python(environment)
    with lock_environment(environment.location):
        undo_unfinished(environment)
        if (journal := read_journal(environment)) is not None:
            uninstall(environment, journal)
        old, kept = pieces_of_virtualenv(environment)
        borrowed = directories_of(missing_modules(environment))
        announced = f"{kept or COMPATIBLE_VERSION}+cloche.{__version__}"
        keep = path_in(environment, KEPT_DIRECTORY)
        new = os.path.join(keep, "new")
        os.mkdir(keep)
        try:
            pieces = write_stand_in(environment, new, announced, borrowed)
            check_stand_in(environment, new, announced)
            do_moves(environment, Journal("moving", announced, kept, borrowed, tuple(old), tuple(pieces)))
        except BaseException:
            undo_unfinished(environment)
            shutil.rmtree(keep, ignore_errors=True)
            raise
        shutil.rmtree(new)
    return status(target)


def remove(target: str) -> Status:
    """Remove the stand-in from a tool's environment and restore what it replaced.

    If another virtualenv was installed over the stand-in, keep it and delete the original.

    :raises DestinationError: `target` is not an environment, or has no stand-in.
    :raises ClocheError: a file cannot be renamed; the stand-in is still installed.
    """
    environment = load(target)
    with lock_environment(environment.location):
        undo_unfinished(environment)
        journal = read_journal(environment)
        if journal is None:
            raise DestinationError(
                f"there is no stand-in for virtualenv in `{environment.location}`",
                hint="`cloche virtualenv-shim install` installs it",
            )
        uninstall(environment, journal)
    return status(target)


def uninstall(environment: Environment, journal: Journal) -> None:
    """Remove the stand-in and restore the original, unless another virtualenv was installed over the stand-in.

    :raises ClocheError: a file cannot be renamed; the stand-in is still installed.
    """
    if version_of(metadata_directory(environment)) in ("", journal.announced):
        undo_moves(environment, journal)
    shutil.rmtree(path_in(environment, KEPT_DIRECTORY))


def check_python(environment: Environment) -> None:
    """Check that the environment's Python can run cloche.

    :raises DestinationError: it cannot.
    """
    base = environment.interpreter
    if base is None or not os.path.exists(environment.path_to(environment.layout.executable)):
        raise DestinationError(
            f"the Python of `{environment.location}` no longer exists", hint="`cloche doctor` shows details"
        )
    if base.version[:2] < MINIMUM_PYTHON:
        raise DestinationError(
            f"`{environment.location}` has {base.name}, but cloche needs Python 3.10 or later",
            hint="install the tool for a newer Python",
        )
