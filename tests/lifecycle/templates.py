"""Directories that are made once and laid down anywhere, as if they had been made there.

Their makers take a second or more for an environment, and a test wants one for itself. It must not be cloche that moves
the copies: this knows one notation, the path as it is, which all makers use where a path is plain.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.distributions import record_hash

if TYPE_CHECKING:
    from collections.abc import Callable


class Templates:
    """Directories by key, each made when it is first wanted."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def lay(self, key: str, make: Callable[[Path], None], place: Path) -> None:
        """Have what `make` puts into an empty directory stand in `place`, beside what is there."""
        template = self._place / key
        if not template.exists():
            made = self._place / f"{key}-in-the-making"
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            make(made)
            template.mkdir()
            copied(made, template)
        copied(template, place)


def copied(old: Path, new: Path) -> None:
    """Copy what is in a directory, with every path that leads into it, and with lists of hashes that are true."""
    changed = set()
    for parent, names, files in os.walk(old):
        there = new / os.path.relpath(parent, old)
        there.mkdir(exist_ok=True)
        shutil.copystat(parent, there)
        for name in (*files, *(name for name in names if os.path.islink(os.path.join(parent, name)))):
            if copied_file(os.path.join(parent, name), there / name, str(old), str(new)):
                changed.add(there / name)
    for source in [path for path in changed if path.suffix == ".py"]:
        for cached in (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"):
            cached.unlink()
    for record in new.glob("**/*.dist-info/RECORD"):
        rewritten(record, lambda text, record=record: rows(text, record.parent.parent, changed))
    for manifest in new.glob("**/.cloche-manifest"):
        rewritten(manifest, lambda text, manifest=manifest: lines(text, manifest.parent, changed))


def copied_file(source: str, to: Path, old: str, new: str) -> bool:
    """Copy a file or a link; return whether it is another than it was."""
    if os.path.islink(source):
        to.symlink_to(os.readlink(source).replace(old, new))
        return False
    shutil.copy2(source, to)
    with open(source, "rb") as file:
        content = file.read()
    moved = content.replace(old.encode(), new.encode())
    if moved == content or b"\0" in content:
        return False
    status = os.stat(source)
    to.write_bytes(moved)
    os.utime(to, ns=(status.st_atime_ns, status.st_mtime_ns))
    return True


def rewritten(path: Path, change: Callable[[str], str]) -> None:
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    if (new := change(text)) != text:
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(new)


def rows(text: str, site: Path, changed: set[Path]) -> str:
    """Return a RECORD with the hashes and sizes of files that were changed."""
    found = []
    for line in text.splitlines(keepends=True):
        [(name, digest, _)] = csv.reader([line])
        path = Path(os.path.normpath(site / name))
        if digest and path in changed:
            content = path.read_bytes()
            written = io.StringIO()
            csv.writer(written, lineterminator="").writerow([name, record_hash(content), len(content)])
            line = written.getvalue() + line[len(line.rstrip()) :]
        found.append(line)
    return "".join(found)


def lines(text: str, root: Path, changed: set[Path]) -> str:
    """Return cloche's list of what it made with the hashes of files that were changed."""
    found = []
    for line in text.splitlines(keepends=True):
        _, _, path = line.rstrip("\n").partition("  ")
        if root / path in changed:
            line = f"{hashlib.sha256((root / path).read_bytes()).hexdigest()}  {path}\n"
        found.append(line)
    return "".join(found)
