"""Test file systems that ignore case: what needs two names that differ only in case works there, or is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.apply import perform_operations
from cloche.apply.executor import StagingTree
from cloche.errors import ClocheError, DestinationError, SeedError
from cloche.fs import case
from cloche.lifecycle.unpack import Extraction
from cloche.model.archive import Member
from cloche.model.operations import Copy, CopyTree, MakeDir, Operation, Write
from cloche.model.plan import LockRequest, Wanted
from cloche.store import Store, conflicts
from cloche.store.lock_files.images import locked_images
from cloche.testing.fakes import fake_environment, fake_interpreter
from tests.distributions import host_with_home, make_wheel
from tests.locks import package, pylock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloche.model.distribution import Image


def existing_spelling(root: str, path: str) -> str:
    """Return a path below `root` as a file system that ignores case finds it."""
    found = root
    for part in path.split("/"):
        names = os.listdir(found) if os.path.isdir(found) else []
        found = os.path.join(found, next((name for name in names if case.folded(name) == case.folded(part)), part))
    return found


class TreeThatIgnoresCase(StagingTree):
    def at(self, path: str) -> str:
        return existing_spelling(self.root, path)


@pytest.fixture
def tree(tmp_path: Path) -> StagingTree:
    (tmp_path / "tree").mkdir()
    return TreeThatIgnoresCase(str(tmp_path / "tree"), None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bin/Tool", "bin/tool"),
        ("caf\u00e9.py", "cafe\u0301.py"),
        ("CAF\u00c9.py", "cafe\u0301.py"),
        ("stra\u00dfe", "STRASSE"),
    ],
)
def test_names_that_are_the_same_if_case_is_ignored(one: str, other: str) -> None:
    assert case.folded(one) == case.folded(other)


def test_whether_a_directory_ignores_case_is_found_out_by_its_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry in both spellings shows that it does not, even if the two are links to one file."""
    (tmp_path / "Name").write_text("")
    ignored = os.path.lexists(tmp_path / "nAME")
    assert case.ignores_case(str(tmp_path)) is ignored
    monkeypatch.setattr(case, "is_same", lambda one, other: case.folded(one) == case.folded(other))
    assert case.ignores_case(str(tmp_path))
    if not ignored:
        os.link(tmp_path / "Name", tmp_path / "nAME")
        monkeypatch.undo()
        assert not case.ignores_case(str(tmp_path))


def test_two_spellings_of_a_file_with_the_same_content_are_one_file(tree: StagingTree, tmp_path: Path) -> None:
    (tmp_path / "source" / "bin").mkdir(parents=True)
    for name in ("activate.ps1", "Activate.ps1"):
        (tmp_path / "source" / "bin" / name).write_text("same")
    written: list[Operation] = [MakeDir("bin"), Write("bin/activate.ps1", b"same"), Write("bin/Activate.ps1", b"same")]
    copied = Copy("bin/ACTIVATE.ps1", str(tmp_path / "source" / "bin" / "activate.ps1"))

    perform_operations([*written, copied], tree, "auto")
    assert os.listdir(os.path.join(tree.root, "bin")) == ["activate.ps1"]

    for mode in ("hardlink", "clone"):
        root = tmp_path / mode
        root.mkdir()
        perform_operations([CopyTree(str(tmp_path / "source"), (), mode)], TreeThatIgnoresCase(str(root), None), "auto")
        assert len(os.listdir(root / "bin")) == 1


def test_two_spellings_of_a_file_with_other_content_are_an_error(tree: StagingTree) -> None:
    with pytest.raises(FileExistsError):
        perform_operations([Write("Tool", b"one"), Write("tool", b"two")], tree, "auto")


def test_the_activation_scripts_for_powershell_are_the_same() -> None:
    """Their names differ only in case."""
    from cloche.builtin.activators import powershell

    scripts = powershell.scripts(fake_environment("/env", fake_interpreter()))
    assert len({(script.name.lower(), script.text) for script in scripts}) == 1


# Archives


