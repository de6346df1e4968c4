"""Looking after the store: it is measured, checked, pruned and cleared, and nobody else's files are touched."""

from __future__ import annotations

import os
import shutil
import stat
import time
from typing import TYPE_CHECKING

import pytest

from cloche.api import find
from cloche.errors import ClocheError, SeedError
from cloche.store import KINDS, Store
from cloche.store.check import check
from cloche.store.distributions import read_wheel
from cloche.store.images import UNFINISHED, find_or_build_image
from cloche.store.upkeep import DAY, clear, prune, size, verify
from tests.distributions import host_at, make_wheel
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter

MONTHS = 100 * DAY


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    """The base of the Python that runs the tests."""
    return find()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(host_at(tmp_path / "home"), str(tmp_path / "store"))


@pytest.fixture
def image(tmp_path: Path, interpreter: Interpreter, store: Store) -> Image:
    return find_or_build_image(read_wheel(str(make_wheel(tmp_path / "wheels"))), interpreter, store)


def fill(store: Store) -> None:
    """Put one thing of every other kind into a store."""
    from pathlib import Path

    make_wheel(Path(store.writable_directory("wheels")))
    for kind in ("interpreters", "plans"):
        (Path(store.writable_directory(kind)) / "entry").write_text("12345")


def test_what_it_holds_is_measured_by_kind(store: Store, image: Image) -> None:
    fill(store)
    found = {usage.kind: usage for usage in size(store)}

    assert list(found) == list(KINDS)
    assert {kind: usage.entries for kind, usage in found.items()} == dict.fromkeys(KINDS, 1)
    assert found["images"].size > image.size
    assert found["plans"].size == 5


def test_an_empty_one_holds_nothing(store: Store) -> None:
    assert {usage.size for usage in size(store)} == {0}
    assert verify(store) == []
    assert prune(store) == []
    assert clear(store) == 0


def test_a_whole_one_has_no_faults(store: Store, image: Image) -> None:
    fill(store)
    before = snapshot(store.root)

    assert verify(store) == []
    assert check(image) is None
    assert snapshot(store.root) == before


def test_faults_are_told_and_nothing_is_changed(store: Store, image: Image) -> None:
    fill(store)
    victim = f"{image.root}/purelib/spam.py"
    found = os.stat(victim)
    os.chmod(victim, 0o644)
    with open(victim, "r+b") as file:
        file.write(b"DEF")
    os.chmod(victim, stat.S_IMODE(found.st_mode))
    os.utime(victim, ns=(found.st_atime_ns, found.st_mtime_ns))
    [wheel] = os.listdir(store.writable_directory("wheels"))
    with open(os.path.join(store.writable_directory("wheels"), wheel), "r+b") as file:
        file.truncate(100)
    before = snapshot(store.root)

    faults = verify(store)

    assert len(faults) == 2
    assert "spam.py` was modified after it was created" in faults[0]
    assert wheel in faults[1]
    assert snapshot(store.root) == before


def test_what_is_damaged_or_abandoned_is_pruned_at_once(store: Store, image: Image) -> None:
    fill(store)
    os.truncate(f"{image.root}/purelib/spam.py", 2)
    stage = f"{image.root}.0badcafe{UNFINISHED}"
    shutil.copytree(image.root, stage)
    os.truncate(os.path.join(store.writable_directory("wheels"), os.listdir(store.writable_directory("wheels"))[0]), 10)
    os.mkdir(os.path.join(store.writable_directory("wheels"), ".download-x"))

    removed = prune(store)

    assert sorted(one.reason for one in removed) == ["damaged", "damaged"]
    assert os.path.isdir(stage), "whoever builds it may still live"
    later = {one.path: one.reason for one in prune(store, time.time() + 2 * DAY)}
    assert later[stage] == "abandoned"
    assert later[os.path.join(store.writable_directory("wheels"), ".download-x")] == "abandoned"


def test_what_has_not_been_used_for_a_month_is_pruned(store: Store, image: Image) -> None:
    fill(store)

    assert prune(store) == []
    removed = {one.path: one for one in prune(store, time.time() + MONTHS)}

    assert removed[image.root].reason == "unused for 100 days"
    assert removed[image.root].size > image.size
    assert not os.path.exists(image.root)
    assert {usage.entries for usage in size(store)} == {0}


