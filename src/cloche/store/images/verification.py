"""Verify images: compare the content of every file with its hash."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from cloche.apply.file_list import read_file_list
from cloche.fs import read_regular_file
from cloche.store.check import FILE_LIST_SUFFIX, OWN_FILE_LIST, check_tree, own_files
from cloche.store.images.writer import parents_of

if TYPE_CHECKING:
    from cloche.apply.file_list import FileList


def verify_image(root: str) -> list[str]:
    """Compare the hash of every file of an image; return one line for each problem."""
    if problem := check_tree(root):
        return [problem]
    names = own_files(root)
    problems = []
    known = {OWN_FILE_LIST, *names, *(parent for name in names for parent in parents_of(name))}
    for name in names:
        if name.endswith(FILE_LIST_SUFFIX):
            tree = name.removesuffix(FILE_LIST_SUFFIX)
            file_list = read_file_list(f"{root}/{name}")
            problems += _changed_files(f"{root}/{tree}", file_list)
            known |= {tree, *(f"{tree}/{path}" for path in (*file_list.directories, *file_list.paths))}
            directories = (f"{root}/{tree}/{path}" for path in file_list.directories)
            problems += [f"`{path}` is a symbolic link" for path in filter(os.path.islink, directories)]
    problems += [f"`{root}/{path}` is not part of the image" for path in sorted(_walk(root) - known)]
    return problems + _changed_files(root, read_file_list(f"{root}/{OWN_FILE_LIST}"))


def _changed_files(root: str, file_list: FileList) -> list[str]:
    problems = []
    for path, digest in zip(file_list.paths, file_list.hashes, strict=True):
        if hashlib.sha256(read_regular_file(f"{root}/{path}")).hexdigest() != digest:
            problems.append(f"`{root}/{path}` was modified after it was created")
    return problems


def _walk(root: str) -> set[str]:
    """Return every file and directory below `root`, relative and with `/`."""
    found = set()
    for parent, directories, names in os.walk(root):
        inside = os.path.relpath(parent, root).replace(os.sep, "/")
        found |= {name if inside == "." else f"{inside}/{name}" for name in [*directories, *names]}
    return found
