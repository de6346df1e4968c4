"""Compare the images of an environment with its files, without reading the contents."""

from __future__ import annotations

import os

from cloche.apply.file_list import read_file_list
from cloche.fs import DIRECTORY, paths_in
from cloche.model.value import TYPE_CHECKING
from cloche.store.check import FILE_LIST_SUFFIX, own_files
from cloche.store.installation import tree_directories

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.apply.file_list import FileList
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment


def installed_trees(image: Image, environment: Environment) -> Iterator[tuple[str, str, FileList]]:
    """Yield the trees of an image: the name, the directory in an environment, relative to the root, and the file list.

    :raises OSError, ValueError: the image was removed or damaged.
    """
    directories = tree_directories(image, environment)
    for name in own_files(image.root):
        tree = name.removesuffix(FILE_LIST_SUFFIX)
        if name.endswith(FILE_LIST_SUFFIX) and tree in directories:
            yield tree, directories[tree], read_file_list(f"{image.root}/{name}")


def find_damage(image: Image, environment: Environment) -> str:
    """Return a file of an installed image that is missing or modified; empty if the environment has them all.

    Contents are not read: a modified file has another size or time. Bytecode is left out, because Python writes it again.

    :raises OSError, ValueError: the image was removed or damaged.
    """
    left_out = frozenset(image.left_out)
    for tree, inside, files in installed_trees(image, environment):
        root = environment.path_to(inside)
        stat, mtime = os.stat, files.mtime_ns
        descriptor = -1
        try:
            descriptor = os.open(root, DIRECTORY) if os.stat in os.supports_dir_fd else -1
            directory = descriptor if descriptor >= 0 else None
            for path, there, size in zip(files.paths, paths_in(files.paths, root, directory), files.sizes, strict=True):
                if path[-4:] == ".pyc" or (left_out and f"{tree}/{path}" in left_out):
                    continue
                try:
                    found = stat(there, dir_fd=directory)
                except OSError:
                    return f"{inside}/{path}"
                if found.st_size != size or found.st_mtime_ns != mtime:
                    return f"{inside}/{path}"
        except OSError:
            return inside
        finally:
            if descriptor >= 0:
                os.close(descriptor)
    return ""


def changeable_paths(images: Iterable[Image], environment: Environment) -> Iterator[str]:
    """Yield paths in an environment, at least one of which changes if a file of these images is changed or removed.

    They are the directories of the files, and the files that can be written to in place. A read-only file can only be
    replaced, which changes its directory, unless a program first makes it writable or has the rights of root. Bytecode and
    the directories for it are left out.

    :raises OSError, ValueError: an image was removed or damaged, or a file is missing.
    """
    seen = set()
    for image in images:
        for _, inside, files in installed_trees(image, environment):
            prefix = "" if inside == "." else f"{inside}/"
            for path in files.paths:
                if path.endswith(".pyc"):
                    continue
                directory = (prefix + path).rpartition("/")[0] or "."
                if directory not in seen:
                    seen.add(directory)
                    yield directory
                if os.stat(environment.path_to(prefix + path)).st_mode & 0o222:
                    yield prefix + path
