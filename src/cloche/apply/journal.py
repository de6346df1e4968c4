"""The journal of a commit that takes many steps: what each step is, how it is taken, and how it is undone.

All steps are written to disk before the first one is taken, and the journal is removed when the last one is done. So as
long as there is a journal, the staging directory holds what was there before, and any run can put that back.
"""

from __future__ import annotations

import os

from cloche.apply.exchange import exchange
from cloche.errors import ClocheError, reason_of
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal, TypeAlias

    Kind: TypeAlias = Literal["add", "swap", "drop", "remove", "mode", "set-aside"]
    """Add an entry, swap one for another, drop one, remove an empty directory, change permission bits, set the whole
    environment aside."""

    Step: TypeAlias = tuple[Kind, int, str]
    """Kind, mark and path of an action: all but its number."""

KINDS: dict[str, Kind] = {
    "add": "add",
    "swap": "swap",
    "drop": "drop",
    "remove": "remove",
    "mode": "mode",
    "set-aside": "set-aside",
}

JOURNAL = "journal"
"""Its file in a staging directory."""

HEADER = "cloche journal 2"


@value
class Action:
    """One step of a commit."""

    kind: Kind
    mark: int
    """What a later run needs to undo the step. For `add` and `swap` the inode of the new entry, which tells whether the step
    was taken; for `remove` the directory's permission bits; for `mode` a `mode_change`; otherwise 0."""
    path: str
    """Relative to the root, with `/`; empty or `.` for the root itself."""
    number: int
    """Its place among the steps; the old entry is kept under that name meanwhile."""


def mode_change(old: int, new: int) -> int:
    """Return the mark of a step that changes permission bits: the old ones in the low twelve bits, above them the new."""
    return new << 12 | old


def numbered(steps: Iterable[Step]) -> list[Action]:
    return [Action(kind, mark, path, number) for number, (kind, mark, path) in enumerate(steps)]


def write_journal(staging: str, target: str, actions: Sequence[Action]) -> None:
    """Write down, durably, what is going to be done at `target`, before the first step.

    `target` is the parent of the staging directory, or lies in it. Records end with a NUL, which no path contains.
    """
    root = os.path.relpath(target, os.path.dirname(staging))
    records = [HEADER, root, *(f"{action.kind} {action.mark} {action.path}" for action in actions), "end", ""]
    try:
        with open(os.path.join(staging, JOURNAL), "wb") as file:
            file.write("\0".join(records).encode("utf-8", "surrogateescape"))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        close_journal(staging)  # no step was taken, and no later run may undo any
        raise
    synchronize(staging)


def synchronize(directory: str) -> None:
    """Let the list of names in a directory survive a power failure, where the system can do that."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return  # Windows opens no directories
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some file systems cannot
    finally:
        os.close(descriptor)


def close_journal(staging: str) -> None:
    """Note that everything is done, or everything is undone.

    :raises OSError: the system refuses both ways of noting it; the next run will undo the steps.
    """
    journal = os.path.join(staging, JOURNAL)
    try:
        os.unlink(journal)
    except FileNotFoundError:
        pass
    except OSError:
        os.truncate(journal, 0)  # an empty journal is that of a run that was killed before its first step


def recover(staging: str) -> None:
    """Undo what a run that was killed in the middle of a commit had already changed.

    :raises ValueError: there is a journal, and it is not one of ours.
    :raises ClocheError: something could not be put back; the next run tries again.
    """
    try:
        with open(os.path.join(staging, JOURNAL), "rb") as file:
            header, *records = file.read().decode("utf-8", "surrogateescape").split("\0")
    except FileNotFoundError:
        return
    if records[-2:] != ["end", ""]:
        return  # the run was killed before the first step
    if header != HEADER:
        raise ValueError("the journal of another version")
    root, *lines = records[:-2]
    undo(numbered(map(parse_step, lines)), staging, os.path.join(os.path.dirname(staging), inside(root)))


def parse_step(record: str) -> Step:
    """:raises ValueError: this is not a record of a journal."""
    kind, mark, path = record.split(" ", 2)
    if kind not in KINDS:
        raise ValueError(f"unknown step `{kind}`")
    return KINDS[kind], int(mark), inside(path)


def inside(path: str) -> str:
    """Return a relative path that does not leave the directory; `.` is the root itself.

    :raises ValueError: it does.
    """
    if os.path.isabs(path) or ".." in path.split("/"):
        raise ValueError(f"`{path}` leads out of the directory")
    return "" if path == "." else path


def take(action: Action, staging: str, target: str) -> None:
    """Take one step. Each leaves the target with the old entry or the new one, never with neither, where it can."""
    new, there = os.path.join(staging, "new", action.path), os.path.join(target, action.path)
    if action.kind == "add":
        os.rename(new, there)
    elif action.kind == "drop":
        os.rename(there, kept(action, staging))
    elif action.kind == "remove":
        os.rmdir(there)
    elif action.kind == "mode":
        os.chmod(there, action.mark >> 12)
    elif action.kind == "set-aside":
        os.rename(target, aside(staging))
    elif not exchange(new, there):
        try:
            os.link(there, kept(action, staging), follow_symlinks=False)
        except OSError:
            os.rename(there, kept(action, staging))
        os.replace(new, there)


def kept(action: Action, staging: str) -> str:
    """Return where the old entry is put meanwhile: under a flat name, since its directory may not exist there."""
    return os.path.join(staging, "old", str(action.number))


def aside(staging: str) -> str:
    """Return where a whole environment is put meanwhile."""
    return os.path.join(staging, "old")


def undo(actions: Sequence[Action], staging: str, target: str) -> None:
    """Undo, last first, the steps that were taken. Goes on when one fails.

    :raises ClocheError: something could not be put back; the next run tries again.
    """
    failure: OSError | None = None
    for action in reversed(actions):
        try:
            take_back(action, staging, target)
        except OSError as error:
            failure = failure or error
    if failure is not None:
        raise ClocheError(
            f"not all of `{target}` could be put back: {reason_of(failure)}",
            hint=f"what is missing is in `{staging}`, and the next run puts it back",
        ) from failure


def take_back(action: Action, staging: str, target: str) -> None:
    """Undo one step if it was taken."""
    new, there = os.path.join(staging, "new", action.path), os.path.join(target, action.path)
    old = kept(action, staging)
    match action.kind:
        case "set-aside":
            put_back(aside(staging), target)
        case "add":
            if not os.path.lexists(new) and os.path.lexists(there) and os.lstat(there).st_ino == action.mark:
                os.rename(there, new)
        case "remove":
            if not os.path.lexists(there):
                os.mkdir(there)
                os.chmod(there, action.mark)
        case "mode":
            if os.path.exists(there) and not os.path.islink(there):
                os.chmod(there, action.mark & 0o7777)
        case "drop" | "swap" if os.path.lexists(old):
            os.replace(old, there)
        case "swap" if os.lstat(new).st_ino != action.mark:
            exchange(new, there)


def put_back(old: str, target: str) -> None:
    """Put back an environment that was set aside, unless something has taken its place."""
    if os.path.lexists(old) and not os.path.lexists(target):
        os.rename(old, target)
