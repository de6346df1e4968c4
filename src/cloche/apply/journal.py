"""The journal of a commit in several steps: the steps, how to perform them, and how to undo them.

All steps are written to disk before the first one is performed, and the journal is removed after the last one. As long as
the journal exists, the staging directory contains the previous state, and any run can restore it.
"""

from __future__ import annotations

import os

from cloche.apply.exchange import exchange
from cloche.errors import ClocheError, reason_of
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal, TypeAlias

    Kind: TypeAlias = Literal["add", "swap", "drop", "remove", "mode", "set-aside", "take-over", "move"]
    """Add an entry, swap one for another, drop one, remove an empty directory, change permission bits, set the entire
    environment aside; and those of `cloche.apply.takeover_steps`: take over a directory, move the entire old tree."""

    Step: TypeAlias = tuple[Kind, int, str]
    """Kind, mark and path of an action; its number is added later."""

STEP_KINDS: dict[str, Kind] = {
    "add": "add",
    "swap": "swap",
    "drop": "drop",
    "remove": "remove",
    "mode": "mode",
    "set-aside": "set-aside",
    "take-over": "take-over",
    "move": "move",
}

JOURNAL = "journal"
"""The name of its file in a staging directory."""

HEADER = "cloche journal 2"


class Action(Value):
    """One step of a commit."""

    kind: Kind
    mark: int
    """What a later run needs to undo or complete the step: an `inode`, permission bits (see `mode_change`), or 0."""
    path: str
    """Relative to the root, with `/`; empty or `.` for the root itself. For `move`, the absolute path of the old tree."""
    number: int
    """Its index among the steps; the old entry is kept under that name until the commit is complete."""

    @property
    def inode(self) -> int:
        """The inode of the new entry for `add` and `swap`, and of the new tree for `take-over` and `move`.

        Where it is found shows whether the step was performed.
        """
        return self.mark

    @property
    def old_mode(self) -> int:
        """For `remove` and `mode`, the permission bits before the step."""
        return self.mark & 0o7777

    @property
    def new_mode(self) -> int:
        """For `mode`, the permission bits after the step."""
        return self.mark >> 12


def mode_change(old: int, new: int) -> int:
    """Return the mark of a step that changes permission bits: the old ones in the low twelve bits, the new ones above.

    The mark of `remove` has only the old ones.
    """
    return new << 12 | old


def number_steps(steps: Iterable[Step]) -> list[Action]:
    return [Action(kind, mark, path, number) for number, (kind, mark, path) in enumerate(steps)]


def write_journal(staging: str, target: str, actions: Sequence[Action]) -> None:
    """Write the steps for `target` to disk and flush them, before the first one is performed.

    Records end with a NUL, which no path contains.

    :param target: the directory that contains the staging directory, or one beside the staging directory.
    """
    root = os.path.relpath(target, os.path.dirname(staging))
    records = [HEADER, root, *(f"{action.kind} {action.mark} {action.path}" for action in actions), "end", ""]
    try:
        with open(os.path.join(staging, JOURNAL), "wb") as file:
            file.write("\0".join(records).encode("utf-8", "surrogateescape"))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        close_journal(staging)  # no step was performed, so no later run may undo any
        raise
    sync_directory(staging)


