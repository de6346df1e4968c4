"""Remove an entire directory: the old tree of an environment that was moved."""

from __future__ import annotations

import errno
import os

from cloche.apply.staging import claim_staging, discard_staging, stem_beside
from cloche.apply.transaction import DeferredSignals, Transaction


def remove_directory(path: str) -> list[str]:
    """Remove a directory with everything in it; others see it disappear in one step.

    Return the staging directories with what could not be removed; empty if nothing is left.

    A directory from a lower layer of an overlay file system (a container's image) cannot be renamed. It is emptied in one
    transaction, and then removed.

    :raises OSError: a system call failed; the directory is unchanged.
    """
    with DeferredSignals():
        staging, descriptor = claim_staging(stem_beside(path))
        is_renamed = True
        try:
            os.rename(path, os.path.join(staging, "old"))
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            is_renamed = False
        finally:
            is_gone = discard_staging(staging)
            if descriptor is not None:
                os.close(descriptor)
        if is_renamed:
            return [] if is_gone else [staging]
        with Transaction(path, "merge-emptied") as emptying:
            emptying.commit()
        try:
            os.rmdir(path)
        except OSError:
            pass  # another program uses the directory; its content is gone, so this must not undo the caller's work
        return emptying.left
