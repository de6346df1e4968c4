"""Find environments below a directory, by file names alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.apply.staging import is_staging_beside, is_staging_inside, sweep_staging
from cloche.errors import ClocheError
from cloche.fs.manifests import MANIFEST
from cloche.model import PYVENV_CFG

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

SKIPPED_NAMES = frozenset(
    (".git", ".hg", "node_modules", "__pycache__", "site-packages", "dist-packages", "proc", "sys", "dev")
)


INSTALLED_NAMES = frozenset(("bin", "include", "lib", "lib64", "Include", "Lib", "Scripts"))
"""The directories of an environment in which packages and programs are installed."""


def environments_below(
    directory: str, on_error: Callable[[ClocheError | OSError], None], leftovers: Literal["kept", "swept"] = "kept"
) -> list[str]:
    """Return the environments at or below `directory`, sorted: the directories that contain a `pyvenv.cfg`.

    One of cloche's that has lost this file is recognized by its manifest.

    Symbolic links are not followed. The directories of an environment in which packages and programs are installed are not
    searched; another environment may be beside them. Staging directories are not searched either: they belong to a run that
    is changing an environment, or to the next one for it.

    :param on_error: called for each directory that cannot be read, or in which an environment cannot be restored.
    :param leftovers: whether those of killed runs are undone and removed. One may hold the only copy of an environment.
    """
    found = []
    for parent, names, files in os.walk(directory, onerror=on_error):
        staging = [name for name in names if is_staging_inside(name) or is_staging_beside(name)]
        if staging and leftovers == "swept":
            for name in staging:
                try:
                    sweep_staging(os.path.join(parent, name))
                except (ClocheError, OSError) as error:
                    on_error(error)
            names[:], files = next(((directories, others) for _, directories, others in os.walk(parent)), ([], []))
        skipped = SKIPPED_NAMES
        if PYVENV_CFG in files or (MANIFEST in files and not INSTALLED_NAMES.isdisjoint(names)):
            found.append(parent)
            skipped |= INSTALLED_NAMES
        names[:] = sorted(
            name for name in names if name not in skipped and not (is_staging_inside(name) or is_staging_beside(name))
        )
    return sorted(found)
