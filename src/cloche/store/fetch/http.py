"""Requests to package indexes and file servers, with the user's settings of pip.

Built on requests, because pip is: proxies, certificates, `netrc` and redirects behave alike in both. A connection that
breaks is resumed, and every failure becomes one line of text without credentials.
"""

from __future__ import annotations

import ipaddress
import itertools
import posixpath
import random
import re
import ssl
import threading
import time
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_netrc_auth
from urllib3.exceptions import HTTPError, InsecureRequestWarning
from urllib3.util import Retry

from cloche.model import VERSION
from cloche.model.value import Value
from cloche.store.fetch.keyring import keyring_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from cloche.model.interpreter import Host
    from cloche.store.fetch.artifacts import Hasher
    from cloche.store.fetch.pip_settings import PipSettings

TIMEOUT = 15.0
RETRIES = 5
"""The defaults of pip."""

MAX_REDIRECTS = 10

MAX_PAUSE = 60.0
"""The longest pause in seconds that a server may ask for."""

CHUNK = 1 << 17
"""The number of bytes to read at once."""

MAX_TIMEOUTS = 10
"""The number of timeouts after which a server must have sent the headers of its answer, redirects included."""

SLOWEST = 1024
"""The number of bytes that must arrive within the timeout; a slower connection is treated as broken."""

PROGRESS = 1 << 20
"""The number of bytes after which earlier failures of a download no longer count."""

TEMPORARY = frozenset((408, 425, 429, 500, 502, 503, 504, 520, 527))
"""HTTP statuses after which a request is repeated."""

ANY = "*/*"

_RANGE = re.compile(r"bytes (\d{1,18})-\d+/(?:\d+|\*)")


