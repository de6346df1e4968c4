"""Test what commands say about environments from a lock file: the file, what was compiled, and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.locks import package, pylock, simple_wheel
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """The command line in a directory with a lock file of two distributions."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    wheels = [simple_wheel(tmp_path / "wheels", name) for name in ("spam", "eggs")]
    entries = [package(*wheel.name.split("-")[:2], wheels=[wheel]) for wheel in wheels]
    (tmp_path / "work" / "pylock.toml").write_text(pylock(entries))
    return Cloche(tmp_path / "work", clean_environ(tmp_path / "home", tmp_path / "cache"))


def create(cloche: Cloche, env: str) -> None:
    wheels = cloche.cwd.parent / "wheels"
    done = cloche(env, "--lock", "pylock.toml", "--find-links", wheels, "--no-download", "--prompt", "demo")
    assert done.code == 0, done.err


def test_info_shows_the_lock_file(cloche: Cloche) -> None:
    create(cloche, "./env")

    [line] = [line for line in cloche("info", "./env").out.splitlines() if line.startswith("lock:")]
    lock = cloche("info", "./env", "--json").json["lock"]

    assert line.split()[1].startswith(str(cloche.cwd / "pylock.toml"))
    assert (lock["path"], lock["extras"], lock["groups"]) == (str(cloche.cwd / "pylock.toml"), [], [])
    assert line.endswith(lock["digest"])
    (cloche.cwd / "pylock.toml").unlink()
    assert "pylock.toml (no longer exists)" in cloche("info", "./env").out
    assert cloche("./plain", "--no-seed").code == 0
    assert cloche("info", "./plain", "--json").json["lock"] is None
    assert "\nlock:" not in cloche("info", "./plain").out


def compiled(cloche: Cloche, env: str, *options: str, **variables: str) -> tuple[list[str], list[str]]:
    """Create an environment; return what the run compiled, and the packages with bytecode."""
    wheels = cloche.cwd.parent / "wheels"
    argv = [f"./{env}", "--lock", "pylock.toml", "--find-links", wheels, "--no-download", "--json", *options]
    done = cloche(*argv, **variables)
    assert done.code == 0, done.err
    files = (cloche.cwd / env).glob("lib/python*/site-packages/*/__pycache__/*.pyc")
    return done.json["result"]["compiled"], sorted(path.parent.parent.name for path in files)


def test_the_second_environment_compiles_for_all(cloche: Cloche) -> None:
    assert compiled(cloche, "first") == ([], [])
    assert compiled(cloche, "second") == (["eggs", "spam"], ["eggs", "spam"])
    assert compiled(cloche, "third") == ([], ["eggs", "spam"])


def test_the_result_names_what_was_compiled(cloche: Cloche) -> None:
    wheels = cloche.cwd.parent / "wheels"
    simple_wheel(wheels, "one")

    done = cloche("./env", "--no-pip", "--seed", "one", "--find-links", wheels, "--no-download", "--compile")

    assert " ms (compiled one for all environments)" in done.out


def test_compiling_can_be_requested_and_forbidden(cloche: Cloche) -> None:
    assert compiled(cloche, "a", "--no-compile") == ([], [])
    assert compiled(cloche, "b", CLOCHE_NO_COMPILE="1") == ([], [])
    assert compiled(cloche, "c", "--compile", CLOCHE_NO_COMPILE="1") == (["eggs", "spam"], ["eggs", "spam"])
    assert compiled(cloche, "d", "--compile") == ([], ["eggs", "spam"])
    both = cloche("./e", "--compile", "--no-compile")
    assert (both.code, "contradict each other" in both.err) == (2, True)


def test_a_warning_about_links_needs_a_change(cloche: Cloche) -> None:
    create(cloche, "./env")
    argv = ["./env", "--lock", "pylock.toml", "--find-links", cloche.cwd.parent / "wheels", "--no-download"]
    argv += ["--prompt", "demo", "--link-mode", "hardlink", "--read-only-cache"]

    unchanged = cloche(*argv)
    [module] = (cloche.cwd / "env").glob("lib/python*/site-packages/spam/__init__.py")
    module.unlink()
    changed = cloche(*argv)

    assert unchanged.out.startswith("up to date")
    assert unchanged.err == ""
    assert "the seeds are copied" in changed.err
