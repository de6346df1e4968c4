"""Checks of the tree of an environment: dangling links, permissions, leftovers."""

from __future__ import annotations

import filecmp
import os
import stat
from typing import TYPE_CHECKING

from cloche.apply.staging import staging_directories
from cloche.lifecycle import embedded_paths
from cloche.lifecycle.case import FIX, Finding
from cloche.lifecycle.reader import copied_links
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.relocation import is_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.case import Case


def check_links(case: Case) -> Iterator[Finding]:
    """Report symbolic links whose target does not exist."""
    bin_of = f"{case.environment.layout.bin}/"
    lost = case.lost_targets
    for other in (other for other in lost if not other.seed[0]):  # the others are reported by `check_pip`
        count = "a link leads" if len(other.links) == 1 else f"{len(other.links)} links lead"
        message = f"{count} to `{other.directory}`, which does not exist"
        yield Finding("link-dangling", other.links[0], message, "restore the directory, or reinstall the package")
    reported = {path for other in lost for path in other.links}
    for file in embedded_paths.walk_files(case.root):
        if file.kind != "link" or file.path in reported or os.path.exists(os.path.join(case.root, file.path)):
            continue
        is_python = file.path.startswith(bin_of) and PYTHON_NAME.fullmatch(file.path.removeprefix(bin_of))
        if is_python and (case.environment.interpreter is None or case.examination.failure):
            continue  # reported by `check_base` or `check_start`
        target = os.readlink(os.path.join(case.root, file.path))
        if any(is_within(target, root) for root, _ in case.relocation.roots):
            continue
        message = f"its target `{target}` does not exist"
        yield Finding("link-dangling", file.path, message, "remove the link, or restore its target")


def check_copied_links(case: Case) -> Iterator[Finding]:
    """Report directories in the place of links between directories, which double the size and go out of date."""
    for path, target in copied_links(case.environment):
        different = differing_files(case.root, path, target)
        if not different:
            message = f"it is a copy of `{target}`, to which it should be a link"
            yield Finding("link-copied", path, message, f"{FIX} replaces it with the link", "yes")
        else:
            message = (
                f"it is a copy of `{target}`, to which it should be a link, and {len(different)} files in it are not in "
                f"`{target}` or are different there, such as `{different[0]}`"
            )
            remedy = f"this Python does not use it: move what you need to `{target}`, then remove it"
            yield Finding("link-copied", path, message, remedy)


def differing_files(root: str, path: str, target: str) -> list[str]:
    """Return the files below `path`, except bytecode, that are not the same below `target`; relative to the root."""
    return [
        f"{path}/{file.path}"
        for file in embedded_paths.walk_files(os.path.join(root, path))
        if not file.path.endswith(".pyc")
        and not is_same_content(os.path.join(root, path, file.path), os.path.join(root, target, file.path))
    ]


def is_same_content(one: str, other: str) -> bool:
    """Return whether two files, or links to files, have the same content."""
    try:
        return os.path.samefile(one, other) or filecmp.cmp(one, other, shallow=False)
    except OSError:
        return os.path.islink(one) and os.path.islink(other) and os.readlink(one) == os.readlink(other)


def check_permissions(case: Case) -> Iterator[Finding]:
    """Report files and directories that every user can change."""
    open_to_all = world_writable(case.root)
    if open_to_all:
        more = f", and {len(open_to_all) - 1} more" if len(open_to_all) > 1 else ""
        message = f"every user can write to it{more}, and so run code as the users of the environment"
        yield Finding("world-writable", open_to_all[0], message, FIX, "yes")


def world_writable(root: str) -> list[str]:
    """Return the files and directories that every user can write to, relative to the root (`.` is the root itself).

    The empty lock file of uv is left out: it is world-writable on purpose.
    """
    if os.name == "nt":
        return []
    found = ["."] if stat.S_IMODE(os.stat(root).st_mode) & stat.S_IWOTH else []
    for parent, directories, names in os.walk(root):
        for name in [*directories, *names]:
            status = os.lstat(os.path.join(parent, name))
            is_lock = name == ".lock" and parent == root and stat.S_ISREG(status.st_mode) and not status.st_size
            if status.st_mode & stat.S_IWOTH and not stat.S_ISLNK(status.st_mode) and not is_lock:
                found.append(os.path.relpath(os.path.join(parent, name), root).replace(os.sep, "/"))
    return sorted(found)


def check_leftovers(case: Case) -> Iterator[Finding]:
    """Report the staging directories of killed runs."""
    for path in staging_directories(case.root):
        message = "an interrupted run of cloche left this staging directory"
        yield Finding("left-behind", path, message, f"{FIX} undoes that run and removes the directory", "yes")
