"""Look up images in the store."""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import TYPE_CHECKING

from cloche.fs import read_regular_file
from cloche.model.distribution import EntryPoint, Image, StartupCode
from cloche.store.check import check_image, check_own_files
from cloche.store.images.sources import DistributionSource

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.distributions import Distribution
    from cloche.store.images.sources import ImageSource

    Checked: TypeAlias = Literal["all", "lists"]
    """Whether all files of an image are checked, or only the lists of them, which is enough before an installation."""

FORMAT = 6
"""Increased when images of an earlier version must not be used."""


def abi_name(interpreter: Interpreter) -> str:
    """Return the name of the directory for images whose bytecode this interpreter can use: `cpython-312-cb0d0d0a`."""
    name = f"{interpreter.cache_tag}-{interpreter.magic}"
    return name if re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name) else hashlib.sha256(name.encode()).hexdigest()[:32]


def image_name(source: ImageSource) -> str:
    """Return the directory name of an image: name, version, and a hash of what decides its content."""
    content = hashlib.sha256(f"{FORMAT} {source.digest}".encode()).hexdigest()
    return f"{source.name}-{source.version}-{content[:16]}"


def find_image(distribution: Distribution, interpreter: Interpreter, store: Store) -> Image:
    """Return the image of a distribution that is not going to be installed; its root is empty if the store has none."""
    return find_intact_image(store, abi_name(interpreter), image_name(DistributionSource(distribution))) or Image(
        distribution.name,
        distribution.version,
        root="",
        entry_points=distribution.entry_points,
        dist_info=distribution.dist_info,
        files=0,
        size=0,
        bytecode="missing",
    )


def find_named_image(name: str, interpreter: Interpreter, store: Store, checked: Checked = "all") -> Image | None:
    """Return the intact image with this directory name, for an interpreter's ABI; None if the store has none."""
    if checked == "all":
        return find_intact_image(store, abi_name(interpreter), name)
    for images in store.readable_directories("images"):
        if image := listed_image(os.path.join(images, abi_name(interpreter), name)):
            return image
    return None


def find_intact_image(store: Store, abi: str, name: str) -> Image | None:
    """Return the intact image with this directory name, for the ABI of that name; None if the store has none."""
    for images in store.readable_directories("images"):
        if image := load_image(os.path.join(images, abi, name)):
            return image
    return None


def load_image(root: str) -> Image | None:
    """Return the image in the directory `root`; None if there is none or it is damaged."""
    image = _described_image(root)
    return None if image is None or check_image(image) else image


def listed_image(root: str) -> Image | None:
    """Return the image in the directory `root` if the lists of its files are intact; the files themselves may be damaged."""
    return _described_image(root) if os.path.lexists(root) and check_own_files(root) is None else None


def _described_image(root: str) -> Image | None:
    """Return the image in the directory `root` according to its description; None if that cannot be read."""
    try:
        description = json.loads(read_regular_file(os.path.join(root, "image.json")))
        points = tuple(EntryPoint(**point) for point in description.pop("entry_points"))
        codes = tuple(StartupCode(**code) for code in description.pop("startup_code"))
        return Image(root=root, entry_points=points, startup_code=codes, **description)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
