"""Whether anything in the tree of an environment is nobody's, or anybody's: dead links, open doors, leftovers."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cloche.apply.staging import staging_directories
from cloche.lifecycle import embedded_paths
from cloche.lifecycle.case import FIX, Finding
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.relocation import is_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.case import Case


def check_links(case: Case) -> Iterator[Finding]:
    bin_of = f"{case.environment.layout.bin}/"
    for file in embedded_paths.walk_files(case.root):
        if file.kind != "link" or os.path.exists(os.path.join(case.root, file.path)):
            continue
        is_python = file.path.startswith(bin_of) and PYTHON_NAME.fullmatch(file.path.removeprefix(bin_of))
        if is_python and (case.environment.interpreter is None or case.examination.failure):
            continue  # `base` or `start` says so
        target = os.readlink(os.path.join(case.root, file.path))
        if any(is_within(target, root) for root in case.old_roots):
            continue
        message = f"a link to `{target}`, where nothing is"
        yield Finding("link-dangling", file.path, message, "remove it, or put back what it points to")


def check_permissions(case: Case) -> Iterator[Finding]:
    open_to_all = world_writable(case.root)
    if open_to_all:
        more = f", and {len(open_to_all) - 1} more" if len(open_to_all) > 1 else ""
        message = f"every user may write to it{more}: what stands there runs as whoever uses the environment"
        yield Finding("world-writable", open_to_all[0], message, FIX, "yes")


def world_writable(root: str) -> list[str]:
    """Return files and directories that every user may write to, relative to the root (`.` is the root itself).

    Not uv's empty lock, which it lets every user take.
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
    for path in staging_directories(case.root):
        message = "a run of cloche was ended here before it was done"
        yield Finding("left-behind", path, message, f"{FIX} undoes and removes it", "yes")
