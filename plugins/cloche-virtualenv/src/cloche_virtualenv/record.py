"""RECORD, the list of a distribution's files with their hashes ("Recording installed projects")."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def record_of(files: Mapping[str, bytes], path: str) -> bytes:
    """Return a RECORD that lists these files and, without a hash, itself at `path`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        writer.writerow([name, f"sha256={digest}", len(content)])
    writer.writerow([path, "", ""])
    return text.getvalue().encode()
