"""`virtualenv.app_data`: where `python_discovery` keeps what it learns of interpreters, beside cloche's own cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from python_discovery import DiskCache

from cloche.api import current_host
from cloche.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.model.interpreter import Host


class AppData(DiskCache):
    """A cache that `python_discovery` takes, in a directory of ours."""

    def __init__(self, folder: str) -> None:
        super().__init__(Path(folder))
        self.folder = folder
        self.lock = Path(folder)

    @classmethod
    def of_user(cls, host: Host) -> AppData | None:
        """Return the user's own; None where there is no place for it."""
        with Store.open(host, host.environ.get("CLOCHE_CACHE_DIR") or None) as store:
            return cls(os.path.join(store.root, "python-discovery")) if store.is_persistent else None

    def close(self) -> None:
        """Do nothing: everything is on disk already."""


def make_app_data(folder: str | None, *, read_only: bool, env: Mapping[str, str]) -> AppData | None:
    """Return the cache in `folder`, or the user's own; None if there is no place for one."""
    return AppData(os.path.abspath(folder)) if folder else AppData.of_user(current_host(env))
