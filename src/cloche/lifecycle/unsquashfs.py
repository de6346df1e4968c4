"""The members of a squashfs file system, which `unsquashfs` extracts."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
from typing import TYPE_CHECKING

from cloche.apply.processes import run_program
from cloche.errors import ClocheError
from cloche.store.archives import InvalidArchive

if TYPE_CHECKING:
    from collections.abc import Sequence

LISTED = re.compile(r"[-dl][-rwxsStT]{9} +\d+/\d+ +(?P<size>\d+) \d{4}-\d\d-\d\d \d\d:\d\d squashfs-root(/.*)?")
"""A line of `unsquashfs -lln` for a file, a directory or a link."""

FILE_TOO_LARGE = getattr(signal, "SIGXFSZ", 0)
"""The signal that ends a program whose file would exceed the limit of `ulimit -f`; 0 on Windows, which has none."""


def extract_squashfs(path: str, directory: str, limit: int) -> None:
    """Extract a file system into a directory that does not exist; nothing but files, directories and links.

    :raises ClocheError: `unsquashfs` is not installed, or was killed.
    :raises InvalidArchive: it is damaged, contains something else, or is larger than `limit`.
    :raises OSError: the disk is full, or a file is larger than a limit of this process.
    """
    listed = run_unsquashfs(["-lln", path])
    size = 0
    for line in listed.splitlines():
        if not line or line.startswith(("Parallel unsquashfs", "created ")):
            continue
        match = LISTED.fullmatch(line)
        if match is None:
            raise InvalidArchive(f"contains something that is not a file, a directory or a link: `{line[:200]}`")
        size += int(match["size"]) * line.startswith("-")
    if size > limit:
        raise InvalidArchive("expands to an unreasonable size")
    run_unsquashfs(["-quiet", "-no-progress", "-no-xattrs", "-dest", directory, path])


def run_unsquashfs(arguments: Sequence[str]) -> str:
    """Run the program; return its output."""
    program = shutil.which("unsquashfs")
    if program is None:
        raise ClocheError(
            "a squashfs file system needs the program `unsquashfs`",
            hint="install squashfs-tools, or mount the file system instead",
        )
    environ = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    done = run_program([program, *arguments], environ)
    if done.returncode < 0 and -done.returncode == FILE_TOO_LARGE:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    if done.returncode < 0:  # a system without memory kills it; the archive may be intact
        raise ClocheError(
            f"`unsquashfs` failed: ended by signal {-done.returncode}",
            hint="try again, or mount the file system instead",
        )
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        if any(os.strerror(errno.ENOSPC) in line for line in lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        reason = lines[-1].strip() if lines else f"`unsquashfs` exits with {done.returncode}"
        raise InvalidArchive(f"cannot be unpacked: {reason}")
    return done.stdout.decode("utf-8", "surrogateescape")
