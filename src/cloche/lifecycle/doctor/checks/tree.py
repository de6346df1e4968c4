"""Checks of the tree of an environment: dangling links, permissions, leftovers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.apply.staging import staging_directories
from cloche.fs import is_within, try_lock_directory
from cloche.fs.manifests import RUNTIME_MANIFEST, parse_manifest
from cloche.lifecycle.doctor.case import ONLY_YOU, Finding, and_more, missing_directory
from cloche.lifecycle.reader import copied_links
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.tree import is_same_content, walk_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.doctor.case import Case


def check_links(case: Case) -> Iterator[Finding]:
    """Report symbolic links whose target does not exist; links into one missing directory are one finding."""
    lost = case.lost_targets
    for other in (other for other in lost if not other.seed[0]):  # the others are reported by `check_pip`
        count = "a link leads" if len(other.links) == 1 else f"{len(other.links)} links lead"
        message = f"{count} to `{other.directory}`, which does not exist"
        remedy = f"{ONLY_YOU}: restore the directory, or reinstall the package"
        yield Finding("link-dangling", other.links[0], message, remedy)
    reported = {path for other in lost for path in other.links}
    dangling = [path for path in case.tree.dangling_links if path not in reported]
    distributions = case.info.distributions if dangling else ()
    recorded = frozenset(row.path for distribution in distributions for row in distribution.rows)
    recorded |= parse_manifest(case.files.text(RUNTIME_MANIFEST)).keys()
    by_cause: dict[str, list[str]] = {}
    for path in dangling:
        if cause := cause_of_dangling_link(case, path, recorded):
            by_cause.setdefault(cause, []).append(path)
    for cause, links in by_cause.items():
        message = f"{len(links)} links lead to `{cause}`, which does not exist"
        remedy = f"{ONLY_YOU}: restore `{cause}`, or remove the links"
        if len(links) == 1:
            target = os.readlink(case.environment.path_to(links[0]))
            message = f"its target `{target}` does not exist"
            remove = case.command("rm", case.environment.path_to(links[0]))
            remedy = f"{ONLY_YOU}: restore its target, or remove the link with {remove}"
        yield Finding("link-dangling", links[0], message, remedy)


def cause_of_dangling_link(case: Case, path: str, recorded: frozenset[str]) -> str:
    """Return the topmost missing directory, or the file, that a link misses; empty if another check reports the cause.

    :param recorded: the files of all packages, and of the Python of a portable environment.
    """
    location = case.environment.path_to(path)
    bin_of = f"{case.environment.layout.bin}/"
    is_python = path.startswith(bin_of) and PYTHON_NAME.fullmatch(path.removeprefix(bin_of))
    if is_python and (case.environment.interpreter is None or case.examination.failure):
        return ""  # reported by `check_base` or `check_start`
    target = os.path.normpath(os.path.join(os.path.dirname(location), os.readlink(location)))
    if any(is_within(target, root) for root, _ in case.relocation.roots) or case.relocation.path(target) != target:
        return ""  # reported by `check_moved`
    if case.is_in_lost_base(target):
        return ""  # reported by `check_base`
    if is_within(target, case.root) and os.path.relpath(target, case.root) in recorded:
        return ""  # reported by `check_records` or `check_runtime`
    if is_within(case.environment.path_to(case.environment.layout.purelib), target):
        return ""  # reported by `check_parts`
    return missing_directory(target)


def check_copied_links(case: Case) -> Iterator[Finding]:
    """Report directories that are copies instead of links to a directory: they double the size and go out of date."""
    for path, target in copied_links(case.environment):
        different = differing_files(case.root, path, target)
        if not different:
            message = f"it should be a link to `{target}`, but is a copy of it"
            yield Finding("link-copied", path, message, f"{case.fix} replaces it with the link", repairable=True)
        else:
            message = (
                f"it should be a link to `{target}`, but is a copy of it, and {len(different)} files in it are not in "
                f"`{target}` or are different there, such as `{different[0]}`"
            )
            remove = case.command("rm", "-r", case.environment.path_to(path))
            remedy = f"{ONLY_YOU} what you need from it: move that to `{target}`, then remove the rest with {remove}"
            yield Finding("link-copied", path, message, remedy)


def differing_files(root: str, path: str, target: str) -> list[str]:
    """Return the files below `path`, except bytecode, that are not the same below `target`; relative to the root."""
    return [
        f"{path}/{file.path}"
        for file in walk_files(os.path.join(root, path))
        if not file.path.endswith(".pyc")
        and not is_same_content(os.path.join(root, path, file.path), os.path.join(root, target, file.path))
    ]


def check_permissions(case: Case) -> Iterator[Finding]:
    """Report files and directories that every user can change."""
    if open_to_all := case.tree.world_writable:
        more = and_more(len(open_to_all))
        message = f"every user can write to it{more}, and can therefore run code as anyone who uses the environment"
        yield Finding("world-writable", open_to_all[0], message, f"{case.fix} removes that permission", repairable=True)


def check_leftovers(case: Case) -> Iterator[Finding]:
    """Report the staging directories of killed runs."""
    left = [path for path in staging_directories(case.root) if not is_in_use(path)]
    if left:
        message = f"an interrupted run of cloche left this staging directory{and_more(len(left))}"
        yield Finding(
            "left-behind", left[0], message, f"{case.fix} undoes that run and removes the directory", repairable=True
        )


def is_in_use(path: str) -> bool:
    """Return whether a run in progress has locked a staging directory."""
    try:
        descriptor, state = try_lock_directory(path)
    except OSError:
        return False
    if descriptor is not None:
        os.close(descriptor)
    return state == "busy"
