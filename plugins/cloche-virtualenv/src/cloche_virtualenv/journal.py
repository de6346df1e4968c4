"""The journal of a change to a tool's environment, and the renames that it records.

The journal is written before the first rename, and lists all of them, so that an interrupted change can be undone.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from cloche import ClocheError
from cloche.model.value import Value, fields, replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

    from cloche import Environment

    Phase: TypeAlias = Literal["moving", "installed"]

KEPT_DIRECTORY = ".virtualenv-shim"
"""The directory in the environment's root with the journal and the original files."""

JOURNAL = "journal.json"


class Journal(Value):
    """A change to an environment that is complete or in progress."""

    phase: Phase
    """`moving` while the renames are done or undone."""
    announced: str
    """The version of the stand-in."""
    kept: str
    """The version of the virtualenv that is kept aside; empty if there is none."""
    borrowed: Mapping[str, str]
    """The modules that the stand-in borrows, with the directories that contain them."""
    old: tuple[str, ...]
    """The paths of the original files, relative to the environment's root."""
    new: tuple[str, ...]
    """The paths of the stand-in's files, relative to the environment's root."""

    @property
    def moves(self) -> list[tuple[str, str]]:
        """The renames that install the stand-in, in order, relative to the root."""
        return [(path, f"{KEPT_DIRECTORY}/old/{path}") for path in self.old] + [
            (f"{KEPT_DIRECTORY}/new/{path}", path) for path in self.new
        ]


def read_journal(environment: Environment) -> Journal | None:
    """Return the journal; None if the environment has none.

    :raises ClocheError: the journal cannot be read.
    """
    path = path_in(environment, f"{KEPT_DIRECTORY}/{JOURNAL}")
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        return Journal(
            data["phase"], data["announced"], data["kept"], data["borrowed"], tuple(data["old"]), tuple(data["new"])
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClocheError(
            f"`{path}` cannot be read: {error}", hint="reinstall virtualenv there with pip, and remove that directory"
        ) from None


def write_journal(environment: Environment, journal: Journal) -> None:
    path = path_in(environment, f"{KEPT_DIRECTORY}/{JOURNAL}")
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(fields(journal), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)


def do_moves(environment: Environment, journal: Journal) -> None:
    """Perform the renames of a journal; if one fails, undo the others.

    :raises ClocheError: a rename failed; the environment is unchanged.
    """
    write_journal(environment, journal)
    try:
        for source, target in journal.moves:
            move(environment, source, target)
    except OSError as error:
        revert(environment, journal)
        raise cannot_change(environment, error) from error
    write_journal(environment, replace(journal, phase="installed"))


def undo_moves(environment: Environment, journal: Journal) -> None:
    """Undo the renames of a journal; if one cannot be undone, perform the others again.

    :raises ClocheError: a rename failed; the stand-in is still installed.
    """
    write_journal(environment, replace(journal, phase="moving"))
    try:
        revert(environment, journal)
    except OSError as error:
        for source, target in journal.moves:
            if os.path.lexists(path_in(environment, source)) and not os.path.lexists(path_in(environment, target)):
                move(environment, source, target)
        write_journal(environment, journal)
        raise cannot_change(environment, error) from error


def undo_unfinished(environment: Environment) -> None:
    """Undo a change that a killed run left unfinished."""
    journal = read_journal(environment)
    if journal is None or journal.phase == "moving":
        if journal is not None:
            revert(environment, journal)
        shutil.rmtree(path_in(environment, KEPT_DIRECTORY), ignore_errors=True)


def revert(environment: Environment, journal: Journal) -> None:
    """Undo the completed renames of a journal in reverse order.

    :raises OSError: a rename failed.
    """
    for source, target in reversed(journal.moves):
        if os.path.lexists(path_in(environment, target)) and not os.path.lexists(path_in(environment, source)):
            move(environment, target, source)


def move(environment: Environment, source: str, target: str) -> None:
    """Rename a file or directory in an environment without replacing anything.

    :raises OSError: `target` exists, or the rename failed.
    """
    path = path_in(environment, target)
    if os.path.lexists(path):
        raise FileExistsError(f"`{path}` already exists")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.rename(path_in(environment, source), path)


def path_in(environment: Environment, path: str) -> str:
    """Return the absolute form of a path that is relative to an environment's root."""
    return os.path.join(environment.location, *path.split("/"))


def cannot_change(environment: Environment, error: OSError) -> ClocheError:
    return ClocheError(f"cannot change `{environment.location}`: {error}; nothing was changed")
