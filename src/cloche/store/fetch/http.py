"""Requests to package indexes and file servers, with the user's settings for pip.

They are made with `requests`, which pip uses too: proxies, certificates, `netrc` and redirects behave alike in both. A
connection that breaks is resumed, and every failure becomes one line of text without credentials.
"""

from __future__ import annotations

import ipaddress
import itertools
import random
import re
import threading
import time
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from cloche.model.value import Value
from cloche.store.fetch.connections import CHUNK, open_session
from cloche.store.fetch.credentials import Credentials
from cloche.store.fetch.request_failures import RequestFailed, failure_of_error, failure_of_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloche.model.interpreter import Host
    from cloche.store.fetch.artifacts import Hasher
    from cloche.store.fetch.pip_settings import PipSettings

TIMEOUT = 15.0
RETRIES = 5
"""The defaults of pip."""

MAX_PAUSE = 60.0
"""The longest pause in seconds that a server may ask for."""

MAX_TIMEOUTS = 10
"""The number of timeouts after which a server must have sent the headers of its answer, redirects included."""

SLOWEST = 1024
"""The number of bytes that must arrive within the timeout; a slower connection is treated as broken."""

PROGRESS = 1 << 20
"""The number of bytes after which earlier failures of a download no longer count."""

ANY = "*/*"

_RANGE = re.compile(r"bytes (\d{1,18})-\d+/(?:\d+|\*)")


class DownloadStopped(Exception):
    """Another download failed, or the user interrupted the run."""


class Received(Value):
    """What a server said about the bytes that it sent."""

    url: str
    """After redirects."""
    content_type: str
    is_compressed: bool
    """Whether the bytes are a page in the encoding `gzip`, which is requested for pages only."""


class Sink:
    """A file that is hashed while it is being written."""

    def __init__(
        self, file: BinaryIO, hashers: Callable[[], Mapping[str, Hasher]], on_bytes: Callable[[int], object] = int
    ) -> None:
        self._file = file
        self._new_hashers = hashers
        self._hashers = hashers()
        self._on_bytes = on_bytes
        self.size = 0

    def write(self, content: bytes) -> None:
        self._file.write(content)
        for hasher in self._hashers.values():
            hasher.update(content)
        self.size += len(content)
        self._on_bytes(len(content))

    def restart(self) -> None:
        """Forget everything that was written."""
        self._file.seek(0)
        self._file.truncate()
        self._hashers = self._new_hashers()
        self._on_bytes(-self.size)
        self.size = 0

    def digests(self) -> dict[str, str]:
        """Return the hash of the content for each algorithm, in hexadecimal."""
        return {algorithm: hasher.hexdigest() for algorithm, hasher in self._hashers.items()}