class RequestFailed(Exception):
    """A URL could not be read; the text says why, and continues a sentence: `404 Not Found`."""

    def __init__(
        self, reason: str, *, temporary: bool = False, pause: float | None = None, missing: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.temporary = temporary
        """Whether it may work if it is tried again."""
        self.pause = pause
        """The seconds to wait before that, if the server says so."""
        self.missing = missing
        """Whether the server says that there is nothing at this URL."""


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
        self._host = host
        self._settings = settings
        self._indexes = [index for index in indexes if urlsplit(index).username]
        self._stopped = stopped
        self._timeout = max(settings.number(TIMEOUT, "timeout", "default-timeout"), 0) or TIMEOUT
        self._retries = int(settings.number(RETRIES, "retries"))
        self._session = _session(settings)
        self._from_keyring: dict[str, tuple[str, str] | None] = {}
        self._keyring_lock = threading.Lock()
        """Held while the keyring is asked, because it may ask the user to unlock it."""
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
        address, credentials = self._credentials(url)
        response = self._send(address, headers, credentials)
        if response.status_code == 401 and (found := self._keyring(address, credentials)):
            response.close()
            response = self._send(address, headers, found)
        if response.status_code not in (200, 206):
            if response.status_code == 416:
                sink.restart()
            with response:
                raise _status_failure(response)
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
            raise _failure(error) from error
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
                failure = _failure(error)
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

    def _credentials(self, url: str) -> tuple[str, tuple[str, str] | None]:
        """Return a URL without credentials, and those from it, from an index on the same server, or from `netrc`."""
        address, found = split_credentials(url)
        if found is None:
            parts, longest = urlsplit(address), -1
            for index in self._indexes:
                other, candidate = split_credentials(index)
                if urlsplit(other)[:2] == parts[:2]:
                    common = len(posixpath.commonpath((urlsplit(other).path or "/", parts.path or "/")))
                    if common > longest:
                        found, longest = candidate, common
        if found is None or not found[1]:
            found = get_netrc_auth(address) or found
        return address, found

    def _keyring(self, url: str, used: tuple[str, str] | None) -> tuple[str, str] | None:
        """Return the credentials that the user's keyring has for a server; None without a keyring."""
        server = urlsplit(url).netloc
        with self._keyring_lock:
            if server not in self._from_keyring:
                provider = self._settings.text("keyring-provider")
                name = used[0] if used else ""
                self._from_keyring[server] = keyring_credentials(provider, (url, server), name, self._host)
            return self._from_keyring[server]


def split_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return a URL without user and password, and these."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    address = urlunsplit((parts.scheme, netloc, *parts[2:]))
    if parts.username is None:
        return address, None
    return address, (unquote(parts.username), unquote(parts.password or ""))


def printable_url(url: str) -> str:
    """Return a URL for messages: without credentials, and without the query, which may hold a token."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _session(settings: PipSettings) -> requests.Session:
    session = requests.Session()
    session.headers["User-Agent"] = f"cloche/{VERSION}"
    session.max_redirects = MAX_REDIRECTS
    proxy = settings.text("proxy")
    if proxy or settings.flag("no-proxy-env"):
        session.trust_env = False  # like pip: an explicit proxy replaces all of the environment's
        session.proxies = {"http": proxy, "https": proxy} if proxy else {}
    session.mount("https://", _Adapter(_system_certificates(settings)))
    session.mount("http://", _Adapter(None))
    trusted_hosts = settings.texts("trusted-host")
    for host in trusted_hosts:
        for suffix in ("/",) if _has_port(host) else ("/", ":"):
            session.mount(f"https://{host}{suffix}", _UnverifiedAdapter(None))
    if trusted_hosts:
        urllib3.disable_warnings(InsecureRequestWarning)  # the user has chosen to trust these servers
    return session


def _has_port(host: str) -> bool:
    return bool(re.search(r":\d+$", host))


def _system_certificates(settings: PipSettings) -> ssl.SSLContext | None:
    """Return a context that trusts the operating system's certificates; None to trust only certifi's."""
    if "legacy-certs" in settings.texts("use-deprecated"):
        return None
    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Adapter(HTTPAdapter):
    """Opens connections; downloads run in several threads, so the pool must hold a connection for each."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=32, pool_maxsize=16)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        if self._context is not None:
            options["ssl_context"] = self._context
        super().init_poolmanager(*arguments, **options)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """Send a request; of a redirect, whose body requests would read to its end into memory, keep no body."""
        response = super().send(request, *arguments, **options)
        if response.is_redirect:
            try:
                is_read = len(response.raw.read(CHUNK, decode_content=False)) < CHUNK
            except (HTTPError, OSError):
                is_read = False
            if not is_read:
                response.close()
        return response


class _UnverifiedAdapter(_Adapter):
    """Opens connections to a host that the user trusts without a certificate (`trusted-host`)."""

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        return super().send(request, *arguments, **{**options, "verify": False})


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


def _status_failure(response: requests.Response) -> RequestFailed:
    status = response.status_code
    text = f"{status} {response.reason or ''}".strip()
    if status in TEMPORARY:
        try:
            pause = Retry().get_retry_after(response.raw)
        except (HTTPError, ValueError, OverflowError):  # not a number, or not a date
            pause = None
        return RequestFailed(text, temporary=True, pause=pause)
    if status == 416:
        return RequestFailed("the server did not send the requested part of the file", temporary=True)
    return RequestFailed(text, missing=status in (404, 410))


def _failure(error: Exception) -> RequestFailed:
    """Return a failure without the URL and the internals that the texts of libraries contain."""
    text = str(error)
    if isinstance(error, requests.TooManyRedirects):
        return RequestFailed(f"it redirects more than {MAX_REDIRECTS} times")
    if isinstance(error, requests.exceptions.InvalidSchema) and "SOCKS" in text:
        return RequestFailed("a SOCKS proxy needs the package `PySocks`, which is not installed with cloche")
    if isinstance(error, requests.exceptions.InvalidSchema):
        return RequestFailed("it redirects to a URL that is neither HTTP nor HTTPS")
    if "CERTIFICATE_VERIFY_FAILED" in text or isinstance(error, ssl.SSLCertVerificationError):
        return RequestFailed("the certificate of the server is not trusted")
    if refusal := re.search(r"Tunnel connection failed: (\d{3} [\w -]*)", text):
        return RequestFailed(
            f"the proxy refuses the connection: {refusal[1]}", temporary=int(refusal[1][:3]) in TEMPORARY
        )
    if isinstance(error, (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)):
        return RequestFailed("the proxy refuses the connection, or does not answer", temporary=True)
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidProxyURL)):
        return RequestFailed("the URL of the file, or of the proxy, is not valid")
    if isinstance(error, requests.ConnectTimeout):
        return RequestFailed("the server does not accept the connection in time", temporary=True)
    if isinstance(error, (requests.Timeout, urllib3.exceptions.ReadTimeoutError, TimeoutError)):
        return RequestFailed("the server stopped sending", temporary=True)
    if isinstance(error, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)):
        return RequestFailed("the server does not speak TLS as expected", temporary=True)
    if "NameResolutionError" in text or "Failed to resolve" in text:
        return RequestFailed("the name of the server cannot be resolved", temporary=True)
    if isinstance(error, (requests.RequestException, HTTPError, ConnectionError)):
        return RequestFailed("the connection cannot be opened, or broke", temporary=True)
    return RequestFailed(text[:1].lower() + text[1:])
