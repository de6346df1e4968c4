"""The record that an environment was up to date, which saves the next run from checking every file.

Comparing an environment with its images means checking thousands of files. The record has the signatures of everything that
changes when a file is added, removed or replaced: the directories, and the files that can be written to in place. Only
read-only files, which environments share by hard links, are left out. What changes one of those without replacing it, such as
a write by root, is found by `cloche verify`.

A record is one file in the plan cache, for one environment and one question: what the environment had to be. It also has the
*answer*: what follows from the question, and takes time to find out. `cloche verify` replaces the record with one of the files
that differ, because neither their sizes nor their times may show that.
"""

from __future__ import annotations

import marshal
import os
from time import time_ns

from cloche.cpython import keyed_hash
from cloche.fs import DIRECTORY, paths_in, read_regular_file, replace_file
from cloche.fs.signatures import path_signature, signature_of
from cloche.model.value import TYPE_CHECKING
from cloche.planning.plan_cache import is_intact_entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from cloche.fs.signatures import Signature
    from cloche.planning.plan_cache import PlanCache

    Signatures: TypeAlias = list[Signature]

    Answer: TypeAlias = tuple[list[str], list[str], list[str]]
    """The paths of the activation scripts, the names of the activators, and why others were left out."""

MIN_AGE_NS = 2 * 10**9
"""Nanoseconds for which nothing must have changed before a record is written. A change at the same time on the clock of the
file system would not show; the coarsest clocks count in steps of two seconds."""


DIFFERENT = "different"
"""The question of a record of files that differ; no other one is a single word."""


def recorded_answer(root: str, question: str, cache: PlanCache) -> Answer | None:
    """Return the answer that was recorded for the same question, if nothing that is watched has changed since."""
    if not cache.directory:
        return None
    try:
        content = read_regular_file(record_path(root, cache))
        if not is_intact_entry(content):
            return None
        recorded, paths, signatures, answer = marshal.loads(content[8:])
        return answer if recorded == question and signatures == signatures_of(root, paths) else None
    except (OSError, ValueError, TypeError, EOFError):
        return None


def signatures_of(root: str, paths: Sequence[str]) -> Signatures:
    """Return the signatures of files and directories below a directory; links are followed.

    :raises OSError: one of them does not exist.
    """
    stat = os.stat
    descriptor = os.open(root, DIRECTORY) if stat in os.supports_dir_fd else None
    try:
        return [signature_of(stat(path, dir_fd=descriptor)) for path in paths_in(paths, root, descriptor)]
    finally:
        if descriptor is not None:
            os.close(descriptor)


def record_up_to_date(
    root: str, question: str, answer: Answer, signatures: Mapping[str, Signature], cache: PlanCache
) -> None:
    """Record that an environment is up to date. A failure only costs time later.

    :param signatures: the signatures of the paths to watch, from before they were compared with the images.
    """
    if not cache.directory or not cache.writable:
        return
    times = (signature[-2:] for signature in signatures.values() if isinstance(signature, tuple))
    if max((time for pair in times for time in pair if isinstance(time, int)), default=0) > time_ns() - MIN_AGE_NS:
        return
    data = marshal.dumps((question, [*signatures], [*signatures.values()], answer))
    try:
        replace_file(record_path(root, cache), keyed_hash(1, data) + data)
    except OSError:
        pass


def record_differences(root: str, owners: Mapping[str, str], cache: PlanCache) -> None:
    """Record that an environment is not up to date, and which of its files differ from what was installed.

    :param owners: the normalized name of the distribution of each of these files, by path.
    """
    if not cache.directory or not cache.writable:
        return
    signatures = {path: path_signature(os.path.join(root, path)) for path in owners}
    data = marshal.dumps((DIFFERENT, dict(owners), signatures))
    try:
        replace_file(record_path(root, cache), keyed_hash(1, data) + data)
    except OSError:
        pass


def known_differences(root: str, cache: PlanCache) -> Mapping[str, str]:
    """Return the recorded files that differ and have not been replaced since: their distributions by path."""
    if not cache.directory:
        return {}
    try:
        content = read_regular_file(record_path(root, cache))
        kind, owners, signatures = marshal.loads(content[8:]) if is_intact_entry(content) else ("", {}, {})
        if kind != DIFFERENT:
            return {}
        unchanged = (path for path in owners if path_signature(os.path.join(root, path)) == signatures[path])
        return {path: owners[path] for path in unchanged}
    except (OSError, ValueError, TypeError, EOFError, KeyError):
        return {}


def record_path(root: str, cache: PlanCache) -> str:
    """Return the path of the record for the environment in a directory, whatever links lead to it."""
    real = os.path.realpath(root).encode("utf-8", "surrogateescape")
    return os.path.join(cache.directory, keyed_hash(3, real).hex())
