"""What is wrong with an environment is found, named and explained, and what can be repaired is."""

from __future__ import annotations

import os
import select
import shutil

import pytest

from cloche.api import open_session
from cloche.fs.locks import try_lock_directory
from cloche.lifecycle import examination
from cloche.lifecycle.diagnosis import open_case
from tests.interpreters import debian, pyenv
from tests.lifecycle.furniture import complaints, run, wrong_records
from tests.trees import snapshot


class Held:
    """Hold a directory as a living run does; a context."""

    def __init__(self, path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.descriptor, state = try_lock_directory(str(self.path))
        assert state == "locked"

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def found(cloche, place) -> dict[str, dict]:
    """Return the findings of `cloche doctor` by code."""
    outcome = cloche("doctor", "--json", place)
    [environment] = outcome.json["environments"]
    assert outcome.code == (0 if environment["healthy"] else 1)
    return {one["code"]: one for one in environment["findings"]}


def repaired(cloche, place) -> None:
    outcome = cloche("doctor", "--fix", place)
    assert outcome.code == 0, outcome.out + outcome.err
    assert found(cloche, place) == {}


def site_of(place):
    return next(place.glob("lib/*/site-packages"))


@pytest.mark.parametrize(
    "maker", ["venv", "virtualenv", "uv", "uv-relocatable", "cloche", "cloche-copy", "cloche-relocatable"]
)
def test_a_new_environment_is_healthy(cloche, empty, maker) -> None:
    place = empty(maker)
    before = snapshot(place)
    outcome = cloche("doctor", place)
    assert (outcome.code, outcome.out) == (0, f"{place}: healthy\n")
    assert snapshot(place) == before


@pytest.mark.parametrize("name", ["new\nline", "blank ", "a\\b", "it's  $(two)"])
def test_an_environment_with_an_odd_name_is_not_taken_for_one_that_was_moved(cloche, name) -> None:
    assert cloche("--no-seed", name).code == 0
    assert found(cloche, cloche.cwd / name) == {}
    assert cloche("move", name, f"{name}'").code == 0
    assert found(cloche, cloche.cwd / f"{name}'") == {}


def test_an_old_pip_is_no_broken_pip(cloche) -> None:
    """What a Python of 2018 brings of itself is laid out otherwise than a pip of today."""
    assert cloche("-p", pyenv("3.6"), "env").code == 0
    assert found(cloche, cloche.cwd / "env") == {}


def test_a_furnished_environment_is_healthy(cloche, furnished) -> None:
    assert found(cloche, furnished("venv")) == {}


@pytest.mark.parametrize("maker", ["venv", "uv", "cloche", "cloche-copy"])
def test_an_environment_whose_base_is_gone_gets_another_of_the_same_version(cloche, empty, maker) -> None:
    """A Python that was uninstalled: the executable is dead, the configuration names a directory that is not there."""
    place = empty(maker)
    config = place / "pyvenv.cfg"
    gone = "/opt/gone"
    config.write_text(config.read_text().replace(os.path.dirname(os.path.dirname(pyenv("3.12"))), gone))
    python = place / "bin" / "python"
    if python.is_symlink():
        for name in (place / "bin").glob("python*"):
            if os.path.isabs(os.readlink(name)):
                name.unlink()
                name.symlink_to(f"{gone}/bin/python3.12")
    finding = found(cloche, place)["base-gone"]
    assert finding["repairable"]
    assert "/opt/gone/bin" in finding["message"]
    repaired(cloche, place)
    assert run(python, "-c", "import sys; print(sys.version_info[:2])").strip() == "(3, 12)"
    assert [line for line in config.read_text().splitlines() if gone in line and not line.startswith("command")] == []


def test_a_base_that_became_another_patch_release_is_entered(cloche, empty) -> None:
    place = empty("venv")
    config = place / "pyvenv.cfg"
    config.write_text(config.read_text().replace("version = 3.12.", "version = 3.12.9"))
    assert "3.12.9" in found(cloche, place)["base-upgraded"]["message"]
    repaired(cloche, place)
    assert "3.12.9" not in config.read_text()


def test_what_the_standard_upgrade_leaves_half_done_is_told_apart(cloche, empty) -> None:
    place = empty("venv", "3.11")
    run(pyenv("3.12"), "-m", "venv", "--without-pip", "--upgrade", place)
    finding = found(cloche, place)["half-upgraded"]
    assert "its Python is 3.11" in finding["message"]
    assert "cloche upgrade" in finding["remedy"]
    assert cloche("upgrade", place, "-p", "3.12").code == 0
    assert found(cloche, place) == {}
    assert os.listdir(place / "lib") == ["python3.12"]


def test_names_and_directories_of_another_version_are_found(cloche, empty) -> None:
    place = empty("venv")
    (place / "bin" / "python3.9").symlink_to("python")
    (place / "lib" / "python3.9" / "site-packages").mkdir(parents=True)
    codes = found(cloche, place)
    assert codes["name-of-other-version"]["path"] == "bin/python3.9"
    assert codes["lib-of-other-version"]["path"] == "lib/python3.9"
    assert cloche("doctor", "--fix", place).code == 1
    assert not os.path.lexists(place / "bin" / "python3.9")
    assert (place / "lib" / "python3.9").exists()


def test_a_script_of_a_package_here_is_started_by_the_python_here(cloche, furnished) -> None:
    place = furnished("venv")
    script = place / "bin" / "plain-say"
    body = script.read_text().partition("\n")[2]
    script.write_text(f"#!/opt/gone/python3\n{body}")
    codes = found(cloche, place)
    assert codes["script-dead"]["path"] == "bin/plain-say"
    assert codes["record-altered"]["path"] == "bin/plain-say"
    script.write_text(f"#!{pyenv('3.12')}\n{body}")
    assert found(cloche, place)["script-foreign"]["repairable"]
    repaired(cloche, place)
    assert complaints(place) == []


def test_a_script_that_somebody_else_put_there_may_name_another_python(cloche, empty) -> None:
    place = empty("venv")
    script = place / "bin" / "mine"
    script.write_text(f"#!{pyenv('3.11')}\nprint('mine')\n")
    assert found(cloche, place) == {}
    script.write_text("#!/opt/gone/python\n")
    assert not found(cloche, place)["script-dead"]["repairable"]


def test_what_was_installed_and_is_not_there_or_was_changed_is_found(cloche, furnished) -> None:
    place = furnished("venv")
    (site_of(place) / "plain" / "__init__.py").unlink()
    (site_of(place) / "plain" / "cli.py").write_text("changed = True\n")
    codes = found(cloche, place)
    assert codes["record-missing"]["path"].endswith("plain/__init__.py")
    assert codes["record-altered"]["path"].endswith("plain/cli.py")
    assert "pip install --force-reinstall --no-deps plain==1.0" in codes["record-missing"]["remedy"]


def test_extension_modules_for_another_python_are_found(cloche, furnished) -> None:
    place = furnished("venv")
    name = "plain/fast.cpython-39-x86_64-linux-gnu.so"
    (site_of(place) / name).write_bytes(b"\x7fELF")
    with open(next(site_of(place).glob("plain-*/RECORD")), "a") as record:
        record.write(f"{name},,\n")
    assert found(cloche, place)["extension-for-other-abi"]["path"].endswith(name)


def test_links_and_search_paths_that_lead_nowhere_are_found(cloche, furnished) -> None:
    place = furnished("venv")
    (place / "bin" / "tool").symlink_to("/opt/gone/tool")
    (site_of(place) / "dead.pth").write_text("# a comment\n/opt/gone/lib\n")
    (cloche.cwd / "projects" / "by_path").rename(cloche.cwd / "projects" / "other")
    codes = found(cloche, place)
    assert codes["link-dangling"]["path"] == "bin/tool"
    assert "/opt/gone/lib" in cloche("doctor", place).out
    assert "by_path" in codes["editable-dead"]["message"]


def test_two_versions_of_a_package_over_each_other_are_found(cloche, furnished) -> None:
    place = furnished("venv")
    second = site_of(place) / "plain-2.0.dist-info"
    second.mkdir()
    (second / "METADATA").write_text("Metadata-Version: 2.1\nName: Plain\nVersion: 2.0\n")
    assert "1.0 and 2.0" in found(cloche, place)["installed-twice"]["message"]


def test_what_every_user_may_write_to_is_closed(cloche, furnished) -> None:
    place = furnished("venv")
    open_file = site_of(place) / "plain" / "cli.py"
    open_file.chmod(0o666)
    (place / "bin").chmod(0o777)
    assert "1 more" in found(cloche, place)["world-writable"]["message"]
    repaired(cloche, place)
    assert (place / "bin").stat().st_mode & 0o777 == 0o775
    assert open_file.stat().st_mode & 0o777 == 0o664


def test_a_single_file_that_names_another_place_is_told_as_one(cloche) -> None:
    assert cloche("old", "--no-seed", "--activators", "none").code == 0
    (cloche.cwd / "old").rename(cloche.cwd / "new")
    message = found(cloche, cloche.cwd / "new")["moved"]["message"]
    assert message == f"the environment was moved from there: `pyvenv.cfg` still names `{cloche.cwd / 'old'}`"


def test_the_lock_that_uv_leaves_is_no_open_door(cloche) -> None:
    """`uv pip install` leaves an empty one that every user may take; anything else of that name is another matter."""
    assert cloche("env", "--no-seed").code == 0
    lock_of_uv = cloche.cwd / "env" / ".lock"
    lock_of_uv.touch()
    lock_of_uv.chmod(0o666)
    assert found(cloche, cloche.cwd / "env") == {}
    lock_of_uv.write_text("more")
    assert "world-writable" in found(cloche, cloche.cwd / "env")


def test_a_pip_that_does_not_run_is_laid_down_anew(cloche) -> None:
    place = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.12"), place).code == 0
    broken = site_of(place) / "pip" / "_internal" / "cli" / "main.py"
    broken.unlink()
    (site_of(place) / "pip" / "left.py").write_text("import nothing\n")
    assert {"seed-broken"} == found(cloche, place).keys()
    repaired(cloche, place)
    assert run(place / "bin" / "pip", "--version").startswith("pip ")
    assert not (site_of(place) / "pip" / "left.py").exists()
    assert wrong_records(place) == []


def test_what_a_killed_run_left_is_removed(cloche, empty) -> None:
    place = empty("venv")
    (place / ".cloche-0" / "new").mkdir(parents=True)
    assert found(cloche, place)["left-behind"]["repairable"]
    repaired(cloche, place)
    assert not (place / ".cloche-0").exists()


def test_what_was_left_beside_goes_with_the_next_run_that_comes_by(cloche, empty) -> None:
    """A killed `cloche move` leaves it under the name that the environment was to get, or had; not what is in use."""
    place = empty("venv")
    left, used, other = (cloche.cwd / f".{name}.cloche-0" for name in ("gone", "busy", "thesis"))
    (left / "old" / "bin").mkdir(parents=True)
    (used / "new").mkdir(parents=True)
    (other / "chapters").mkdir(parents=True)
    with Held(used):
        repaired(cloche, place)
    assert not left.exists()
    assert used.exists()
    assert other.exists()


def test_many_environments_are_found_and_looked_at_at_once(cloche, empty) -> None:
    for name in ("one/.venv", "two/deep/env"):
        empty(name=name)
    moved = empty(name="three")
    moved.rename(cloche.cwd / "four")
    (cloche.cwd / "one" / "node_modules").mkdir()
    outcome = cloche("doctor", "--json", "--find", ".")
    assert outcome.code == 1
    roots = {os.path.relpath(one["root"], cloche.cwd): one["healthy"] for one in outcome.json["environments"]}
    assert roots == {"one/.venv": True, "two/deep/env": True, "four": False}


def test_what_is_no_environment_is_an_error_of_its_own(cloche, empty) -> None:
    place = empty()
    outcome = cloche("doctor", place, cloche.cwd / "nothing")
    assert outcome.code == 1
    assert f"{place}: healthy" in outcome.out
    assert "/nothing` does not exist" in outcome.err
    assert cloche("doctor").code == 2


def test_what_stands_there_instead_of_an_environment_is_told(cloche, tmp_path) -> None:
    (tmp_path / "conda" / "conda-meta").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    base = os.path.dirname(os.path.dirname(pyenv("3.12")))
    for place, said in (
        (tmp_path / "conda", "is a conda environment"),
        (tmp_path / "file", "it is a file"),
        (tmp_path, "it has no `pyvenv.cfg`"),
        (base, "it has no `pyvenv.cfg`"),
    ):
        outcome = cloche("info", place)
        assert outcome.code == 4
        assert said in outcome.err


def test_a_search_that_finds_nothing_says_so(cloche) -> None:
    outcome = cloche("doctor", "--find", ".")
    assert outcome.code == 0
    assert "no environment found below `.`" in outcome.err
    assert cloche("doctor", "--find", "nonesuch").code == 2


@pytest.mark.parametrize("config", [None, "", "home = /ro", "\0\udcff"])
def test_a_configuration_that_is_gone_or_damaged_is_written_anew(cloche, empty, config) -> None:
    """What it has to say, the rest of the environment tells: where its Python leads, how its directories are called."""
    place = empty("virtualenv")
    (place / "pyvenv.cfg").unlink()
    if config is not None:
        (place / "pyvenv.cfg").write_text(config, errors="surrogateescape")
    assert found(cloche, place)["half-made"]["path"] == "pyvenv.cfg"
    assert cloche("info", "--json", place).json["maker"] == "an unknown program"
    repaired(cloche, place)
    assert run(place / "bin" / "python", "-c", "import sys; print(sys.prefix)").strip() == str(place)
    assert cloche("info", "--json", place).json["python"]["base_alive"]


def test_a_configuration_that_contradicts_all_the_rest_is_what_is_wrong(cloche, empty) -> None:
    """And not the Python, nor the directories that are named for it."""
    place = empty("venv")
    config = place / "pyvenv.cfg"
    text = config.read_text()
    config.write_text(text.replace("version = 3.12.", "version = 3.13."))
    assert "belong to CPython 3.12" in found(cloche, place)["config-disagrees"]["message"]
    repaired(cloche, place)
    assert config.read_text() == text
    config.write_text(text.replace(f"home = {os.path.dirname(pyenv('3.12'))}", "home = /usr/sbin"))
    assert "`home` is `/usr/sbin`" in found(cloche, place)["config-disagrees"]["message"]
    repaired(cloche, place)


def test_what_venv_had_not_come_to_is_made(cloche, tmp_path) -> None:
    """Interrupted in `ensurepip`, or without one as on Debian: no pip, and no activation scripts after it."""
    place = tmp_path / "env"
    run(pyenv("3.12"), "-m", "venv", "--without-pip", place)
    for script in (place / "bin").glob("*ctivate*"):
        script.unlink()
    assert found(cloche, place)["half-made"]["path"] == "bin"
    config = place / "pyvenv.cfg"
    config.write_text(config.read_text().replace(" --without-pip", ""))
    assert found(cloche, place)["half-made"]["path"] == "pip"
    repaired(cloche, place)
    assert run(place / "bin" / "pip", "--version").startswith("pip ")
    assert complaints(place, furnished=False) == []


def test_every_name_of_the_python_is_put_back(cloche, empty) -> None:
    place = empty("cloche")
    names = sorted(path.name for path in (place / "bin").glob("python*"))
    for name in names:
        (place / "bin" / name).unlink()
    repaired(cloche, place)
    assert sorted(path.name for path in (place / "bin").glob("python*")) == names


@pytest.mark.parametrize("lost", ["python3", "itself"])
def test_a_python_that_leads_to_a_name_beside_it_that_is_lost_is_put_back(cloche, lost) -> None:
    """As the distribution's `venv` has it: `python` leads to `python3`, and only that to the base."""
    place = cloche.cwd / "env"
    run(debian(), "-m", "venv", "--without-pip", place)
    python = place / "bin" / "python"
    (place / "bin" / os.readlink(python)).unlink()
    if lost == "itself":
        python.unlink()
        python.symlink_to("python")
    assert "python-dead" in found(cloche, place)
    repaired(cloche, place)
    assert complaints(place, furnished=False) == []


@pytest.mark.parametrize("maker", ["venv", "uv", "cloche"])
def test_a_directory_for_executables_that_is_gone_is_made_in_one_go(cloche, empty, maker) -> None:
    place = empty(maker)
    shutil.rmtree(place / "bin")
    repaired(cloche, place)
    assert (place / "bin" / "activate").is_file()
    assert complaints(place, furnished=False) == []


def test_a_script_that_nobody_may_execute_is_found(cloche, furnished) -> None:
    place = furnished("venv")
    script = place / "bin" / "plain-say"
    script.chmod(0o644)
    assert found(cloche, place)["script-dead"]["message"] == "the script is not executable"
    repaired(cloche, place)
    assert complaints(place) == []


def test_metadata_that_says_nothing_is_found(cloche, furnished) -> None:
    place = furnished("venv")
    about = next(site_of(place).glob("plain-*"))
    (site_of(place) / "~lain-0.9.dist-info").mkdir()
    assert "pip was interrupted" in found(cloche, place)["metadata-broken"]["message"]
    (site_of(place) / "~lain-0.9.dist-info").rmdir()
    (about / "RECORD").write_bytes(b"")  # as a file is after a crash
    assert found(cloche, place)["record-missing"]["path"].endswith("plain-1.0.dist-info/RECORD")
    (about / "RECORD").unlink()
    assert found(cloche, place)["record-missing"]["path"].endswith("plain-1.0.dist-info/RECORD")
    (about / "METADATA").write_text("")
    assert found(cloche, place)["metadata-broken"]["path"].endswith("plain-1.0.dist-info")


def test_every_code_is_in_the_reference() -> None:
    from pathlib import Path

    from cloche.lifecycle.diagnosis import CODES

    page = (Path(__file__).parents[2] / "docs" / "reference" / "findings.md").read_text(encoding="utf-8")
    assert [code for code in CODES if f"`{code}`" not in page] == []


def test_a_script_that_names_the_base_does_not_make_the_base_the_place_of_the_environment(cloche, furnished) -> None:
    """Else mending would have the environment's Python be a link to itself."""
    place = furnished("uv")
    for name in ("plain-say", "plain-show", "by_path", "by_finder", "vendored"):
        script = place / "bin" / name
        script.write_text(f"#!{pyenv('3.12')}\n" + script.read_text().partition("\n")[2])
    for name in (place / "bin").glob("*activate*"):
        name.unlink()
    assert "moved" not in found(cloche, place)
    repaired(cloche, place)
    assert complaints(place) == []


@pytest.mark.parametrize("place", ["bin/activate", "bin/pip", "pyvenv.cfg", "{info}/RECORD", "{info}/../more.pth"])
def test_a_fifo_in_the_place_of_a_file_holds_nobody_up(cloche, place) -> None:
    assert cloche("env").code == 0
    env = cloche.cwd / "env"
    [info] = env.glob("lib/python*/site-packages/pip-*.dist-info")
    path = env / place.format(info=info)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for command in (["doctor", env], ["info", env], ["doctor", "--fix", env], ["move", env, "moved"]):
        done = cloche(*command)
        assert done.code in (0, 1)
        assert "no answer" not in done.out + done.err  # it did not wait until it lost patience


def test_a_pipe_that_every_python_would_wait_for_is_told_and_no_python_is_started(cloche) -> None:
    assert cloche("env", "--no-seed").code == 0
    os.mkfifo(site_of(cloche.cwd / "env") / "more.pth")
    done = cloche("doctor", "env")
    assert done.code == 1
    [line] = done.out.splitlines()
    assert "more.pth" in line
    assert "a pipe or a device" in line


def test_a_python_that_does_not_answer_is_ended_with_all_that_it_started(cloche, shared_cache, monkeypatch) -> None:
    assert cloche("env", "--no-seed").code == 0
    pipe, python = cloche.cwd / "pipe", cloche.cwd / "env" / "bin" / "python"
    os.mkfifo(pipe)
    python.unlink()
    python.write_text(f"#!/bin/sh\nexec 9> '{pipe}'\nsleep 60 &\nsleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr(examination, "TIMEOUT", 0.5)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open_session(environ=cloche.environ, cache=shared_cache / "cloche") as world:
            examined = open_case(str(cloche.cwd / "env"), world).examination
        assert "no answer" in examined.failure
        assert select.select([reading], [], [], 30)[0], "somebody is left who could write"
        assert os.read(reading, 1) == b""
    finally:
        os.close(reading)
