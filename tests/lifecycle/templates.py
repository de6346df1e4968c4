"""Template directories: created once, then copied to any path as if they had been created there.

Creating an environment takes a second or more, and each test needs its own. The copies must not depend on the code of
cloche that moves environments. This module replaces only the plain path, because every tool writes a path unchanged if
it needs no quotes.
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
    """Template directories by key, each created when it is first used."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def copy_to(self, destination: Path, key: str, create: Callable[[Path], None]) -> None:
        """Add to `destination` what `create` writes to an empty directory."""
        template = self._directory / key
        if not template.exists():
            unfinished = self._directory / f"{key}-unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            create(unfinished)
            template.mkdir()
            copy_relocated(unfinished, template)
        copy_relocated(template, destination)


def copy_relocated(old: Path, new: Path) -> None:
    """Copy the content of a directory; update the paths that lead into it, and the hashes in RECORDs and manifests."""
    changed = set()
    for parent, names, files in os.walk(old):
        directory = new / os.path.relpath(parent, old)
        directory.mkdir(exist_ok=True)
        shutil.copystat(parent, directory)
        for name in (*files, *(name for name in names if os.path.islink(os.path.join(parent, name)))):
            if copy_file(os.path.join(parent, name), directory / name, str(old), str(new)):
                changed.add(directory / name)
    for source in [path for path in changed if path.suffix == ".py"]:
        for cached in (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"):
            cached.unlink()
    for record in new.glob("**/*.dist-info/RECORD"):
        rewrite(record, lambda text, record=record: update_record(text, record.parent.parent, changed))
    for manifest in new.glob("**/.cloche-manifest"):
        rewrite(manifest, lambda text, manifest=manifest: update_manifest(text, manifest.parent, changed))


def copy_file(source: str, target: Path, old: str, new: str) -> bool:
    """Copy a file or link, with `old` replaced with `new`; return whether the content of a file changed."""
    if os.path.islink(source):
        target.symlink_to(os.readlink(source).replace(old, new))
        return False
    shutil.copy2(source, target)
    with open(source, "rb") as file:
        content = file.read()
    relocated = content.replace(old.encode(), new.encode())
    if relocated == content or b"\0" in content:
        return False
    status = os.stat(source)
    target.write_bytes(relocated)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    return True


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Replace the text of a file if `change` returns another one."""
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    if (new := change(text)) != text:
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(new)


def update_record(text: str, site_packages: Path, changed: set[Path]) -> str:
    """Return a RECORD with the new hashes and sizes of the changed files."""
    lines = []
    for line in text.splitlines(keepends=True):
        [(name, digest, _)] = csv.reader([line])
        path = Path(os.path.normpath(site_packages / name))
        if digest and path in changed:
            content = path.read_bytes()
            row = io.StringIO()
            csv.writer(row, lineterminator="").writerow([name, record_hash(content), len(content)])
            line = row.getvalue() + line[len(line.rstrip()) :]
        lines.append(line)
    return "".join(lines)


def update_manifest(text: str, root: Path, changed: set[Path]) -> str:
    """Return the manifest of an environment with the new hashes of the changed files."""
    lines = []
    for line in text.splitlines(keepends=True):
        _, _, path = line.rstrip("\n").partition("  ")
        if root / path in changed:
            line = f"{hashlib.sha256((root / path).read_bytes()).hexdigest()}  {path}\n"
        lines.append(line)
    return "".join(lines)
