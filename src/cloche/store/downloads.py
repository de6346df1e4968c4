"""Obtain the files that a lock file names, and check their hashes.

For each file, the sources are, in this order: the store, `--find-links`, the local path and the URL in the lock file, and
the index: the one in the lock file, then those of the user. A file that does not match a hash is never used: in a place
that may hold another file of the same name, such as `--find-links` or an index, it is skipped; elsewhere it is an error.

Files are downloaded side by side. Each goes to a private directory first, is hashed on the way, and published in the store
by one rename, under its hash. It is not flushed to the disk: every use of a stored file compares its hash, so one that a
power failure truncated is downloaded again. The files are not kept among the wheels for seeds, because a lock file can name
anything, and must not decide which pip the next environment gets.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import tempfile
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from cloche.errors import SeedError, reason_of
from cloche.fs import list_names
from cloche.model.value import replace
from cloche.store.artifacts import (
    Artifact,
    OfferedFile,
    check_artifact,
    file_mismatch,
    hash_mismatch,
    hashers_for,
    storage_name,
)
from cloche.store.images import remove_path
from cloche.store.pins import Pin, best_file, check_pin, pin_mismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.indexes import Indexes

    Item = TypeVar("Item")
    Outcome = TypeVar("Outcome")

CONNECTIONS = 12
"""The number of files to download at the same time."""

MAX_FILE_SIZE = 1 << 34
"""The maximum size in bytes of a file whose size the lock file does not say."""

PATIENCE = 1800.0
"""Seconds to wait for another process that downloads the same file."""

REPAINT = 0.1
"""Seconds between two updates of the progress."""

GRACE = 0.5
"""Seconds to wait for other threads when a run fails."""

UNFINISHED = ".new"


def obtain(items: Sequence[Artifact | Pin], wanted: Wanted, interpreter: Interpreter, store: Store) -> list[str]:
    """Return a local file for each artifact or pin, in the same order, whose size and hashes are those of the lock file.

    For a pin, it is the best wheel for the interpreter, or a source distribution if there is no wheel.

    :raises SeedError: a file has other hashes, cannot be obtained from any source, or is only available from the network,
        which the user has forbidden; then the message lists all such files.
    """
    for item in items:
        check_pin(item) if isinstance(item, Pin) else check_artifact(item)
    unique = list(dict.fromkeys(items))
    search = _LocalSearch(wanted, interpreter, store)
    found = dict(zip(unique, in_threads(search.find, unique, threading.Event()), strict=True))
    missing = [item for item in unique if not found[item]]
    if missing and wanted.network == "never":
        raise _network_forbidden(missing, search)
    if missing:
        store.progress(f"downloading {_counted(len(missing), 'file')} for {interpreter.name}")
        found |= _Downloads(missing, search, store).run()
    return [found[item] for item in items]


class _LocalSearch:
    """Finds files on this machine."""

    def __init__(self, wanted: Wanted, interpreter: Interpreter, store: Store) -> None:
        self._wanted = wanted
        self.interpreter = interpreter
        self._store = store
        self.tried: dict[Artifact | Pin, list[str]] = {}
        """Why a source did not have an item, if there is more to say than that it does not exist."""

    def find(self, item: Artifact | Pin) -> str:
        """Return the path of the file for an item; empty if no local source has it.

        :raises SeedError: the lock file names a local file that is not the artifact, or a file or directory cannot be read.
        """
        self.tried[item] = []
        return self._find_pinned(item) if isinstance(item, Pin) else self._find_artifact(item)

    def _find_artifact(self, artifact: Artifact) -> str:
        tried = self.tried[artifact]
        if artifact.hashes and (path := self.stored(artifact)):
            return path
        for directory in self._wanted.find_links:
            path = os.path.join(directory, artifact.file_name)
            if not artifact.hashes:
                self._store.inputs.path(directory)
            if problem := self._problem(artifact, path):
                tried.append(f"`{path}`: {problem}")
            elif problem is None:
                return path
        for path in filter(None, (artifact.path, self._path_in_url(artifact))):
            problem = self._problem(artifact, path)
            if problem is None:
                return path
            if problem:
                raise wrong_file(artifact, f"`{path}`", problem)
            tried.append(f"`{path}` does not exist")
        return ""

    def _find_pinned(self, pin: Pin) -> str:
        """Return the best local wheel of a pin; a source distribution only if no index can have a wheel."""
        directories = list(self._wanted.find_links)
        if pin.hashes:
            directories += self._store.readable_directories("wheels")
            for parent in self._store.readable_directories("artifacts"):
                directories += [os.path.join(parent, f"{name}-{digest}") for name, digest in sorted(pin.hashes)]
        else:
            for directory in directories:
                self._store.inputs.path(directory)
        files = [
            OfferedFile(name, os.path.join(directory, name), {})
            for directory in directories
            for name in list_names(directory)
            if name.endswith(".whl") or self._wanted.network == "never"
            if not os.path.islink(os.path.join(directory, name)) or directory in self._wanted.find_links
        ]
        while best := best_file(pin, files, self.interpreter):
            if not (problem := self._pin_problem(pin, best.url)):
                return best.url
            self.tried[pin].append(f"`{best.url}`: {problem}")
            files.remove(best)
        return ""

    def _pin_problem(self, pin: Pin, path: str) -> str:
        """Return why a pin does not allow a file, empty if it does."""
        if not pin.hashes:
            self._store.inputs.path(path)
        try:
            return pin_mismatch(pin, path)
        except OSError as error:
            return f"it cannot be read ({reason_of(error)})"

    def stored(self, artifact: Artifact) -> str:
        """Return the path of an artifact in the store; empty if it is not there. A damaged file is removed."""
        for parent in self._store.readable_directories("artifacts"):
            directory = os.path.join(parent, storage_name(artifact))
            path = os.path.join(directory, artifact.file_name)
            if os.path.islink(directory):
                remove_path(directory)
            elif self._is_intact(artifact, path):
                self._mark_used(directory)
                return path
            else:
                remove_path(path)
        for directory in self._store.readable_directories("wheels"):
            path = os.path.join(directory, artifact.file_name)
            if self._is_intact(artifact, path):
                return path
        return ""

    def _is_intact(self, artifact: Artifact, path: str) -> bool:
        """Return whether a file in the store is the artifact; links are not followed."""
        try:
            return not os.path.islink(path) and file_mismatch(artifact, path) is None
        except OSError:
            return False

    def _problem(self, artifact: Artifact, path: str) -> str | None:
        """Return why a file is not the artifact: an empty string if it does not exist, None if it is the artifact.

        :raises SeedError: it cannot be read.
        """
        if not artifact.hashes:
            self._store.inputs.path(path)
        try:
            return file_mismatch(artifact, path)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except (OSError, ValueError) as error:
            raise SeedError(
                f"`{path}` cannot be read ({reason_of(error)})", hint="check that it is a file that you may read"
            ) from error

    def _path_in_url(self, artifact: Artifact) -> str:
        if urlsplit(artifact.url).scheme != "file":
            return ""
        from cloche.store.http import RequestFailed
        from cloche.store.simple_index import local_path

        try:
            return local_path(artifact.url)
        except RequestFailed as failure:
            raise _cannot_obtain(artifact, [failure.reason]) from failure

    def _mark_used(self, directory: str) -> None:
        """Keep `cloche cache prune` from removing a directory for another month."""
        if self._store.is_persistent_path(directory) and self._store.is_persistent:
            try:
                os.utime(directory)
            except OSError:
                pass  # another process removed it, and the caller notices


class _Downloads:
    """Downloads of one run, which share connections, the pages of indexes, and one line of progress."""

    def __init__(self, items: Sequence[Artifact | Pin], search: _LocalSearch, store: Store) -> None:
        from cloche.store.indexes import Indexes

        def size(item: Artifact | Pin) -> int:
            return 0 if isinstance(item, Pin) else item.size or 0

        self._items = sorted(items, key=size, reverse=True)
        self._search = search
        self._store = store
        self._stopped = threading.Event()
        self._meter = _Meter(list(map(size, self._items)))
        named = [item.index for item in items if not isinstance(item, Pin)]
        self._indexes: Indexes = Indexes(store, named, self._stopped)

    def run(self) -> dict[Artifact | Pin, str]:
        """Return the path of each file.

        :raises SeedError: one of them cannot be obtained; the others are stopped.
        """
        from cloche.store.http import printable_url

        artifacts = self._store.writable_directory("artifacts")
        self._store.writable_directory("locks")  # now, because threads must not prepare it at the same time
        with tempfile.TemporaryDirectory(suffix=UNFINISHED, dir=artifacts, ignore_cleanup_errors=True) as stage:

            def fetch(item: Artifact | Pin) -> str:
                if isinstance(item, Pin):
                    path = self._fetch_pinned(item, artifacts, stage)
                else:
                    path = self._fetch(item, artifacts, stage)
                self._meter.finish_file()
                return path

            def report() -> None:
                if url := self._indexes.client.overdue():
                    raise _obtain_error(f"`{printable_url(url)}`", "the server takes too long to answer")
                self._store.progress(self._meter.text())

            found = in_threads(fetch, self._items, self._stopped, CONNECTIONS, report)
        return dict(zip(self._items, found, strict=True))

    def _fetch_pinned(self, pin: Pin, artifacts: str, stage: str) -> str:
        """Return the path of the best file of a pin that the indexes offer.

        :raises SeedError: no index has a suitable file.
        """
        from cloche.store.http import RequestFailed

        tried = list(self._search.tried[pin])
        if not pin.hashes:  # an index decides, so the next run must ask again
            self._store.inputs.undeclared.append(f"the download of {pin.distribution}")
        pages = [*self._indexes.local_links, *self._indexes.pages(pin.distribution)]
        offered: list[OfferedFile] = []
        for page in pages:
            try:
                offered += self._indexes.files_on(page)
            except RequestFailed as failure:
                tried.append(failure.reason)
                if not (pin.hashes or failure.missing):  # another index could have another file of this version
                    raise _cannot_obtain(pin, tried) from failure
        best = best_file(pin, offered, self._search.interpreter)
        if best is None:
            names = {file.name for file in offered}
            tried.append(f"none of {_counted(len(names), 'file')} on the index is a suitable file of this version")
            raise _cannot_obtain(pin, tried)
        artifact = _with_hashes(Artifact(pin.distribution, pin.version, best.name, best.url), best.hashes)
        self._search.tried[artifact] = tried
        path = self._fetch(artifact, artifacts, stage)
        if problem := pin_mismatch(pin, path):
            raise wrong_file(artifact, f"`{path}`", problem)
        return path

    def _fetch(self, artifact: Artifact, artifacts: str, stage: str) -> str:
        """Return the path of an artifact, downloaded by this process or by another one at the same time.

        :raises SeedError: no source has it, or a source has a file with other hashes.
        """
        if not artifact.hashes:  # the URL or an index decides, so the next run must ask again
            self._store.inputs.undeclared.append(f"the download of {artifact.file_name}")
            return self._fetch_from_sources(artifact, artifacts, stage)
        name = storage_name(artifact)
        with self._store.lock(name, 0) as state:
            if state != "busy":
                return self._search.stored(artifact) or self._fetch_from_sources(artifact, artifacts, stage)
        with self._meter.waiting(), self._store.lock(name, PATIENCE):
            return self._search.stored(artifact) or self._fetch_from_sources(artifact, artifacts, stage)

    def _fetch_from_sources(self, artifact: Artifact, artifacts: str, stage: str) -> str:
        from cloche.store.http import RequestFailed, printable_url

        tried = list(self._search.tried[artifact])
        for source in self._sources(artifact):
            url = ""
            try:
                url, known = source()
                return self._download(url, known, artifacts, stage)
            except RequestFailed as failure:
                tried.append(f"`{printable_url(url)}`: {failure.reason}" if url else failure.reason)
                if not (artifact.hashes or failure.missing):  # another source could have another file of this name
                    break
            except OSError as error:
                raise SeedError(
                    f"`{artifact.file_name}` cannot be written to `{artifacts}` ({reason_of(error)})",
                    hint="free some space, or choose another directory with `--cache-dir`",
                ) from error
        raise _cannot_obtain(artifact, tried)

    def _sources(self, artifact: Artifact) -> Iterator[Callable[[], tuple[str, Artifact]]]:
        """Yield functions that return the next URL to try, and the artifact with the hashes that its file must have.

        A function raises `RequestFailed` if its source lacks the file. Without hashes, a URL is the only source.
        """
        if artifact.url and not artifact.hashes:
            yield lambda: (artifact.url, artifact)
            return
        for page in self._indexes.local_links:
            yield partial(self._offered, page, artifact)
        if artifact.url:
            yield lambda: (artifact.url, artifact)
        for page in self._indexes.pages(artifact.distribution, artifact.index):
            yield partial(self._offered, page, artifact)

    def _offered(self, page: str, artifact: Artifact) -> tuple[str, Artifact]:
        """Return the URL of an artifact on a page, and the artifact with the hashes that the page adds.

        :raises RequestFailed: the page cannot be read, or has no such file.
        """
        from cloche.store.http import RequestFailed, printable_url

        named = [file for file in self._indexes.files_on(page) if file.name == artifact.file_name]
        problem = "does not have it"
        for file in named:
            mismatch = hash_mismatch(
                artifact, {name: file.hashes[name] for name in artifact.hashes if name in file.hashes}
            )
            if mismatch is None:
                return file.url, artifact if artifact.hashes else _with_hashes(artifact, file.hashes)
            problem = f"has another file of this name: {mismatch}"
        raise RequestFailed(f"`{printable_url(page)}` {problem}", missing=True)

    def _download(self, url: str, artifact: Artifact, artifacts: str, stage: str) -> str:
        """Download an artifact into the store and return its path; a `file:` URL is only checked.

        :raises RequestFailed: the file cannot be read from this URL.
        :raises SeedError: the file has other hashes.
        :raises OSError: it cannot be written.
        """
        from cloche.store.http import RequestFailed, Sink, printable_url
        from cloche.store.simple_index import local_path

        if urlsplit(url).scheme == "file":
            path = local_path(url)
            try:
                problem = file_mismatch(artifact, path)
            except (OSError, ValueError) as error:
                raise RequestFailed(reason_of(error)) from error
            if problem:
                raise RequestFailed(problem)
            return path
        if artifact.hashes and (path := self._search.stored(artifact)):
            return path
        descriptor, temporary = tempfile.mkstemp(dir=stage)
        with open(descriptor, "wb") as file:
            sink = Sink(file, lambda: hashers_for(artifact), self._meter.add_bytes)
            self._indexes.client.download(
                url, sink, size=artifact.size, limit=MAX_FILE_SIZE, verified=bool(artifact.hashes)
            )
            digests = sink.digests()
            if problem := hash_mismatch(artifact, digests):
                raise wrong_file(artifact, f"`{printable_url(url)}`", problem)
        return _publish(temporary, _with_hashes(artifact, digests), artifacts)


class _Meter:
    """Measures how far the downloads are."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """Begin to measure.

        :param sizes: the sizes of the files in bytes; 0 if it is not known.
        """
        self._files = len(sizes)
        self._bytes = sum(sizes)
        self._all_known = all(sizes)
        self._finished = 0
        self._received = 0
        self._waiting = 0
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def add_bytes(self, count: int) -> None:
        with self._lock:
            self._received += count

    def finish_file(self) -> None:
        with self._lock:
            self._finished += 1

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a file that another process downloads."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def text(self) -> str:
        """Return the state as text: `downloading 3 of 36 files, 12.3 of 80.1 MB, 4 s left`."""
        parts = [f"downloading {self._finished} of {_counted(self._files, 'file')}"]
        if self._received and not self._all_known:
            parts.append(f"{self._received / 1e6:.1f} MB")
        elif self._received:
            seconds = (time.monotonic() - self._started) / self._received * (self._bytes - self._received)
            parts.append(f"{self._received / 1e6:.1f} of {self._bytes / 1e6:.1f} MB, {max(seconds, 0):.0f} s left")
        if self._waiting:
            parts.append(f"waiting for another process that downloads {self._waiting} of them")
        return ", ".join(parts)


def wrong_file(artifact: Artifact, source: str, problem: str) -> SeedError:
    """Return the error for a file that has other hashes than the lock file names."""
    return SeedError(
        f"{source} is not the `{artifact.file_name}` of {artifact.distribution} {artifact.version} in the lock file: {problem}",
        hint="do not use the file unless you know why it changed; if you do, create the lock file again",
    )


def in_threads(
    function: Callable[[Item], Outcome],
    items: Sequence[Item],
    stopped: threading.Event,
    threads: int = 4,
    report: Callable[[], object] = int,
) -> list[Outcome]:
    """Call a function for each item, in several threads; return the results in the order of the items.

    After the first exception, or if the user interrupts the run, the event is set, and the exception is raised without
    waiting long for the other threads, which may wait for a server. They are daemons, and end with the process at the
    latest.

    :param report: called several times a second.
    """
    waiting: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Outcome] | BaseException] = queue.SimpleQueue()
    for numbered in enumerate(items):
        waiting.put(numbered)

    def work() -> None:
        while not stopped.is_set():
            try:
                number, item = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((number, function(item)))
            except BaseException as error:
                done.put(error)

    results: dict[int, Outcome] = {}
    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(threads, len(items)))]
    try:
        for worker in workers:
            worker.start()
        while len(results) < len(items):
            try:
                outcome = done.get(timeout=REPAINT)
            except queue.Empty:
                report()
                continue
            if isinstance(outcome, BaseException):
                raise outcome
            results[outcome[0]] = outcome[1]
    finally:
        stopped.set()
        deadline = time.monotonic() + GRACE
        for worker in workers:
            if worker.ident is not None:
                worker.join(max(deadline - time.monotonic(), 0))
    return [results[number] for number in range(len(items))]


def _publish(temporary: str, artifact: Artifact, artifacts: str) -> str:
    """Move a complete file to its place in the store, and return its path.

    :raises OSError: it cannot be moved.
    """
    directory = os.path.join(artifacts, storage_name(artifact))
    path = os.path.join(directory, artifact.file_name)
    if os.path.islink(directory) or os.path.isdir(path):
        remove_path(directory)
    os.makedirs(directory, 0o700, exist_ok=True)
    os.replace(temporary, path)
    return path


def _with_hashes(artifact: Artifact, hashes: Mapping[str, str]) -> Artifact:
    """Return an artifact with these hashes, unless they do not protect it."""
    completed = replace(artifact, hashes=hashes)
    try:
        check_artifact(completed)
    except SeedError:
        return artifact
    return completed


def _network_forbidden(missing: Sequence[Artifact | Pin], search: _LocalSearch) -> SeedError:
    names = []
    for item in missing:
        notes = f" ({'; '.join(search.tried[item])})" if search.tried[item] else ""
        names.append(f"`{_name(item)}`{notes}")
    return SeedError(
        f"`--no-download` forbids the network, and these files are not on this machine: {', '.join(names)}",
        hint="leave out `--no-download`, or name a directory that has the files with `--find-links`",
    )


def _name(item: Artifact | Pin) -> str:
    return f"{item.distribution}=={item.version}" if isinstance(item, Pin) else item.file_name


def _cannot_obtain(item: Artifact | Pin, tried: Sequence[str]) -> SeedError:
    title = f"{item.distribution} {item.version}"
    subject = title if isinstance(item, Pin) else f"`{item.file_name}` of {title}"
    return _obtain_error(
        subject, "; ".join(tried) or "the lock file has no URL for it, and pip's settings name no index"
    )


def _obtain_error(subject: str, reason: str) -> SeedError:
    hint = "check the network, or name a directory that has the file with `--find-links`"
    if re.search(r": (401|403|407)\b", reason):
        hint = "add your credentials to `~/.netrc`, or to the URL of the index in pip's settings"
    elif "certificate" in reason:
        hint = "name the certificates of your organization with pip's setting `cert`: `pip config set global.cert FILE`"
    return SeedError(f"cannot obtain {subject}: {reason}", hint=hint)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
