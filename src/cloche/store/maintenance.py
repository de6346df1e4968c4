"""Maintenance of the store: measure, verify, prune and clear it.

Environments own their files and are not affected, unless they were created with `--link-mode symlink`. Only files that the
store created are removed, and links are not followed. A process that uses the store at the same time creates removed files again.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING

from cloche.apply.obstacles import find_obstacle
from cloche.errors import ClocheError, SeedError
from cloche.fs import list_names, read_regular_file, remove_path
from cloche.model.value import Value
from cloche.store.check import check_tree
from cloche.store.contents import verify_contents
from cloche.store.distributions import read_wheel
from cloche.store.fetch.artifacts import damaged_artifacts
from cloche.store.images.verification import verify_image
from cloche.store.kinds import OPTIONAL_DIRECTORIES, STORE_DIRECTORIES
from cloche.store.links import linked_images, records_in_use
from cloche.store.staging import DISCARDED, UNFINISHED, discard_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping
    from typing import TypeAlias

    from cloche.store import Store
    from cloche.store.kinds import Kind

    ContentChecks: TypeAlias = Mapping[Kind, Callable[[bytes], bool]]
    """By kind, a function that returns whether a file's content is intact, for formats that the store does not know."""

DAY = 86400.0

ABANDONED = DAY
"""The age in seconds at which leftovers of a killed process are removed; no build takes that long."""

UNUSED = 30 * DAY
"""The age in seconds at which unused files are removed."""


class Usage(Value):
    """The disk usage of one kind of file."""

    kind: str
    entries: int
    """Number of images, wheels, probe results, and so on."""
    size: int
    """In bytes, including files that environments share by hard links."""


class Removal(Value):
    """A file or directory that was removed."""

    path: str
    reason: str
    """A lower-case fragment: `damaged`, `unused for 31 days`."""
    size: int
    """In bytes."""


def measure_store(store: Store) -> list[Usage]:
    """Return the disk usage of each kind of file; zero if the store cannot be used."""
    usage = []
    for kind in _present_kinds(store):
        paths = list(_entry_paths(store, kind))
        usage.append(Usage(kind, len(paths), sum(map(_disk_usage, paths))))
    return usage


def verify_store(store: Store, checks: ContentChecks | None = None) -> list[str]:
    """Compare every hash in the store; return one line for each problem, and change nothing."""
    problems = [f"`{path}` {problem}" for path, problem in _untrusted_directories(store).items()]
    for kind, check in (checks or {}).items():
        problems += [f"`{path}` is damaged" for path in _entry_paths(store, kind) if not _is_intact(path, check)]
    for path in _entry_paths(store, "images"):
        if not path.endswith((UNFINISHED, DISCARDED)):
            problems += verify_image(path)
    for path in _entry_paths(store, "wheels"):
        if problem := _wheel_problem(path):
            problems.append(problem)
    for path in _entry_paths(store, "artifacts"):
        problems += [f"`{damaged}` does not match its hash" for damaged in damaged_artifacts(path)]
    for path in _entry_paths(store, "builds"):
        wheels = (os.path.join(path, name) for name in list_names(path) if not path.endswith(UNFINISHED))
        problems += filter(None, map(_wheel_problem, wheels))
    return problems


def _untrusted_directories(store: Store) -> dict[str, str]:
    """Return the paths in the store that are ignored because they are unsafe, each with the reason."""
    paths = [os.path.join(store.root, kind) for kind in STORE_DIRECTORIES] if store.root else []
    problems = {path: store.trust_problem(path) for path in paths if os.path.lexists(path)}
    return {path: problem for path, problem in problems.items() if problem}


def prune_store(store: Store, now: float | None = None, checks: ContentChecks | None = None) -> list[Removal]:
    """Remove damaged files, leftovers of killed processes, and files unused for a month; return the removals.

    An image is in use as long as an environment shares its files by hard links, or links to them. If environments contain
    copies, an image that is not used for a month is removed, and built again for the next environment.

    :param now: the current time in seconds since the epoch; by default, the time of the system.
    :raises ClocheError: the store is read-only, or there is none.
    """
    _require_writable(store)
    now = time.time() if now is None else now
    linked = linked_images(store)
    in_use = {*frozenset().union(*linked.values()), *records_in_use(store, linked)}
    removed = []
    for kind in _present_kinds(store):
        for path in _entry_paths(store, kind):
            check = (checks or {}).get(kind)
            reason = "damaged" if check and not _is_intact(path, check) else _removal_reason(kind, path, now, in_use)
            if reason:
                removed.append(Removal(path, reason, _disk_usage(path)))
                remove_path(path)
    return removed


