"""Why a URL could not be read, in one line without credentials, and whether it may work later."""

from __future__ import annotations

import re
import ssl

import requests
import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from cloche.store.fetch.connections import MAX_REDIRECTS

TEMPORARY = frozenset((408, 425, 429, 500, 502, 503, 504, 520, 527))
"""HTTP statuses after which a request is repeated."""


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


def failure_of_status(response: requests.Response) -> RequestFailed:
    """Return the failure that the status of a response means."""
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


def failure_of_error(error: Exception) -> RequestFailed:
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
