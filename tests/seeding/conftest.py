"""A server, a store, and the settings of pip for tests of downloads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloche.store import Store
from cloche.store.fetch import http, pip_settings
from cloche.store.pip import PipRun
from cloche.testing import fake_host
from tests.seeding.server import Site, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    home = tmp_path / "home"
    home.mkdir()
    host = fake_host(environ={"HOME": str(home), "PATH": os.environ["PATH"]}, cwd=str(home))
    with Store.open(host, str(tmp_path / "store")) as opened:
        yield opened


@pytest.fixture
def pip_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Replace the settings that pip reports; `test_the_settings_are_those_of_pip` reads real ones."""
    options = {"index-url": "", "timeout": "2", "retries": "2"}

    def listed(*_: object) -> PipRun:
        return PipRun("", "".join(f"global.{name}={text!r}\n" for name, text in options.items()))

    monkeypatch.setattr(pip_settings, "list_settings", listed)
    monkeypatch.setattr(pip_settings, "show_help", lambda *_: PipRun(""))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(http.Client, "_backoff", lambda *_: 0.01)
    return options
