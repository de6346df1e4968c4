"""Open the files of an environment, which may be anything: nothing in it may hold up whoever looks."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from cloche.fs.files import open_quietly

if TYPE_CHECKING:
    from typing import BinaryIO


def open_plain(path: str) -> BinaryIO:
    """Open a plain file, or a link to one, for reading bytes, without a trace in its time of access.

    :raises OSError: it cannot be opened, or is something else: a FIFO, a device, a directory.
    """
    descriptor = open_quietly(path)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", path)
    return open(descriptor, "rb")
