"""The entries of an archive: the files, directories and links of an environment, as they are on disk."""

from __future__ import annotations

import os
import stat
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING

from cloche.apply.staging import is_staging_inside
from cloche.errors import ClocheError, reason_of
from cloche.fs import contains_path, is_within, open_for_reading
from cloche.fs.manifests import FILES
from cloche.lifecycle.tree import Tree
from cloche.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloche.model.environment import Environment

PIECE = 1 << 20
"""How many bytes of a file are read at once."""


UNUSUAL = frozenset("\\\n\r")
"""Characters that some systems do not allow in a path of an archive, or in a line of a list of hashes."""


class PackRequest(Value):
    """What to pack, and how."""

    path: str
    output: str
    format: str = ""
    """The name of a packer; empty to choose by the suffix of `output`."""
    prefix: str = ""
    """The top directory in the archive; empty for none."""
    exclude: tuple[str, ...] = ()
    """Patterns of names, or of paths relative to the environment."""
    overwrites: bool = False
    follows: bool = False
    """Whether links that lead out of the environment, and editable installs, are replaced by their targets."""
    base_outside: bool = False
    """Whether the environment may need an interpreter that is not in it."""


class Entry(Value):
    """A file, directory or link to pack."""

    path: str
    """Relative to the environment, with `/`."""
    kind: str
    source: str = ""
    """The absolute path of a file."""
    target: str = ""
    mode: int = 0o644
    content: bytes | None = None
    """The content, if it differs from that of `source`."""
    size: int = 0
    """The size of a file, in bytes."""
    time_ns: int = 0
    """The modification time of a file in the environment, in nanoseconds."""
    module: str = ""
    """The path of the source, if this is bytecode."""


def find_entries(environment: Environment, request: PackRequest) -> tuple[list[Entry], set[str], Tree]:
    """Return what to pack, the patterns of `request.exclude` that match something, and the status of what is packed.

    The entries are sorted, a directory before its content; existing bytecode has the kind `bytecode`.

    :raises ClocheError: a file cannot be read or packed, or a link leads out of the environment.
    """
    root = environment.location
    entries: list[Entry] = []
    used: set[str] = set()
    statuses: dict[str, os.stat_result] = {}
    stack: list[tuple[str, str, tuple[str, ...]]] = [("", root, (os.path.realpath(root),) if request.follows else ())]
    outside: list[str] = []
    while stack:
        below, directory, parents = stack.pop()
        if below:
            entries.append(Entry(below, "directory", directory, mode=0o755))
        try:
            with os.scandir(directory) as scanned:
                found = sorted(scanned, key=attrgetter("name"))
        except OSError as error:
            raise cannot_read(directory, error) from error
        is_cache = below.endswith("__pycache__")
        subdirectories: list[tuple[str, str, tuple[str, ...]]] = []
        for item in found:
            path = f"{below}/{item.name}" if below else item.name
            if request.exclude and (matching := matching_patterns(path, item.name, request.exclude)):
                used.update(matching)
                continue
            if path == FILES:
                continue
            if not UNUSUAL.isdisjoint(item.name):
                raise ClocheError(
                    f"`{item.path}` cannot be packed: its name contains a backslash or a line break",
                    hint="leave it out with `--exclude`, or rename it",
                )
            if not below and is_staging_inside(item.name):
                continue
            source = item.path
            if item.is_symlink():
                target = inner_target(path, item.path, root)
                if not target and request.base_outside and is_python_link(path, environment):
                    target = os.readlink(item.path)
                if target:
                    entries.append(Entry(path, "link", target=target, mode=0o777))
                    continue
                if not request.follows:
                    outside.append(path)
                    continue
                source = os.path.realpath(item.path)
                status = entry_status(source)
            else:
                try:
                    status = item.stat(follow_symlinks=False)
                except OSError as error:
                    raise cannot_read(source, error) from error
                statuses[path] = status
            if stat.S_ISDIR(status.st_mode):
                reals: tuple[str, ...] = ()
                if request.follows:  # only then can a directory contain itself
                    reals = (*parents, os.path.realpath(source))
                    if reals[-1] in parents:
                        raise ClocheError(
                            f"the link `{path}` leads to a directory that contains it",
                            hint="leave it out with `--exclude`",
                        )
                subdirectories.append((path, source, reals))
            elif stat.S_ISREG(status.st_mode):
                kind = "bytecode" if is_cache and item.name.endswith(".pyc") else "file"
                mode = 0o755 if status.st_mode & 0o100 else 0o644
                entries.append(Entry(path, kind, source, "", mode, None, status.st_size, status.st_mtime_ns, ""))
            else:
                raise ClocheError(
                    f"`{item.path}` is not a file, a directory or a link, so it cannot be packed",
                    hint="leave it out with `--exclude`",
                )
        stack += reversed(subdirectories)
    if outside:
        raise ClocheError(
            f"links lead out of the environment: {', '.join(f'`{path}`' for path in outside[:4])}"
            f"{f' and {len(outside) - 4} more' if len(outside) > 4 else ''}",
            hint="`--follow` packs their targets instead, `--exclude` leaves them out",
        )
    return entries, used, Tree(root, statuses)


