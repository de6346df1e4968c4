"""RECORD: the files of an installed package, with their hashes and sizes (PEP 376, PEP 627).

It is a CSV file of path, hash and size. Paths are relative to the directory that the package is installed in.
"""

from __future__ import annotations

import os
import posixpath

from cloche.cpython import import_sha256
from cloche.fs import lines_of
from cloche.fs.manifests import hash_file
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

sha256 = import_sha256()


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


FIELD_LIMIT = 131_072
"""The length in characters up to which `csv` reads a field."""

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def record_digest(sha256_bytes: bytes) -> str:
    """Return a SHA-256 in the format of RECORD: URL-safe base64 without padding.

    The `binascii` module is avoided because it imports zlib, which takes half a millisecond.
    """
    number = int.from_bytes(sha256_bytes + b"\0", "big")  # 264 bits, 44 digits, the last one is padding
    return "sha256=" + "".join(BASE64[number >> place & 63] for place in range(258, 0, -6))


def digest_of(content: bytes) -> str:
    """Return the hash of `content` in the format of RECORD."""
    return record_digest(sha256(content).digest())


def decode_digest(digest: str) -> tuple[str, str]:
    """Return the algorithm of a hash in a RECORD, and its value in hexadecimal; the value is empty if it is not valid."""
    from base64 import urlsafe_b64decode

    algorithm, _, text = digest.partition("=")
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return algorithm, ""
    return algorithm, raw.hex() if digest_text(raw) == text.rstrip("=") else ""


def digest_text(raw: bytes) -> str:
    """Return a hash of any length as RECORD writes it, without the algorithm."""
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(raw).decode().rstrip("=")


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


def format_row(path: str, digest: str = "", size: int | str = "") -> str:
    """Return a row of a RECORD with its newline; bytecode and the RECORD itself have neither hash nor size."""
    return f"{_quote_field(path)},{_quote_field(digest)},{size}\n"


def record_of(files: Mapping[str, bytes], path: str) -> bytes:
    """Return a RECORD that lists files by their paths, and itself.

    :param path: the path of the RECORD itself.
    """
    rows = [format_row(name, digest_of(content), len(content)) for name, content in files.items()]
    return "".join([*rows, format_row(path)]).encode("utf-8", "surrogateescape")


def _quote_field(text: str) -> str:
    if "," not in text and '"' not in text and "\r" not in text and "\n" not in text:  # faster than a loop
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def prefix_rows(record: str, prefix: str) -> str:
    """Return rows of a RECORD with `prefix/` added to every path."""
    rows = lines_of(record)
    return "".join(f'"{prefix}/{row[1:]}' if row.startswith('"') else f"{prefix}/{row}" for row in rows)


def remove_rows(record: str, paths: frozenset[str]) -> str:
    """Return the rows of a RECORD, except the rows of these paths."""
    return rows_of_paths(record, lambda path: path not in paths)


def rows_of_paths(record: str, is_kept: Callable[[str], bool]) -> str:
    """Return the rows of a RECORD whose paths, as they are written there, are kept."""

    def path_of(line: str) -> str:
        return next(parse_rows(line), [""])[0] if '"' in line else line.rstrip("\r\n").partition(",")[0]

    return "".join(line for line in lines_of(record) if is_kept(path_of(line)))


def parse_rows(text: str, *, strict: bool = False) -> Iterator[list[str]]:
    """Return the fields of each row of a RECORD; skip rows that cannot be read, unless `strict` is set.

    :raises ValueError: `strict` is set, and the text is not valid CSV or has a field that is too long.
    """
    lines = text.replace("\r\n", "\n")
    if strict or '"' in lines or "\r" in lines or "\0" in lines:
        return parse_quoted_rows(text, strict=strict)
    # three times as fast as `csv`; a line of this length has no field that `csv` would refuse
    return iter([line.split(",") for line in lines.split("\n") if 0 < len(line) <= FIELD_LIMIT])


def parse_quoted_rows(text: str, *, strict: bool) -> Iterator[list[str]]:
    """Yield what `parse_rows` describes, for any text."""
    import csv
    import io

    rows = csv.reader(io.StringIO(text, newline=""), strict=strict)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            if strict:
                raise ValueError(str(error)) from error
            continue
        if row is None:
            return
        if row:
            yield row


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