def sync_directory(directory: str) -> None:
    """Flush a directory, so that new names in it survive a power failure, where the system supports it."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return  # Windows cannot open directories
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # not every file system supports it
    finally:
        os.close(descriptor)


def close_journal(staging: str) -> None:
    """Remove or empty the journal, after all steps were performed or all were undone.

    :raises OSError: the journal can be neither removed nor emptied; the next run will undo the steps.
    """
    journal = os.path.join(staging, JOURNAL)
    try:
        os.unlink(journal)
    except FileNotFoundError:
        pass
    except OSError:
        os.truncate(journal, 0)  # to a later run, an empty journal means that no step was performed


def read_journal(staging: str) -> tuple[list[Action], str]:
    """Return the steps of a run that was killed in the middle of a commit, and the path of its target.

    There are none if it was killed before the first one.

    :raises ValueError: the journal cannot be read by this version.
    """
    try:
        with open(os.path.join(staging, JOURNAL), "rb") as file:
            header, *records = file.read().decode("utf-8", "surrogateescape").split("\0")
    except FileNotFoundError:
        return [], ""
    if records[-2:] != ["end", ""]:
        return [], ""
    if header != HEADER:
        raise ValueError("the journal of another version")
    root, *lines = records[:-2]
    return number_steps(map(parse_step, lines)), os.path.join(os.path.dirname(staging), check_relative(root))


def parse_step(record: str) -> Step:
    """Return the step that a record of a journal describes.

    :raises ValueError: the record is invalid.
    """
    kind, mark, path = record.split(" ", 2)
    if kind not in STEP_KINDS:
        raise ValueError(f"unknown step `{kind}`")
    return STEP_KINDS[kind], int(mark), path if kind == "move" else check_relative(path)


def check_relative(path: str) -> str:
    """Return a relative path unchanged, or an empty string for `.`, the root itself.

    :raises ValueError: the path leads out of the directory.
    """
    if os.path.isabs(path) or ".." in path.split("/"):
        raise ValueError(f"`{path}` leads out of the directory")
    return "" if path == "." else path


def perform_step(action: Action, staging: str, target: str) -> None:
    """Perform one step. Where the system supports it, either the old or the new entry exists at any time."""
    new, existing = os.path.join(staging, "new", action.path), os.path.join(target, action.path)
    if action.kind == "add":
        os.rename(new, existing)
    elif action.kind == "drop":
        os.rename(existing, backup_path(action, staging))
    elif action.kind == "remove":
        os.rmdir(existing)
    elif action.kind == "mode":
        os.chmod(existing, action.new_mode)
    elif action.kind == "set-aside":
        os.rename(target, set_aside_path(staging))
    elif not exchange(new, existing):
        try:
            os.link(existing, backup_path(action, staging), follow_symlinks=False)
        except OSError:
            os.rename(existing, backup_path(action, staging))
        os.replace(new, existing)


def backup_path(action: Action, staging: str) -> str:
    """Return the path to keep the old entry at: a flat name, because its directory may not exist there."""
    return os.path.join(staging, "old", str(action.number))


def set_aside_path(staging: str) -> str:
    """Return the path to keep the entire old environment at."""
    return os.path.join(staging, "old")


def undo_steps(actions: Sequence[Action], staging: str, target: str) -> None:
    """Undo the steps that were performed, last first; continue if one fails.

    :raises ClocheError: something could not be restored; the next run tries again.
    """
    failure: OSError | None = None
    for action in reversed(actions):
        try:
            undo_step(action, staging, target)
        except OSError as error:
            failure = failure or error
    if failure is not None:
        raise restore_error(target, staging, failure) from failure


def restore_error(target: str, staging: str, failure: OSError) -> ClocheError:
    """Return the error to raise if a tree could not be restored, which the next run tries again."""
    return ClocheError(
        f"could not restore `{target}` completely: {reason_of(failure)}",
        hint=f"the missing files are in `{staging}`; the next run restores them",
    )


def undo_step(action: Action, staging: str, target: str) -> None:
    """Undo one step if it was performed."""
    new, existing = os.path.join(staging, "new", action.path), os.path.join(target, action.path)
    old = backup_path(action, staging)
    match action.kind:
        case "set-aside":
            restore_directory(set_aside_path(staging), target)
        case "add":
            if not os.path.lexists(new) and os.path.lexists(existing) and os.lstat(existing).st_ino == action.inode:
                os.rename(existing, new)
        case "remove":
            if not os.path.lexists(existing):
                os.mkdir(existing)
                os.chmod(existing, action.old_mode)
        case "mode":
            if os.path.exists(existing) and not os.path.islink(existing):
                os.chmod(existing, action.old_mode)
        case "drop" | "swap" if os.path.lexists(old):
            if os.path.isdir(old) and not os.path.islink(old) and os.path.lexists(existing):
                os.rename(existing, new)  # the new directory, which `replace` would not overwrite
            os.replace(old, existing)
        case "swap" if os.lstat(new).st_ino != action.inode:
            exchange(new, existing)


def restore_directory(old: str, target: str) -> None:
    """Restore an environment that was set aside, unless something else exists at `target`."""
    if os.path.lexists(old) and not os.path.lexists(target):
        os.rename(old, target)
