"""Environments brought to another Python, with what is installed in them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.distributions import make_wheel
from tests.interpreters import debian, pyenv, pypy
from tests.lifecycle.furniture import complaints, furnish, makers, run
from tests.run import cloche_command_in
from tests.tools import skip_missing
from tests.trees import Tree, snapshot

if TYPE_CHECKING:
    from pathlib import Path


def found(cloche, place) -> list[str]:
    [environment] = cloche("doctor", "--json", place).json["environments"]
    return [one["code"] for one in environment["findings"]]


@pytest.mark.parametrize("maker", makers("venv", "cloche"))
@pytest.mark.parametrize("minor", ["3.13", pytest.param("3.10", marks=pytest.mark.nightly)])
def test_an_upgrade_to_another_minor_version_takes_everything_along(cloche, furnished, maker, minor) -> None:
    """Up and down, without any network: what is pure is carried over with its scripts, its data and its links."""
    place = furnished(maker, "3.12")
    (place / "bin" / "postactivate").write_text("echo mine\n")
    outcome = cloche("upgrade", place, "-p", minor, "--json", PIP_NO_INDEX="1")
    assert outcome.code == 0, outcome.err
    assert outcome.json["kind"] == "rebuild"
    assert outcome.json["losses"] == outcome.json["installed"] == []
    assert run(place / "bin" / "python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip() == minor
    assert complaints(place) == []
    assert os.listdir(place / "lib") == [f"python{minor}"]
    assert not os.path.lexists(place / "bin" / "python3.12")
    assert (place / "bin" / "postactivate").read_text() == "echo mine\n"
    assert found(cloche, place) == []
    assert sorted(os.listdir(cloche.cwd)) == ["env", "projects"]


def test_who_asked_for_what_and_where_it_came_from_is_kept(cloche, furnished) -> None:
    place = furnished("venv", "3.11")

    def facts() -> dict[str, tuple]:
        return {
            info.name: (
                (info / "REQUESTED").exists(),
                (info / "INSTALLER").read_text(),
                json.loads((info / "direct_url.json").read_text()),
            )
            for info in place.glob("lib/*/site-packages/*.dist-info")
        }

    before = facts()
    assert len(before) == 4
    assert cloche("upgrade", place, "-p", "3.12").code == 0
    assert facts() == before


def test_what_has_extension_modules_is_installed_anew_by_pip(cloche, empty, tmp_path: Path) -> None:
    """From a directory with wheels, in the very version, and marked as it was."""
    tags = {"3.11": "cp311-cp311-linux_x86_64", "3.12": "cp312-cp312-linux_x86_64"}
    for minor, tag in tags.items():
        for version in ("1.0", "2.0"):
            content = {f"fast_{tag[:5]}.py": "", "fast.py": f"WHICH = {minor!r}\n"}
            make_wheel(tmp_path / "wheels", "fast", version, content, tags=[tag], pure=False, entry_points="")
    place = empty("venv", "3.11")
    pip = ["-m", "pip", "--python", place / "bin" / "python", "install", "-q", "--no-index"]
    run(pyenv_host(), *pip, "--find-links", tmp_path / "wheels", "fast==1.0")
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    outcome = cloche("upgrade", place, "-p", "3.12", "--json", **wheels)
    assert outcome.code == 0, outcome.err
    assert outcome.json["installed"] == ["fast==1.0"]
    assert run(place / "bin" / "python", "-c", "import fast; print(fast.WHICH)").strip() == "3.12"
    assert found(cloche, place) == []


def pyenv_host() -> str:
    import sys

    return sys.executable


def test_what_cannot_come_along_is_told_before_anything_changes(cloche, empty, tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "picky", "1.0", requires_python="<3.12", entry_points="")
    make_wheel(
        tmp_path / "wheels", "only-here", "1.0", {"o.py": ""}, tags=["cp311-cp311-linux_x86_64"], entry_points=""
    )
    place = empty("venv", "3.11")
    pip = ["-m", "pip", "--python", place / "bin" / "python", "install", "-q", "--no-index"]
    run(pyenv_host(), *pip, *(tmp_path / "wheels").iterdir())
    before = snapshot(cloche.cwd)
    shutil.rmtree(tmp_path / "wheels")

    rehearsal = cloche("upgrade", place, "-p", "3.12", "--dry-run", "--json", PIP_NO_INDEX="1")
    assert {one["what"] for one in rehearsal.json["losses"]} == {"picky 1.0", "only-here 1.0"}
    assert snapshot(cloche.cwd) == before

    refused = cloche("upgrade", place, "-p", "3.12", PIP_NO_INDEX="1")
    assert refused.code == 1
    assert "picky 1.0: it requires Python <3.12" in refused.err
    assert "--allow-loss" in refused.err
    assert snapshot(cloche.cwd) == before

    allowed = cloche("upgrade", place, "-p", "3.12", "--allow-loss", PIP_NO_INDEX="1")
    assert allowed.code == 0
    assert "only-here 1.0 was not carried over" in allowed.err
    assert found(cloche, place) == []


@pytest.mark.parametrize("maker", ["venv", "uv", "cloche"])
def test_an_upgrade_within_the_abi_keeps_every_file_but_those_that_name_the_base(
    cloche, furnished, maker, tmp_path: Path
) -> None:
    """The same release from another place stands for a patch release."""
    place = furnished(maker)
    other = tmp_path / "python"
    real = os.path.dirname(os.path.dirname(os.path.realpath(pyenv("3.12"))))
    (other / "bin").mkdir(parents=True)
    shutil.copy2(os.path.join(real, "bin", "python3.12"), other / "bin" / "python3.12")
    for name in ("lib", "include"):
        (other / name).symlink_to(os.path.join(real, name))
    before = snapshot(place)
    outcome = cloche("upgrade", place, "-p", other / "bin" / "python3.12", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["kind"] == "rebase"
    after = snapshot(place)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert changed <= {"pyvenv.cfg", "bin/python", "bin/python3.12", "bin/python3", ".cloche-manifest"}
    assert str(other / "bin") in (place / "pyvenv.cfg").read_text()
    assert complaints(place) == []


@pytest.mark.parametrize("maker", makers("venv", "cloche"))
def test_a_patch_release_takes_the_place_of_another(cloche, furnished, maker) -> None:
    """The distribution's Python 3.11, and a newer patch release beside it: what is installed stays as it is."""
    old, new = debian(), pyenv("3.11")
    ask = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    was, is_to_be = (run(python, "-I", "-c", ask).strip() for python in (old, new))
    if was == is_to_be or was.split(".")[:2] != is_to_be.split(".")[:2]:
        skip_missing("Debian and pyenv have no two patch releases of one Python")
    place = furnished(maker, "debian")
    site = sources(place)
    assert cloche("upgrade", "--check", place, "-p", new).code == 1
    assert cloche("upgrade", place, "-p", new).code == 0
    assert run(place / "bin" / "python", "-c", ask).strip() == is_to_be
    assert is_to_be in (place / "pyvenv.cfg").read_text()
    assert sources(place) == site
    assert complaints(place) == []
    assert found(cloche, place) == []


