"""A web server on this machine, for tests of downloads: it can lie, stall and break off like any other."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    Answer: TypeAlias = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each path with the function that a test has registered for it."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        site = self.server.site
        path = self.path.partition("?")[0]
        site.requests.append((path, dict(self.headers)))
        site.answers.get(path, not_found)(self)

    do_CONNECT = do_GET  # noqa: N815  # as a proxy

    def log_message(self, *_: object) -> None:
        pass

    def begin(self, status: int = 200, **headers: object) -> None:
        """Send the status and the headers; `_` stands for `-` in their names."""
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), str(text))
        self.end_headers()

    def count(self) -> int:
        """Return how many requests there were for this path, this one included."""
        return [path for path, _ in self.server.site.requests].count(self.path.partition("?")[0])


class Server(ThreadingHTTPServer):
    daemon_threads = True
    site: Site

    def handle_error(self, *_: object) -> None:
        """Ignore clients that break the connection."""


class Site:
    """The content of a server, and the requests that it got."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self.stopped = threading.Event()

    @property
    def paths(self) -> list[str]:
        """The requested paths, in order."""
        return [path for path, _ in self.requests]

    def add(self, path: str, answer: bytes | str | Answer, **headers: object) -> str:
        """Register an answer, or content to send, and return its URL."""
        if isinstance(answer, str):
            answer = answer.encode()
        self.answers[path] = content(answer, **headers) if isinstance(answer, bytes) else answer
        return self.url + path

    def add_index(self, distribution: str, files: Mapping[str, bytes], *, form: str = "html") -> str:
        """Register a page of an index and its files, and return the URL of the index."""
        for name, data in files.items():
            self.add(f"/files/{name}", data)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        if form == "html":
            links = (f'<a href="../../files/{name}#sha256={digest}">{name}</a>' for name, digest in digests.items())
            self.add(f"/simple/{distribution}/", f"<html><body>{''.join(links)}</body>", Content_Type="text/html")
        else:
            import json

            entries = [
                {"filename": name, "url": f"/files/{name}", "hashes": {"sha256": digest}}
                for name, digest in digests.items()
            ]
            self.add(
                f"/simple/{distribution}/",
                json.dumps({"meta": {"api-version": "1.0"}, "name": distribution, "files": entries}),
                Content_Type="application/vnd.pypi.simple.v1+json",
            )
        return f"{self.url}/simple"


def content(data: bytes, **headers: object) -> Answer:
    """Return an answer that sends some bytes, or the requested part of them."""

    def answer(handler: Handler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start:
            handler.begin(
                206,
                **{"Content_Length": len(data) - start, **headers},
                Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}",
            )
        else:
            handler.begin(**{"Content_Length": len(data), **headers})
        handler.wfile.write(data[start:])

    return answer


def not_found(handler: Handler) -> None:
    handler.begin(404, Content_Length=0)


def status(number: int, **headers: object) -> Answer:
    return lambda handler: handler.begin(number, Content_Length=0, **headers)


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Run a server on a free port of this machine."""
    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site = server.site = Site(f"http{'s' if context else ''}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.stopped.set()
        server.shutdown()
        server.server_close()
