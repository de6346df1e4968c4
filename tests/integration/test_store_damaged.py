"""Test a damaged store: the next environment is complete, the store is repaired, and nothing outside it is changed."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from cloche.cli.cache import CONTENT_CHECKS
from cloche.lifecycle.create import create_environment
from cloche.model.plan import EnvironmentSpec, Request, Target, Wanted
from cloche.session import Session
from cloche.store import Store, maintenance
from cloche.store.kinds import STORE_DIRECTORIES
from tests.distributions import host_with_home, make_wheel
from tests.trees import Tree, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from cloche.model.plan import Result

pytestmark = pytest.mark.skipif(os.name == "nt", reason="tests POSIX permissions, links and FIFOs")


class StoreWithEnvironment(NamedTuple):
    """A store with one entry of every kind, and the environment that is created from it."""

    directory: Path
    good: Path
    """A copy of the intact store."""
    first: Tree
    """The environment of the first run, without bytecode."""
    model: Tree
    """The environment of later runs."""

    @property
    def root(self) -> str:
        return str(self.directory / "store")

    def create(self) -> Result:
        """Create the environment from scratch, in a new session."""
        shutil.rmtree(self.directory / "env", ignore_errors=True)
        wanted = Wanted(requirements=("spam",), find_links=(str(self.directory / "wheels"),))
        with Session(host_with_home(self.directory), cache=self.root) as session:
            request = Request(EnvironmentSpec(wanted=wanted), Target(str(self.directory / "env")))
            return create_environment(request, session)[0]

    def tree(self) -> Tree:
        return snapshot(self.directory / "env")

    def problems(self) -> list[str]:
        with Store.open(host_with_home(self.directory), self.root) as store:
            return maintenance.verify_store(store, CONTENT_CHECKS)

    def only(self, *parts: str) -> str:
        """Return the path of the only entry in a directory of the store, relative to the store."""
        (name,) = os.listdir(os.path.join(self.root, *parts))
        return os.path.join(*parts, name)

    def find(self, entry: str) -> str:
        """Return the path of an entry of the store by its description."""
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
            "bytecode": f"{image}/purelib/spam/__pycache__/__init__.{sys.implementation.cache_tag}.pyc",
            "script": f"{image}/shebangs/tool",
            "probe result": self.only("interpreters"),
            "plan": self.only("plans"),
            "lock": self.only("locks"),
        }
        return os.path.join(self.root, inside.get(entry, entry))


@pytest.fixture(scope="module")
def intact_setup(tmp_path_factory: pytest.TempPathFactory) -> StoreWithEnvironment:
    directory = tmp_path_factory.mktemp("setup")
    files = {"spam/__init__.py": "def main():\n    pass\n", "spam-1.0.data/scripts/tool": "#!python\nprint('tool')\n"}
    make_wheel(directory / "wheels", files=files)
    setup = StoreWithEnvironment(directory, directory / "good", {}, {})
    setup.create()
    first = setup.tree()
    setup.create()  # compiles
    setup.create()  # caches the plan
    shutil.copytree(setup.root, setup.good)
    assert setup.tree() != first
    return setup._replace(first=first, model=setup.tree())


@pytest.fixture
def setup(intact_setup: StoreWithEnvironment) -> StoreWithEnvironment:
    """The intact store, without files of earlier tests beside it."""
    for name in os.listdir(intact_setup.directory):
        if name not in ("wheels", "good"):
            remove(str(intact_setup.directory / name))
    shutil.copytree(intact_setup.good, intact_setup.root)
    return intact_setup


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


def flip_bit(content: bytes) -> bytes:
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
    *("own file list", "description", "file list", "record", "module", "bytecode", "script"),
    *("probe result", "plan"),
)
DIRECTORIES = ("ABI", "image", "tree", "package")
KIND_DIRECTORIES = ("artifacts", "builds", "images", "interpreters", "locks", "origins", "plans", "wheels")

DAMAGE_TO_FILES: dict[str, Callable[[str], object]] = {
    "missing": remove,
    "truncated": lambda path: change(path, read(path)[: len(read(path)) // 2]),
    "emptied": lambda path: change(path, b""),
    "one bit flipped": lambda path: change(path, flip_bit(read(path))),
    "overwritten": lambda path: change(path, bytes(len(read(path)))),
    "replaced by a directory": plant_directory,
    "replaced by a FIFO": lambda path: (remove(path), os.mkfifo(path)),
}

DAMAGE_TO_DIRECTORIES: dict[str, Callable[[str], object]] = {
    "missing": remove,
    "emptied": lambda path: (remove(path), os.mkdir(path)),
    "replaced by a file": plant_file,
    "replaced by a FIFO": lambda path: (remove(path), os.mkfifo(path)),
}


def test_the_store_is_intact_and_used_before_it_is_damaged(setup: StoreWithEnvironment) -> None:
    before = {path: os.lstat(os.path.join(setup.root, path)).st_ino for path in snapshot(setup.root)}

    setup.create()

    assert setup.tree() == setup.model
    assert setup.problems() == []
    assert before == {path: os.lstat(os.path.join(setup.root, path)).st_ino for path in snapshot(setup.root)}


def combinations(entries: Iterable[str], damages: Iterable[str]) -> list[ParameterSet]:
    """Return all pairs. A quarter of them, with every value at least once, is not left to the nightly run."""
    return [
        pytest.param(entry, damage, marks=[pytest.mark.nightly] if (column + row) % 4 else [], id=f"{entry}, {damage}")
        for column, entry in enumerate(entries)
        for row, damage in enumerate(damages)
    ]


@pytest.mark.parametrize(("entry", "damage"), combinations(FILES, DAMAGE_TO_FILES))
def test_a_damaged_file_is_reported_and_created_again(setup: StoreWithEnvironment, entry: str, damage: str) -> None:
    path = setup.find(entry)
    DAMAGE_TO_FILES[damage](path)

    if damage != "missing" or entry not in ("probe result", "plan"):
        assert setup.problems() != []
    if entry == "probe result":
        remove(os.path.join(setup.root, "plans"))  # a run with a cached plan does not probe
    result = setup.create()

    assert result.warnings == ()
    assert setup.tree() == setup.model
    assert setup.problems() == []
    assert stat.S_ISREG(os.lstat(path).st_mode)


@pytest.mark.parametrize(("entry", "damage"), combinations(DIRECTORIES, DAMAGE_TO_DIRECTORIES))
def test_a_damaged_directory_of_an_image_is_created_again(setup: StoreWithEnvironment, entry: str, damage: str) -> None:
    path = setup.find(entry)
    DAMAGE_TO_DIRECTORIES[damage](path)

    result = setup.create()

    assert result.warnings == ()
    assert setup.tree() in (setup.first, setup.model)
    assert setup.problems() == []
    assert stat.S_ISDIR(os.lstat(path).st_mode)


@pytest.mark.parametrize(("entry", "damage"), combinations(KIND_DIRECTORIES, DAMAGE_TO_DIRECTORIES))
def test_a_store_with_an_unusable_directory_still_works(setup: StoreWithEnvironment, entry: str, damage: str) -> None:
    path = setup.find(entry)
    remove(path)
    DAMAGE_TO_DIRECTORIES[damage](path)

    result = setup.create()

    assert setup.tree() in (setup.first, setup.model)
    assert len(result.warnings) <= 1, "one line, and only if the run wanted to write there"
    if damage in ("replaced by a file", "replaced by a FIFO"):
        assert any(f"`{path}` is not a directory" in problem for problem in setup.problems())


# Planted links and files


VICTIMS = (*FILES, *DIRECTORIES, *KIND_DIRECTORIES, "lock")
LINKS = ("to a file", "to a directory", "to nothing", "to the original", "hard")


@pytest.mark.parametrize(("entry", "kind"), combinations(VICTIMS, LINKS))
def test_a_planted_link_is_not_followed(setup: StoreWithEnvironment, entry: str, kind: str) -> None:
    """The target of the link stays unchanged, and the environment is the usual one."""
    victims = setup.directory / "victims"
    victims.mkdir()
    (victims / "file").write_text("precious")
    (victims / "directory").mkdir()
    (victims / "directory" / "file").write_text("precious")
    path = setup.find(entry)
    if kind == "to the original":
        if not os.path.lexists(path):
            plant_directory(path)
        move_behind_link(path, str(victims / "real"))
    elif kind == "hard":
        remove(path)
        os.link(victims / "file", path)
    else:
        plant_link(path, str(victims / {"to a file": "file", "to a directory": "directory"}.get(kind, "nothing")))
    if entry == "lock":
        remove(setup.find("image"))  # so that the run takes the lock
    before = snapshot(victims)

    result = setup.create()

    assert snapshot(victims) == before
    assert len(result.warnings) <= 1
    assert setup.tree() in (setup.first, setup.model)


def test_files_added_to_an_image_are_reported_and_not_installed(setup: StoreWithEnvironment) -> None:
    image = setup.find("image")
    for name in ("purelib/planted.py", "shebangs/planted", "planted", "platlib.files", "purelib/spam/planted.py"):
        change_new(f"{image}/{name}", b"#!python\n")
    os.mkdir(f"{image}/platlib")

    assert len(setup.problems()) == 6
    setup.create()

    assert setup.tree() == setup.model


# Permissions


def test_the_store_is_private_whatever_the_umask(setup: StoreWithEnvironment) -> None:
    remove(setup.root)
    before = os.umask(0)
    try:
        for _ in range(2):  # the first builds, the second caches the plan
            setup.create()
    finally:
        os.umask(before)

    assert stat.S_IMODE(os.stat(setup.root).st_mode) == 0o700
    for kind in os.listdir(setup.root):
        mode = stat.S_IMODE(os.stat(os.path.join(setup.root, kind)).st_mode)
        assert mode == (0o600 if kind == "CACHEDIR.TAG" else 0o700), kind
    assert stat.S_IMODE(os.stat(setup.find("ABI")).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(setup.find("image")).st_mode) == 0o700
    for entry in ("probe result", "plan", "lock"):
        assert stat.S_IMODE(os.stat(setup.find(entry)).st_mode) == 0o600


def timestamps(root: str) -> dict[str, tuple[int, ...]]:
    """Return the times and link count of every file and directory; reading, linking and changing a file alter them."""
    found = {}
    for path in ("", *snapshot(root)):
        status = os.lstat(os.path.join(root, path))
        found[path] = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns, status.st_nlink)
    return found


@pytest.mark.skipif(
    not hasattr(os, "O_NOATIME"), reason="the system cannot read a file without updating its access time"
)
@pytest.mark.parametrize("plans", ["present", "missing"])
@pytest.mark.parametrize("link_mode", ["auto", "hardlink", "copy"])
def test_a_read_only_store_keeps_all_its_timestamps(setup: StoreWithEnvironment, plans: str, link_mode: str) -> None:
    """Neither reading nor hard links, which change a file's link count, alter it."""
    if plans == "missing":
        remove(setup.find("plans"))
    for parent, _, names in os.walk(setup.root):
        for name in names:
            path = os.path.join(parent, name)
            os.utime(path, ns=(1, os.lstat(path).st_mtime_ns))  # old enough that the system updates it on the next read
    before = timestamps(setup.root)
    shutil.rmtree(setup.directory / "env", ignore_errors=True)
    wanted = Wanted(requirements=("spam",), find_links=(str(setup.directory / "wheels"),))
    request = Request(EnvironmentSpec(wanted=wanted), Target(str(setup.directory / "env"), link_mode=link_mode))  # type: ignore[arg-type]

    with Session(host_with_home(setup.directory), cache=setup.root, access="read-only") as session:
        result, _ = create_environment(request, session)

    assert timestamps(setup.root) == before
    trees = [setup.tree().without_permissions(), setup.model.without_permissions()]
    if link_mode != "auto":  # it is recorded if the user chose it
        for tree in trees:
            del tree["pyvenv.cfg"], tree[".cloche-manifest"]
    assert trees[0] == trees[1]
    assert len(result.warnings) == (link_mode == "hardlink")


def test_no_symlink_points_into_the_temporary_cache_of_a_run(setup: StoreWithEnvironment) -> None:
    plant_file(setup.find("images"))
    wanted = Wanted(requirements=("spam",), find_links=(str(setup.directory / "wheels"),))
    request = Request(EnvironmentSpec(wanted=wanted), Target(str(setup.directory / "env"), link_mode="symlink"))

    with Session(host_with_home(setup.directory), cache=setup.root) as session:
        create_environment(request, session)

    links = [path for path, (kind, _, _) in setup.tree().items() if kind == stat.S_IFLNK and "site-packages" in path]
    assert links == []


def test_the_damage_covers_every_directory_of_the_store() -> None:
    assert set(KIND_DIRECTORIES) == set(STORE_DIRECTORIES)
