"""Looking after the store: how large it is, whether it is whole, and taking away what is not needed, or everything.

Nothing here can harm an environment: what was laid into one is its own. Only what the store made is removed, links are
not followed, and whoever is at work in the store at that moment makes again what is gone.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from cloche.errors import ClocheError, SeedError
from cloche.fs.files import read_plain
from cloche.model.value import value
from cloche.store import KINDS, PLUGIN_KINDS
from cloche.store.check import check_tree
from cloche.store.distributions import read_wheel
from cloche.store.images import DISCARDED, UNFINISHED, remove_path, verify_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    from cloche.store import Kind, Store

    Judges: TypeAlias = Mapping[Kind, Callable[[bytes], bool]]
    """By kind, whether a file holds what was written to it, where somebody else than the store decides on its form."""

DAY = 86400.0

ABANDONED = DAY
"""Seconds after which what a killed builder left is removed; no builder lives that long."""

UNUSED = 30 * DAY
"""Seconds that something must have lain in the store before it is removed for not being used."""


@value
class Usage:
    """How much of one kind there is."""

    kind: str
    entries: int
    """Number of images, wheels, answers, and so on."""
    size: int
    """Bytes; what environments share with an image by hard links counts."""


@value
class Removal:
    """Something that was removed."""

    path: str
    reason: str
    """As a lower-case fragment: `damaged`, `unused for 31 days`."""
    size: int


def size(store: Store) -> list[Usage]:
    """Return what the store holds of each kind; nothing where it cannot be used."""
    usage = []
    for kind in _kinds(store):
        paths = list(_entries(store, kind))
        usage.append(Usage(kind, len(paths), sum(map(_size, paths))))
    return usage


def verify(store: Store, judges: Judges | None = None) -> list[str]:
    """Return what is wrong in the store, one line each, every hash compared; nothing is changed."""
    wrong = [f"`{path}` {reason}" for path, reason in store.untrusted_directories().items()]
    for kind, judge in (judges or {}).items():
        wrong += [f"`{path}` is damaged" for path in _entries(store, kind) if not _is_whole(path, judge)]
    for path in _entries(store, "images"):
        if not path.endswith((UNFINISHED, DISCARDED)):
            wrong += verify_image(path)
    for path in _entries(store, "wheels"):
        if reason := _fault(path):
            wrong.append(reason)
    return wrong


def prune(store: Store, now: float | None = None, judges: Judges | None = None) -> list[Removal]:
    """Remove what is damaged, what was abandoned, and what has not been used for a month; return what that was.

    An image is used as long as an environment shares its files by hard links; where environments were copied it is made
    again when it is next wanted.

    :raises ClocheError: the store may not be written.
    """
    _require_writable(store)
    now = time.time() if now is None else now
    removed = []
    for kind in _kinds(store):
        for path in _entries(store, kind):
            judge = (judges or {}).get(kind)
            reason = "damaged" if judge and not _is_whole(path, judge) else _needless(kind, path, now)
            if reason:
                removed.append(Removal(path, reason, _size(path)))
                remove_path(path)
    return removed


def clear(store: Store) -> int:
    """Remove everything that the store holds, and return how many bytes that was; what is not ours stays.

    :raises ClocheError: the store may not be written.
    """
    _require_writable(store)
    total = sum(usage.size for usage in size(store))
    for kind in _kinds(store):
        for place in store.readable_directories(kind):
            aside = f"{place}.{os.urandom(4).hex()}{DISCARDED}"
            try:
                os.rename(place, aside)  # nobody shall see half an image
            except FileNotFoundError:
                pass
    ours = (*KINDS, *PLUGIN_KINDS)
    for name in _names(store.root):
        if name.endswith(DISCARDED) and name.partition(".")[0] in ours:  # those of a run that was killed, too
            remove_path(os.path.join(store.root, name))
    try:
        os.unlink(os.path.join(store.root, "CACHEDIR.TAG"))
        os.rmdir(store.root)
    except OSError:
        pass  # something of the user's, or of somebody who is at work, is there
    return total


def _require_writable(store: Store) -> None:
    if not store.is_persistent:
        raise ClocheError(
            f"the cache `{store.root}` may not be written" if store.root else "there is no cache that could be changed",
            hint="leave out `--read-only-cache`, or name the cache with `--cache-dir`",
        )


def _kinds(store: Store) -> list[Kind]:
    """Return what the store has directories for, and what others have put beside them."""
    return [*KINDS, *(kind for kind in PLUGIN_KINDS if store.readable_directories(kind))]


def _entries(store: Store, kind: Kind) -> Iterator[str]:
    """Yield the path of each thing of a kind; images lie one level deeper, below the name of their ABI."""
    for place in store.readable_directories(kind):
        for name in _names(place):
            path = os.path.join(place, name)
            if kind == "images" and os.path.isdir(path) and not os.path.islink(path):
                yield from (os.path.join(path, image) for image in _names(path))
            else:
                yield path


def _is_whole(path: str, judge: Callable[[bytes], bool]) -> bool:
    try:
        return path.endswith(UNFINISHED) or judge(read_plain(path))
    except FileNotFoundError:
        return True  # somebody else has removed it
    except OSError:
        return False


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _needless(kind: Kind, path: str, now: float) -> str:
    """Return why something may go, empty if it stays."""
    try:
        found = os.lstat(path)
    except OSError:
        return ""
    age = now - max(found.st_mtime, found.st_ctime)
    if kind == "images":
        if path.endswith((UNFINISHED, DISCARDED)):
            return "abandoned" if age > ABANDONED else ""
        if not stat.S_ISDIR(found.st_mode) or check_tree(path):
            return "damaged"
        if _is_shared(path):
            return ""
    if path.endswith(UNFINISHED) or (kind == "wheels" and not path.endswith(".whl")):
        return "abandoned" if age > ABANDONED else ""
    if kind == "wheels" and _fault(path):
        return "damaged"
    return f"unused for {age / DAY:.0f} days" if age > UNUSED else ""


def _fault(wheel: str) -> str:
    """Return what is wrong with a wheel, empty if nothing is; what is not one yet has no fault."""
    if not wheel.endswith(".whl"):
        return ""
    try:
        for _ in read_wheel(wheel).contents():
            pass
    except SeedError as error:
        return error.message
    return ""


def _is_shared(image: str) -> bool:
    """Whether an environment has hard links to an image's files."""
    for parent, _, names in os.walk(image):
        for name in names:
            if name.endswith(".py"):
                return os.lstat(os.path.join(parent, name)).st_nlink > 1
    return False


def _size(path: str) -> int:
    """Return the bytes of a file, or of all files in a directory; links are not followed."""
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
