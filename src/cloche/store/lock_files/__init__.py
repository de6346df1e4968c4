"""Lock files: the packages in them that an environment needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.pylock import is_valid_pylock_path

from cloche.errors import UsageError
from cloche.store.lock_files.packages import refuse_unreadable_lock
from cloche.store.lock_files.pylock import read_pylock, select
from cloche.store.lock_files.requirements_files import read_requirements

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import LockRequest
    from cloche.store import Store
    from cloche.store.lock_files.packages import LockedPackage

OTHER_LOCKS = {
    "uv.lock": "uv export --format pylock.toml -o pylock.toml",
    "pdm.lock": "pdm export -f pylock -o pylock.toml",
    "poetry.lock": "poetry export -f pylock.toml -o pylock.toml",
    "Pipfile.lock": "pipenv requirements --hash > requirements.txt",
}
"""The commands that convert the lock files of other tools, by file name."""


def locked_packages(request: LockRequest, interpreter: Interpreter, store: Store) -> list[LockedPackage]:
    """Return the packages of a lock file for an interpreter, sorted by name.

    :raises UsageError: the file cannot be read or is not a valid lock file, or does not declare a requested extra or group.
    :raises SeedError: it does not support the interpreter.
    """
    name = os.path.basename(request.path)
    if is_valid_pylock_path(Path(name)):
        packages = select(read_pylock(request.path, store), request, interpreter)
    elif name in OTHER_LOCKS or name.endswith((".toml", ".lock")):
        refuse_unreadable_lock(request.path)
        raise UsageError(
            f"`{request.path}` is neither a `pylock.toml` nor a requirements file",
            hint=f"create one with `{OTHER_LOCKS[name]}`"
            if name in OTHER_LOCKS
            else "a lock file is called `pylock.toml`, `pylock.NAME.toml` or, for pinned requirements, `NAME.txt`",
        )
    else:
        if request.extras or request.groups or request.default_groups == "excluded":
            refuse_unreadable_lock(request.path)
            raise UsageError(
                f"`{request.path}` is a requirements file, which has no extras and no dependency groups",
                hint="leave out `--extra`, `--group` and `--no-default-groups`, or use a `pylock.toml`",
            )
        packages = read_requirements(request.path, interpreter, store)
    return sorted(packages, key=lambda package: package.name)
