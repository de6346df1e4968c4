"""Files of lock files, and functions that obtain them."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from cloche.errors import SeedError
from cloche.model.plan import Wanted
from cloche.store.fetch import downloads
from cloche.store.fetch.artifacts import Artifact
from cloche.testing import fake_interpreter

if TYPE_CHECKING:
    from cloche.store import Store
    from cloche.store.fetch.pins import Pin

DATA = b"wheel " * 1000
NAME = "spam-1.0-py3-none-any.whl"
SHA256 = hashlib.sha256(DATA).hexdigest()


def spam(**fields: object) -> Artifact:
    """Return an artifact with the content `DATA`."""
    return Artifact(
        **{"distribution": "spam", "version": "1.0", "file_name": NAME, "hashes": {"sha256": SHA256}, **fields}
    )  # type: ignore[arg-type]


def obtain(store: Store, *artifacts: Artifact | Pin, **wanted: object) -> list[str]:
    return downloads.obtain(artifacts, Wanted(**wanted), fake_interpreter(), store)  # type: ignore[arg-type]


def obtain_bytes(store: Store, artifact: Artifact | Pin, **wanted: object) -> bytes:
    [path] = obtain(store, artifact, **wanted)
    return read(path)


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def failure(store: Store, *artifacts: Artifact | Pin, **wanted: object) -> str:
    """Return the message of the failure; check its exit code, and that it left nothing behind."""
    with pytest.raises(SeedError) as caught:
        obtain(store, *artifacts, **wanted)
    assert caught.value.exit_code == 5
    assert "\n" not in caught.value.message
    assert stored_files(store) == []
    return caught.value.message


def stored_files(store: Store) -> list[str]:
    """Return the paths of all downloaded files in the store, complete or not, and of staging directories."""
    root = os.path.join(store.root, "artifacts")
    return [
        os.path.relpath(os.path.join(parent, name), root)
        for parent, directories, names in os.walk(root)
        for name in [*names, *(name for name in directories if name.endswith(".new"))]
    ]
