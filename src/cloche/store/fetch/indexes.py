"""The package indexes of the user, as pip's settings name them, and pip's other pages and directories of links."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from cloche.errors import SeedError
from cloche.store.fetch.artifacts import invalid_url
from cloche.store.fetch.credentials import printable_url
from cloche.store.fetch.http import Client
from cloche.store.fetch.pip_settings import default_index, read_pip_settings
from cloche.store.fetch.request_failures import RequestFailed
from cloche.store.fetch.simple_index import linked_files, local_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.store import Store
    from cloche.store.fetch.artifacts import OfferedFile
    from cloche.store.fetch.pins import SearchScope


class Indexes:
    """Reads pages of links, each at most once; threads may share one."""

    def __init__(self, store: Store, named: Iterable[str], stopped: threading.Event) -> None:
        """Read pip's settings.

        :param named: indexes that a lock file names.
        :param stopped: set by another thread to end all requests.
        :raises SeedError: pip's settings cannot be read, or name a URL that is not valid.
        """
        self._host = store.host
        self._settings = read_pip_settings(store.host)
        self._configured = self._settings.text("index-url", "pypi-url")
        self._more = self._settings.texts("extra-index-url")
        links = self._settings.texts("find-links")
        if invalid := invalid_url(filter(None, (self._configured, *self._more, *links))):
            raise SeedError(
                f"pip's settings name an index or a page that is not a valid URL: `{invalid}`",
                hint="correct the setting in pip's configuration file, or the variable that overrides it",
            )
        self.local_links = [link for link in links if link.startswith("file:") and _exists(link)]
        """URLs of directories and pages on this machine (pip's `find-links`)."""
        self._remote_links = [link for link in links if not link.startswith("file:")]
        indexes = filter(None, (self._configured, *self._more, *named))
        self.client = Client(store.host, self._settings, indexes, stopped)
        self._pages: dict[str, list[OfferedFile] | RequestFailed] = {}
        """The files on a page, or why it cannot be read."""
        self._page_locks: dict[str, threading.Lock] = {}
        """Held while a page is read, so that several threads do not repeat that."""
        self._lock = threading.Lock()

    def pages(self, distribution: str, named: SearchScope) -> list[str]:
        """Return the URLs of the pages that may link to files of a distribution, without the local ones of the user.

        :param named: the scope that a lock file names; its indexes come first.
        """
        indexes: list[str] = []
        if not self._settings.flag("no-index"):
            own = (self._main_index(), *self._more) if named.own_indexes == "searched" else ()
            indexes = [index for index in (*named.indexes, *own) if index]
        pages = (f"{index.rstrip('/')}/{distribution}/" for index in indexes)
        return list(dict.fromkeys([*pages, *named.links, *self._remote_links]))

    def files_on(self, page: str) -> list[OfferedFile]:
        """Return the files that a page links to.

        :raises RequestFailed: it cannot be read; the reason names it.
        """
        place = f"`{printable_url(page)}`"
        if not self.client.is_secure(page):
            raise RequestFailed(f"{place} is not HTTPS, and its server is not a `trusted-host` in pip's settings")
        with self._lock:
            lock = self._page_locks.setdefault(page, threading.Lock())
        with lock:
            if page not in self._pages:
                try:
                    self._pages[page] = linked_files(self.client, page)
                except RequestFailed as failure:
                    self._pages[page] = RequestFailed(f"{place}: {failure.reason}", missing=failure.missing)
            found = self._pages[page]
        if isinstance(found, RequestFailed):
            raise found
        return found

    def _main_index(self) -> str:
        with self._lock:
            if not self._configured:
                self._configured = default_index(self._host)
            return self._configured


def _exists(url: str) -> bool:
    try:
        return os.path.exists(local_path(url))
    except RequestFailed:
        return False
