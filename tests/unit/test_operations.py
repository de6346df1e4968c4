"""Operations make new entries, follow and overwrite nothing, and find another way where a file system lacks one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cloche.apply.executor import StagingTree, perform_operations
from cloche.apply.file_list import FileList, format_file_list
from cloche.fs import files
from cloche.model.operations import Copy, InstallTree, Link, MakeDir, Write


@pytest.fixture(params=["from a descriptor", "by path"])
def staging(tmp_path, request):
    """An empty directory to perform in, reached in either way that platforms allow."""
    root = tmp_path / "root"
    root.mkdir()
    descriptor = os.open(root, os.O_RDONLY) if request.param == "from a descriptor" else None
    yield StagingTree(str(root), descriptor)
    if descriptor is not None:
        os.close(descriptor)


@pytest.fixture
def image(tmp_path):
    """An image of three files in two directories, one of them executable."""
    tree = tmp_path / "store" / "purelib"
    (tree / "package" / "deep").mkdir(parents=True)
    files = {}
    for path, mode in (("top.py", 0o444), ("package/tool", 0o555), ("package/deep/data", 0o444)):
        (tree / path).write_text(path)
        (tree / path).chmod(mode)
        os.utime(tree / path, (1_000_000_000, 1_000_000_000))
        files[path] = len(path)
    listing = tmp_path / "store" / "purelib.manifest"
    hashes = ["0" * 64] * len(files)
    content = FileList(["package", "package/deep"], [*files], [*files.values()], hashes, 1_000_000_000 * 10**9)
    listing.write_text(format_file_list(content))
    listing.chmod(0o444)
    return InstallTree(".", str(tree), str(listing), len(files), sum(files.values()))


def refusing(code: int):
    """Return a stand-in for a system call that this file system does not have."""

    def call(*arguments, **named):
        raise OSError(code, os.strerror(code))

    return call


@pytest.mark.parametrize("code", [errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize("mode", ["auto", "hardlink", "symlink", "clone"])
def test_an_image_is_copied_where_its_files_cannot_be_shared(staging, image, monkeypatch, code, mode):
    monkeypatch.setattr(os, "link", refusing(code))
    monkeypatch.setattr(os, "symlink", refusing(code))
    perform_operations([image], staging, mode)
    for path in ("top.py", "package/tool", "package/deep/data"):
        made, source = (os.path.join(root, path) for root in (staging.root, image.source))
        assert Path(made).read_text() == path
        assert os.stat(made).st_nlink == 1
        assert os.stat(made).st_mode & 0o777 == os.stat(source).st_mode & 0o777 | 0o200
        assert os.stat(made).st_mtime == 1_000_000_000


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_what_is_wrong_with_the_disk_is_no_reason_to_try_another_way(staging, image, monkeypatch, code):
    monkeypatch.setattr(os, "link", refusing(code))
    with pytest.raises(OSError, match=os.strerror(code)):
        perform_operations([image], staging, "hardlink")


def test_the_files_of_an_image_are_shared_where_they_can_be(staging, image):
    perform_operations([image], staging, "hardlink")
    assert os.path.samefile(os.path.join(staging.root, "top.py"), os.path.join(image.source, "top.py"))


def test_a_link_becomes_a_copy_where_there_are_none(staging, tmp_path, monkeypatch):
    (tmp_path / "python").write_text("binary")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(os, "symlink", refusing(errno.EPERM))
    links = [Link("bin/python", "/elsewhere", copy=str(tmp_path / "python")), Link("bin/python3", "python")]
    perform_operations([MakeDir("bin"), *links], staging, "auto")
    for name in ("python", "python3"):
        made = os.path.join(staging.root, "bin", name)
        assert not os.path.islink(made)
        assert Path(made).read_text() == "binary"
        assert os.access(made, os.X_OK)


def test_a_copy_has_the_permissions_of_its_source_whatever_the_umask(staging, tmp_path):
    """A file that a group may write to is still the group's after a move to another disk."""
    (tmp_path / "shared").write_text("ours")
    (tmp_path / "shared").chmod(0o664)
    before = os.umask(0o077)
    try:
        perform_operations([Copy("shared", str(tmp_path / "shared"))], staging, "auto")
    finally:
        os.umask(before)
    assert os.stat(os.path.join(staging.root, "shared")).st_mode & 0o777 == 0o664


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
@pytest.mark.parametrize("operation", ["write", "copy", "link"])
def test_nothing_that_is_there_is_followed_or_overwritten(staging, tmp_path, kind, operation):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    there = os.path.join(staging.root, "name")
    if kind == "file":
        os.link(precious, there)
    else:
        os.symlink(precious if kind == "link" else tmp_path / "nothing", there)
    made = {"write": Write("name", b"ours"), "copy": Copy("name", str(precious)), "link": Link("name", "ours")}
    with pytest.raises(OSError, match=r"exists|Invalid argument"):
        perform_operations([made[operation]], staging, "auto")
    assert precious.read_text() == "precious"
    assert not (tmp_path / "nothing").exists()


def test_what_the_system_takes_in_pieces_is_written_whole(staging, monkeypatch):
    write = os.write
    monkeypatch.setattr(files.os, "write", lambda descriptor, data: write(descriptor, bytes(data[:3])))
    perform_operations([Write("file", b"all of it")], staging, "auto")
    assert Path(staging.root, "file").read_text() == "all of it"