def sources(place) -> Tree:
    """Return what is below `lib`, but for the byte-code that a Python may write when it starts."""
    return snapshot(place / "lib").without_bytecode()


@pytest.mark.nightly
def test_an_environment_goes_to_another_implementation_and_back(cloche, furnished) -> None:
    place = furnished("venv", "3.10")
    for python, name in ((pypy(), "PyPy"), (pyenv("3.10"), "CPython")):
        outcome = cloche("upgrade", place, "-p", python, "--json", PIP_NO_INDEX="1")
        assert outcome.code == 0, outcome.err
        assert outcome.json["losses"] == []
        ask = "import platform; print(platform.python_implementation())"
        assert run(place / "bin" / "python", "-c", ask).strip() == name
        assert complaints(place) == []
        assert found(cloche, place) == []


def test_an_environment_that_pypy_made_stays_one_of_pypy(cloche) -> None:
    """Its `venv` does not write down that it was PyPy; a CPython of the same version is there, and a newer one."""
    run(pypy(), "-m", "venv", "--without-pip", cloche.cwd / "env")
    outcome = cloche("upgrade", cloche.cwd / "env", "--check", "--json")
    assert outcome.json["interpreter"]["implementation"] == "pypy", outcome.err
    assert outcome.json["kind"] == "nothing"


