"""Environments of every maker, moved: by cloche, or by somebody with `mv` who then asks cloche to mend it."""

from __future__ import annotations

import itertools
import os
import shutil

import pytest

from tests.lifecycle.furniture import complaints, furnish, makers, run
from tests.tools import require
from tests.trees import snapshot

HOSTILE = 'it\'s "a" $(place) é'


@pytest.mark.parametrize("maker", makers("venv", "virtualenv", "uv", "cloche"))
def test_a_moved_environment_works_and_nothing_in_it_names_the_old_place(cloche, furnished, maker) -> None:
    old = furnished(maker)
    new = cloche.cwd / "elsewhere" / "there"
    outcome = cloche("move", old, new)
    assert (outcome.code, outcome.err) == (0, "")
    assert not os.path.lexists(old)
    assert complaints(new, old) == []
    assert sorted(os.listdir(cloche.cwd)) == ["elsewhere", "projects"]
    assert os.listdir(new.parent) == ["there"]


@pytest.mark.parametrize("maker", makers("venv", "cloche"))
def test_an_environment_that_somebody_moved_is_mended(cloche, furnished, maker) -> None:
    old = furnished(maker)
    new = cloche.cwd / "renamed"
    old.rename(new)
    found = cloche("doctor", new)
    assert found.code == 1
    assert "moved: " in found.out
    repaired = cloche("doctor", "--fix", new)
    assert repaired.code == 0, repaired.out + repaired.err
    assert complaints(new, old) == []
    again = snapshot(new)
    assert cloche("doctor", "--fix", new).out == f"{new}: healthy\n"
    assert snapshot(new) == again


@pytest.mark.parametrize("maker", makers("venv", "uv"))
def test_a_name_full_of_quotes_is_only_a_name(cloche, furnished, maker) -> None:
    """Every notation writes it by its own rules; what reads it gets the same name, and runs nothing."""
    old = furnished(maker)
    new = cloche.cwd / HOSTILE
    outcome = cloche("move", old, new)
    assert outcome.code == 0, outcome.err
    assert complaints(new, old) == []
    back = cloche.cwd / "plain"
    assert cloche("move", new, back).code == 0
    assert complaints(back, old, new) == []


def test_the_manifest_of_a_moved_environment_is_up_to_date(cloche) -> None:
    old, new = cloche.cwd / "old", cloche.cwd / "new"
    assert cloche(old).code == 0
    assert list(old.glob("lib/*/site-packages/pip-*/RECORD"))
    command = [require("sha256sum"), "--check", "--strict", ".cloche-manifest"]
    assert run(*command, cwd=old)
    assert cloche("move", old, new).code == 0
    assert run(*command, cwd=new)


def test_a_copy_leaves_the_original_as_it_was(cloche, furnished) -> None:
    old = furnished("venv")
    new = cloche.cwd / "copy"
    before = snapshot(old)
    assert cloche("move", "--copy", old, new).code == 0
    assert snapshot(old) == before
    assert complaints(new, old) == []
    shared = [path for path in new.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_nlink > 1]
    assert shared == []


def test_files_keep_their_times_and_permissions_so_that_byte_code_stays_valid(cloche, furnished) -> None:
    old = furnished("venv")
    source = next(old.glob("lib/*/site-packages/plain/cli.py"))
    secret = old / "secret.txt"
    secret.write_text(f"the place is {old}\n")
    secret.chmod(0o600)
    old.chmod(0o750)
    time = source.stat().st_mtime_ns
    new = cloche.cwd / "new"
    assert cloche("move", old, new).code == 0
    assert (new / source.relative_to(old)).stat().st_mtime_ns == time
    assert (new / "secret.txt").read_text() == f"the place is {new}\n"
    assert (new / "secret.txt").stat().st_mode & 0o777 == 0o600
    assert new.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("maker", makers("venv", "virtualenv", "cloche"))
def test_a_prompt_that_is_the_directorys_name_is_that_of_the_new_one(cloche, empty, maker) -> None:
    old = empty(maker)
    new = cloche.cwd / "elsewhere"
    assert cloche("move", old, new).code == 0
    shown = 'PS1= && . "$1"/bin/activate && echo "$VIRTUAL_ENV_PROMPT" && echo "${PS1@P}"'
    said = [line.strip("() ") for line in run("bash", "--norc", "-c", shown, "-", new).splitlines()]
    assert said == ["elsewhere", "elsewhere"]


