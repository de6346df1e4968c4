"""Whatever becomes of the store, the next environment is whole, the store is mended, and nothing outside is touched."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from cloche.cli.cache import CONTENT_CHECKS
from cloche.model.request import Request, Wanted
from cloche.session import Session
from cloche.store import KINDS, Store, maintenance
from tests.distributions import host_at, make_wheel
from tests.trees import Tree, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from cloche.model.plan import Result

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions, links and FIFOs are those of POSIX")


class World(NamedTuple):
    """A store with one of everything in it, and the environment that is made from it."""

    place: Path
    good: Path
    first: Tree
    """The environment that is made from an image used for the first time, which has no byte-code."""
    model: Tree
    """The one that is made from it later on."""

    @property
    def root(self) -> str:
        return str(self.place / "store")

    def make(self) -> Result:
        """Make the environment from scratch, in a run of its own."""
        shutil.rmtree(self.place / "env", ignore_errors=True)
        wanted = Wanted(requirements=("spam",), find_links=(str(self.place / "wheels"),))
        with Session(host_at(self.place), cache=self.root) as session:
            return session.create(Request(destination=str(self.place / "env"), wanted=wanted))

    def tree(self) -> Tree:
        return snapshot(self.place / "env")

    def faults(self) -> list[str]:
        with Store.open(host_at(self.place), self.root) as store:
            return maintenance.verify_store(store, CONTENT_CHECKS)

    def only(self, *parts: str) -> str:
        """Return the path of what lies alone in a directory of the store."""
        (name,) = [name for name in os.listdir(os.path.join(self.root, *parts)) if not name.endswith(".holder")]
        return os.path.join(*parts, name)

    def find(self, what: str) -> str:
        """Return the path of something in the store."""
        image = self.only(self.only("images"))
        inside = {
            "ABI": self.only("images"),
            "image": image,
            "own file list": f"{image}/image.files",
            "description": f"{image}/image.json",
            "file list": f"{image}/purelib.files",
            "record": f"{image}/purelib.record",
            "tree": f"{image}/purelib",
            "package": f"{image}/purelib/spam",
            "module": f"{image}/purelib/spam/__init__.py",
            "byte-code": f"{image}/purelib/spam/__pycache__/__init__.{sys.implementation.cache_tag}.pyc",
            "script": f"{image}/shebangs/tool",
            "answer": self.only("interpreters"),
            "plan": self.only("plans"),
            "lock": self.only("locks"),
            "holder": f"{self.only('locks')}.holder",
        }
        return os.path.join(self.root, inside.get(what, what))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    place = tmp_path_factory.mktemp("world")
    files = {"spam/__init__.py": "def main():\n    pass\n", "spam-1.0.data/scripts/tool": "#!python\nprint('tool')\n"}
    make_wheel(place / "wheels", files=files)
    world = World(place, place / "good", {}, {})
    world.make()
    first = world.tree()
    world.make()  # compiles
    world.make()  # remembers
    shutil.copytree(world.root, world.good)
    assert world.tree() != first
    return world._replace(first=first, model=world.tree())


@pytest.fixture
def world(made: World) -> World:
    """The store as it was first, and nothing beside it that a test before has left."""
    for name in os.listdir(made.place):
        if name not in ("wheels", "good"):
            remove(str(made.place / name))
    shutil.copytree(made.good, made.root)
    return made


def remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def change(path: str, content: bytes) -> None:
    mode = stat.S_IMODE(os.stat(path).st_mode)
    os.chmod(path, 0o600)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def plant_file(path: str) -> None:
    remove(path)
    change_new(path, b"planted")


def plant_directory(path: str) -> None:
    remove(path)
    os.makedirs(f"{path}/planted")


def plant_link(path: str, target: str) -> None:
    remove(path)
    os.symlink(target, path)


def change_new(path: str, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)


def move_behind_link(path: str, aside: str) -> None:
    os.rename(path, aside)
    os.symlink(aside, path)


FILES = (
    *("own file list", "description", "file list", "record", "module", "byte-code", "script"),
    *("answer", "plan"),
)
DIRECTORIES = ("ABI", "image", "tree", "package")
KIND_DIRECTORIES = ("images", "interpreters", "plans", "locks", "wheels")

DAMAGE_TO_FILES: dict[str, Callable[[str], object]] = {
    "missing": remove,
    "cut short": lambda path: change(path, read(path)[: len(read(path)) // 2]),
    "emptied": lambda path: change(path, b""),
    "one bit flipped": lambda path: change(path, flipped(read(path))),
    "written over": lambda path: change(path, bytes(len(read(path)))),
    "a directory": plant_directory,
    "a FIFO": lambda path: (remove(path), os.mkfifo(path)),
}

DAMAGE_TO_DIRECTORIES: dict[str, Callable[[str], object]] = {
    "missing": remove,
    "emptied": lambda path: (remove(path), os.mkdir(path)),
    "a file": plant_file,
    "a FIFO": lambda path: (remove(path), os.mkfifo(path)),
}


def test_the_store_that_is_going_to_be_damaged_is_whole_and_used(world: World) -> None:
    before = {path: os.lstat(os.path.join(world.root, path)).st_ino for path in snapshot(world.root)}

    world.make()

    assert world.tree() == world.model
    assert world.faults() == []
    assert before == {path: os.lstat(os.path.join(world.root, path)).st_ino for path in snapshot(world.root)}


def every(whats: Iterable[str], damages: Iterable[str]) -> list[ParameterSet]:
    """Return all pairs; a fourth of them, with everything at least once, is tried in every run."""
    return [
        pytest.param(what, damage, marks=[pytest.mark.nightly] if (column + row) % 4 else [], id=f"{what}, {damage}")
        for column, what in enumerate(whats)
        for row, damage in enumerate(damages)
    ]


@pytest.mark.parametrize(("what", "damage"), every(FILES, DAMAGE_TO_FILES))
def test_a_damaged_file_is_told_and_made_anew(world: World, what: str, damage: str) -> None:
    path = world.find(what)
    DAMAGE_TO_FILES[damage](path)

    if damage != "missing" or what not in ("answer", "plan"):
        assert world.faults() != []
    if what == "answer":
        remove(os.path.join(world.root, "plans"))  # who remembers the plan asks nobody
    result = world.make()

    assert result.warnings == ()
    assert world.tree() == world.model
    assert world.faults() == []
    assert stat.S_ISREG(os.lstat(path).st_mode)


@pytest.mark.parametrize(("what", "damage"), every(DIRECTORIES, DAMAGE_TO_DIRECTORIES))
def test_a_damaged_directory_of_an_image_is_made_anew(world: World, what: str, damage: str) -> None:
    path = world.find(what)
    DAMAGE_TO_DIRECTORIES[damage](path)

    result = world.make()

    assert result.warnings == ()
    assert world.tree() in (world.first, world.model)
    assert world.faults() == []
    assert stat.S_ISDIR(os.lstat(path).st_mode)


@pytest.mark.parametrize(("what", "damage"), every(KIND_DIRECTORIES, DAMAGE_TO_DIRECTORIES))
def test_without_one_of_its_directories_the_store_does_what_it_can(world: World, what: str, damage: str) -> None:
    path = world.find(what)
    remove(path)
    DAMAGE_TO_DIRECTORIES[damage](path)

    result = world.make()

    assert world.tree() in (world.first, world.model)
    assert len(result.warnings) <= 1, "one line, and only where something was to be kept there"
    if damage in ("a file", "a FIFO"):
        assert any(f"`{path}` is not a directory" in fault for fault in world.faults())


# Planted


VICTIMS = (*FILES, *DIRECTORIES, *KIND_DIRECTORIES, "lock", "holder")
LINKS = ("to a file", "to a directory", "to nothing", "to what it was", "hard")


@pytest.mark.parametrize(("what", "kind"), every(VICTIMS, LINKS))
def test_a_planted_link_is_not_followed(world: World, what: str, kind: str) -> None:
    """Nor is what it leads to changed, and what is made is what is always made."""
    victims = world.place / "victims"
    victims.mkdir()
    (victims / "file").write_text("precious")
    (victims / "directory").mkdir()
    (victims / "directory" / "file").write_text("precious")
    path = world.find(what)
    if kind == "to what it was":
        if not os.path.lexists(path):
            plant_directory(path)
        move_behind_link(path, str(victims / "real"))
    elif kind == "hard":
        remove(path)
        os.link(victims / "file", path)
    else:
        plant_link(path, str(victims / {"to a file": "file", "to a directory": "directory"}.get(kind, "nothing")))
    if what in ("lock", "holder"):
        remove(world.find("image"))  # so that somebody locks
    before = snapshot(victims)

    result = world.make()

    assert snapshot(victims) == before
    assert len(result.warnings) <= 1
    assert world.tree() in (world.first, world.model)


def test_what_was_added_is_never_laid_down_and_is_told(world: World) -> None:
    image = world.find("image")
    for name in ("purelib/planted.py", "shebangs/planted", "planted", "platlib.files", "purelib/spam/planted.py"):
        change_new(f"{image}/{name}", b"#!python\n")
    os.mkdir(f"{image}/platlib")

    assert len(world.faults()) == 6
    world.make()

    assert world.tree() == world.model


# Permissions


def test_everything_in_it_is_for_its_user_alone_whatever_the_umask(world: World) -> None:
    remove(world.root)
    before = os.umask(0)
    try:
        for _ in range(2):  # to build, and to remember
            world.make()
    finally:
        os.umask(before)

    assert stat.S_IMODE(os.stat(world.root).st_mode) == 0o700
    for kind in os.listdir(world.root):
        mode = stat.S_IMODE(os.stat(os.path.join(world.root, kind)).st_mode)
        assert mode == (0o600 if kind == "CACHEDIR.TAG" else 0o700), kind
    assert stat.S_IMODE(os.stat(world.find("ABI")).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(world.find("image")).st_mode) == 0o700
    for what in ("answer", "plan", "lock"):
        assert stat.S_IMODE(os.stat(world.find(what)).st_mode) == 0o600


def times(root: str) -> dict[str, tuple[int, ...]]:
    """Return what a look, a link or a change leaves in the records of every file and directory."""
    found = {}
    for path in ("", *snapshot(root)):
        status = os.lstat(os.path.join(root, path))
        found[path] = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns, status.st_nlink)
    return found


@pytest.mark.skipif(not hasattr(os, "O_NOATIME"), reason="the system cannot read without a trace")
@pytest.mark.parametrize("plans", ["there", "gone"])
@pytest.mark.parametrize("link_mode", ["auto", "hardlink", "copy"])
def test_what_is_only_read_is_left_without_a_trace(world: World, plans: str, link_mode: str) -> None:
    """Not by a look, and not by a hard link, which is a change of the file."""
    if plans == "gone":
        remove(world.find("plans"))
    for parent, _, names in os.walk(world.root):
        for name in names:
            path = os.path.join(parent, name)
            os.utime(path, ns=(1, os.lstat(path).st_mtime_ns))  # so old that the system would note the next look
    before = times(world.root)
    shutil.rmtree(world.place / "env", ignore_errors=True)
    wanted = Wanted(requirements=("spam",), find_links=(str(world.place / "wheels"),))
    request = Request(destination=str(world.place / "env"), wanted=wanted, link_mode=link_mode)  # type: ignore[arg-type]

    with Session(host_at(world.place), cache=world.root, access="read-only") as session:
        result = session.create(request)

    assert times(world.root) == before
    assert world.tree().without_permissions() == world.model.without_permissions()
    assert len(result.warnings) == (link_mode == "hardlink")


def test_a_link_is_never_made_into_what_a_run_removes(world: World) -> None:
    plant_file(world.find("images"))
    wanted = Wanted(requirements=("spam",), find_links=(str(world.place / "wheels"),))
    request = Request(destination=str(world.place / "env"), wanted=wanted, link_mode="symlink")

    with Session(host_at(world.place), cache=world.root) as session:
        session.create(request)

    links = [path for path, (kind, _, _) in world.tree().items() if kind == stat.S_IFLNK and "site-packages" in path]
    assert links == []


def test_every_directory_of_the_store_is_among_those_that_are_damaged() -> None:
    assert set(KIND_DIRECTORIES) == set(KINDS)