class Client:
    """Reads URLs with the user's settings; threads may share one."""

    def __init__(self, host: Host, settings: PipSettings, indexes: Iterable[str], stopped: threading.Event) -> None:
        """Prepare requests.

        :param indexes: the URLs of indexes; the credentials in them are used for other files on the same server.
        :param stopped: set by another thread to end all requests.
        """
        self._settings = settings
        self._credentials = Credentials(indexes, settings.text("keyring-provider"), host)
        self._stopped = stopped
        self._timeout = max(settings.number(TIMEOUT, "timeout", "default-timeout"), 0) or TIMEOUT
        self._retries = int(settings.number(RETRIES, "retries"))
        self._session = open_session(settings)
        self._unreachable: set[str] = set()
        """The servers that did not answer; one attempt is enough to see whether they answer now."""
        self._asking: dict[int, tuple[float, str]] = {}
        """When each thread sent the request whose answer it waits for, and the URL."""

    def download(
        self, url: str, sink: Sink, *, size: int | None = None, limit: int, accept: str = ANY, verified: bool = False
    ) -> Received:
        """Read a URL into a sink; a broken connection is resumed.

        :param size: the size that the file must have, if it is known.
        :param limit: the largest size in bytes that is acceptable otherwise.
        :param accept: the acceptable content types (RFC 9110); a file may have any but HTML.
        :param verified: whether redirects may leave HTTPS, because the caller knows a hash of the content.
        :raises RequestFailed: the server does not send the file.
        :raises DownloadStopped: the event is set.
        """
        server = urlsplit(url).netloc
        retries = 0 if server in self._unreachable else self._retries
        failures, counted_from, validator = 0, 0, ""
        while True:
            try:
                with self._open(url, sink, validator, accept) as response:
                    if not verified:
                        _check_redirects(response)
                    if accept == ANY and _content_type(response) == "text/html":
                        raise RequestFailed("the server sent a page instead of the file")
                    _start(response, sink, size)
                    validator = _validator(response)
                    self._receive(response, sink, size, limit)
                    is_compressed = response.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip")
                    return Received(response.url, _content_type(response), is_compressed)
            except RequestFailed as failure:
                if sink.size - counted_from >= PROGRESS:
                    failures, counted_from = 0, sink.size
                failures += 1
                if not failure.temporary or failures > retries:
                    if failure.temporary and not sink.size:
                        self._unreachable.add(server)
                    raise
                self._pause(failures, failure.pause)
                if not validator:
                    sink.restart()

    def is_secure(self, url: str) -> bool:
        """Return whether a page of links may be trusted, as pip decides it."""
        parts = urlsplit(url)
        if parts.scheme != "http":
            return True
        host = parts.hostname or ""
        try:
            local = ipaddress.ip_address(host).is_loopback
        except ValueError:
            local = host == "localhost"
        return local or not {host, parts.netloc.rpartition("@")[2]}.isdisjoint(self._settings.texts("trusted-host"))

    def _open(self, url: str, sink: Sink, validator: str, accept: str) -> requests.Response:
        """Send a request for the rest of a file, and return the response before its body is read."""
        if self._stopped.is_set():
            raise DownloadStopped
        headers = {"Accept": accept, "Accept-Encoding": "identity" if accept == ANY else "gzip"}
        if sink.size and validator:
            headers |= {"Range": f"bytes={sink.size}-", "If-Range": validator}
        address, credentials = self._credentials.find(url)
        response = self._send(address, headers, credentials)
        if response.status_code == 401 and (found := self._credentials.find_in_keyring(address, credentials)):
            response.close()
            response = self._send(address, headers, found)
        if response.status_code not in (200, 206):
            if response.status_code == 416:
                sink.restart()
            with response:
                raise failure_of_status(response)
        return response

    def overdue(self) -> str:
        """Return a URL whose server has taken very long to send the headers of its response; empty if there is none.

        A server that sends a byte from time to time passes every timeout, and the thread that waits for it cannot be stopped.
        """
        limit = time.monotonic() - MAX_TIMEOUTS * self._timeout
        return next((url for started, url in [*self._asking.values()] if started < limit), "")

    def _send(self, url: str, headers: Mapping[str, str], auth: tuple[str, str] | None) -> requests.Response:
        self._asking[threading.get_ident()] = time.monotonic(), url
        try:
            return self._session.get(
                url,
                headers=headers,
                auth=auth,
                stream=True,
                timeout=(self._timeout, self._timeout),
                verify=self._settings.text("cert") or None,  # as an argument, because variables override the session's
                cert=self._settings.text("client-cert") or None,
            )
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise failure_of_error(error) from error
        finally:
            del self._asking[threading.get_ident()]

    def _receive(self, response: requests.Response, sink: Sink, size: int | None, limit: int) -> None:
        """Read a body to its end."""
        end = size if size is not None else limit
        length = _announced_length(response)
        expected = None if length is None else sink.size + length
        started, before = time.monotonic(), sink.size
        while True:
            if self._stopped.is_set():
                raise DownloadStopped
            try:
                content = response.raw.read1(CHUNK, decode_content=False)
            except (HTTPError, OSError, ValueError) as error:
                failure = failure_of_error(error)
                if failure.temporary and sink.size:
                    promise = "" if expected is None else f" of {expected}"
                    failure.reason = f"the connection broke after {sink.size}{promise} bytes"
                raise failure from error
            if not content:
                break
            if sink.size + len(content) > end:
                raise RequestFailed(
                    f"the server sends more than {end} bytes" + (", the size in the lock file" if size == end else "")
                )
            sink.write(content)
            now = time.monotonic()
            if now - started > self._timeout:
                if sink.size - before < SLOWEST:
                    raise RequestFailed(f"less than {SLOWEST} bytes arrived in {self._timeout:.0f} s", temporary=True)
                started, before = now, sink.size
        if expected is not None and sink.size < expected:
            raise RequestFailed(f"the connection broke after {sink.size} of {expected} bytes", temporary=True)
        if not sink.size:
            raise RequestFailed("the server sent nothing", temporary=True)
        if size is not None and sink.size != size:
            raise RequestFailed(f"the server sent {sink.size} bytes, but the lock file says {size}")

    def _pause(self, failures: int, asked: float | None) -> None:
        """Wait before another attempt; longer after each failure, or as long as the server asks for."""
        if asked is not None and asked > MAX_PAUSE:
            raise RequestFailed(f"the server asks cloche to wait for {asked:.0f} s")
        if self._stopped.wait(self._backoff(failures) if asked is None else asked):
            raise DownloadStopped

    def _backoff(self, failures: int) -> float:
        return min(0.25 * 2.0**failures, 30.0) * random.uniform(0.5, 1)  # so that many clients do not return at once


def _check_redirects(response: requests.Response) -> None:
    schemes = [urlsplit(step.url).scheme for step in (*response.history, response)]
    if ("https", "http") in itertools.pairwise(schemes):
        raise RequestFailed("it redirects from HTTPS to HTTP")


def _content_type(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _start(response: requests.Response, sink: Sink, size: int | None) -> None:
    """Check the headers of a response, and make the sink ready for its body.

    :raises RequestFailed: the server sends something other than the file.
    """
    headers = response.headers
    encoding = headers.get("Transfer-Encoding", "chunked").lower()
    if encoding not in ("chunked", "identity"):
        raise RequestFailed(f"the server sends it with the unsupported transfer encoding `{encoding}`")
    if response.status_code == 206:
        match = _RANGE.fullmatch(headers.get("Content-Range", ""))
        if not match or int(match[1]) != sink.size:
            sink.restart()
            raise RequestFailed("the server did not send the requested part of the file", temporary=True)
    elif sink.size:
        sink.restart()  # the file has changed, or the server does not support ranges
    length = _announced_length(response)
    if size is not None and length is not None and sink.size + length != size:
        raise RequestFailed(f"the server announces {sink.size + length} bytes, but the lock file says {size}")


def _announced_length(response: requests.Response) -> int | None:
    """Return the size of a body in bytes that the headers announce; None if they announce none that is possible."""
    length = response.headers.get("Content-Length", "")
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else None


def _validator(response: requests.Response) -> str:
    """Return what identifies this version of a file in a request for its rest (RFC 9110, If-Range)."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