def entry_status(path: str) -> os.stat_result:
    """Return the status of a file.

    :raises ClocheError: it does not exist or cannot be read.
    """
    try:
        return os.lstat(path)
    except OSError as error:
        raise cannot_read(path, error) from error


def matching_patterns(path: str, name: str, patterns: Sequence[str]) -> list[str]:
    """Return the patterns that match a name, or a path relative to the environment."""
    return [pattern for pattern in patterns if fnmatchcase(path, pattern) or fnmatchcase(name, pattern)]


def inner_target(path: str, link: str, root: str) -> str:
    """Return the target of a link, relative to its directory; empty if it leads out of the environment."""
    target = os.readlink(link)
    if os.path.isabs(target):
        if not is_within(os.path.normpath(target), root):
            return ""
        target = os.path.relpath(target, os.path.dirname(link))
    parts = os.path.normpath(os.path.join(os.path.dirname(path), target)).split(os.sep)
    return target if parts[0] != ".." and contains_path(root, link) else ""


def is_python_link(path: str, environment: Environment) -> bool:
    """Return whether a link is one of the names of the interpreter."""
    directory, _, name = path.rpartition("/")
    return directory == environment.layout.bin and name.startswith(("python", "pypy"))


def content_of(entry: Entry) -> bytes:
    """Return the content of a file as it is packed.

    :raises ClocheError: it cannot be read.
    """
    return read_whole(entry.source) if entry.content is None else entry.content


def read_whole(path: str) -> bytes:
    """Return the content of a file.

    :raises ClocheError: it cannot be read.
    """
    return read_exactly(path, entry_status(path).st_size)


def read_exactly(path: str, size: int) -> bytes:
    """Return the content of a file that has this size.

    :raises ClocheError: it cannot be read, or changed meanwhile.
    """
    descriptor = open_source(path)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            content = os.read(descriptor, size + 1)  # one call: there is no moment at which it could change
            if len(content) == size:
                return content
    finally:
        os.close(descriptor)
    return b"".join(read_source(path, size))


def read_source(path: str, size: int) -> Iterator[bytes]:
    """Yield the content of a file that has this size.

    :raises ClocheError: it cannot be read, or changed meanwhile.
    """
    descriptor = open_source(path)
    try:
        before = os.fstat(descriptor)
        total = 0
        while stat.S_ISREG(before.st_mode) and (piece := os.read(descriptor, min(PIECE, size + 1 - total))):
            total += len(piece)
            if total > size:
                break
            yield piece
            if total == size == before.st_size:
                break  # `after` shows whether it grew
        after = os.fstat(descriptor)
        if total != size or (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise changed_error(path)
    finally:
        os.close(descriptor)


def open_source(path: str) -> int:
    """Open a file to read it; return its descriptor.

    :raises ClocheError: it cannot be opened.
    """
    try:
        return open_for_reading(path)
    except OSError as error:
        raise cannot_read(path, error) from error


def cannot_read(path: str, error: OSError) -> ClocheError:
    """Return the error for a file or directory that cannot be read."""
    return ClocheError(
        f"cannot read `{path}`: {reason_of(error)}", hint="check its permissions, or leave it out with `--exclude`"
    )


def changed_error(path: str) -> ClocheError:
    """Return the error for a file that changed while it was being read."""
    return ClocheError(f"`{path}` changed while it was being read", hint="wait until nothing uses it, and try again")
