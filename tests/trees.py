"""Compare directory trees to the last byte, mode and link."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 10
"""Paths that are told of two trees that differ, and bytes of what differs in a file."""


class Tree(dict[str, tuple[object, ...]]):
    """What is below a directory, by relative path: kind, permission bits, and bytes or link text.

    Where a test that compares two of them fails, it prints what `differences` says, and not all that they hold.
    """

    def __repr__(self) -> str:
        return f"<a tree of {len(self)} entries>"

    def without_bytecode(self) -> Tree:
        return Tree({path: entry for path, entry in self.items() if "__pycache__" not in path})

    def without_permissions(self) -> Tree:
        return Tree({path: (kind, 0, content) for path, (kind, _, content) in self.items()})

    def paths(self) -> Tree:
        """Return a tree of the same paths, which says nothing of what is there."""
        return Tree(dict.fromkeys(self, ()))


def snapshot(root: str | os.PathLike[str]) -> Tree:
    """Return everything below a directory."""
    found = Tree()
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            if kind == stat.S_IFLNK:
                content: object = os.readlink(path)
            elif kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    content = file.read()
            else:
                content = None
            found[os.path.relpath(path, root)] = (kind, stat.S_IMODE(status.st_mode), content)
    return found


def differences(left: Tree, right: Tree) -> list[str]:
    """Return which paths differ between two trees, and how, in a few lines."""
    paths = sorted(left.keys() | right.keys())
    lines = [
        f"  {path}: {difference(left.get(path), right.get(path))}"
        for path in paths
        if left.get(path) != right.get(path)
    ]
    more = [f"  and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return [f"{len(lines)} of {len(paths)} paths differ:", *lines[:SHOWN], *more]


def difference(left: tuple[object, ...] | None, right: tuple[object, ...] | None) -> str:
    if left is None or right is None:
        return "only on the right" if left is None else "only on the left"
    return ", ".join(aspects(left, right))


def aspects(left: tuple[object, ...], right: tuple[object, ...]) -> Iterator[str]:
    if left[0] != right[0]:
        yield f"{stat.filemode(int(str(left[0])))[0]} is not {stat.filemode(int(str(right[0])))[0]}"
        return
    if left[1] != right[1]:
        yield f"{left[1]:o} is not {right[1]:o}"
    one, other = left[2], right[2]
    if isinstance(one, bytes) and isinstance(other, bytes) and one != other:
        unlike = (at for at, (here, there) in enumerate(zip(one, other, strict=False)) if here != there)
        at = next(unlike, min(len(one), len(other)))
        shown = [content[at : at + SHOWN] for content in (one, other)]
        yield f"from byte {at}, {shown[0]!r} of {len(one)} bytes is not {shown[1]!r} of {len(other)}"
    elif one != other:
        yield f"{one!r} is not {other!r}"
