"""Test that `cloche unpack` refuses what an archive cannot be, before it costs disk space or memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from cloche.errors import ClocheError, DestinationError
from cloche.lifecycle import unpack
from cloche.lifecycle.unpack import Extraction

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SETTINGS = b"include-system-site-packages = false\nversion = 3.12.1\n"


def write_archive(path: Path, files: Mapping[str, bytes], listed: bytes = b"") -> str:
    """Write a tar archive with some files, and with the list of them that `cloche pack` writes; return its path."""
    rows = [f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode() for name, content in files.items()]
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as archive:
        for name, content in {**files, ".cloche-files": b"".join(rows) + listed}.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return str(path)


def refusal(tmp_path: Path, archive: str) -> str:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(ClocheError) as raised:
        Extraction(archive, str(root)).run()
    return raised.value.message


def test_an_archive_with_its_list_is_extracted(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "e.tar.gz", {"pyvenv.cfg": SETTINGS, "x": b"spam"})
    (tmp_path / "root").mkdir()

    assert Extraction(archive, str(tmp_path / "root")).run() == 2
    assert sorted(os.listdir(tmp_path / "root")) == [".cloche-files", "pyvenv.cfg", "x"]


def test_a_list_that_is_larger_than_its_files_is_not_read(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "e.tar.gz", {"pyvenv.cfg": SETTINGS}, listed=b"\n" * 1000)

    assert "`.cloche-files` has an unreasonable size" in refusal(tmp_path, archive)


def test_settings_of_an_unreasonable_size_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "LARGEST_CONFIGURATION", len(SETTINGS) - 1)
    archive = write_archive(tmp_path / "e.tar.gz", {"pyvenv.cfg": SETTINGS})

    assert "`pyvenv.cfg` has an unreasonable size" in refusal(tmp_path, archive)


def test_a_file_that_is_too_large_is_refused_before_it_is_written(tmp_path: Path) -> None:
    header = tarfile.TarInfo("zeros")
    header.size = 10 << 30
    with gzip.open(tmp_path / "e.tar.gz", "wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))

    assert refusal(tmp_path, str(tmp_path / "e.tar.gz")).endswith("`zeros` expands to an unreasonable size")
    assert os.listdir(tmp_path / "root") == []


@pytest.mark.skipif(os.name == "nt", reason="the names are usual ones")
def test_names_that_only_windows_reserves_are_unpacked_elsewhere(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "e.tar.gz", {"pyvenv.cfg": SETTINGS, "nul.txt": b"", "c:x": b""})
    (tmp_path / "root").mkdir()

    assert Extraction(archive, str(tmp_path / "root")).run() == 3


def test_names_that_windows_reserves_are_refused_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`c:x` would be a file in the current directory of another drive."""
    archive = write_archive(tmp_path / "e.tar.gz", {"c:x": b"", "pyvenv.cfg": SETTINGS})
    monkeypatch.setattr(unpack, "IS_WINDOWS", True)

    assert "`c:x` has a name that this system cannot use" in refusal(tmp_path, archive)


def test_an_archive_of_the_current_directory_is_extracted(tmp_path: Path) -> None:
    """`tar -C DIR -c .` writes `./` before every name; that alone does not make two names of one file."""
    files = {"./pyvenv.cfg": SETTINGS, "./x": b"spam"}
    rows = [f"{hashlib.sha256(content).hexdigest()}  {name[2:]}\n".encode() for name, content in files.items()]
    with tarfile.open(tmp_path / "e.tar.gz", "w:gz", format=tarfile.GNU_FORMAT) as archive:
        root = tarfile.TarInfo("./")
        root.type = tarfile.DIRTYPE
        archive.addfile(root)
        for name, content in {**files, "./.cloche-files": b"".join(rows)}.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    (tmp_path / "extracted").mkdir()

    assert Extraction(str(tmp_path / "e.tar.gz"), str(tmp_path / "extracted")).run() == 2
    assert sorted(os.listdir(tmp_path / "extracted")) == [".cloche-files", "pyvenv.cfg", "x"]
    twice = write_archive(tmp_path / "twice.tar.gz", {"x": b"", "./x": b""})
    assert "`x` appears twice" in refusal(tmp_path, twice)


@pytest.mark.parametrize("name", [".//x", "././x", "./../x", "./"])
def test_other_names_that_begin_with_a_dot_are_refused(tmp_path: Path, name: str) -> None:
    archive = write_archive(tmp_path / "e.tar.gz", {name: b"", "pyvenv.cfg": SETTINGS})

    assert "is not a path inside the environment" in refusal(tmp_path, archive)


def test_a_top_directory_may_contain_any_name(tmp_path: Path) -> None:
    """Its content is moved upwards, past directories with the same names."""
    names = ["p", ".cloche-files.top", ".unpacking-top", "top"]
    files = {f"p/{name}/x": b"" for name in names} | {"p/pyvenv.cfg": SETTINGS}
    rows = [f"{hashlib.sha256(content).hexdigest()}  {path[2:]}\n".encode() for path, content in files.items()]
    with tarfile.open(tmp_path / "e.tar.gz", "w:gz", format=tarfile.GNU_FORMAT) as archive:
        for directory in ("p", *(f"p/{name}" for name in names)):
            header = tarfile.TarInfo(directory)
            header.type = tarfile.DIRTYPE
            archive.addfile(header)
        for path, content in {**files, "p/.cloche-files": b"".join(rows)}.items():
            header = tarfile.TarInfo(path)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    (tmp_path / "root").mkdir()

    assert Extraction(str(tmp_path / "e.tar.gz"), str(tmp_path / "root")).run() == 5
    assert sorted(os.listdir(tmp_path / "root")) == sorted([*names, ".cloche-files", "pyvenv.cfg"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has other limits")
def test_a_destination_that_is_too_deep_for_the_archive_is_named_as_the_cause(tmp_path: Path) -> None:
    names = ["d" * 200 for _ in range(21)]
    with tarfile.open(tmp_path / "e.tar.gz", "w:gz", format=tarfile.GNU_FORMAT) as archive:
        for count in range(1, len(names) + 1):
            header = tarfile.TarInfo("/".join(names[:count]))
            header.type = tarfile.DIRTYPE
            archive.addfile(header)
    (tmp_path / "root").mkdir()

    with pytest.raises(DestinationError, match="would be too long"):
        Extraction(str(tmp_path / "e.tar.gz"), str(tmp_path / "root")).run()
