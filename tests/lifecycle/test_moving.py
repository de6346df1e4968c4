"""Test moves of environments that each tool created: by `cloche move`, or by `mv` and then `cloche doctor --fix`."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest

from tests.lifecycle.environments import every_tool, find_problems, populate, run
from tests.tools import require
from tests.trees import snapshot

HOSTILE = 'it\'s "a" $(place) é'


@pytest.mark.parametrize("created_by", every_tool("venv", "virtualenv", "uv", "cloche"))
def test_a_moved_environment_works_and_contains_no_old_path(cloche, populated_env, created_by) -> None:
    old = populated_env(created_by)
    new = cloche.cwd / "elsewhere" / "there"
    outcome = cloche("move", old, new)
    assert (outcome.code, outcome.err) == (0, "")
    assert not os.path.lexists(old)
    assert find_problems(new, old) == []
    assert sorted(os.listdir(cloche.cwd)) == ["elsewhere", "projects"]
    assert os.listdir(new.parent) == ["there"]


@pytest.mark.parametrize("created_by", every_tool("venv", "cloche"))
def test_doctor_repairs_an_environment_moved_by_hand(cloche, populated_env, created_by) -> None:
    old = populated_env(created_by)
    new = cloche.cwd / "renamed"
    old.rename(new)
    diagnosis = cloche("doctor", new)
    assert diagnosis.code == 1
    assert "moved: " in diagnosis.out
    repaired = cloche("doctor", "--fix", new)
    assert repaired.code == 0, repaired.out + repaired.err
    assert find_problems(new, old) == []
    after = snapshot(new)
    assert cloche("doctor", "--fix", new).out == f"{new}: healthy\n"
    assert snapshot(new) == after


@pytest.mark.parametrize("created_by", every_tool("venv", "uv"))
def test_an_environment_can_be_moved_to_a_path_full_of_quotes(cloche, populated_env, created_by) -> None:
    """Each kind of file quotes the path by its own rules, so every program reads the same path and runs nothing."""
    old = populated_env(created_by)
    new = cloche.cwd / HOSTILE
    outcome = cloche("move", old, new)
    assert outcome.code == 0, outcome.err
    assert find_problems(new, old) == []
    back = cloche.cwd / "plain"
    assert cloche("move", new, back).code == 0
    assert find_problems(back, old, new) == []


def test_the_manifest_of_a_moved_environment_is_up_to_date(cloche) -> None:
    old, new = cloche.cwd / "old", cloche.cwd / "new"
    assert cloche(old).code == 0
    assert list(old.glob("lib/*/site-packages/pip-*/RECORD"))
    command = [require("sha256sum"), "--check", "--strict", ".cloche-manifest"]
    assert run(*command, cwd=old)
    assert cloche("move", old, new).code == 0
    assert run(*command, cwd=new)


def test_a_copy_does_not_change_the_original(cloche, populated_env) -> None:
    old = populated_env("venv")
    new = cloche.cwd / "copy"
    before = snapshot(old)
    assert cloche("move", "--copy", old, new).code == 0
    assert snapshot(old) == before
    assert find_problems(new, old) == []
    shared = [path for path in new.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_nlink > 1]
    assert shared == []


def test_files_keep_their_times_and_permissions(cloche, populated_env) -> None:
    old = populated_env("venv")
    source = next(old.glob("lib/*/site-packages/plain/cli.py"))
    secret = old / "secret.txt"
    secret.write_text(f"the path is {old}\n")
    secret.chmod(0o600)
    old.chmod(0o750)
    mtime = source.stat().st_mtime_ns
    new = cloche.cwd / "new"
    assert cloche("move", old, new).code == 0
    assert (new / source.relative_to(old)).stat().st_mtime_ns == mtime  # bytecode stays valid
    assert (new / "secret.txt").read_text() == f"the path is {new}\n"
    assert (new / "secret.txt").stat().st_mode & 0o777 == 0o600
    assert new.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("created_by", every_tool("venv", "virtualenv", "cloche"))
def test_a_prompt_with_the_directory_name_is_updated(cloche, empty_env, created_by) -> None:
    old = empty_env(created_by)
    new = cloche.cwd / "elsewhere"
    assert cloche("move", old, new).code == 0
    script = 'PS1= && . "$1"/bin/activate && echo "$VIRTUAL_ENV_PROMPT" && echo "${PS1@P}"'
    prompts = [line.strip("() ") for line in run("bash", "--norc", "-c", script, "-", new).splitlines()]
    assert prompts == ["elsewhere", "elsewhere"]


def test_a_dry_run_lists_the_changes_and_makes_none(cloche, populated_env) -> None:
    old = populated_env("venv")
    before = snapshot(cloche.cwd)
    outcome = cloche("move", "--dry-run", "--json", old, cloche.cwd / "new")
    assert outcome.json["outcome"] == "would be moved"
    assert {"pyvenv.cfg", "bin/activate", "bin/plain-say", "bin/by-hand"} <= set(outcome.json["changed"])
    assert snapshot(cloche.cwd) == before


def test_files_that_cannot_be_rewritten_are_reported(cloche, populated_env) -> None:
    """A binary that contains the path, and a text of unknown notation if the new path may need quotes in it."""
    old = populated_env("venv")
    (old / "lib" / "tool.bin").write_bytes(b"\x7fELF\0" + bytes(old) + b"/lib\0")
    (old / "notes.txt").write_text(f"see {old}/lib\n")
    outcome = cloche("move", old, cloche.cwd / "a b")
    assert outcome.code == 0
    assert "`lib/tool.bin` still contains" in outcome.err
    assert "`notes.txt` still contains" in outcome.err


def test_external_references_are_reported_and_not_changed(cloche, populated_env) -> None:
    old = populated_env("venv")
    rc = cloche.cwd / ".envrc"
    rc.write_text(f"source {old}/bin/activate\n")
    outcome = cloche("move", old, cloche.cwd / "new", VIRTUAL_ENV=str(old))
    assert f"`{rc}` still contains `{old}`" in outcome.err
    assert "`VIRTUAL_ENV` in this shell" in outcome.err
    assert rc.read_text() == f"source {old}/bin/activate\n"


def test_an_environment_is_moved_to_another_file_system(cloche, populated_env) -> None:
    other = "/dev/shm"
    if not os.path.isdir(other) or os.stat(other).st_dev == os.stat(cloche.cwd).st_dev:
        pytest.skip("there is only one file system")
    old = populated_env("venv")
    new = Path(other, f"cloche-test-{os.getpid()}")
    try:
        assert cloche("move", old, new).code == 0
        assert find_problems(new, old) == []
        assert not old.exists()
    finally:
        shutil.rmtree(new, ignore_errors=True)


@pytest.mark.parametrize(
    ("destination", "message"),
    [("env/inside", "is inside"), ("taken", "already exists"), ("a:b", "separates the entries of PATH")],
)
def test_an_invalid_destination_is_refused_before_anything_changes(cloche, empty_env, destination, message) -> None:
    old = empty_env()
    (cloche.cwd / "taken").mkdir()
    (cloche.cwd / "taken" / "thesis.txt").write_text("precious")
    before = snapshot(cloche.cwd)
    outcome = cloche("move", old, destination)
    assert outcome.code == 4
    assert message in outcome.err
    assert snapshot(cloche.cwd) == before


def test_the_current_directory_cannot_be_moved(cloche, empty_env) -> None:
    old = empty_env()
    outcome = cloche("move", old, cloche.cwd / "new", cwd=old / "bin")
    assert outcome.code == 4
    assert "the current directory is inside" in outcome.err
    assert old.exists()


def test_editable_installs_of_a_project_moved_with_its_environment_are_repaired(cloche, wheels, empty_env) -> None:
    """If `/work/app/.venv` is now `/work/renamed/.venv`, the projects of `/work/app` are in `/work/renamed`."""
    project = cloche.cwd / "app"
    environment = empty_env(name="app/.venv")
    populate(environment, wheels, project)
    renamed = cloche.cwd / "renamed"
    project.rename(renamed)
    [report] = cloche("doctor", "--json", renamed / ".venv").json["environments"]
    [finding] = report["findings"]
    assert (finding["code"], finding["repairable"]) == ("moved", True)
    assert cloche("doctor", "--fix", renamed / ".venv").code == 0
    assert find_problems(renamed / ".venv", project) == []
    imported = run(renamed / ".venv" / "bin" / "python", "-c", "import by_finder; print(by_finder.__file__)")
    assert imported.startswith(str(renamed))


@pytest.mark.parametrize("command", ["move", "doctor"])
def test_lines_added_to_an_activation_script_are_kept(cloche, command) -> None:
    paths = [cloche.cwd / name for name in ("one", "two", "three")]
    assert cloche("--no-seed", paths[0]).code == 0
    with open(paths[0] / "bin" / "activate", "a", encoding="utf-8") as script:
        script.write("export MINE='set here'\n")
    for old, new in itertools.pairwise(paths):
        if command == "move":
            assert cloche("move", old, new).code == 0
        else:
            old.rename(new)
            assert cloche("doctor", "--fix", new).code == 0
        assert (new / "bin" / "activate").read_text().endswith("\nexport MINE='set here'\n")
        assert find_problems(new, old, populated=False) == []


def test_shells_that_try_the_activation_scripts_leave_no_files(cloche, empty_env, tmp_path) -> None:
    """fish writes into the home directory, which root can create anywhere."""
    env = empty_env("cloche")
    (tmp_path / "programs").mkdir()
    wrapper, log = tmp_path / "programs" / "fish", tmp_path / "log"
    wrapper.write_text(f'#!/bin/sh\nmkdir -p "$HOME/mine"\necho "$HOME" >{log}\nexec {require("fish")} "$@"\n')
    wrapper.chmod(0o755)

    assert cloche("move", env, "moved", PATH=f"{wrapper.parent}:{os.environ['PATH']}").code == 0

    home = log.read_text().strip()
    assert os.path.basename(os.path.dirname(home)).startswith("cloche-")
    assert not os.path.lexists(home)
