"""The origins of images: records of which image was made from which wheel, by the hash of the wheel.

So the wheel is not needed again as long as its image exists.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.fs import list_names, read_regular_file, replace_file
from cloche.store.images.lookup import FORMAT, find_named_image

if TYPE_CHECKING:
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.store import Store


def find_image_of_wheel(
    distribution: str, sha256: str, size: int | None, interpreter: Interpreter, store: Store
) -> Image | None:
    """Return the image of the wheel with this hash, for an interpreter; None if the store has none.

    :param size: the size of the wheel in bytes; None for any size.
    """
    for origins in store.readable_directories("origins"):
        name, wheel_size = _read_origin(os.path.join(origins, sha256))
        if not name.startswith(f"{distribution}-") or str(size or wheel_size) != wheel_size:
            continue
        if image := find_named_image(name, interpreter, store):
            return image
    return None


def wheels_of_images(store: Store) -> dict[str, frozenset[str]]:
    """Return the SHA-256 of the wheels that each image was made from, by the name of its directory."""
    found: dict[str, frozenset[str]] = {}
    for origins in store.readable_directories("origins"):
        for digest in list_names(origins):
            name, _ = _read_origin(os.path.join(origins, digest))
            if name:
                found[name] = found.get(name, frozenset()) | {digest}
    return found


def _read_origin(path: str) -> tuple[str, str]:
    """Return the name of the image that was made from a wheel, and the size of the wheel, from a record of `record_origin`.

    Both are empty if there is no valid record, or if an earlier version of cloche made the image.
    """
    try:
        made, name, size, end = read_regular_file(path).decode("utf-8").split("\n")
    except (OSError, ValueError):
        return "", ""
    return (name, size) if made == str(FORMAT) and not end and "/" not in name else ("", "")


def record_origin(image: Image, sha256: str, size: int, store: Store) -> None:
    """Record that an image was made from the wheel with this hash; a failure only costs time later."""
    path = os.path.join(store.writable_directory("origins"), sha256)
    try:
        replace_file(path, f"{FORMAT}\n{os.path.basename(image.root)}\n{size}\n".encode())
    except OSError:
        pass
