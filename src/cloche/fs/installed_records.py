"""The RECORD of a package in an environment: the files that it lists, whether they changed, and its rows after a change."""

from __future__ import annotations

import os
import posixpath
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING

from cloche.fs import lines_of
from cloche.fs.manifests import hash_file
from cloche.fs.records import digest_of, digest_text, format_row, parse_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Row:
    """One row of a RECORD. It has slots and is not frozen, because an environment has ten thousand rows or more."""

    __slots__ = ("digest", "path", "size")

    def __init__(self, path: str, digest: str, size: str) -> None:
        self.path = path
        """Relative to the environment's root, with `/`; absolute for a file outside."""
        self.digest = digest
        """As in the RECORD, `sha256=…`; empty if the row has none."""
        self.size = size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"Row{self._fields()!r}"

    def _fields(self) -> tuple[str, str, str]:
        return self.path, self.digest, self.size


def read_record(text: str, site: str, root: str = "") -> Iterator[Row]:
    """Yield the rows of the RECORD of a package in the directory `site`; skip rows without a path that a file can have.

    :param root: the environment's root, if absolute paths below it are to be relative to it.
    """
    for row in parse_rows(text):
        if row[0] and "\0" not in row[0]:
            path, digest, size = row if len(row) == 3 else (*row, "", "")[:3]
            yield Row(f"{site}/{path}" if is_simple(path) else path_from_root(site, path, root), digest, size)


def is_simple(path: str) -> bool:
    """Return whether a path in a RECORD is relative and in its shortest form; most are, so this must be fast."""
    return (
        path[0] not in "/."
        and path[-1] != "/"
        and "/." not in path
        and "//" not in path
        and "\\" not in path
        and path[1:2] != ":"
    )


def path_from_root(site: str, path: str, *roots: str) -> str:
    """Convert a path that is relative to `site` to one that is relative to the root.

    An absolute path stays absolute, unless it is below one of `roots`: some installers (poetry) write all paths like that.
    """
    path = path.replace("\\", "/")
    if not is_absolute(path):
        joined = f"{site}/{path}"
        is_normal = "/." not in joined and "//" not in joined and not joined.endswith("/")
        return joined if is_normal else posixpath.normpath(joined)
    for root in roots:
        for spelling in (root, os.path.realpath(root)) if root else ():
            prefix = spelling.replace("\\", "/").rstrip("/") + "/"
            if path.startswith(prefix):
                return posixpath.normpath(path[len(prefix) :])
    return path


def is_absolute(path: str) -> bool:
    """Return whether a path in a RECORD is absolute, on any platform."""
    return path.startswith("/") or path[1:2] == ":"


def rows_of_paths(record: str, is_kept: Callable[[str], bool]) -> str:
    """Return the rows of a RECORD whose paths, as they are written there, are kept."""

    def path_of(line: str) -> str:
        return next(parse_rows(line), [""])[0] if '"' in line else line.rstrip("\r\n").partition(",")[0]

    return "".join(line for line in lines_of(record) if is_kept(path_of(line)))


def update_record(
    text: str,
    site: str,
    changed: Mapping[str, bytes | None],
    form: Callable[[str, str], Callable[[bytes], bytes] | None],
    *roots: str,
) -> str:
    """Return a RECORD with the rows of changed files updated.

    Rows keep their order. A row without a hash stays without one, and no row is added. Bytecode keeps its row when it is
    removed, because Python creates it again.

    :param changed: the new content of each file by its path relative to the root; None for a removed file.
    :param form: takes the path and the old hash of a row; returns how to turn the file into what the hash describes, or
        None if the hash was not true before the change: then the row stays, so that the file still counts as modified.
    :param roots: the environment's root, and where it is going to be.
    """
    names = {path.rpartition("/")[2] for path in changed}
    lines = []
    is_plain = '"' not in text and "\\" not in text
    for line in lines_of(text):
        is_simple_row = is_plain or ('"' not in line and "\\" not in line)
        if is_simple_row and line.partition(",")[0].rpartition("/")[2] not in names:
            lines.append(line)
            continue
        row = next(parse_rows(line), []) if '"' in line else line.rstrip("\r\n").split(",")
        path = path_from_root(site, row[0], *roots) if row and row[0] else ""
        if path in changed:
            content = changed[path]
            if content is None and not path.endswith(".pyc"):
                continue
            if content is not None and len(row) > 1 and row[1] and (installed := form(path, row[1])):
                content = installed(content)
                line = with_row(line, row[0], hash_like(row[1], content) or digest_of(content), len(content))
        lines.append(line)
    return "".join(lines)


def with_row(line: str, path: str, digest: str, size: int | str) -> str:
    """Return a line of a RECORD with another row, and with the same line ending."""
    return format_row(path, digest, size).rstrip("\n") + line[len(line.rstrip("\r\n")) :]


def decode_digest(digest: str) -> tuple[str, str]:
    """Return the algorithm of a hash in a RECORD, and its value in hexadecimal; the value is empty if it is not valid."""
    algorithm, _, text = digest.partition("=")
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return algorithm, ""
    return algorithm, raw.hex() if digest_text(raw) == text.rstrip("=") else ""


def hash_like(digest: str, content: bytes) -> str:
    """Return the hash of `content` with the algorithm of another hash in a RECORD; empty if that is unknown."""
    algorithm = digest.partition("=")[0]
    if algorithm == "sha256":
        return digest_of(content)
    import hashlib

    try:
        return f"{algorithm}={digest_text(hashlib.new(algorithm, content).digest())}"
    except (ValueError, TypeError):  # TypeError: an algorithm whose hashes have no fixed length, such as SHAKE
        return ""


def is_modified(path: str, digest: str, size: str = "") -> bool:
    """Return whether the file at an absolute path is missing, or differs from its row in a RECORD."""
    try:
        if os.path.isdir(path):
            return True
        if size.isdecimal() and size != str(os.path.getsize(path)):
            return True
        return f"sha256={digest_text(bytes.fromhex(hash_file(path)))}" != digest.rstrip("=")
    except OSError:
        return True
