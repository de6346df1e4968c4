"""Whether a file system clearly lacks the space for what a run is going to write.

This is known only for file systems that neither compress nor share the content of files. Others are not checked: if one of
them is full, the system call that fails reports it.
"""

from __future__ import annotations

import os

from cloche.fs import nearest_existing_path

PLAIN_FILE_SYSTEMS = frozenset(("ext2", "ext3", "ext4", "exfat", "tmpfs", "vfat", "xfs"))
"""File systems of Linux on which a new file needs at least as many bytes as it has."""

TOLERANCE = 0.9
"""The part of the bytes that has to fit: the smallest files may be stored beside their names."""


def lacking_space(path: str, needed: int) -> int | None:
    """Return the free bytes of a path's file system if new files of this size cannot fit there.

    :param path: an absolute path, which need not exist.
    :param needed: the bytes of new files, none of which is a link to another one.
    :return: None if they fit, or if it is not known.
    """
    try:
        path = nearest_existing_path(path)
        found = os.statvfs(path)
        blocks = found.f_bavail if os.geteuid() else found.f_bfree
        free = blocks * found.f_frsize
        if needed * TOLERANCE <= free or file_system_of(os.stat(path).st_dev) not in PLAIN_FILE_SYSTEMS:
            return None
    except (AttributeError, OSError, ValueError):  # Windows has no `statvfs`
        return None
    return free


def device_of(path: str) -> int:
    """Return the device number (`st_dev`) of the file system that an absolute path is, or will be, on.

    :raises OSError: it is not known.
    """
    return os.stat(nearest_existing_path(path)).st_dev


def file_system_of(device: int) -> str:
    """Return the type of the file system with this device number (`st_dev`), as Linux names it; empty if it is not known."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            mount, _, details = line.partition(" - ")
            if mount.split(" ")[2] == number:
                return details.partition(" ")[0]
    return ""
