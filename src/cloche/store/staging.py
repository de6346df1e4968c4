"""Staging directories: what is written to them is published by a rename, and the rest is removed.

`staging_directory` removes its directory at the end. A signal may interrupt that, and worker threads may still write to the
directory while an interrupted run ends. So `Store.staging` lists these directories, and `Store.close` removes the rest.
Only those of a killed process stay; a later run removes them.
"""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cloche.fs import remove_path
from cloche.store.worker_threads import raise_if_stopped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

FREE_SPACE = "free some space, or choose another directory with `--cache-dir`"
"""What to do if the disk of the cache is full."""

UNFINISHED = ".new"
DISCARDED = ".old"


def cache_remedy(error: OSError) -> str:
    """Return what to do after a file could not be written to the cache, for a hint."""
    if error.errno == errno.EFBIG:
        return "raise the limit of the size of a file with `ulimit -f`, or choose another directory with `--cache-dir`"
    return FREE_SPACE


@contextmanager
def staging_directory(listed: set[str], parent: str, *, prefix: str = "", suffix: str = UNFINISHED) -> Iterator[str]:
    """Create a private directory with a new name, yield its path, and remove it at the end if it still exists.

    :param listed: `Store.staging`; contains the path while the directory exists.
    :raises OSError: it cannot be created.
    :raises Stopped: other threads have ended the work of this one.
    """
    path = os.path.join(parent, f"{prefix}{os.urandom(4).hex()}{suffix}")
    listed.add(path)
    try:
        raise_if_stopped()
        os.mkdir(path, 0o700)
        yield path
    finally:
        remove_path(path)
        if not os.path.lexists(path):
            listed.discard(path)


def scratch_directory(listed: set[str], prefix: str = "cloche-") -> AbstractContextManager[str]:
    """Create a staging directory among the temporary files of the system, from which nothing is published."""
    return staging_directory(listed, tempfile.gettempdir(), prefix=prefix, suffix="")


def remove_staging_directories(listed: set[str]) -> None:
    """Remove the staging directories of a run that ends; threads that still write to them fail."""
    for path in tuple(listed):
        with suppress(OSError):  # the thread has removed it
            discard_directory(path)
        listed.discard(path)


def discard_directory(path: str) -> None:
    """Remove a directory so that no process sees it partly removed.

    One from a lower layer of an overlay file system (a container's image) cannot be renamed, and is removed in place.

    :raises OSError: it does not exist or cannot be renamed.
    """
    discarded = f"{path}.{os.urandom(4).hex()}{DISCARDED}"
    try:
        os.rename(path, discarded)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        discarded = path
    remove_path(discarded)
