"""Test that the store can be measured, verified, pruned and cleared, and that other files are not changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
from typing import TYPE_CHECKING

import pytest

from cloche.api import find
from cloche.errors import ClocheError, SeedError
from cloche.store import Store
from cloche.store.check import check_image
from cloche.store.distributions import read_wheel
from cloche.store.images import find_or_build_image
from cloche.store.kinds import STORE_DIRECTORIES
from cloche.store.maintenance import DAY, clear_store, measure_store, prune_store, verify_store
from cloche.store.staging import UNFINISHED
from tests.distributions import host_with_home, make_wheel
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter

LONG = 100 * DAY


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    """The base interpreter of the Python that runs the tests."""
    return find()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(host_with_home(tmp_path / "home"), str(tmp_path / "store"))


@pytest.fixture
def image(tmp_path: Path, interpreter: Interpreter, store: Store) -> Image:
    return find_or_build_image(read_wheel(str(make_wheel(tmp_path / "wheels"))), interpreter, store)


def fill(store: Store) -> None:
    """Put one entry of every other kind into a store."""
    from pathlib import Path

    make_wheel(Path(store.writable_directory("wheels")))
    for kind in ("interpreters", "origins", "plans"):
        (Path(store.writable_directory(kind)) / "entry").write_text("12345")
    make_wheel(Path(store.writable_directory("builds"), "key"))
    digest = hashlib.sha256(b"12345").hexdigest()
    artifact = Path(store.writable_directory("artifacts"), f"sha256-{digest}", "spam-1.0.tar.gz")
    artifact.parent.mkdir()
    artifact.write_bytes(b"12345")


def test_disk_usage_is_measured_by_kind(store: Store, image: Image) -> None:
    fill(store)
    found = {usage.kind: usage for usage in measure_store(store)}

    assert list(found) == list(STORE_DIRECTORIES)
    assert {kind: usage.entries for kind, usage in found.items()} == dict.fromkeys(STORE_DIRECTORIES, 1)
    assert found["images"].size > image.size
    assert found["plans"].size == 5


def test_an_empty_store_has_no_content_and_no_problems(store: Store) -> None:
    assert {usage.size for usage in measure_store(store)} == {0}
    assert verify_store(store) == []
    assert prune_store(store) == []
    assert clear_store(store) == 0


def test_an_intact_store_has_no_problems(store: Store, image: Image) -> None:
    fill(store)
    before = snapshot(store.root)

    assert verify_store(store) == []
    assert check_image(image) is None
    assert snapshot(store.root) == before


def test_verify_reports_problems_and_changes_nothing(store: Store, image: Image) -> None:
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

    problems = verify_store(store)

    assert len(problems) == 2
    assert "spam.py` was modified after it was created" in problems[0]
    assert wheel in problems[1]
    assert snapshot(store.root) == before


def test_prune_removes_damaged_files_at_once_and_leftovers_after_a_day(store: Store, image: Image) -> None:
    fill(store)
    os.truncate(f"{image.root}/purelib/spam.py", 2)
    stage = f"{image.root}.0badcafe{UNFINISHED}"
    shutil.copytree(image.root, stage)
    os.truncate(os.path.join(store.writable_directory("wheels"), os.listdir(store.writable_directory("wheels"))[0]), 10)
    os.mkdir(os.path.join(store.writable_directory("wheels"), ".download-x"))

    removed = prune_store(store)

    assert sorted(entry.reason for entry in removed) == ["damaged", "damaged"]
    assert os.path.isdir(stage), "the process that builds it may still be running"
    later = {entry.path: entry.reason for entry in prune_store(store, time.time() + 2 * DAY)}
    assert later[stage] == "abandoned"
    assert later[os.path.join(store.writable_directory("wheels"), ".download-x")] == "abandoned"


def test_damaged_artifacts_and_builds_are_reported_and_removed(store: Store) -> None:
    fill(store)
    paths = []
    for kind in ("artifacts", "builds"):
        [entry] = os.scandir(store.writable_directory(kind))
        [file] = os.scandir(entry)
        with open(file, "r+b") as opened:
            opened.write(b"XX")
        paths.append((entry.path, file.path))

    problems = verify_store(store)

    assert problems[0] == f"`{paths[0][1]}` does not match its hash"
    assert problems[1].startswith(f"`{paths[1][1]}` cannot be used: ")
    removed = prune_store(store)
    assert [(entry.path, entry.reason) for entry in removed] == [(entry, "damaged") for entry, _ in paths]


def test_prune_removes_files_that_were_unused_for_a_month(store: Store, image: Image) -> None:
    fill(store)

    assert prune_store(store) == []
    removed = {entry.path: entry for entry in prune_store(store, time.time() + LONG)}

    assert removed[image.root].reason == "unused for 100 days"
    assert removed[image.root].size > image.size
    assert not os.path.exists(image.root)
    assert {usage.entries for usage in measure_store(store)} == {0}


@pytest.mark.skipif(os.name == "nt", reason="needs a file system with hard links")
def test_prune_keeps_an_image_that_an_environment_shares(tmp_path: Path, store: Store, image: Image) -> None:
    os.link(f"{image.root}/purelib/spam.py", tmp_path / "spam.py")

    assert image.root not in {entry.path for entry in prune_store(store, time.time() + LONG)}
    assert check_image(image) is None


def test_clear_removes_only_files_of_the_store(tmp_path: Path, store: Store, image: Image) -> None:
    fill(store)
    (tmp_path / "store" / "notes.txt").write_text("mine")
    (tmp_path / "store" / "images.backup").mkdir()

    assert clear_store(store) > image.size

    assert sorted(os.listdir(store.root)) == ["images.backup", "notes.txt"]
    again = find_or_build_image(read_wheel(str(tmp_path / "wheels" / "spam-1.0-py3-none-any.whl")), find(), store)
    assert again == image


@pytest.mark.usefixtures("image")
def test_clear_removes_the_directory_if_nothing_else_is_in_it(store: Store) -> None:
    clear_store(store)

    assert not os.path.exists(store.root)
    assert store.warnings == []


@pytest.mark.skipif(os.name == "nt", reason="creating links needs privileges on Windows")
def test_clear_and_prune_follow_no_links(tmp_path: Path, store: Store, image: Image) -> None:
    victim = tmp_path / "victim"
    shutil.copytree(image.root, victim)
    os.utime(victim, (0, 0))
    before = snapshot(victim)
    os.symlink(victim, os.path.join(os.path.dirname(image.root), "planted"))
    os.symlink(victim, os.path.join(store.root, "wheels"))
    os.symlink(tmp_path / "wheels", os.path.join(store.writable_directory("images"), "cpython-000"))

    removed = prune_store(store, time.time() + LONG)
    clear_store(store)

    assert "damaged" in {entry.reason for entry in removed}
    assert snapshot(victim) == before
    assert os.listdir(tmp_path / "wheels") != []
    assert os.listdir(store.root) == ["wheels"]


@pytest.mark.parametrize("work", [prune_store, clear_store])
def test_a_read_only_store_is_neither_pruned_nor_cleared(
    work: type[object], tmp_path: Path, store: Store, image: Image
) -> None:
    before = snapshot(store.root)
    with Store.open(host_with_home(tmp_path), store.root, "read-only") as reader, pytest.raises(ClocheError):
        work(reader)
    assert snapshot(store.root) == before
    assert verify_store(store) == []
    assert check_image(image) is None


CALLS = ("link", "lstat", "makedirs", "mkdir", "open", "rename", "scandir", "stat", "utime")


def test_clearing_the_store_at_any_moment_disturbs_no_builder(
    tmp_path: Path, interpreter: Interpreter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is cleared before the first system call of a build, before the fifth, and so on; each build succeeds."""
    distribution = read_wheel(str(make_wheel(tmp_path / "wheels")))
    countdown = Countdown(store, monkeypatch)
    intact = 0

    for moment in range(0, 1000, 4):
        clear_store(store)
        countdown.start(moment)
        image = find_or_build_image(distribution, interpreter, store)
        if not countdown.stop():
            break  # the build made fewer calls than that
        intact += check_image(image) is None
    assert moment > 30
    assert intact >= moment // 4 - 5, "a finished image is lost only if the store is cleared in the last moments"
    assert store.warnings == []


class Countdown:
    """Clear a store before the n-th call into the file system."""

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
                    clear_store(self.store)
            return function(*arguments, **named)

        return call

    def start(self, calls: int) -> None:
        self.left = calls

    def stop(self) -> bool:
        """Return whether the store was cleared."""
        cleared = self.left < 0
        self.left = -1
        return cleared


def test_a_store_that_is_cleared_again_and_again_is_an_error(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    store.progress = lambda _: clear_store(store)

    with pytest.raises(SeedError, match="cannot create the image of"):
        find_or_build_image(read_wheel(str(make_wheel(tmp_path / "wheels"))), interpreter, store)
