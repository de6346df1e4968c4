"""Files that a package index offers (simple repository API, PEP 503 and PEP 691), and those of a page of links."""

from __future__ import annotations

import io
import json
import os
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from cloche.errors import reason_of
from cloche.fs import list_names, open_regular_file, read_bounded
from cloche.store.fetch.artifacts import MAX_FILE_NAME, OfferedFile
from cloche.store.fetch.http import Sink
from cloche.store.fetch.request_failures import RequestFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cloche.store.fetch.http import Client

PAGE_TYPES = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"

MAX_PAGE_SIZE = 1 << 27
"""The maximum size of a page in bytes; the largest known ones have some megabytes."""


def linked_files(client: Client, page: str) -> list[OfferedFile]:
    """Return the files that a page links to: a page of an index, or one of pip's `find-links`; `file:` also names directories.

    :raises RequestFailed: the page cannot be read.
    """
    if urlsplit(page).scheme == "file":
        path = local_path(page)
        if os.path.isdir(path):
            listing = os.path.join(path, "index.html")
            if not os.path.isfile(listing):
                return [OfferedFile(name, f"{page.rstrip('/')}/{quote(name)}", {}) for name in list_names(path)]
            path, page = listing, urljoin(f"{page.rstrip('/')}/", "index.html")
        try:
            with open_regular_file(path) as file:
                content, content_type, base = read_bounded(file, MAX_PAGE_SIZE), "text/html", page
        except (OSError, ValueError) as error:
            missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
            raise RequestFailed(reason_of(error), missing=missing) from error
    else:
        buffer = io.BytesIO()
        received = client.download(page, Sink(buffer, dict), limit=MAX_PAGE_SIZE, accept=PAGE_TYPES)
        content, content_type, base = buffer.getvalue(), received.content_type, received.url
        if received.is_compressed:
            content = _decompressed(content)
    try:
        if content_type.endswith("json"):
            files = list(_parse_json(json.loads(content), base))
        else:
            files = _parse_html(content.decode("utf-8", "replace"), base)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RequestFailed("the page is not valid") from error
    schemes = ("http", "https") if urlsplit(base).scheme != "file" else ("http", "https", "file")
    return [
        file
        for file in files
        if urlsplit(file.url).scheme in schemes  # no server may name a local file
        if len(file.name) <= MAX_FILE_NAME
    ]


def _decompressed(content: bytes) -> bytes:
    """Return the content of a page that was sent in the encoding `gzip`.

    :raises RequestFailed: it is not valid, not complete or too large.
    """
    import zlib

    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        found = decompressor.decompress(content, MAX_PAGE_SIZE)
    except zlib.error as error:
        raise RequestFailed("the page is not valid") from error
    if not decompressor.eof:
        raise RequestFailed(f"the page is not complete, or larger than {MAX_PAGE_SIZE} bytes")
    return found


def local_path(url: str) -> str:
    """Return the path that a `file:` URL names.

    :raises RequestFailed: it names a file of another computer.
    """
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") and os.name != "nt":
        raise RequestFailed(f"a `file:` URL cannot name the computer `{parts.netloc}`")
    return url2pathname(f"//{parts.netloc}{parts.path}" if parts.netloc not in ("", "localhost") else parts.path)


def _parse_json(page: Any, base: str) -> Iterator[OfferedFile]:
    for file in page["files"]:
        hashes = {str(algorithm): str(digest).lower() for algorithm, digest in file["hashes"].items()}
        url = urldefrag(urljoin(base, str(file["url"]))).url
        yield OfferedFile(str(file["filename"]), url, hashes, str(file.get("requires-python") or ""))


def _parse_html(page: str, base: str) -> list[OfferedFile]:
    parser = _LinkParser(base)
    parser.feed(page)
    return parser.files


class _LinkParser(HTMLParser):
    """Collects the links of a page; the last part of a link's path is the name of the file."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base
        self.files: list[OfferedFile] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        target = attributes.get("href")
        if target and tag == "base":
            self._base = urljoin(self._base, target)
        elif target and tag == "a":
            url, fragment = urldefrag(urljoin(self._base, target.strip()))
            hashes = {algorithm: digest.lower() for algorithm, digest in parse_qsl(fragment)}
            name = unquote(urlsplit(url).path.rpartition("/")[2])
            self.files.append(OfferedFile(name, url, hashes, attributes.get("data-requires-python") or ""))