@pytest.fixture
def extraction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Extraction:
    (tmp_path / "archive").write_bytes(b"")
    (tmp_path / "new").mkdir()
    monkeypatch.setattr(Extraction, "at", lambda self, path: existing_spelling(self.root, path))
    return Extraction(str(tmp_path / "archive"), str(tmp_path / "new"))


def member(path: str, content: bytes) -> Member:
    def read() -> Iterator[bytes]:
        yield content

    return Member(path, "file", 0o644, 0, len(content), reader=read)


def test_two_members_that_are_one_file_are_unpacked_if_they_are_equal(extraction: Extraction) -> None:
    extraction.add(member("activate.ps1", b"same"))
    extraction.add(member("Activate.ps1", b"same"))
    assert extraction.hashes["activate.ps1"] == extraction.hashes["Activate.ps1"]

    with pytest.raises(ClocheError, match=r"`ACTIVATE\.ps1` has the name of another member"):
        extraction.add(member("ACTIVATE.ps1", b"other"))
    with pytest.raises(ClocheError, match="has the name of another member"):
        extraction.add(Member("ACTIVATE.ps1", "link", 0o777, 0, target="x"))


# Packages


SCRIPT = "[console_scripts]\n{} = {}:main\n"

CONFUSED = {
    "scripts": [("one.py", "Tool"), ("two.py", "tool")],
    "modules": [("Same.py", ""), ("same.py", "")],
    "packages": [("Same/one.py", ""), ("same/two.py", "")],
    "file and directory": [("Same/one.py", ""), ("same", "")],
    "accents": [("caf\u00e9.py", ""), ("cafe\u0301.py", "")],
}


def images_of(kind: str, tmp_path: Path, store: Store, platform: str) -> list[Image]:
    entries = []
    for name, (file, script) in zip(("one", "two"), CONFUSED[kind], strict=True):
        points = SCRIPT.format(script, name) if script else ""
        entries.append(
            package(name, wheels=[make_wheel(tmp_path / "wheels", name, files={file: name}, entry_points=points)])
        )
    (tmp_path / "pylock.toml").write_text(pylock(entries))
    wanted = Wanted((), (str(tmp_path / "wheels"),), "never", lock=LockRequest(str(tmp_path / "pylock.toml")))
    return locked_images(wanted, fake_interpreter(platform), store)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(host_with_home(tmp_path / "home"))


@pytest.mark.parametrize("kind", sorted(CONFUSED))
def test_packages_that_a_file_system_confuses_are_refused_there(kind: str, tmp_path: Path, store: Store) -> None:
    images = images_of(kind, tmp_path, store, "cpython-3.12-linux")

    assert not store.warnings
    with pytest.raises(DestinationError) as raised:
        conflicts.refuse_names_differing_in_case(images, fake_interpreter("cpython-3.12-linux"), "/there")
    assert raised.value.message.startswith("`one` contains `")
    assert raised.value.message.endswith("which are the same on the file system of `/there`")


@pytest.mark.parametrize("kind", ["scripts", "modules", "packages"])
def test_a_warning_says_what_windows_confuses(kind: str, tmp_path: Path, store: Store) -> None:
    images_of(kind, tmp_path, store, "cpython-3.12-windows")

    [warning] = store.warnings
    assert ("Python cannot import both" if kind == "packages" else "the file from `two` is installed") in warning


def test_a_file_with_the_name_of_a_directory_of_another_package_is_refused(tmp_path: Path, store: Store) -> None:
    with pytest.raises(SeedError, match="would be a file of `two`, and also a directory"):
        images_of("file and directory", tmp_path, store, "cpython-3.12-windows")


def test_the_plan_for_a_destination_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, file in (("one", "Same.py"), ("two", "same.py")):
        make_wheel(tmp_path / "wheels", name, files={file: name}, entry_points="")
    names = {"seeds": ["one", "two"], "find_links": [tmp_path / "wheels"], "activators": []}
    if not case.ignores_case(str(tmp_path)):
        cloche.plan(tmp_path / "env", **names)

    monkeypatch.setattr(case, "is_same", lambda one, other: case.folded(one) == case.folded(other))
    with pytest.raises((DestinationError, SeedError)):
        cloche.plan(tmp_path / "env", **names)
