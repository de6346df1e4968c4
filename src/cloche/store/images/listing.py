"""The images that the store has for an interpreter, by the distribution that they contain."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.fs import list_names
from cloche.store.images.lookup import abi_name, listed_image

if TYPE_CHECKING:
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.store import Store


class ImageListing:
    """The images for an interpreter's ABI. The store is listed once, however many distributions are looked up."""

    def __init__(self, interpreter: Interpreter, store: Store) -> None:
        self._roots: dict[str, list[str]] = {}
        """By name and version, joined with a hyphen: the directories of the images."""
        for images in store.readable_directories("images"):
            directory = os.path.join(images, abi_name(interpreter))
            for entry in list_names(directory):
                self._roots.setdefault(entry.rpartition("-")[0], []).append(os.path.join(directory, entry))

    def images_of(self, name: str, version: str) -> list[Image]:
        """Return the images of one version of a distribution whose file lists are intact.

        Their files may be damaged: an environment that shares them may have changed them.
        """
        found = []
        for root in self._roots.get(f"{name}-{version}", ()):
            image = listed_image(root)
            found += [image] if image else []
        return found
