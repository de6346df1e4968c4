"""Test that operations only create new entries, follow no links, and fall back to copies."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cloche import fs
from cloche.apply import perform_operations
from cloche.apply.executor import StagingTree
from cloche.apply.file_list import FileList, format_file_list
from cloche.model.operations import Copy, InstallTree, Link, MakeDir, Write


@pytest.fixture(params=["by descriptor", "by path"])
def staging(tmp_path, request):
    """An empty staging tree, accessed relative to a descriptor or by its path."""
    root = tmp_path / "root"
    root.mkdir()
    descriptor = os.open(root, os.O_RDONLY) if request.param == "by descriptor" else None
    yield StagingTree(str(root), descriptor)
    if descriptor is not None:
        os.close(descriptor)


@pytest.fixture
def image(tmp_path):
    """An image with three files, one of them executable, in two directories and at the top."""
    tree = tmp_path / "store" / "purelib"
    (tree / "package" / "deep").mkdir(parents=True)
    files = {}
    for path, mode in (("top.py", 0o444), ("package/tool", 0o555), ("package/deep/data", 0o444)):
        (tree / path).write_text(path)
        (tree / path).chmod(mode)
        os.utime(tree / path, (1_000_000_000, 1_000_000_000))
        files[path] = len(path)
    listing = tmp_path / "store" / "purelib.files"
    hashes = ["0" * 64] * len(files)
    content = FileList(["package", "package/deep"], [*files], [*files.values()], hashes, 1_000_000_000 * 10**9)
    listing.write_text(format_file_list(content))
    listing.chmod(0o444)
    return InstallTree(".", str(tree), str(listing), len(files), sum(files.values()))


def failing_call(code: int):
    """Return a replacement for a system call that fails with this error code."""

    def call(*arguments, **named):
        raise OSError(code, os.strerror(code))

    return call


@pytest.mark.parametrize("code", [errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize("mode", ["auto", "hardlink", "symlink", "clone"])
def test_an_image_is_copied_if_its_files_cannot_be_shared(staging, image, monkeypatch, code, mode):
    monkeypatch.setattr(os, "link", failing_call(code))
    monkeypatch.setattr(os, "symlink", failing_call(code))
    perform_operations([image], staging, mode)
    for path in ("top.py", "package/tool", "package/deep/data"):
        copy, source = (os.path.join(root, path) for root in (staging.root, image.source))
        assert Path(copy).read_text() == path
        assert os.stat(copy).st_nlink == 1
        assert os.stat(copy).st_mode & 0o777 == os.stat(source).st_mode & 0o777 | 0o200
        assert os.stat(copy).st_mtime == 1_000_000_000


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_disk_error_does_not_cause_a_fallback(staging, image, monkeypatch, code):
    monkeypatch.setattr(os, "link", failing_call(code))
    with pytest.raises(OSError, match=os.strerror(code)):
        perform_operations([image], staging, "hardlink")


def test_the_files_of_an_image_are_shared_if_possible(staging, image):
    perform_operations([image], staging, "hardlink")
    assert os.path.samefile(os.path.join(staging.root, "top.py"), os.path.join(image.source, "top.py"))


def test_a_link_becomes_a_copy_without_support_for_links(staging, tmp_path, monkeypatch):
    (tmp_path / "python").write_text("binary")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(os, "symlink", failing_call(errno.EPERM))
    links = [Link("bin/python", "/elsewhere", copy=str(tmp_path / "python")), Link("bin/python3", "python")]
    perform_operations([MakeDir("bin"), *links], staging, "auto")
    for name in ("python", "python3"):
        copy = os.path.join(staging.root, "bin", name)
        assert not os.path.islink(copy)
        assert Path(copy).read_text() == "binary"
        assert os.access(copy, os.X_OK)


def test_a_copy_has_the_permissions_of_its_source_whatever_the_umask(staging, tmp_path):
    """A group-writable file stays group-writable after a move to another disk."""
    (tmp_path / "shared").write_text("ours")
    (tmp_path / "shared").chmod(0o664)
    before = os.umask(0o077)
    try:
        perform_operations([Copy("shared", str(tmp_path / "shared"))], staging, "auto")
    finally:
        os.umask(before)
    assert os.stat(os.path.join(staging.root, "shared")).st_mode & 0o777 == 0o664


def test_a_copy_that_fails_is_closed_before_it_is_removed(tmp_path, monkeypatch):
    """Windows removes no open file."""
    (tmp_path / "source").write_text("x")
    opened, removed = [], []

    def fail(reading, writing):
        opened.append(writing)
        raise OSError(errno.ENOSYS, "not supported")

    def remove(path, **options):
        with pytest.raises(OSError, match=r"[Bb]ad file descriptor"):
            os.fstat(opened[0])
        removed.append(path)

    monkeypatch.setattr(os, "unlink", remove)
    with pytest.raises(OSError, match="not supported"):
        fs.copy_file(str(tmp_path / "source"), str(tmp_path / "copy"), transfer=fail)
    assert removed == [str(tmp_path / "copy")]


def test_a_copy_may_be_a_hard_link(staging, tmp_path):
    (tmp_path / "tree" / "below").mkdir(parents=True)
    sources = [tmp_path / "file", tmp_path / "tree" / "below" / "file"]
    for source in sources:
        source.write_text("content")

    copies = [Copy("file", str(sources[0]), "hardlink"), Copy("tree", str(tmp_path / "tree"), "hardlink")]
    perform_operations(copies, staging, "auto")

    for source in sources:
        assert os.path.samefile(source, os.path.join(staging.root, source.relative_to(tmp_path)))


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
@pytest.mark.parametrize("operation", ["write", "copy", "link"])
def test_existing_entries_are_neither_followed_nor_overwritten(staging, tmp_path, kind, operation):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    existing = os.path.join(staging.root, "name")
    if kind == "file":
        os.link(precious, existing)
    else:
        os.symlink(precious if kind == "link" else tmp_path / "nothing", existing)
    operations = {"write": Write("name", b"new"), "copy": Copy("name", str(precious)), "link": Link("name", "new")}
    with pytest.raises(OSError, match=r"exists|Invalid argument"):
        perform_operations([operations[operation]], staging, "auto")
    assert precious.read_text() == "precious"
    assert not (tmp_path / "nothing").exists()


def test_partial_writes_are_continued(staging, monkeypatch):
    write = os.write
    monkeypatch.setattr(fs.os, "write", lambda descriptor, data: write(descriptor, bytes(data[:3])))
    perform_operations([Write("file", b"all of it")], staging, "auto")
    assert Path(staging.root, "file").read_text() == "all of it"
