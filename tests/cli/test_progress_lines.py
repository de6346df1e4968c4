"""Test the progress that `--json` prints for programs: lines of JSON on standard error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import cloche as api
from cloche.cli import json_output
from tests.locks import package, pylock, sha256_of, simple_wheel
from tests.pages import built_page
from tests.run import Cloche, clean_environ
from tests.seeding.projects import make_project
from tests.seeding.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def cloche(tmp_path: Path) -> Iterator[Cloche]:
    """The command line in a directory with a lock file of two distributions, which a server has."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    with serving() as site:
        entries = []
        for name in ("spam", "eggs"):
            wheel = simple_wheel(tmp_path / "wheels", name)
            url = site.add(f"/{wheel.name}", wheel.read_bytes())
            size, hashes = wheel.stat().st_size, {"sha256": sha256_of(wheel)}
            entries.append(package(name, wheels=[{"name": wheel.name, "url": url, "size": size, "hashes": hashes}]))
        (tmp_path / "work" / "pylock.toml").write_text(pylock(entries))
        yield Cloche(tmp_path / "work", clean_environ(tmp_path / "home", tmp_path / "cache"))


def progress_in(text: str) -> list[dict]:
    """Return the progress in the output of a command that prints nothing else on standard error."""
    return [json.loads(line) for line in text.splitlines()]


def test_downloads_are_reported_as_files_and_bytes(cloche: Cloche, tmp_path: Path) -> None:
    total = sum(wheel.stat().st_size for wheel in (tmp_path / "wheels").iterdir())

    done = cloche("./env", "--lock", "pylock.toml", "--json")

    assert done.json["result"]["outcome"] == "created"
    first, *_, last = progress_in(done.err)
    assert first["progress"].startswith("downloading 2 files for ")
    assert (first["files"], first["total_files"]) == (0, 2)
    assert last == {
        "schema_version": 1,
        "progress": f"downloading 2 of 2 files, {total / 1e6:.1f} of {total / 1e6:.1f} MB, 0 s left",
        "files": 2,
        "total_files": 2,
        "bytes": total,
        "total_bytes": total,
        "seconds_left": 0.0,
    }


def test_what_is_going_to_be_built_is_shown_first(cloche: Cloche) -> None:
    project = make_project(cloche.cwd / "project")
    entry = package("spam", "1.0", directory={"path": project.name})
    (cloche.cwd / "pylock.toml").write_text(pylock([entry]))

    notice, *progress = cloche("./env", "--lock", "pylock.toml", "--json").err.splitlines()

    assert notice.startswith("cloche: building from source for ")
    assert notice.endswith(": spam 1.0")
    assert [(line["builds"], line["total_builds"]) for line in progress_in("\n".join(progress))] == [(0, 1)]
    assert "building" not in cloche("./quiet", "--lock", "pylock.toml", "-q").err


def test_nothing_is_printed_where_nothing_is_measured_or_with_q(cloche: Cloche) -> None:
    assert cloche("./quiet", "--lock", "pylock.toml", "--json", "-q").err == ""
    assert cloche("./warm", "--lock", "pylock.toml", "--json").err == "", "the files are in the cache"
    assert cloche("move", "warm", "moved", "--json").err == ""


def test_packing_and_several_environments_are_measured(cloche: Cloche) -> None:
    for name in ("a", "b"):
        api.create(cloche.cwd / name, seeds=None, activators=(), relocatable=True)

    packed = progress_in(cloche("pack", "a", "-o", "a.zip", "--with-base-outside", "--json").err)
    checked = progress_in(cloche("doctor", "a", "b", "--json").err)

    assert all(line["bytes"] <= line["total_bytes"] for line in packed)
    assert (checked[-1]["environments"], checked[-1]["total_environments"]) == (2, 2)
    keys = {key for line in (*packed, *checked) for key in line} - {"schema_version"}
    section = built_page("reference/json.md").partition("\n## Progress\n")[2].partition("\n## ")[0]
    assert not [key for key in keys if f"`{key}`" not in section]


def test_lines_are_a_second_apart_until_the_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [10.0]
    monkeypatch.setattr(json_output, "monotonic", lambda: now[0])
    show = json_output.ProgressLines()
    for done in range(26):
        show(f"verifying {done} of 25 files", files=done, total_files=25)
        now[0] += 0.125
    show("compiling 3 modules")

    assert [line["files"] for line in progress_in(capsys.readouterr().err)] == [0, 8, 16, 24, 25]
