"""Test that the function of the page on AWS Lambda answers an event, from a server with the interface of Lambda."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.pages import DOCS, Reader
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

API = "/2018-06-01/runtime/invocation/"

HEADERS = {
    "Content-Type": "application/json",
    "Lambda-Runtime-Aws-Request-Id": "1",
    "Lambda-Runtime-Deadline-Ms": "1896543448000",
    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
    "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1",
}
"""The headers of an event; the client of Lambda relies on them."""


class Runtime(ThreadingHTTPServer):
    """Offers one event, and keeps the answer to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.events = [b'{"question": 6}']
        self.answer = b""
        self.answered = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Runtime
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert self.path == f"{API}next"
        if not self.server.events:
            threading.Event().wait(60)  # as Lambda does until the next event
        event = self.server.events.pop()
        self.send_response(200)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self) -> None:
        self.server.answer = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if self.path == f"{API}1/response":
            self.server.answered.set()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_the_function_answers_an_event(tmp_path: Path) -> None:
    unzip = require("unzip")
    reader = Reader(tmp_path / "home", dict(os.environ))
    try:
        reader.follow(DOCS / "how-to" / "run-on-aws-lambda.md")
    finally:
        reader.close()
    (reader.directory / "function").rename(tmp_path / "moved away")
    task = tmp_path / "task"
    subprocess.run([unzip, "-q", reader.directory / "function.zip", "-d", task], check=True)
    server = Runtime()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environ = {
        "PATH": "/usr/bin:/bin", "LAMBDA_TASK_ROOT": str(task), "_HANDLER": "app.handler",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
    }  # fmt: skip
    function = subprocess.Popen([task / "bootstrap"], env=environ, cwd=tmp_path)
    try:
        assert server.answered.wait(120)
    finally:
        function.kill()
        function.wait()
        server.shutdown()
        server.server_close()

    assert json.loads(server.answer) == {"prefix": str(task), "event": {"question": 6}}