def linked_environments(store: Store) -> list[str]:
    """Return the environments that link to the store, and lose their packages if it is cleared."""
    return list(linked_images(store)) if store.is_persistent else []


def loss_warnings(linked: Iterable[str]) -> list[str]:
    """Return a warning for each environment that loses its packages if the store is cleared."""
    return [
        f"`{path}` links to the cache, and loses its packages; `cloche doctor --fix` installs them again"
        for path in linked
    ]


def clear_store(store: Store) -> int:
    """Remove every file of the store, and return their size in bytes; other files in its directory stay.

    :raises ClocheError: the store is read-only, or there is none.
    """
    _require_writable(store)
    total = sum(usage.size for usage in measure_store(store))
    for kind in _present_kinds(store):
        for directory in store.readable_directories(kind):
            try:
                discard_directory(directory)
            except FileNotFoundError:
                pass
    ours = (*STORE_DIRECTORIES, *OPTIONAL_DIRECTORIES)
    for name in list_names(store.root):
        if name.endswith(DISCARDED) and name.partition(".")[0] in ours:  # includes those of killed runs
            remove_path(os.path.join(store.root, name))
    try:
        os.unlink(os.path.join(store.root, "CACHEDIR.TAG"))
        os.rmdir(store.root)
    except OSError:
        pass  # the directory has files of the user or of another process
    return total


def _require_writable(store: Store) -> None:
    if not store.is_persistent:
        denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES), store.root)
        raise ClocheError(
            f"the cache `{store.root}` is read-only" if store.root else "no cache is available",
            hint=(store.is_read_only_on_disk and find_obstacle(denied, store.root))
            or "leave out `--read-only-cache`, or choose a writable cache with `--cache-dir`",
        )


def _present_kinds(store: Store) -> list[Kind]:
    """Return the kinds of the store, and the optional ones that have a directory in it."""
    return [*STORE_DIRECTORIES, *(kind for kind in OPTIONAL_DIRECTORIES if store.readable_directories(kind))]


def _entry_paths(store: Store, kind: Kind) -> Iterator[str]:
    """Yield the path of each entry of a kind; images are one level deeper, in a directory for each ABI."""
    for directory in store.readable_directories(kind):
        for name in list_names(directory):
            path = os.path.join(directory, name)
            if kind == "images" and os.path.isdir(path) and not os.path.islink(path):
                yield from (os.path.join(path, image) for image in list_names(path))
            else:
                yield path


def _is_intact(path: str, check: Callable[[bytes], bool]) -> bool:
    try:
        return path.endswith(UNFINISHED) or check(read_regular_file(path))
    except FileNotFoundError:
        return True  # another process removed it
    except OSError:
        return False


def _removal_reason(kind: Kind, path: str, now: float, in_use: Container[str]) -> str:
    """Return why `prune_store` removes a path; an empty string if it keeps it.

    :param in_use: the images that environments link to, and the records of these environments.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return ""
    age = now - max(status.st_mtime, status.st_ctime)
    if kind == "images":
        if path.endswith((UNFINISHED, DISCARDED)):
            return "abandoned" if age > ABANDONED else ""
        if not stat.S_ISDIR(status.st_mode) or check_tree(path):
            return "damaged"
        if _is_shared(path):
            return ""
    if path in in_use:
        return ""
    if path.endswith(UNFINISHED) or (kind == "wheels" and not path.endswith(".whl")):
        return "abandoned" if age > ABANDONED else ""
    if kind == "wheels" and _wheel_problem(path):
        return "damaged"
    if kind == "artifacts" and damaged_artifacts(path):
        return "damaged"
    if kind == "builds" and any(_wheel_problem(os.path.join(path, name)) for name in list_names(path)):
        return "damaged"
    return f"unused for {age / DAY:.0f} days" if age > UNUSED else ""


def _wheel_problem(wheel: str) -> str:
    """Return what is wrong with a wheel; an empty string if it is intact, or if it is still being downloaded."""
    if not wheel.endswith(".whl"):
        return ""
    try:
        verify_contents(read_wheel(wheel))
    except SeedError as error:
        return error.message
    return ""


def _is_shared(image: str) -> bool:
    """Return whether an environment has hard links to an image's files."""
    for parent, _, names in os.walk(image):
        for name in names:
            if name.endswith(".py"):
                return os.lstat(os.path.join(parent, name)).st_nlink > 1
    return False


def _disk_usage(path: str) -> int:
    """Return the size in bytes of a file, or of all files in a directory; links are not followed."""
    total = 0
    for parent, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                pass
    try:
        return total if os.path.isdir(path) else os.lstat(path).st_size
    except OSError:
        return total
