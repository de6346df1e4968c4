"""Exchange two directory entries in one step, where the system supports it; elsewhere, callers fall back to renames.

Linux has `renameat2(RENAME_EXCHANGE)` since 3.15, macOS `renamex_np(RENAME_SWAP)` since 10.12. Both are atomic on local
file systems. NFS, SMB, vfat and older FUSE file systems have neither.
"""

from __future__ import annotations

import errno
import os
import sys

UNSUPPORTED_ERRORS = frozenset((errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM, errno.EXDEV))
"""Errors that mean that the exchange is not supported; `EPERM` comes from system call filters (seccomp)."""


def exchange(one: str, other: str) -> bool:
    """Exchange two directory entries in one step; return False if the system or file system does not support it.

    :raises OSError: the exchange is supported but failed; nothing was changed.
    """
    code = system_exchange(os.fsencode(one), os.fsencode(other))
    if code and code not in UNSUPPORTED_ERRORS:
        raise OSError(code, os.strerror(code), one, None, other)
    return not code


def system_exchange(one: bytes, other: bytes) -> int:
    """Call the system's function; return its error number, 0 for success."""
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
