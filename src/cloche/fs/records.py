"""The format of RECORD, which lists the files of a package with their hashes and sizes (PEP 376, PEP 627).

It is a CSV file of path, hash and size. Paths are relative to the directory that the package is installed in. The RECORD
of a package in an environment is read and updated by `cloche.fs.installed_records`.
"""

from __future__ import annotations

from cloche.fs import lines_of
from cloche.fs.manifests import sha256
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FIELD_LIMIT = 131_072
"""The length in characters up to which `csv` reads a field."""

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of `content` in the format of RECORD: URL-safe base64 without padding.

    The `binascii` module is avoided because it imports zlib, which takes half a millisecond.
    """
    number = int.from_bytes(sha256(content).digest() + b"\0", "big")  # 264 bits, 44 digits, the last one is padding
    return "sha256=" + "".join(BASE64[number >> place & 63] for place in range(258, 0, -6))


def digest_text(raw: bytes) -> str:
    """Return a hash of any length as RECORD writes it, without the algorithm."""
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(raw).decode().rstrip("=")


def format_row(path: str, digest: str = "", size: int | str = "") -> str:
    """Return a row of a RECORD with its newline; bytecode and the RECORD itself have neither hash nor size."""
    return f"{_quote_field(path)},{_quote_field(digest)},{size}\n"


def _quote_field(text: str) -> str:
    if "," not in text and '"' not in text and "\r" not in text and "\n" not in text:  # faster than a loop
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def record_of(files: Mapping[str, bytes], path: str) -> bytes:
    """Return a RECORD that lists files by their paths, and itself.

    :param path: the path of the RECORD itself.
    """
    rows = [format_row(name, digest_of(content), len(content)) for name, content in files.items()]
    return "".join([*rows, format_row(path)]).encode("utf-8", "surrogateescape")


def prefix_rows(record: str, prefix: str) -> str:
    """Return rows of a RECORD with `prefix/` added to every path."""
    rows = lines_of(record)
    return "".join(f'"{prefix}/{row[1:]}' if row.startswith('"') else f"{prefix}/{row}" for row in rows)


def remove_rows(record: str, paths: frozenset[str]) -> str:
    """Return the rows of a RECORD, except the rows of these paths; each row is as `format_row` returns it."""
    removed = {_quote_field(path) for path in paths}
    return "".join(row for row in lines_of(record) if row.rsplit(",", 2)[0] not in removed)


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
