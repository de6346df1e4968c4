from __future__ import annotations

import os
import sys
import tempfile

IS_WIN = sys.platform == "win32"
IS_PYPY = sys.implementation.name == "pypy"
IS_CPYTHON = sys.implementation.name == "cpython"


def fs_supports_symlink() -> bool:
    """Return whether the directory for temporary files supports symbolic links."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            os.symlink(directory, os.path.join(directory, "link"))
        except (OSError, NotImplementedError):
            return False
    return True


__all__ = ["IS_CPYTHON", "IS_PYPY", "IS_WIN", "fs_supports_symlink"]