@pytest.mark.skipif(os.name == "nt", reason="a file system with hard links is needed")
def test_an_image_that_an_environment_shares_stays(tmp_path: Path, store: Store, image: Image) -> None:
    os.link(f"{image.root}/purelib/spam.py", tmp_path / "spam.py")

    assert image.root not in {one.path for one in prune(store, time.time() + MONTHS)}
    assert check(image) is None


def test_clearing_removes_what_is_ours_and_nothing_else(tmp_path: Path, store: Store, image: Image) -> None:
    fill(store)
    (tmp_path / "store" / "notes.txt").write_text("mine")
    (tmp_path / "store" / "images.backup").mkdir()

    assert clear(store) > image.size

    assert sorted(os.listdir(store.root)) == ["images.backup", "notes.txt"]
    again = find_or_build_image(read_wheel(str(tmp_path / "wheels" / "spam-1.0-py3-none-any.whl")), find(), store)
    assert again == image


@pytest.mark.usefixtures("image")
def test_clearing_takes_the_directory_along_if_nothing_else_is_in_it(store: Store) -> None:
    clear(store)

    assert not os.path.exists(store.root)
    assert store.warnings == []


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_clearing_and_pruning_follow_no_link(tmp_path: Path, store: Store, image: Image) -> None:
    victim = tmp_path / "victim"
    shutil.copytree(image.root, victim)
    os.utime(victim, (0, 0))
    before = snapshot(victim)
    os.symlink(victim, os.path.join(os.path.dirname(image.root), "planted"))
    os.symlink(victim, os.path.join(store.root, "wheels"))
    os.symlink(tmp_path / "wheels", os.path.join(store.writable_directory("images"), "cpython-000"))

    removed = prune(store, time.time() + MONTHS)
    clear(store)

    assert "damaged" in {one.reason for one in removed}
    assert snapshot(victim) == before
    assert os.listdir(tmp_path / "wheels") != []
    assert os.listdir(store.root) == ["wheels"]


@pytest.mark.parametrize("work", [prune, clear])
def test_a_read_only_store_is_not_looked_after(work: type[object], tmp_path: Path, store: Store, image: Image) -> None:
    before = snapshot(store.root)
    with Store.open(host_at(tmp_path), store.root, "read-only") as reader, pytest.raises(ClocheError):
        work(reader)
    assert snapshot(store.root) == before
    assert verify(store) == []
    assert check(image) is None


CALLS = ("link", "lstat", "makedirs", "mkdir", "open", "rename", "scandir", "stat", "utime")


def test_it_may_be_cleared_at_any_moment(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first call of the system, before its fifth, ...: whoever works in it gets an image all the same."""
    distribution = read_wheel(str(make_wheel(tmp_path / "wheels")))
    made = Countdown(store, monkeypatch)
    finished = 0

    for moment in range(0, 1000, 4):
        clear(store)
        made.start(moment)
        image = find_or_build_image(distribution, interpreter, store)
        if not made.stop():
            break  # it needs no more calls than that
        finished += check(image) is None
    assert moment > 30
    assert finished >= moment // 4 - 5, "only in the last moments can what is finished be taken away"
    assert store.warnings == []


class Countdown:
    """Clears a store before a given number of calls into the file system have been made."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self.left = -1
        for name in CALLS:
            monkeypatch.setattr(os, name, self.counted(getattr(os, name)))

    def counted(self, function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            if self.left >= 0:
                self.left -= 1
                if self.left < 0:
                    clear(self.store)
            return function(*arguments, **named)

        return call

    def start(self, calls: int) -> None:
        self.left = calls

    def stop(self) -> bool:
        """Return whether it has cleared the store."""
        cleared = self.left < 0
        self.left = -1
        return cleared


def test_a_store_that_is_cleared_again_and_again_is_an_error_and_no_endless_loop(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    store.progress = lambda _: clear(store)

    with pytest.raises(SeedError, match="cannot be created in"):
        find_or_build_image(read_wheel(str(make_wheel(tmp_path / "wheels"))), interpreter, store)
