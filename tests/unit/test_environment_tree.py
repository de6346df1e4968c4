"""Test the tree of an environment after a change, and the search in the contents of its files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloche.fs.installed_records import Row
from cloche.fs.records import digest_of
from cloche.lifecycle import tree as tree_module
from cloche.lifecycle.embedded_paths import content_search, files_to_relocate
from cloche.lifecycle.embedded_paths.content_search import TEXT_LIMIT, ContentSearch
from cloche.lifecycle.installed import InstalledDistribution
from cloche.lifecycle.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with a few files, links and directories."""
    for path in ("bin/python", "bin/tool", "lib/site/one.py", "lib/site/two.py", "lib64/old/file", "lib.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


def states(tree: Tree) -> dict[str, tuple[int, ...]]:
    """Return what is known about each entry, except when it was last read: reading a tree changes that."""
    return {
        path: (status.st_mode, status.st_ino, status.st_nlink, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        for path, status in tree.entries.items()
    }


def test_a_tree_after_changes_is_as_if_it_was_read_again(root: Path) -> None:
    before = Tree(str(root))
    assert "lib64/old/file" in before.entries
    (root / "bin" / "tool").write_text("another size")
    (root / "bin" / "python").chmod(0o700)
    (root / "lib" / "site" / "one.py").unlink()
    (root / "lib64" / "old" / "file").unlink()
    (root / "lib64" / "old").rmdir()
    (root / "lib64").rmdir()
    (root / "lib64").symlink_to("lib")
    (root / "new" / "deep").mkdir(parents=True)
    (root / "new" / "deep" / "file").touch()

    after = before.after(["bin/tool", "bin/python", "lib/site/one.py", "lib64", "new/deep"])

    assert states(after) == states(Tree(str(root)))
    assert "lib64/old/file" in before.entries


def test_a_tree_with_an_unreadable_directory_is_read_again(root: Path) -> None:
    before = Tree(str(root))
    assert before.entries
    before.errors.append(PermissionError())
    (root / "unnamed").touch()

    assert "unnamed" in before.after(["bin"]).entries


@pytest.mark.parametrize(
    ("installer", "mode", "links", "size", "searched"),
    [
        ("cloche", 0o444, 2, 4, False),
        ("uv", 0o444, 2, 4, True),
        ("cloche", 0o644, 2, 4, True),
        ("cloche", 0o444, 1, 4, True),
        ("cloche", 0o444, 2, 5, True),
    ],
)
def test_only_files_of_images_are_not_searched(
    tmp_path: Path, installer: str, mode: int, links: int, size: int, searched: bool
) -> None:
    root = tmp_path / "env"
    root.mkdir()
    (root / "demo.py").write_text("pass")
    (root / "demo.py").chmod(mode)
    if links > 1:
        (tmp_path / "image.py").hardlink_to(root / "demo.py")
    rows = (Row("demo.py", "sha256=", str(size)),)
    demo = InstalledDistribution("demo", "1", ".", "demo-1.dist-info", rows, installer, True, (), (), "", (), {}, "")

    assert [file.path for file in files_to_relocate(Tree(str(root)), [demo], {})] == ["demo.py"] * searched


LINUX_TAGS = ("cp313-cp313-linux_x86_64",)
"""The tags of a wheel that was built on the machine that uses it."""

MANYLINUX_TAGS = ("cp313-cp313-manylinux2014_x86_64", "cp313-cp313-manylinux_2_17_x86_64")


@pytest.mark.parametrize(
    ("path", "tags", "time", "size", "searched"),
    [
        ("site/demo.so", MANYLINUX_TAGS, 100, 4, False),
        ("site/demo.so", ("cp313-cp313-musllinux_1_2_x86_64",), 100, 4, False),
        ("site/demo.so", LINUX_TAGS, 100, 4, True),
        ("site/demo.so", (*MANYLINUX_TAGS, *LINUX_TAGS), 100, 4, True),
        ("site/demo.so", ("py3-none-any",), 100, 4, True),
        ("site/demo.so", (), 100, 4, True),
        ("site/demo.so", MANYLINUX_TAGS, 101, 4, True),
        ("site/demo.so", MANYLINUX_TAGS, 100, 5, True),
        ("bin/demo", MANYLINUX_TAGS, 100, 4, True),
        ("site/demo-1.dist-info/direct_url.json", MANYLINUX_TAGS, 100, 4, True),
    ],
)
def test_unmodified_files_of_wheels_that_were_made_elsewhere_are_not_searched(
    tmp_path: Path, path: str, tags: tuple[str, ...], time: int, size: int, searched: bool
) -> None:
    """The metadata of the package has the time 100. The installer writes scripts and metadata, at about the same time."""
    metadata = tmp_path / "site/demo-1.dist-info/METADATA"
    for file, seconds in ((metadata, 100), (tmp_path / path, time)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("pass")
        os.utime(file, (seconds, seconds))
    rows = (Row(path, "sha256=", str(size)),)
    info = "site/demo-1.dist-info"
    demo = InstalledDistribution("demo", "1", "site", info, rows, "uv", True, tags, (), "", (), {}, "")

    found = [file.path for file in files_to_relocate(Tree(str(tmp_path)), [demo], {})]
    assert (path in found) is searched


FROM_FILE = {"url": "file:///w/demo-1-cp313-cp313-manylinux2014_x86_64.whl"}

COMMAND = "/bin/python -m cloche --python /usr/bin/python3 {} /env"


@pytest.mark.parametrize(
    ("installer", "origin", "options", "searched"),
    [
        ("uv", {}, "", False),
        ("uv", FROM_FILE, "", True),
        ("uv", {}, "--find-links /wheels", False),
        ("cloche", {}, "--find-links /wheels", True),
        ("cloche", {}, "--seed demo", False),
    ],
)
def test_files_of_a_wheel_from_this_machine_are_searched_whatever_its_tags(
    tmp_path: Path, installer: str, origin: dict[str, object], options: str, searched: bool
) -> None:
    info = "site/demo-1.dist-info"
    (tmp_path / info).mkdir(parents=True)
    for name in ("site/demo.so", f"{info}/METADATA"):
        (tmp_path / name).write_text("pass")
        os.utime(tmp_path / name, (100, 100))
    rows = (Row("site/demo.so", "sha256=", "4"),)
    demo = InstalledDistribution(
        "demo", "1", "site", info, rows, installer, True, MANYLINUX_TAGS, (), "", (), origin, ""
    )

    settings = {"command": COMMAND.format(options)}
    found = [file.path for file in files_to_relocate(Tree(str(tmp_path)), [demo], settings)]
    assert ("site/demo.so" in found) is searched


@pytest.mark.parametrize("size", [0, 100, TEXT_LIMIT - 3, TEXT_LIMIT + 3])
def test_a_search_finds_the_end_of_a_file_of_any_size(size: int, tmp_path: Path) -> None:
    search = ContentSearch({b"/home/one", b"/home/two"})
    for name, expected in (("/home/two", True), ("/home/too", False)):
        file = tmp_path / name[-3:]
        file.write_bytes(b"\0" * (max(size, len(name)) - len(name)) + name.encode())
        assert search.is_in_file(str(file), os.path.getsize(file)) is expected
    assert not search.is_in_file(str(tmp_path / "absent"), 5)
    assert not search.is_in_file(str(tmp_path), 5)


def test_a_file_is_searched_to_its_end_if_the_system_reads_it_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 5000 + b"/home/one")
    real = os.readv
    monkeypatch.setattr(content_search.os, "readv", lambda reading, views: real(reading, [memoryview(views[0])[:1000]]))

    assert ContentSearch({b"/home/one"}).is_in_file(str(file), 5009)


def test_a_file_that_is_shorter_than_the_path_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "__init__.py"
    file.touch()
    opened: list[str] = []
    real = content_search.open_for_reading
    monkeypatch.setattr(content_search, "open_for_reading", lambda path: opened.append(path) or real(path))
    search = ContentSearch({b"/home/one", b"/home"})

    assert not search.is_in_file(str(file), 0)
    assert not opened
    file.write_text("/home")
    assert search.is_in_file(str(file), 5)


def test_what_an_earlier_file_left_in_the_buffer_is_not_found(tmp_path: Path) -> None:
    search = ContentSearch({b"/home/one"})
    (tmp_path / "long").write_bytes(b"x" * 100 + b"/home/one")
    (tmp_path / "short").write_bytes(b"x" * 100 + b"/home/")

    assert search.is_in_file(str(tmp_path / "long"), 109)
    assert not search.is_in_file(str(tmp_path / "short"), 106)


def test_a_file_is_read_again_only_after_it_was_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is newer than its package is compared with its hash."""
    read: list[str] = []
    real = tree_module.is_modified

    def record(path: str, *others: str) -> bool:
        read.append(os.path.relpath(path, root))
        return real(path, *others)

    monkeypatch.setattr(tree_module, "is_modified", record)
    rows = [Row(path, digest_of(path.encode()), str(len(path))) for path in ("lib/site/one.py", "lib/site/two.py")]
    before = Tree(str(root))
    assert not any(before.is_altered(row, "no/METADATA") for row in rows)
    (root / "lib" / "site" / "one.py").write_text("lib/site/eno.py")

    after = before.after(["lib/site/one.py"])

    assert [after.is_altered(row, "no/METADATA") for row in rows] == [True, False]
    assert read == ["lib/site/one.py", "lib/site/two.py", "lib/site/one.py"]
