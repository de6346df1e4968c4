"""Test that paths in a lock file of another user do not lead out of its directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloche.errors import UsageError
from cloche.model.plan import LockRequest
from cloche.model.value import replace
from cloche.store import Store
from cloche.store.lock_files import locked_packages
from cloche.testing.fakes import fake_interpreter
from tests.distributions import host_with_home
from tests.locks import package, pylock, wheel_entry
from tests.tools import skip_missing

if TYPE_CHECKING:
    from pathlib import Path

OTHER = 65534
"""The ID of another user."""

HASH = "0" * 64
COMMIT = "0" * 40


@pytest.fixture
def store(tmp_path: Path) -> Store:
    if os.geteuid() != 0:
        skip_missing("only the superuser can change the owner of a file")
    return Store.open(host_with_home(tmp_path / "home"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory for lock files, beside which there is a library; `inside` is within it, and `link` leads out."""
    for directory in (tmp_path / "lib", tmp_path / "project" / "inside"):
        (directory / "sub").mkdir(parents=True)
        (directory / "pyproject.toml").write_text('[project]\nname = "spam"\nversion = "1.0"\n')
        (directory / "more.txt").write_text("")
    (tmp_path / "project" / "link").symlink_to("../lib")
    return tmp_path / "project"


def read(text: str, project: Path, store: Store, name: str, owner: int = OTHER) -> list[str]:
    path = project / name
    path.write_text(text)
    os.chown(path, owner, -1)
    return [found.name for found in locked_packages(LockRequest(str(path)), fake_interpreter(), store)]


def locked(**keys: object) -> str:
    return pylock([package("spam", "", **keys)])


def wheel(**keys: object) -> str:
    return pylock([package("spam", wheels=[{"hashes": {"sha256": HASH}, **keys}])])


WHEEL = "spam-1.0-py3-none-any.whl"


def indexed(url: str) -> str:
    """Return a lock file with a wheel that was found on an index."""
    return pylock([package("spam", index=url, wheels=[wheel_entry(WHEEL)])])


FORMS = {
    "directory": ("pylock.toml", lambda path: locked(directory={"path": path})),
    "editable": ("pylock.toml", lambda path: locked(directory={"path": path, "editable": True})),
    "subdirectory": ("pylock.toml", lambda path: locked(directory={"path": ".", "subdirectory": path})),
    "wheel": ("pylock.toml", lambda path: wheel(path=f"{path}/{WHEEL}")),
    "archive": ("pylock.toml", lambda path: locked(archive={"path": f"{path}/x.zip", "hashes": {"sha256": HASH}})),
    "repository": ("pylock.toml", lambda path: locked(vcs={"type": "git", "path": path, "commit-id": COMMIT})),
    "line": ("requirements.txt", lambda path: f"./{path}\n" if path[0] != "/" else f"{path}\n"),
    "named line": ("requirements.txt", lambda path: f"spam @ file:{path}\n"),
    "editable line": ("requirements.txt", lambda path: f"-e {path}\n"),
    "file of a line": (
        "requirements.txt",
        lambda path: f"./{path}/{WHEEL}\n" if path[0] != "/" else f"{path}/{WHEEL}\n",
    ),
    "links": ("requirements.txt", lambda path: f"--find-links {path}\nspam==1.0\n"),
    "constraints": ("requirements.txt", lambda path: f"-c {path}/more.txt\nspam==1.0\n"),
    "requirements": ("requirements.txt", lambda path: f"-r {path}/more.txt\nspam==1.0\n"),
}
"""Every place in a lock file that names a path."""

URLS = {
    "wheel": ("pylock.toml", lambda url: wheel(url=f"{url}/{WHEEL}")),
    "archive": ("pylock.toml", lambda url: locked(archive={"url": f"{url}/x.zip", "hashes": {"sha256": HASH}})),
    "repository": ("pylock.toml", lambda url: locked(vcs={"type": "git", "url": url, "commit-id": COMMIT})),
    "index": ("pylock.toml", indexed),
    "line": ("requirements.txt", lambda url: f"spam @ {url}\n"),
    "editable line": ("requirements.txt", lambda url: f"-e {url}\n"),
    "repository of a line": ("requirements.txt", lambda url: f"spam @ git+{url}@{COMMIT}\n"),
    "links": ("requirements.txt", lambda url: f"--find-links {url}\nspam==1.0\n"),
    "index of a line": ("requirements.txt", lambda url: f"--index-url {url}\nspam==1.0\n"),
    "constraints": ("requirements.txt", lambda url: f"-c {url}/more.txt\nspam==1.0\n"),
}
"""Every place in a lock file that may name a `file:` URL."""


