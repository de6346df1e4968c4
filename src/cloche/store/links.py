"""Links from environments to images: the environments that were created with the link mode `symlink`.

The store has one file for each of them, which contains its path. What an environment links to is read from its links.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.cpython import keyed_hash
from cloche.fs import list_names, read_regular_file, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.store import Store


def record_links(store: Store, location: str) -> None:
    """Record that an environment links to images. A failure is ignored: the record is used only to warn."""
    try:
        replace_file(_record_path(store.writable_directory("links"), location), os.fsencode(location))
    except OSError:
        pass


def is_environment_recorded(store: Store, location: str) -> bool:
    """Return whether an environment is recorded."""
    return any(os.path.isfile(path) for path in records_in_use(store, [location]))


def records_in_use(store: Store, locations: Iterable[str]) -> Iterator[str]:
    """Yield the paths of the records of environments, which need not exist."""
    for directory in store.readable_directories("links"):
        for location in locations:
            yield _record_path(directory, location)


def _record_path(directory: str, location: str) -> str:
    return os.path.join(directory, keyed_hash(2, os.fsencode(location)).hex())


def linked_images(store: Store) -> dict[str, frozenset[str]]:
    """Return the paths of the images that environments link to, by the path of the environment, sorted."""
    found = {}
    for directory in store.readable_directories("links"):
        for name in list_names(directory):
            try:
                location = os.fsdecode(read_regular_file(os.path.join(directory, name)))
            except OSError:
                continue
            if images := frozenset(_images_of(location, os.path.join(store.root, "images", ""))):
                found[location] = images
    return dict(sorted(found.items()))


def _images_of(location: str, images: str) -> set[str]:
    """Return the directories of the images below `images` to which the links in an environment lead."""
    found = set()
    for parent, _, names in os.walk(location):
        for name in names:
            try:
                target = os.readlink(os.path.join(parent, name))
            except OSError:
                continue
            if target.startswith(images):
                abi, image, *_ = target[len(images) :].split("/")
                found.add(f"{images}{abi}/{image}")
    return found
