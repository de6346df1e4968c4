"""`virtualenv.app_data`: a directory in cloche's cache, in which `python_discovery` caches facts about interpreters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from python_discovery import DiskCache

import cloche
from cloche_virtualenv.request import user_cache

if TYPE_CHECKING:
    from collections.abc import Mapping


class AppData(DiskCache):
    """A cache of `python_discovery`."""

    def __init__(self, folder: str) -> None:
        super().__init__(Path(folder))
        self.folder = folder
        self.lock = Path(folder)

    @classmethod
    def of_user(cls, environ: Mapping[str, str]) -> AppData | None:
        """Return the cache of `python_discovery` in the user's cache; None if there is no persistent cache."""
        try:
            directory = cloche.cache_directory(**user_cache(environ))
        except cloche.ClocheError:  # the requested cache cannot be used
            return None
        return cls(os.path.join(directory, "python-discovery")) if directory else None

    def close(self) -> None:
        """Do nothing, because everything is already on disk."""


def make_app_data(folder: str | None, *, read_only: bool, env: Mapping[str, str]) -> AppData | None:
    """Return the cache in `folder`, by default in the user's cache; None if it cannot be created."""
    folder = folder or env.get("VIRTUALENV_OVERRIDE_APP_DATA", "").strip()
    if not folder:
        return AppData.of_user(env)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        return None
    return AppData(os.path.abspath(folder))