def test_a_dry_run_tells_what_would_be_done_and_does_none_of_it(cloche, furnished) -> None:
    old = furnished("venv")
    before = snapshot(cloche.cwd)
    outcome = cloche("move", "--dry-run", "--json", old, cloche.cwd / "new")
    assert outcome.json["outcome"] == "would be moved"
    assert {"pyvenv.cfg", "bin/activate", "bin/plain-say", "bin/by-hand"} <= set(outcome.json["changed"])
    assert snapshot(cloche.cwd) == before


def test_what_cannot_be_rewritten_is_told(cloche, furnished) -> None:
    """A binary with the path in it, and a text of unknown notation for a name that would need quotes there."""
    old = furnished("venv")
    (old / "lib" / "tool.bin").write_bytes(b"\x7fELF\0" + bytes(old) + b"/lib\0")
    (old / "notes.txt").write_text(f"see {old}/lib\n")
    outcome = cloche("move", old, cloche.cwd / "a b")
    assert outcome.code == 0
    assert "`lib/tool.bin` still contains" in outcome.err
    assert "`notes.txt` still contains" in outcome.err


def test_what_names_it_from_outside_is_told_and_not_touched(cloche, furnished) -> None:
    old = furnished("venv")
    rc = cloche.cwd / ".envrc"
    rc.write_text(f"source {old}/bin/activate\n")
    outcome = cloche("move", old, cloche.cwd / "new", VIRTUAL_ENV=str(old))
    assert f"`{rc}` still contains `{old}`" in outcome.err
    assert "`VIRTUAL_ENV` in this shell" in outcome.err
    assert rc.read_text() == f"source {old}/bin/activate\n"


def test_an_environment_goes_across_file_systems(cloche, furnished) -> None:
    other = "/dev/shm"
    if not os.path.isdir(other) or os.stat(other).st_dev == os.stat(cloche.cwd).st_dev:
        pytest.skip("there is no second file system")
    old = furnished("venv")
    place = os.path.join(other, f"cloche-test-{os.getpid()}")
    try:
        assert cloche("move", old, place).code == 0
        assert complaints(type(old)(place), old) == []
        assert not old.exists()
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.parametrize(
    ("destination", "said"),
    [("env/inside", "is inside"), ("taken", "already exists"), ("a:b", "separates the entries of PATH")],
)
def test_a_destination_that_cannot_be_is_refused_before_anything_is_done(cloche, empty, destination, said) -> None:
    old = empty()
    (cloche.cwd / "taken").mkdir()
    (cloche.cwd / "taken" / "thesis.txt").write_text("precious")
    before = snapshot(cloche.cwd)
    outcome = cloche("move", old, destination)
    assert outcome.code == 4
    assert said in outcome.err
    assert snapshot(cloche.cwd) == before


def test_nobody_stands_in_a_directory_that_goes_away(cloche, empty) -> None:
    old = empty()
    outcome = cloche("move", old, cloche.cwd / "new", cwd=old / "bin")
    assert outcome.code == 4
    assert "the current directory is inside" in outcome.err
    assert old.exists()


def test_a_project_that_was_moved_with_its_environment_is_found_again(cloche, wheels, empty) -> None:
    """`/work/app/.venv` is now `/work/renamed/.venv`: what was developed in `/work/app` is in `/work/renamed`."""
    project = cloche.cwd / "app"
    environment = empty(name="app/.venv")
    furnish(environment, wheels, project)
    renamed = cloche.cwd / "renamed"
    project.rename(renamed)
    [case] = cloche("doctor", "--json", renamed / ".venv").json["environments"]
    assert {one["code"] for one in case["findings"]} == {"moved", "path-dead", "editable-dead"}
    assert all(one["repairable"] for one in case["findings"])
    assert cloche("doctor", "--fix", renamed / ".venv").code == 0
    assert complaints(renamed / ".venv", project) == []
    frozen = run(renamed / ".venv" / "bin" / "python", "-c", "import by_finder; print(by_finder.__file__)")
    assert frozen.startswith(str(renamed))


@pytest.mark.parametrize("deed", ["moved", "repaired"])
def test_what_was_added_to_an_activation_script_survives_every_move(cloche, deed) -> None:
    places = [cloche.cwd / name for name in ("one", "two", "three")]
    assert cloche("--no-seed", places[0]).code == 0
    with open(places[0] / "bin" / "activate", "a", encoding="utf-8") as script:
        script.write("export MINE='set here'\n")
    for old, new in itertools.pairwise(places):
        if deed == "moved":
            assert cloche("move", old, new).code == 0
        else:
            old.rename(new)
            assert cloche("doctor", "--fix", new).code == 0
        assert (new / "bin" / "activate").read_text().endswith("\nexport MINE='set here'\n")
        assert complaints(new, old, furnished=False) == []
