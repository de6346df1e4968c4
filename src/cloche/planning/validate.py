"""Say what is wrong with the operations that a creator gives, before any of them is performed; it performs nothing.

What holds here is what can be known from the operations alone. The rest of what a creator promises is asked by the kit.
"""

from __future__ import annotations

from cloche.fs.checksums import MANIFEST
from cloche.model.operations import Copy, CopyTree, InstallTree, Link, MakeDir, Rewrite, Run, Write
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloche.model.environment import Layout

RESERVED = ("pyvenv.cfg", MANIFEST, ".gitignore", "CACHEDIR.TAG")
"""Files that the core writes."""

LONGEST_NAME = 255
"""Bytes that a name may have on most file systems."""


def find_problem(operations: Iterable[object]) -> str:
    """Return why these operations cannot be performed in this order in an empty directory; empty if they can.

    Every path is relative and inside, is made once, and lies in a directory that was made before. What a program makes
    cannot be known.
    """
    there = {""}
    files: set[str] = set()
    unknown = False
    for operation in operations:
        if isinstance(operation, Run):
            unknown = True
            if has_type(operation.arguments, str):
                return f"{operation!r} has a text for arguments, and needs one for each"
            continue
        if isinstance(operation, CopyTree):
            unknown = True
            continue
        if not isinstance(operation, (MakeDir, Link, Copy, Write, Rewrite, InstallTree)):
            return f"{operation!r} is no operation"
        path = operation.path
        if problem := find_path_problem(path) or find_content_problem(operation):
            return problem
        parent = path.rpartition("/")[0]
        if parent not in there and not unknown:
            return f"`{path}` is made before its directory `{parent}`"
        if path in files or (path in there and not isinstance(operation, (MakeDir, InstallTree))):
            return f"`{path}` is made twice"
        if path in RESERVED:
            return f"`{path}` is written by the core"
        if isinstance(operation, MakeDir):
            there.add(path)
        elif not isinstance(operation, InstallTree):
            files.add(path)
    return ""


def find_path_problem(path: object) -> str:
    """Return why a path is none inside of the environment; empty if it is one."""
    if not isinstance(path, str):
        return f"{path!r} is no path; it has to be a text"
    if is_absolute(path):
        return f"`{path}` is an absolute path; an operation names its place relative to the environment's root"
    if "\\" in path:
        return f"`{path}` is written with backslashes; an operation's path has `/` on every system"
    if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        return f"{path!r} is no plain path inside the environment"
    if not path.isprintable():  # the manifest is text, with a line for each
        return f"{path!r} has a character in it that cannot be printed"
    if any(len(part.encode("utf-8")) > LONGEST_NAME for part in path.split("/")):
        return f"`{path}` has a name in it that is longer than {LONGEST_NAME} bytes"
    return ""


def find_content_problem(operation: MakeDir | Link | Copy | Write | Rewrite | InstallTree) -> str:
    """Return what is wrong with what an operation puts at its path; empty if nothing is."""
    match operation:
        case Link(path, target) if not has_type(target, str):
            return f"the target of the link `{path}` is {type(target).__name__}, and has to be a text"
        case Copy(path, source) if not has_type(source, str):
            return f"what `{path}` is copied from is {type(source).__name__}, and has to be a text"
        case Link(path, target) if not target:
            return f"the link `{path}` has no target"
        case Link(path, target) if not is_absolute(target) and leaves_root(path, target):
            return f"the link `{path}` points out of the environment, to `{target}`"
        case Copy(path, source) if not is_absolute(source):
            return f"`{path}` is copied from `{source}`, which is not an absolute path"
        case Write(path, content) | Rewrite(path, content) if not has_type(content, bytes):
            return f"the content of `{path}` is {type(content).__name__}, and has to be bytes"
    return ""


def leaves_root(path: str, target: str) -> bool:
    """Return whether a relative link leads out of the root."""
    depth = path.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return True
    return False


def find_missing_path(operations: Sequence[object], paths: Iterable[str]) -> str:
    """Return the first of these paths that is not made, unless a program or a copied tree may make it; else empty."""
    if any(isinstance(operation, (Run, CopyTree)) for operation in operations):
        return ""
    made = {getattr(operation, "path", "") for operation in operations}
    return next((path for path in paths if path not in made), "")


def required_paths(layout: Layout) -> tuple[str, ...]:
    """Return what a creator has to make: every name of the Python, and the directories for packages."""
    return (*(f"{layout.bin}/{name}" for name in layout.names), layout.purelib, layout.platlib)


def has_type(item: object, kind: type) -> bool:
    """Return whether something is what its annotation says, which a plugin need not have been checked for."""
    return isinstance(item, kind)


def is_absolute(path: str) -> bool:
    """Return whether a path is absolute on any system."""
    return path.startswith(("/", "\\")) or path[1:2] == ":"
