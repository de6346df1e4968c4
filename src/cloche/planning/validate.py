"""Validation of a creator's operations, before any of them is performed.

Only what the operations themselves show is checked here. The contract kit (`cloche.testing`) checks everything else that
is expected of a creator.
"""

from __future__ import annotations

from cloche.fs.manifests import is_own_file
from cloche.model.operations import Copy, CopyTree, InstallTree, Link, MakeDir, Rewrite, Run, Write
from cloche.model.runtime import Runtime, RuntimeFile
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloche.model.environment import Layout

LINK_MODES = ("auto", "clone", "hardlink", "copy", "symlink")

MAX_NAME_BYTES = 255
"""The maximum length of a file name on most file systems, in bytes."""


def find_operation_problem(operations: Iterable[object]) -> str:
    """Return why these operations cannot be performed in this order in an empty directory; empty if they can.

    Every path must be relative and inside the environment, must be created once, and its directory must be created before
    it. After a `Run` or `CopyTree`, whose results are unknown, every directory may exist.
    """
    directories = {""}
    files: set[str] = set()
    has_unknown_paths = False
    for operation in operations:
        if isinstance(operation, Run):
            has_unknown_paths = True
            if has_type(operation.arguments, str):
                return f"the arguments of {operation!r} are a single string: expected a sequence of strings"
            continue
        if isinstance(operation, CopyTree):
            has_unknown_paths = True
            continue
        if not isinstance(operation, (MakeDir, Link, Copy, Write, Rewrite, InstallTree)):
            return f"{operation!r} is not an operation: `operations` has to return `cloche.MakeDir`, `cloche.Write` and the like"
        path = operation.path
        if problem := find_path_problem(path) or find_content_problem(operation):
            return problem
        parent = path.rpartition("/")[0]
        if parent not in directories and not has_unknown_paths:
            return f"`{path}` is created before its directory `{parent}`"
        if path in files or (path in directories and not isinstance(operation, (MakeDir, InstallTree))):
            return f"`{path}` is created twice"
        if is_own_file(path):
            return f"`{path}` is reserved for cloche itself"
        if isinstance(operation, MakeDir):
            directories.add(path)
        elif not isinstance(operation, InstallTree):
            files.add(path)
    return ""


def find_runtime_problem(runtime: object, operations: Iterable[object]) -> str:
    """Return why the files of a runtime cannot be installed after these operations; empty if they can.

    Every path must be inside the environment and be created once, by the runtime or by an operation.
    """
    if not isinstance(runtime, Runtime):
        return f"`runtime` returned {runtime!r}: expected a `cloche.Runtime`"
    taken = {getattr(operation, "path", "") for operation in operations if not isinstance(operation, MakeDir)}
    for file in runtime.files:
        if type(file) is not RuntimeFile:
            return f"{file!r} is not a `RuntimeFile`"
        if problem := find_path_problem(file.path):
            return problem
        if file.path in taken:
            return f"`{file.path}` is created twice"
        if is_own_file(file.path):
            return f"`{file.path}` is reserved for cloche itself"
        if file.source and not is_absolute(file.source):
            return f"the source of `{file.path}` is `{file.source}`: expected an absolute path"
        taken.add(file.path)
    return ""


def find_path_problem(path: object) -> str:
    """Return why a path is not valid for an operation; empty if it is valid."""
    if not isinstance(path, str):
        return f"{path!r} is not a path: expected a string"
    if is_absolute(path):
        return f"`{path}` is an absolute path: expected a path relative to the root of the environment"
    if "\\" in path:
        return f"`{path}` contains a backslash: expected `/` as the separator, on every system"
    if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        return f"{path!r} is not a plain path inside the environment"
    if not path.isprintable():  # the manifest has one line for each path
        return f"{path!r} contains a character that cannot be printed"
    if any(len(part.encode("utf-8")) > MAX_NAME_BYTES for part in path.split("/")):
        return f"`{path}` contains a name of more than {MAX_NAME_BYTES} bytes"
    return ""


def find_content_problem(operation: MakeDir | Link | Copy | Write | Rewrite | InstallTree) -> str:
    """Return what is wrong with the content or the target of an operation; empty if nothing is."""
    match operation:
        case Link(path, target) if not has_type(target, str):
            return f"the target of link `{path}` is of type {type(target).__name__}: expected a string"
        case Copy(path, source) if not has_type(source, str):
            return f"the source of `{path}` is of type {type(source).__name__}: expected a string"
        case Link(path, target) if not target:
            return f"link `{path}` has no target"
        case Link(path, target) if not is_absolute(target) and leaves_root(path, target):
            return f"link `{path}` points outside the environment: `{target}`"
        case Copy(path, source) if not is_absolute(source):
            return f"the source of `{path}` is `{source}`: expected an absolute path"
        case Copy(path, _, mode) if mode not in LINK_MODES:
            return f"the link mode of `{path}` is {mode!r}: expected one of {', '.join(LINK_MODES)}"
        case Write(path, content) | Rewrite(path, content) if not has_type(content, bytes):
            return f"the content of `{path}` is of type {type(content).__name__}: expected bytes"
    return ""


def leaves_root(path: str, target: str) -> bool:
    """Return whether a relative link points outside the root."""
    depth = path.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return True
    return False


def find_missing_path(operations: Sequence[object], paths: Iterable[str]) -> str:
    """Return the first of these paths that no operation creates; empty if a `Run` or `CopyTree` may create it."""
    if any(isinstance(operation, (Run, CopyTree)) for operation in operations):
        return ""
    created = {getattr(operation, "path", "") for operation in operations}
    return next((path for path in paths if path not in created), "")


def required_paths(layout: Layout) -> tuple[str, ...]:
    """Return the paths that a creator must create: every name of the Python, and the directories for packages."""
    return (*(f"{layout.bin}/{name}" for name in layout.names), layout.purelib, layout.platlib)


def has_type(item: object, kind: type) -> bool:
    """Return whether a field has the annotated type.

    Plugins may not be type-checked, and mypy would treat a plain `isinstance` as redundant.
    """
    return isinstance(item, kind)


def is_absolute(path: str) -> bool:
    """Return whether a path is absolute on POSIX or on Windows."""
    return path.startswith(("/", "\\")) or path[1:2] == ":"
