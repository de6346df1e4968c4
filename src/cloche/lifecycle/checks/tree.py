"""Checks of the tree of an environment: dangling links, permissions, leftovers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.apply.staging import staging_directories
from cloche.lifecycle.case import FIX, Finding
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
    for path in case.tree.dangling_links:
        if path in reported:
            continue
        is_python = path.startswith(bin_of) and PYTHON_NAME.fullmatch(path.removeprefix(bin_of))
        if is_python and (case.environment.interpreter is None or case.examination.failure):
            continue  # reported by `check_base` or `check_start`
        target = os.readlink(os.path.join(case.root, path))
        if any(is_within(target, root) for root in case.old_roots):
            continue
        message = f"its target `{target}` does not exist"
        yield Finding("link-dangling", path, message, "remove the link, or restore its target")


def check_permissions(case: Case) -> Iterator[Finding]:
    """Report files and directories that every user can change."""
    if open_to_all := case.tree.world_writable:
        more = f", and {len(open_to_all) - 1} more" if len(open_to_all) > 1 else ""
        message = f"every user can write to it{more}, and so run code as the users of the environment"
        yield Finding("world-writable", open_to_all[0], message, FIX, "yes")


def check_leftovers(case: Case) -> Iterator[Finding]:
    """Report the staging directories of killed runs."""
    for path in staging_directories(case.root):
        message = "an interrupted run of cloche left this staging directory"
        yield Finding("left-behind", path, message, f"{FIX} undoes that run and removes the directory", "yes")
