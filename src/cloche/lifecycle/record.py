"""RECORD, the list of a distribution's files (PEP 376 and 627): its rows read, written, and held against the files."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import posixpath

from cloche.lifecycle.plain import open_plain
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Iterator


@value
class Row:
    """One row of a RECORD."""

    path: str
    """Relative to the environment's root, with `/`; absolute for a file outside of it."""
    digest: str
    """As the RECORD has it, `sha256=…`; empty if it has none."""
    size: str


def record_rows(text: str, site: str) -> Iterator[Row]:
    """Yield the rows of a RECORD; one that is no row is passed over."""
    for row in csv.reader(io.StringIO(text, newline="")):
        if row and row[0]:
            path, digest, size = (*row, "", "")[:3]
            yield Row(from_site(site, path), digest, size)


def from_site(site: str, path: str) -> str:
    """Return a path that is relative to a directory for packages as one that is relative to the root."""
    path = path.replace("\\", "/")
    return path if path.startswith("/") or path[1:2] == ":" else posixpath.normpath(f"{site}/{path}")


def digest(content: bytes) -> str:
    """Return a file's hash as RECORD has it."""
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={encoded.rstrip(b'=').decode()}"


def written_row(row: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()


def is_altered(path: str, recorded: str, size: str) -> bool:
    try:
        if os.path.isdir(path):
            return True
        if size.isdigit() and os.path.getsize(path) != int(size):
            return True
        with open_plain(path) as file:
            return digest(file.read()) != recorded.rstrip("=")
    except OSError:
        return True
