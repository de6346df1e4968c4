"""Test `cloche cache`: its directory and size, and the actions verify, prune and clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.run import Cloche, clean_environ
from tests.trees import snapshot

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    return Cloche(tmp_path, clean_environ(tmp_path / "home", tmp_path / "cache"))


@pytest.fixture
def filled(cloche: Cloche) -> Path:
    """Create an environment, `env`, and return the cache that this filled."""
    assert cloche("./env").code == 0
    return cloche.cwd / "cache" / "cloche"


def find_module(cache: Path) -> Path:
    """Return a file of pip's image."""
    return next((cache / "images").rglob("pip/__main__.py"))


def damage(path: Path) -> None:
    """Replace a file of an image with another one of the same size."""
    size = path.stat().st_size
    path.parent.chmod(0o755)
    path.unlink()
    path.write_bytes(b"#" * size)


def test_dir_prints_only_the_path(cloche: Cloche, filled: Path) -> None:
    assert cloche("cache", "dir") == (0, f"{filled}\n", "")
    assert cloche("cache", "dir", "--quiet").out == f"{filled}\n"
    assert cloche("cache", "dir", "--cache-dir", "mine").out == f"{cloche.cwd / 'mine'}\n"
    assert cloche("cache", "dir", CLOCHE_CACHE_DIR=str(cloche.cwd / "other")).out == f"{cloche.cwd / 'other'}\n"
    assert cloche("cache", "dir", "--json").json == {
        "schema_version": 1,
        "action": "dir",
        "directory": str(filled),
        "warnings": [],
    }


def test_size_prints_a_line_for_each_kind_and_a_total(cloche: Cloche, filled: Path) -> None:
    done = cloche("cache", "size")
    assert (done.code, done.err) == (0, "")
    kinds = [line.split(":")[0] for line in done.out.splitlines()]
    assert kinds == ["interpreters", "wheels", "artifacts", "builds", "images", "origins", "plans", "locks", "total"]
    answer = cloche("cache", "size", "--json").json
    assert answer["size"] == sum(kind["size"] for kind in answer["kinds"])
    assert answer["size"] >= sum(file.stat().st_size for file in (filled / "images").rglob("*.py"))
    (images,) = [kind["entries"] for kind in answer["kinds"] if kind["kind"] == "images"]
    assert images == 1


def test_an_empty_cache_is_valid(cloche: Cloche) -> None:
    assert cloche("cache", "size", "--json").json["size"] == 0
    assert cloche("cache", "verify") == (0, "all hashes match\n", "")
    assert cloche("cache", "clear").code == 0


def test_verify_detects_a_changed_file_and_suggests_prune(cloche: Cloche, filled: Path) -> None:
    assert cloche("cache", "verify", "--json").json["damaged"] == []
    damage(find_module(filled))
    done = cloche("cache", "verify")
    assert done.code == 1
    assert "pip/__main__.py" in done.out
    assert "`cloche cache prune`" in done.out
    answer = cloche("cache", "verify", "--json")
    assert answer.code == 1
    assert len(answer.json["damaged"]) == 1


def test_prune_removes_damaged_entries_and_keeps_environments_intact(cloche: Cloche, filled: Path) -> None:
    assert cloche("cache", "prune").out == "removed 0 entries, 0 bytes\n"
    module = find_module(filled)
    module.write_bytes(b"")
    before = snapshot(cloche.cwd / "env")
    (removed,) = cloche("cache", "prune", "--json").json["removed"]
    assert removed["reason"] == "damaged"
    assert str(module).startswith(removed["path"])
    assert not module.exists()
    assert snapshot(cloche.cwd / "env") == before
    assert cloche("cache", "verify").code == 0
    assert cloche("./env", "--clear").code == 0


def test_clear_removes_everything_and_keeps_environments_intact(cloche: Cloche, filled: Path) -> None:
    before = snapshot(cloche.cwd / "env")
    done = cloche("cache", "clear", "--json")
    assert done.code == 0
    assert done.json["size"] > 1_000_000
    assert not filled.exists()
    assert snapshot(cloche.cwd / "env") == before
    assert cloche("./env", "--clear").code == 0


def test_the_wheels_of_the_virtualenv_stand_in_are_measured_and_cleared(cloche: Cloche, filled: Path) -> None:
    (filled / "packed").mkdir(mode=0o700)
    (filled / "packed" / "pip-1-py3-none-any.whl").write_bytes(b"x" * 1000)
    (filled / "mine").mkdir()
    kinds = {kind["kind"]: (kind["entries"], kind["size"]) for kind in cloche("cache", "size", "--json").json["kinds"]}

    assert kinds["packed"] == (1, 1000)
    assert not {"python-discovery", "mine"} & kinds.keys()
    assert cloche("cache", "clear").code == 0
    assert [path.name for path in filled.iterdir()] == ["mine"]


def test_quiet_suppresses_the_reports(cloche: Cloche, filled: Path) -> None:
    assert cloche("cache", "prune", "-q") == (0, "", "")
    assert cloche("cache", "clear", "-q") == (0, "", "")
    assert not filled.exists()


@pytest.mark.parametrize("action", ["prune", "clear"])
def test_a_read_only_cache_is_neither_pruned_nor_cleared(cloche: Cloche, filled: Path, action: str) -> None:
    before = snapshot(filled)
    done = cloche("cache", action, "--read-only-cache")
    assert (done.code, done.out) == (1, "")
    assert "is read-only" in done.err
    assert snapshot(filled) == before


def test_an_unknown_action_is_refused_with_the_available_ones(cloche: Cloche) -> None:
    done = cloche("cache", "empty")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "cloche: error: unknown argument `empty`\nhint: choose one of dir, size, verify, prune, clear\n"
    )
    assert cloche("cache").code == 2