@pytest.mark.nightly
def test_an_environment_of_pypy_is_moved_and_mended(cloche, empty, wheels) -> None:
    old = cloche.cwd / "env"
    assert cloche("-p", pypy(), old).code == 0
    furnish(old, wheels, cloche.cwd / "projects")
    place = cloche.cwd / "moved"
    assert cloche("move", old, place).code == 0
    assert complaints(place, old) == []
    place.rename(old)
    assert cloche("doctor", "--fix", old).code == 0
    assert complaints(old, place) == []


def test_options_are_kept(cloche, empty) -> None:
    place = cloche.cwd / "env"
    options = ["--system-site-packages", "--prompt", "it's mine", "--no-seed", "--creator", "copy", "--no-vcs-ignore"]
    assert cloche("-p", pyenv("3.11"), *options, place).code == 0
    assert cloche("upgrade", place, "-p", "3.12").code == 0
    config = (place / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = true" in config
    assert "it's mine" in config
    assert not (place / "bin" / "python").is_symlink()
    assert not (place / ".gitignore").exists()
    assert not list(place.glob("lib/*/site-packages/pip"))


def test_checking_tells_by_exit_code_and_changes_nothing(cloche, empty) -> None:
    place = empty("venv", "3.11")
    before = snapshot(place)
    assert cloche("upgrade", "--check", place).code == 0
    outcome = cloche("upgrade", "--check", place, "-p", "3.12", "--json")
    assert (outcome.code, outcome.json["outcome"]) == (1, "due")
    assert snapshot(place) == before
    for words in ([], ["--dry-run"]):
        assert cloche("upgrade", place, *words).out.startswith("up to date")
    assert snapshot(place) == before


def test_an_environment_whose_base_is_gone_can_go_to_any_other(cloche, furnished) -> None:
    place = furnished("venv", "3.11")
    config = place / "pyvenv.cfg"
    config.write_text(config.read_text().replace(os.path.dirname(pyenv("3.11")), "/opt/gone/bin"))
    for name in (place / "bin").glob("python*"):
        if os.path.isabs(os.readlink(name)):
            name.unlink()
            name.symlink_to("/opt/gone/bin/python3.11")
    assert cloche("upgrade", place, "-p", "3.13").code == 0
    assert complaints(place) == []
    assert found(cloche, place) == []


def test_an_upgrade_of_an_environment_that_was_moved_mends_it_too(cloche, furnished) -> None:
    old = furnished("venv", "3.11")
    place = cloche.cwd / "renamed"
    old.rename(place)
    assert cloche("upgrade", place, "-p", "3.12").code == 0
    assert complaints(place, old) == []


def test_a_python_that_does_not_accept_the_pip_that_is_there_gets_the_newest_it_does(cloche) -> None:
    place = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.12"), place).code == 0
    outcome = cloche("upgrade", place, "-p", pyenv("3.7"), "--json", PIP_NO_INDEX="1")
    assert outcome.code == 0, outcome.err
    assert outcome.json["losses"] == []
    assert "python 3.7" in run(place / "bin" / "pip", "--version")


def test_an_environment_that_runs_cloche_does_not_lose_it_to_another_python(cloche) -> None:
    place = cloche.cwd / "env"
    assert cloche("-p", sys.executable, "--no-seed", place).code == 0
    command = cloche_command_in(place)
    before = snapshot(place)
    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.11"
    environ = {**cloche.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    words = [*command, "upgrade", place, "-p", pyenv(other)]
    done = subprocess.run(words, cwd=cloche.cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert "this cloche runs from" in done.stderr
    assert "an upgrade to another Python would take it away" in done.stderr
    assert snapshot(place) == before


@pytest.mark.parametrize(("name", "remedy"), [("dated", "pip uninstall dated"), ("setuptools", "`--seeds`")])
def test_what_the_new_python_cannot_import_is_refused_with_a_remedy(cloche, tmp_path: Path, name, remedy) -> None:
    """It accepts every Python by its metadata, as an old setuptools does, and breaks when it is imported."""
    content = {f"{name}/__init__.py": "import sys\nassert sys.version_info < (3, 12)\n", f"{name}/sub.py": ""}
    wheel = make_wheel(tmp_path / "wheels", name, "0.1", content, entry_points=f"[console_scripts]\nd = {name}.sub:d\n")
    place = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.11"), "--no-seed", place).code == 0
    run(pyenv_host(), "-m", "pip", "--python", place / "bin" / "python", "install", "-q", "--no-index", wheel)
    before = snapshot(place)
    outcome = cloche("upgrade", place, "-p", "3.12")
    assert outcome.code == 1
    assert f"`{place}` would not work: its scripts cannot import `{name}.sub`" in outcome.err
    assert remedy in outcome.err
    assert "it is as it was" in outcome.err
    assert snapshot(place) == before


def test_a_pip_that_was_lost_with_its_directory_comes_again(cloche) -> None:
    place = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.12"), place).code == 0
    shutil.rmtree(place / "lib")
    assert "half-made" in found(cloche, place)
    assert cloche("upgrade", place).code == 0
    assert run(place / "bin" / "pip", "--version").startswith("pip ")
    assert found(cloche, place) == []


def test_seeds_are_brought_up_to_date(cloche, empty, tmp_path: Path) -> None:
    """pip 0.1 is older than any that can be had; the new one is laid down whole, and nothing of the old one is left."""
    make_wheel(tmp_path, "pip", "0.1", {"pip/__init__.py": "", "pip/old.py": ""}, entry_points="")
    place = empty("venv")
    run(
        pyenv_host(), "-m", "pip", "--python", place / "bin" / "python", "install", "-q", "--no-index",
        tmp_path / "pip-0.1-py3-none-any.whl",
    )  # fmt: skip
    assert cloche("upgrade", "--check", "--seeds", place).code == 1
    outcome = cloche("upgrade", "--seeds", place, "--json")
    assert outcome.code == 0, outcome.err
    [seed] = outcome.json["seeds"]
    assert run(place / "bin" / "pip", "--version").startswith(seed)
    site = next(place.glob("lib/*/site-packages"))
    assert not (site / "pip" / "old.py").exists()
    assert len(list(site.glob("pip-*.dist-info"))) == 1
    assert found(cloche, place) == []
    assert cloche("upgrade", "--check", "--seeds", place).code == 0


def test_what_people_keep_in_an_environment_stays_as_it_is(cloche, empty) -> None:
    """A lock of a program of theirs, a directory that a service logs to, one that nobody else may look into."""
    place = empty("venv", "3.11")
    (place / "var" / "log").mkdir(parents=True)
    (place / "var" / "log").chmod(0o770)
    (place / "var" / ".lock").write_text("theirs")
    (place / "var" / "secret").mkdir()
    (place / "var" / "secret" / "key").write_text("theirs")
    (place / "var" / "secret").chmod(0o700)
    place.chmod(0o750)
    before = snapshot(place / "var")
    assert cloche("upgrade", place, "-p", "3.12").code == 0
    assert snapshot(place / "var") == before
    assert place.stat().st_mode & 0o777 == 0o750
    assert not (place / "include" / "python3.11").exists()
    assert found(cloche, place) == []


def test_a_link_into_the_directory_for_packages_follows_it(cloche, furnished) -> None:
    place = furnished("venv", "3.11")
    package = next(place.glob("lib/*/site-packages/plain"))
    (place / "absolute").symlink_to(package)
    (place / "share" / "relative").symlink_to(os.path.relpath(package, place / "share"))
    (package.parent / "by_hand.py").symlink_to("plain/cli.py")
    (place / "bin" / "outward").symlink_to("/usr")
    assert cloche("upgrade", place, "-p", "3.12").code == 0
    for link in ("absolute", "share/relative"):
        assert (place / link).samefile(next(place.glob("lib/*/site-packages/plain")))
        assert not os.path.isabs(os.readlink(place / link))
    assert os.readlink(next(place.glob("lib/*/site-packages/by_hand.py"))) == "plain/cli.py"
    assert os.readlink(place / "bin" / "outward") == "/usr"
    assert found(cloche, place) == []


def test_an_activation_script_that_was_edited_comes_along_as_it_is(cloche) -> None:
    place = cloche.cwd / "env"
    assert cloche("-p", pyenv("3.11"), "--no-seed", place).code == 0
    script = place / "bin" / "activate"
    edited = script.read_text() + "export MINE='set here'\n"
    script.write_text(edited)
    for minor in ("3.12", "3.11"):
        outcome = cloche("upgrade", place, "-p", minor)
        assert outcome.code == 0, outcome.err
        assert script.read_text() == edited
        assert complaints(place, furnished=False) == []
        assert found(cloche, place) == []
