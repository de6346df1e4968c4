"""Compare directory trees: paths, kinds of entries, permissions, contents and link targets."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 10
"""How many differing paths are listed, and how many bytes of a differing file."""


class Tree(dict[str, tuple[object, ...]]):
    """The entries below a directory, by relative path: kind, permission bits, and content or link target.

    If an assertion that compares two trees fails, pytest prints their `differences` instead of their content.
    """

    def __repr__(self) -> str:
        return f"<a tree of {len(self)} entries>"

    def without_bytecode(self) -> Tree:
        return Tree({path: entry for path, entry in self.items() if "__pycache__" not in path})

    def without_permissions(self) -> Tree:
        return Tree({path: (kind, 0, content) for path, (kind, _, content) in self.items()})

    def paths(self) -> Tree:
        """Return a tree with the same paths, without kinds, permissions and contents."""
        return Tree(dict.fromkeys(self, ()))


def snapshot(root: str | os.PathLike[str]) -> Tree:
    """Return the tree below a directory."""
    tree = Tree()
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
            tree[os.path.relpath(path, root)] = (kind, stat.S_IMODE(status.st_mode), content)
    return tree


def differences(left: Tree, right: Tree) -> list[str]:
    """Return the paths that differ between two trees, and how, in a few lines."""
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
    first, second = left[2], right[2]
    if isinstance(first, bytes) and isinstance(second, bytes) and first != second:
        differing = (index for index, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1])
        start = next(differing, min(len(first), len(second)))
        shown = [content[start : start + SHOWN] for content in (first, second)]
        yield f"from byte {start}, {shown[0]!r} of {len(first)} bytes is not {shown[1]!r} of {len(second)}"
    elif first != second:
        yield f"{first!r} is not {second!r}"
