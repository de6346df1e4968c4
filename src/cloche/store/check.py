"""Whether an image is what was published: a cheap look at every file, which a warm run can afford.

It compares size, time and permissions, of which a file that was cut short, emptied, replaced or edited in place shows one;
`cloche.store.images.verify_image` compares content.
"""

from __future__ import annotations

import os

from cloche.apply.file_list import DamagedImage, kind_of, look, read_file_list
from cloche.fs.files import DIRECTORY
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model.distribution import Image

FILE_LIST_SUFFIX = ".files"
"""The suffix of the list of a tree's files: `purelib.files` lists what is in `purelib`."""

OWN_FILE_LIST = "image.files"
"""The list of an image's own files: the file lists of its trees, their records, and its description."""

BY_DESCRIPTOR = os.stat in os.supports_dir_fd

IS_DIRECTORY = 0o040000


def check(image: Image) -> str | None:
    """Return why an image must not be used, None if nothing speaks against it."""
    return check_tree(image.root)


def check_tree(root: str) -> str | None:
    """As `check`, for the image in the directory `root`."""
    if reason := check_seal(root):
        return reason
    try:
        for name in sealed(root):
            if name.endswith(FILE_LIST_SUFFIX):
                _look(f"{root}/{name}", f"{root}/{name.removesuffix(FILE_LIST_SUFFIX)}")
    except DamagedImage as error:
        return error.message
    except (OSError, ValueError) as error:
        return f"`{root}` is damaged: {error}"
    return None


def check_seal(root: str) -> str | None:
    """As `check_tree`, for what says which files there are; who lays these down looks at each of them anyway."""
    try:
        abi = os.path.dirname(root)
        for place in (os.path.dirname(abi), abi):  # a link in the way would lead out of the store
            if os.lstat(place).st_mode & 0o170000 != IS_DIRECTORY:
                return f"`{place}` is not a directory"
        _look(f"{root}/{OWN_FILE_LIST}", root)
    except DamagedImage as error:
        return error.message
    except (OSError, ValueError) as error:
        return f"`{root}` is damaged: {error}"
    return None


def sealed(root: str) -> Sequence[str]:
    """Return the names of an image's own files, those in directories with `/`; what else lies there is not of it.

    :raises OSError: the list cannot be read.
    :raises ValueError: it is not whole.
    """
    return read_file_list(f"{root}/{OWN_FILE_LIST}").paths


def _look(manifest: str, root: str) -> None:
    directory = os.open(root, DIRECTORY) if BY_DESCRIPTOR else None
    try:
        look(read_file_list(manifest), kind_of(manifest), root, directory)
    finally:
        if directory is not None:
            os.close(directory)
