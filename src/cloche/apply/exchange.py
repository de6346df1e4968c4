"""Exchange two directory entries in one step, where the system can; callers have another way where it cannot.

Linux has `renameat2(RENAME_EXCHANGE)` since 3.15, macOS `renamex_np(RENAME_SWAP)` since 10.12. Both are atomic on local
file systems. NFS, SMB, vfat and older FUSE file systems have neither.
"""

from __future__ import annotations

import errno
import os
import sys

UNABLE = frozenset((errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM, errno.EXDEV))
"""Errors of systems that cannot exchange these two; `EPERM` comes from filters of system calls (seccomp)."""


def exchange(one: str, other: str) -> bool:
    """Exchange two directory entries in one step; False where the system or the file system cannot.

    :raises OSError: it can, and this failed; nothing was changed.
    """
    code = system_exchange(os.fsencode(one), os.fsencode(other))
    if code and code not in UNABLE:
        raise OSError(code, os.strerror(code), one, None, other)
    return not code


def system_exchange(one: bytes, other: bytes) -> int:
    """Make the system call; return its error number, 0 for success."""
    try:
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            failed = library.renamex_np(one, other, 2)
        else:
            here = -100  # AT_FDCWD
            failed = library.renameat2(here, one, here, other, 2)
    except (ImportError, AttributeError, OSError, TypeError):
        return errno.ENOSYS  # a Python without `ctypes`, a C library without the function, or Windows
    return ctypes.get_errno() if failed else 0