@pytest.mark.parametrize("form", FORMS)
def test_a_path_leads_out_only_in_a_file_that_belongs_to_the_user(form: str, project: Path, store: Store) -> None:
    name, text = FORMS[form]
    outside = ("link", "inside/../link") if form == "subdirectory" else ("../lib", "link", str(project.parent / "lib"))
    for path in outside:
        with pytest.raises(UsageError) as caught:
            read(text(path), project, store, name)
        assert caught.value.message.startswith(f"`{project / name}` belongs to user {OTHER} and names a path outside ")
        assert read(text(path), project, store, name, os.geteuid()) == ["spam"]
    for path in ("inside", "inside/../inside"):
        assert read(text(path), project, store, name) == ["spam"]


@pytest.mark.parametrize("form", URLS)
def test_a_url_of_a_file_leads_out_only_in_a_file_that_belongs_to_the_user(
    form: str, project: Path, store: Store
) -> None:
    name, text = URLS[form]
    for path in (project.parent / "lib", project / "link", project / "inside" / ".." / ".." / "lib"):
        url = f"file://{path}"
        with pytest.raises(UsageError) as caught:
            read(text(url), project, store, name)
        assert " and names a path outside its directory: `file://" in caught.value.message
        assert read(text(url), project, store, name, os.geteuid()) == ["spam"]
    assert read(text((project / "inside").as_uri()), project, store, name) == ["spam"]


def test_a_file_that_another_one_names_counts_for_itself(project: Path, store: Store) -> None:
    nested = project / "inside" / "more.txt"
    nested.write_text("-e ../../lib\n")

    assert read("-r inside/more.txt\n", project, store, "requirements.txt", os.geteuid()) == ["spam"]
    os.chown(nested, OTHER, -1)
    with pytest.raises(UsageError, match=f"^`{nested}` belongs to user {OTHER} "):
        read("-r inside/more.txt\n", project, store, "requirements.txt", os.geteuid())


def test_a_link_to_a_lock_file_counts_as_its_owner(project: Path, store: Store) -> None:
    """The link decides which directory relative paths refer to."""
    (project / "mine.txt").write_text("-e ../lib\n")
    (project / "requirements.txt").symlink_to("mine.txt")
    request = LockRequest(str(project / "requirements.txt"))
    assert locked_packages(request, fake_interpreter(), store)
    os.lchown(project / "requirements.txt", OTHER, -1)

    with pytest.raises(UsageError, match=f"requirements.txt` belongs to user {OTHER} "):
        locked_packages(request, fake_interpreter(), store)


def test_the_hint_works(project: Path, store: Store) -> None:
    text = locked(directory={"path": "../lib"})
    with pytest.raises(UsageError) as caught:
        read(text, project, store, "pylock.toml")
    assert caught.value.hint == "if you trust this file, use a copy of it, which belongs to you, in the same directory"

    (project / "pylock.copy.toml").write_bytes((project / "pylock.toml").read_bytes())

    request = LockRequest(str(project / "pylock.copy.toml"))
    assert [found.name for found in locked_packages(request, fake_interpreter(), store)] == ["spam"]


def test_the_user_who_runs_sudo_is_trusted(project: Path, store: Store) -> None:
    store.host = replace(store.host, environ={**store.host.environ, "SUDO_UID": str(OTHER)})

    assert read("-e ../lib\n", project, store, "requirements.txt") == ["spam"]
    with pytest.raises(UsageError, match="belongs to user 65533 "):
        read("-e ../lib\n", project, store, "requirements.txt", 65533)


def test_an_ordinary_user_trusts_the_superuser(project: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65533)
    store.host = replace(store.host, environ={**store.host.environ, "SUDO_UID": str(OTHER)})

    for owner in (0, 65533):
        assert read("-e ../lib\n", project, store, "requirements.txt", owner) == ["spam"]
    with pytest.raises(UsageError, match=f"belongs to user {OTHER} "):
        read("-e ../lib\n", project, store, "requirements.txt")
