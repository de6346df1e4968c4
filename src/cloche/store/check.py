"""Whether an image is what was published: a cheap look at every file, which a warm run can afford.

It compares size, time and permissions, of which a file that was cut short, emptied, replaced or edited in place shows one;
`cloche.store.images.verify` compares content.
"""

from __future__ import annotations

import os

from cloche.operations import as_listed, kind_of, read_manifest, read_plain
from cloche.value import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.model import Image

SEAL = "manifest"
"""Name of the manifest that lists an image's own files: the trees' manifests, their records, its description."""

BY_DESCRIPTOR = os.stat in os.supports_dir_fd

DIRECTORY = 0o040000


def check(image: Image) -> str | None:
    """Return why an image must not be used, None if nothing speaks against it."""
    return check_tree(image.root)


def check_tree(root: str) -> str | None:
    """As `check`, for the image in the directory `root`."""
    if reason := check_seal(root):
        return reason
    try:
        for line in entries(root, SEAL)[1]:
            name = line.rpartition(" ")[2]
            if name.endswith(".manifest"):
                tree = f"{root}/{name.removesuffix('.manifest')}"
                if reason := _check_files(tree, entries(root, name)[1], kind_of(f"{root}/{name}")):
                    return reason
    except (OSError, ValueError) as error:
        return f"`{root}` is damaged: {error}"
    return None


def check_seal(root: str) -> str | None:
    """As `check_tree`, for what says which files there are; who lays these down looks at each of them anyway."""
    try:
        abi = os.path.dirname(root)
        for place in (os.path.dirname(abi), abi):  # a link in the way would lead out of the store
            if os.lstat(place).st_mode & 0o170000 != DIRECTORY:
                return f"`{place}` is not a directory"
        return _check_files(root, entries(root, SEAL)[1], kind_of(f"{root}/{SEAL}"))
    except (OSError, ValueError) as error:
        return f"`{root}` is damaged: {error}"


def sealed(root: str) -> list[str]:
    """Return the names of an image's own files, those in directories with `/`; what else lies there is not of it.

    :raises OSError: the seal cannot be read.
    :raises ValueError: it is not whole.
    """
    return [line.split(" ", 3)[3] for line in entries(root, SEAL)[1]]


def entries(root: str, name: str) -> tuple[list[str], list[str]]:
    """Return directories and file lines of one of an image's manifests (see `cloche.operations.read_manifest`).

    :raises OSError: it cannot be read.
    :raises ValueError: it is not whole.
    """
    return read_manifest(read_plain(f"{root}/{name}").decode("utf-8"))


def _check_files(root: str, lines: list[str], kind: int) -> str | None:
    stat = os.stat
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW if BY_DESCRIPTOR else 0
    directory = os.open(root, flags) if BY_DESCRIPTOR else None  # a quarter of the time goes into long paths
    try:
        for line in lines:
            size, mtime, _, path = line.split(" ", 3)
            try:
                found = stat(
                    path if directory is not None else f"{root}/{path}", dir_fd=directory, follow_symlinks=False
                )
            except (FileNotFoundError, NotADirectoryError):
                return f"`{root}/{path}` is missing"
            if not as_listed(found, size, mtime, kind):
                return f"`{root}/{path}` was changed"
    finally:
        if directory is not None:
            os.close(directory)
    return None
