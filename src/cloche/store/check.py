"""Check that an image is intact, fast enough for a warm run.

The check compares size, time and permissions of every file. `cloche.store.images.verification` compares content.
"""

from __future__ import annotations

import os
import stat

from cloche.apply.file_list import DamagedImage, check_files, read_file_list, shared_mode
from cloche.fs import DIRECTORY
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model.distribution import Image

FILE_LIST_SUFFIX = ".files"
"""The suffix of the list of a tree's files: `purelib.files` lists what is in `purelib`."""

OWN_FILE_LIST = "image.files"
"""The list of an image's own files: the file lists of its trees, their records, `shebangs/`, and its description."""

BY_DESCRIPTOR = os.stat in os.supports_dir_fd


def check_image(image: Image) -> str | None:
    """Return why an image must not be used, None if it is intact."""
    return check_tree(image.root)


def check_tree(root: str) -> str | None:
    """Check the image in the directory `root`, like `check_image`."""
    if reason := check_own_files(root):
        return reason
    try:
        for name in own_files(root):
            if name.endswith(FILE_LIST_SUFFIX):
                _check_listed_files(f"{root}/{name}", f"{root}/{name.removesuffix(FILE_LIST_SUFFIX)}")
    except DamagedImage as error:
        return error.message
    except (OSError, ValueError) as error:
        return f"`{root}` is damaged: {error}"
    return None


def check_own_files(root: str) -> str | None:
    """Check only the image's own files. That is enough before an installation, which checks the trees itself."""
    try:
        abi = os.path.dirname(root)
        for parent in (os.path.dirname(abi), abi, root):  # a link would lead out of the store
            status = os.lstat(parent)
            if not stat.S_ISDIR(status.st_mode):
                return f"`{parent}` is not a directory"
            if status.st_uid and os.name != "nt" and os.geteuid() == 0:  # as root, see `_trust` in `cloche.store`
                return f"`{parent}` belongs to user {status.st_uid}"
        _check_listed_files(f"{root}/{OWN_FILE_LIST}", root)
    except DamagedImage as error:
        return error.message
    except (OSError, ValueError) as error:
        return f"`{root}` is damaged: {error}"
    return None


def own_files(root: str) -> Sequence[str]:
    """Return the paths of an image's own files, with `/`.

    :raises OSError: the list cannot be read.
    :raises ValueError: the list is incomplete.
    """
    return read_file_list(f"{root}/{OWN_FILE_LIST}").paths


def _check_listed_files(file_list: str, root: str) -> None:
    directory = os.open(root, DIRECTORY) if BY_DESCRIPTOR else None
    try:
        check_files(read_file_list(file_list), shared_mode(file_list), root, directory)
    finally:
        if directory is not None:
            os.close(directory)
