"""Test how staging directories are removed."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from cloche.apply import leftovers
from cloche.apply.leftovers import remove_staging
from cloche.fs.threads import map_in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from cloche.fs.threads import Item, Outcome


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with enough directories for threads, a read-only one, and links to a file and a directory outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("")
    root = tmp_path / "tree"
    for number in range(3 * leftovers.BATCH):
        directory = root / str(number) / "below"
        directory.mkdir(parents=True)
        (directory / "file").write_text("")
        (directory / "link").symlink_to(outside)
        (directory.parent / "link").symlink_to(outside / "precious")
    directory.chmod(0o500)
    return root


def test_a_tree_is_removed_and_no_link_is_followed(tree: Path) -> None:
    remove_staging(str(tree))

    assert [path.name for path in tree.parent.rglob("*")] == ["outside", "precious"]


@pytest.mark.parametrize("started", [0, 2])
def test_a_tree_is_removed_if_no_more_threads_can_be_started(
    started: int, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if len(threads) >= started:
            raise RuntimeError("can't start new thread")
        threads.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    monkeypatch.setattr(leftovers, "SLOW", 0)

    remove_staging(str(tree))

    assert len(threads) == started
    assert not tree.exists()


def test_no_thread_is_started_where_removing_is_fast(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("a thread was started"))
    monkeypatch.setattr(leftovers, "SLOW", 60)

    remove_staging(str(tree))

    assert not tree.exists()


def test_several_threads_remove_a_tree_where_that_is_slow(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "SLOW", 0)
    given: list[int] = []

    def in_threads(function: Callable[[Item], Outcome], items: Sequence[Item], threads: int) -> Iterator[Outcome]:
        given.append(len(items))
        return map_in_threads(function, items, threads)

    monkeypatch.setattr(leftovers, "map_in_threads", in_threads)

    remove_staging(str(tree))

    assert given
    assert not tree.exists()


@pytest.mark.skipif(os.name == "nt", reason="only users with a special privilege create links on Windows")
@pytest.mark.parametrize(
    ("after", "replaced"),
    [
        ("tree", "tree/parent"),
        ("tree/parent", "tree/parent/below"),
        ("tree/parent", "tree/parent"),
    ],
)
def test_a_directory_that_is_replaced_with_a_link_meanwhile_is_not_followed(
    after: str, replaced: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree" / "parent" / "below").mkdir(parents=True)
    (tmp_path / after / "first").write_text("")
    (tmp_path / "outside" / "below").mkdir(parents=True)
    for path in (tmp_path / "outside", tmp_path / "outside" / "below"):
        (path / "precious").write_text("")
    before = sorted((tmp_path / "outside").rglob("*"))

    def remove_file(file: tuple[str, int | None]) -> bool:
        if os.path.basename(file[0]) == "first":
            (tmp_path / replaced).rename(tmp_path / "moved")
            (tmp_path / replaced).symlink_to(tmp_path / "outside")
        return real(file)

    real = leftovers.remove_file
    monkeypatch.setattr(leftovers, "remove_file", remove_file)

    remove_staging(str(tmp_path / "tree"))

    assert sorted((tmp_path / "outside").rglob("*")) == before
    assert not (tmp_path / "tree").exists()
