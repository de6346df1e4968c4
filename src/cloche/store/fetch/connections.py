"""Connections to servers, with the proxies, the certificates and the trusted hosts of pip's settings."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from cloche.model import VERSION

if TYPE_CHECKING:
    from typing import Any

    from cloche.store.fetch.pip_settings import PipSettings

MAX_REDIRECTS = 10

CHUNK = 1 << 17
"""The number of bytes to read at once."""


def open_session(settings: PipSettings) -> requests.Session:
    """Return a session that connects as pip does with these settings, except `cert` and `client-cert`."""
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
