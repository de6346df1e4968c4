"""Create one file, such as an archive: complete, or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from cloche.apply.staging import claim_staging, discard_staging, stem_beside
from cloche.apply.transaction import DeferredSignals, DeliveredSignals, DestinationChanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

T = TypeVar("T")


def create_output(target: str, existing: Literal["kept", "replaced"], write: Callable[[str, str], T]) -> T:
    """Create a file or a directory in a staging directory beside its final path, then rename it; return what `write` returns.

    :param existing: what happens to a file that is already there.
    :param write: takes the path to create, and the path of an empty directory for intermediate files.
    :raises DestinationChanged: a file is kept that is already there.
    :raises OSError: a system call failed. As after any other exception, nothing is left of the output.
    """
    staging, descriptor = "", None
    deferred = DeferredSignals()
    with deferred:
        try:
            staging, descriptor = claim_staging(stem_beside(target))
            work = os.path.join(staging, "new")
            written = os.path.join(work, "output")
            scratch = os.path.join(work, "scratch")
            os.makedirs(scratch)
            with DeliveredSignals(deferred):
                result = write(written, scratch)
            name_output(written, target, existing)
            return result
        finally:
            with deferred:  # needed if a signal has just ended `DeliveredSignals`
                if staging:
                    discard_staging(staging)
                if descriptor is not None:
                    os.close(descriptor)


def name_output(written: str, target: str, existing: Literal["kept", "replaced"]) -> None:
    """Give a complete output its final name."""
    if existing == "replaced" or os.path.isdir(written):
        os.rename(written, target)
        return
    try:
        os.link(written, target)
    except FileExistsError as error:
        raise DestinationChanged from error
    except OSError:  # a file system without hard links
        os.rename(written, target)
