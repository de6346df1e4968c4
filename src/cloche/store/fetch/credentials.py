"""User names and passwords for servers: from URLs, from `netrc`, and from the user's keyring."""

from __future__ import annotations

import posixpath
import threading
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from requests.utils import get_netrc_auth

from cloche.store.fetch.keyring import keyring_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from cloche.model.interpreter import Host

    UserAndPassword: TypeAlias = tuple[str, str]


class Credentials:
    """The user's credentials; threads may share them."""

    def __init__(self, indexes: Iterable[str], keyring_provider: str, host: Host) -> None:
        """Prepare the search.

        :param indexes: the URLs of indexes; the credentials in them are used for other files on the same server.
        :param keyring_provider: as for `keyring_credentials`.
        """
        self._indexes = [index for index in indexes if urlsplit(index).username]
        self._keyring_provider = keyring_provider
        self._host = host
        self._from_keyring: dict[str, UserAndPassword | None] = {}
        self._keyring_lock = threading.Lock()
        """Held while the keyring is asked, because it may ask the user to unlock it."""

    def find(self, url: str) -> tuple[str, UserAndPassword | None]:
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

    def find_in_keyring(self, url: str, used: UserAndPassword | None) -> UserAndPassword | None:
        """Return the credentials that the user's keyring has for a server; None without a keyring."""
        server = urlsplit(url).netloc
        with self._keyring_lock:
            if server not in self._from_keyring:
                name = used[0] if used else ""
                self._from_keyring[server] = keyring_credentials(
                    self._keyring_provider, (url, server), name, self._host
                )
            return self._from_keyring[server]


def split_credentials(url: str) -> tuple[str, UserAndPassword | None]:
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
