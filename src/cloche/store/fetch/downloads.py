"""Obtain the files that a lock file names, and check their hashes.

For each file, the sources are, in this order: the store, `--find-links`, the local path and the URL in the lock file, and
the index: the one in the lock file, then those of the user. `local_search` searches those on this machine. A file that does
not match a hash is never used: on an index, it is skipped; at the URL in the lock file, it is an error.

Files are downloaded in parallel. Each goes to a private directory first, is hashed on the way, and published in the store by
one rename, under its hash. It is not flushed to the disk: every use of a stored file compares its hash, so one that a power
failure truncated is downloaded again. The files are not kept among the wheels for seeds, because a lock file can name
anything, and must not decide which pip the next environment gets.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import threading
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloche.errors import SeedError, counted, human_size, reason_of
from cloche.fs import remove_path
from cloche.fs.free_space import lacking_space
from cloche.model.value import replace
from cloche.store.fetch.artifacts import (
    Artifact,
    OfferedFile,
    check_artifact,
    file_mismatch,
    hash_mismatch,
    hashers_for,
    obtain_error,
    storage_name,
    wrong_file,
)
from cloche.store.fetch.local_search import LocalSearch
from cloche.store.fetch.meter import Meter
from cloche.store.fetch.pins import Pin, SearchScope, best_file, check_pin, first_items, pin_mismatch, why_none_fits
from cloche.store.staging import FREE_SPACE, cache_remedy, staging_directory
from cloche.store.worker_threads import as_completed, in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.fetch.indexes import Indexes

CONNECTIONS = 12
"""The number of files to download at the same time."""

MAX_FILE_SIZE = 1 << 34
"""The maximum size in bytes of a file if the lock file does not give its size."""

MAX_NAMES = 20
"""How many missing files an error message lists."""

LOCK_TIMEOUT = 1800.0
"""Seconds to wait for another process that downloads the same file."""


def obtain(items: Sequence[Artifact | Pin], wanted: Wanted, interpreter: Interpreter, store: Store) -> list[str]:
    """Return a local file for each artifact or pin, in the same order, like `obtaining`.

    :raises SeedError: a file cannot be obtained.
    """
    with obtaining(items, wanted, interpreter, store, threading.Event()) as obtained:
        found = dict(obtained)
    return [found[item] for item in items]


@contextlib.contextmanager
def obtaining(
    items: Iterable[Artifact | Pin], wanted: Wanted, interpreter: Interpreter, store: Store, stopped: threading.Event
) -> Iterator[Iterator[tuple[Artifact | Pin, str]]]:
    """Yield an iterator of artifacts and pins, each with a local file that has the size and the hashes in the lock file.

    First it has the files on this machine, the largest first, then the others as soon as they are downloaded. For a pin,
    the file is the best wheel for the interpreter, or a source distribution if there is no wheel.

    :param stopped: ends the downloads when it is set; is set if one of them fails.
    :raises SeedError: a file has other hashes, cannot be obtained from any source, or is only available from the network,
        which the user has forbidden; then the message lists these files, up to a limit. The iterator raises it as well.
    """
    unique = list(dict.fromkeys(items))
    for item in unique:
        check_pin(item) if isinstance(item, Pin) else check_artifact(item)
    search = LocalSearch(wanted, interpreter, store)
    found = dict(zip(unique, in_threads(search.find, unique, threading.Event()), strict=True))
    missing = [item for item in unique if not found[item]]
    if missing and wanted.network == "never":
        raise _network_forbidden(missing, search)
    local = sorted(((item, path) for item, path in found.items() if path), key=_negative_size)
    if not missing:
        yield iter(local)
        return
    artifacts = store.writable_directory("artifacts")
    refuse_downloads_without_space(missing, artifacts)
    text = f"downloading {counted(len(missing), 'file')} for {interpreter.name}"
    store.progress(text, files=0, total_files=len(missing))
    store.writable_directory("locks")  # now, because threads must not prepare it at the same time
    with staging_directory(store.staging, artifacts) as stage:
        yield itertools.chain(local, _Downloads(missing, search, store, stopped).completed(artifacts, stage))


def refuse_downloads_without_space(missing: Iterable[Artifact | Pin], artifacts: str) -> None:
    """Refuse to download files that do not fit on the disk, with what is unpacked from them, as far as that is known.

    :param artifacts: where they are stored.
    :raises SeedError: they do not fit.
    """
    needed = 0
    for item in missing:
        if isinstance(item, Artifact) and item.size:
            is_new_image = item.file_name.endswith(".whl") and {*item.hashes} == {"sha256"}
            needed += 2 * item.size if is_new_image else item.size
    if (free := lacking_space(artifacts, needed)) is not None:
        raise SeedError(
            f"the packages do not fit on the disk: they need at least {human_size(needed)} in `{artifacts}`, "
            f"but only {human_size(free)} is free",
            hint=FREE_SPACE,
        )


def _negative_size(found: tuple[Artifact | Pin, str]) -> int:
    try:
        return -os.path.getsize(found[1])
    except OSError:
        return 0


class _Downloads:
    """Downloads of one run, which share connections, the pages of indexes, and one line of progress."""

    def __init__(
        self, items: Sequence[Artifact | Pin], search: LocalSearch, store: Store, stopped: threading.Event
    ) -> None:
        from cloche.store.fetch.indexes import Indexes

        def size(item: Artifact | Pin) -> int:
            return 0 if isinstance(item, Pin) else item.size or 0

        self._items = sorted(items, key=size, reverse=True)
        self._search = search
        self._store = store
        self._stopped = stopped
        self._meter = Meter(list(map(size, self._items)))
        named = [
            url
            for item in items
            for url in ((*item.scope.indexes, *item.scope.links) if isinstance(item, Pin) else (item.index,))
        ]
        self._indexes: Indexes = Indexes(store, named, self._stopped)

    def completed(self, artifacts: str, stage: str) -> Iterator[tuple[Artifact | Pin, str]]:
        """Yield each item with the path of its file.

        :raises SeedError: one of them cannot be obtained; the others are stopped.
        """
        from cloche.store.fetch.credentials import printable_url

        def fetch(item: Artifact | Pin) -> str:
            path = self._obtain(item, artifacts, stage)
            self._meter.finish_file()
            return path

        def report() -> None:
            if url := self._indexes.client.overdue():
                raise obtain_error(f"`{printable_url(url)}`", "the server takes too long to answer")
            self._report_progress()

        yield from as_completed(fetch, self._items, self._stopped, CONNECTIONS, report)
        self._report_progress()

    def _report_progress(self) -> None:
        self._store.progress(self._meter.text(), **self._meter.amounts())

    def _obtain(self, item: Artifact | Pin, artifacts: str, stage: str) -> str:
        if isinstance(item, Pin):
            return self._fetch_pinned(item, artifacts, stage)
        return self._fetch(item, artifacts, stage)

    def _fetch_pinned(self, pin: Pin, artifacts: str, stage: str) -> str:
        """Return the path of the best file of a pin that the indexes offer, or of a local source distribution.

        :raises SeedError: no index has a suitable file.
        """
        from cloche.store.fetch.request_failures import RequestFailed

        tried = list(self._search.tried[pin])
        if not pin.hashes:
            self._store.inputs.server_choices.append(f"the file of {pin.distribution} {pin.version}")
        pages = [*self._indexes.local_links, *self._indexes.pages(pin.distribution, pin.scope)]
        offered: list[OfferedFile] = []
        for page in pages:
            try:
                offered += self._indexes.files_on(page)
            except RequestFailed as failure:
                tried.append(failure.reason)
                if not (pin.hashes or failure.missing):  # another index could have another file of this version
                    raise _cannot_obtain(pin, tried) from failure
        best = best_file(pin, offered, self._search.interpreter)
        if not (best and best.name.endswith(".whl")) and (path := self._search.find_source(pin)):
            return path
        if best is None:
            tried.append(why_none_fits(pin, offered, self._search.interpreter))
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
        if not artifact.hashes:
            inputs = self._store.inputs
            chosen = inputs.server_choices if artifact.version else inputs.undeclared
            chosen.append(f"the content of {artifact.file_name}")
            return self._fetch_from_sources(artifact, artifacts, stage)
        name = storage_name(artifact)
        with self._store.lock(name, 0) as state:
            if state != "busy":
                return self._stored(artifact) or self._fetch_from_sources(artifact, artifacts, stage)
        with self._meter.waiting(), self._store.lock(name, LOCK_TIMEOUT):
            return self._stored(artifact) or self._fetch_from_sources(artifact, artifacts, stage)

    def _stored(self, artifact: Artifact) -> str:
        """Return the path of an artifact that another process has downloaded meanwhile; empty if it has not."""
        return self._counted(self._search.stored(artifact))

    def _counted(self, path: str) -> str:
        """Return a path, and count the bytes of this file as if they had been downloaded."""
        if path:
            self._meter.add_bytes(os.path.getsize(path))
        return path

    def _fetch_from_sources(self, artifact: Artifact, artifacts: str, stage: str) -> str:
        from cloche.store.fetch.credentials import printable_url
        from cloche.store.fetch.request_failures import RequestFailed

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
                    hint=cache_remedy(error),
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
        named = SearchScope(indexes=(artifact.index,) if artifact.index else ())
        for page in self._indexes.pages(artifact.distribution, named):
            yield partial(self._offered, page, artifact)

    def _offered(self, page: str, artifact: Artifact) -> tuple[str, Artifact]:
        """Return the URL of an artifact on a page, and the artifact with the hashes that the page adds.

        :raises RequestFailed: the page cannot be read, or has no such file.
        """
        from cloche.store.fetch.credentials import printable_url
        from cloche.store.fetch.request_failures import RequestFailed

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
        from cloche.store.fetch.credentials import printable_url
        from cloche.store.fetch.http import Sink
        from cloche.store.fetch.request_failures import RequestFailed
        from cloche.store.fetch.simple_index import local_path

        if urlsplit(url).scheme == "file":
            path = local_path(url)
            try:
                problem = file_mismatch(artifact, path)
            except (OSError, ValueError) as error:
                raise RequestFailed(reason_of(error)) from error
            if problem:
                raise RequestFailed(problem)
            return self._counted(path)
        if artifact.hashes and (path := self._stored(artifact)):
            return path
        descriptor, temporary = tempfile.mkstemp(dir=stage)
        with open(descriptor, "wb") as file:
            sink = Sink(file, lambda: hashers_for(artifact), self._meter.add_bytes)
            try:
                self._indexes.client.download(
                    url, sink, size=artifact.size, limit=MAX_FILE_SIZE, verified=bool(artifact.hashes)
                )
            except RequestFailed:
                self._meter.add_bytes(-sink.size)  # another source may have the file
                raise
            digests = sink.digests()
            if problem := hash_mismatch(artifact, digests):
                raise wrong_file(artifact, f"`{printable_url(url)}`", problem)
        return _publish(temporary, _with_hashes(artifact, digests), artifacts)


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


def _network_forbidden(missing: Sequence[Artifact | Pin], search: LocalSearch) -> SeedError:
    if unhashed := [f"`{_name(item)}`" for item in missing if not item.hashes]:
        shown = ", ".join(first_items(unhashed, MAX_NAMES))
        return SeedError(
            f"`--no-download` prevents downloads, and the lock file has no hash to find a cached file for {shown}",
            hint="leave out `--no-download`, name a directory that has the files with `--find-links`, or lock with hashes",
        )
    names = []
    for item in missing:
        notes = f" ({'; '.join(search.tried[item])})" if search.tried[item] else ""
        names.append(f"`{_name(item)}`{notes}")
    shown = ", ".join(first_items(names, MAX_NAMES))
    return SeedError(
        f"`--no-download` prevents downloads, and these files are not on this machine: {shown}",
        hint="leave out `--no-download`, or name a directory that has the files with `--find-links`",
    )


def _name(item: Artifact | Pin) -> str:
    return f"{item.distribution}=={item.version}" if isinstance(item, Pin) else item.file_name


def _cannot_obtain(item: Artifact | Pin, tried: Sequence[str]) -> SeedError:
    subject = f"{item.distribution} {item.version}" if isinstance(item, Pin) else item.title
    return obtain_error(
        subject, "; ".join(tried) or "the lock file has no URL for it, and pip's settings name no index"
    )
