"""Who holds a lock, for whoever waits for it too long: a note that counts while its writer lives, and decides nothing.

The note is locked by its writer, or on Windows kept open, so that one that a killed process left is never believed,
whichever process has that number by now.
"""

from __future__ import annotations

import os
import stat
import sys

from cloche.fs.files import open_quietly

UNKNOWN = "another process"


def sign(path: str) -> int | None:
    """Leave a note of who we are in a new file, which nobody else can read; return the descriptor that keeps it true.

    None means that there is none: what stands at the path cannot be removed, or the file system has no locks.
    """
    command = " ".join(sys.argv).encode("utf-8", "backslashreplace")[:200]
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = None
    try:
        if os.path.lexists(path):
            os.unlink(path)  # of one that was killed
        descriptor = os.open(path, flags, 0o600)
        if sys.platform != "win32":
            from fcntl import LOCK_EX, LOCK_NB, flock

            flock(descriptor, LOCK_EX | LOCK_NB)
        os.write(descriptor, b"%d %s\n" % (os.getpid(), command.replace(b"\n", b" ")))
    except OSError:
        withdraw(path, descriptor)
        return None
    return descriptor


def withdraw(path: str, descriptor: int | None) -> None:
    """Remove a note that is ours, as its descriptor shows."""
    if descriptor is None:
        return
    if sys.platform == "win32":
        os.close(descriptor)  # what is open cannot be removed
    try:
        os.unlink(path)
    except OSError:
        pass
    if sys.platform != "win32":
        os.close(descriptor)


def author(path: str) -> str:
    """Return who left the note at a path and is alive, as people may read it: `process 12 (...)`, else `another process`."""
    try:
        if sys.platform == "win32":
            try:
                os.unlink(path)
            except PermissionError:  # it is open
                text = read(path)
            else:
                return UNKNOWN
        else:
            text = read(path)
    except OSError:
        return UNKNOWN
    number, _, command = text.partition(b" ")
    if not (number.isdigit() and command.endswith(b"\n")):
        return UNKNOWN
    shown = "".join(letter if letter.isprintable() else "?" for letter in command[:-1].decode("utf-8", "replace"))
    return f"process {int(number)} (`{shown}`)"


def read(path: str) -> bytes:
    """Return a note, if it is a file of ours whose writer lives; else nothing.

    :raises OSError: it cannot be read, or is a link.
    """
    descriptor = open_quietly(path, more=getattr(os, "O_NOFOLLOW", 0))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return b""
        if sys.platform != "win32":
            from fcntl import LOCK_NB, LOCK_SH, flock

            if found.st_uid != os.geteuid():
                return b""
            try:
                flock(descriptor, LOCK_SH | LOCK_NB)
                return b""  # nobody has it locked
            except BlockingIOError:
                pass
        return os.read(descriptor, 1000)
    finally:
        os.close(descriptor)
