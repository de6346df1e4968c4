"""Test that `--clear` replaces an environment and nothing else, and that no flag deletes what people do not expect to lose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import cloche as api
from cloche.apply import leftovers
from cloche.planning.clearing import PROJECT_FILES, is_system_directory
from cloche.store.reserved_names import VERSION_CONTROL
from tests.interpreters import pyenv
from tests.tools import require
from tests.trees import Tree, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run import Cloche


def others(root: Path, *names: str) -> Tree:
    """Return the tree below a directory, only the entries with these names at the top."""
    return Tree({path: entry for path, entry in snapshot(root).items() if path.split("/")[0] in names})


def test_other_files_in_an_environment_stay(cloche: Cloche) -> None:
    root = cloche.cwd / "venv"
    assert cloche(root).code == 0
    (root / "notes.txt").write_text("precious")
    (root / "src" / "checkout" / ".git").mkdir(parents=True)
    for name in ("scripts", "local", "Lib"):
        (root / name).mkdir()
        (root / name / "mine").touch()
    (root / ".env").symlink_to("notes.txt")
    (root / "bin" / "leftover").touch()
    (root / "lib" / "leftover").touch()
    names = ("notes.txt", "src", ".env", "scripts", "local", "Lib")
    kept = others(root, *names)

    done = cloche(root, "--clear")

    assert done.out.startswith("replaced venv: ")
    assert others(root, *names) == kept
    assert not (root / "bin" / "leftover").exists()
    assert not (root / "lib" / "leftover").exists()
    assert (root / ".gitignore").read_text() == "*\n"
    assert cloche("doctor", root).code == 0
    assert subprocess.run([root / "bin" / "pip", "--version"], capture_output=True, check=False).returncode == 0


def test_what_cannot_be_removed_of_the_old_environment_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "venv"
    api.create(root, seeds=None)
    monkeypatch.setattr(leftovers, "remove_file", lambda _: False)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)

    result = api.create_with_result(root, seeds=None, existing="replace")

    assert any(str(tmp_path / ".venv.cloche-0") in warning for warning in result.warnings)


def test_the_environment_of_a_project_is_replaced_and_the_project_stays(cloche: Cloche) -> None:
    project = cloche.cwd
    (project / ".git").mkdir()
    (project / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (project / ".gitignore").write_text("*.pyc\n")
    for path in ("bin/deploy", "lib/code.c", "pyproject.toml"):
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text("precious")
    before = snapshot(project)
    assert cloche(".").out.startswith("added")
    (project / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages" / "x.py").touch()

    done = cloche(".", "--clear", "--no-seed", "-p", "3.12")

    assert done.code == 0, done.err
    after = snapshot(project)
    assert {path: after.get(path) for path in before} == before
    assert sorted(os.listdir(project / "lib")) == ["code.c", "python3.12"]
    assert not (project / "bin" / "pip").exists()
    assert not (project / "CACHEDIR.TAG").exists()
    assert cloche(".", "--clear", "--no-seed").code == 0, "it remains an environment that was added"


def test_an_environment_that_venv_added_to_a_project_is_replaced(cloche: Cloche) -> None:
    subprocess.run([pyenv("3.12"), "-m", "venv", cloche.cwd], check=True)
    (cloche.cwd / "setup.py").write_text("precious")
    (cloche.cwd / "bin" / "deploy").write_text("#!/bin/sh\n")
    script = cloche.cwd / "bin" / "unrecorded"
    script.write_text(f"#!{cloche.cwd}/bin/python\n")

    assert cloche(".", "--clear", "--no-seed").code == 0
    assert sorted(set(os.listdir(cloche.cwd)) - {".gitignore"}) == [
        ".cloche-manifest",
        "bin",
        "include",
        "lib",
        "lib64",
        "pyvenv.cfg",
        "setup.py",
    ]
    assert (cloche.cwd / "bin" / "deploy").exists()
    assert not script.exists()
    assert not (cloche.cwd / "bin" / "pip").exists()


def test_data_files_of_packages_belong_to_the_environment(cloche: Cloche) -> None:
    root = cloche.cwd / "venv"
    environment = api.create(root, seeds=None)
    metadata = root / environment.layout.purelib / "acme-1.0.dist-info"
    (root / "share" / "man").mkdir(parents=True)
    (root / "share" / "man" / "acme.1").touch()
    (root / "etc").mkdir()
    (root / "etc" / "acme.conf").touch()
    (root / "etc" / "mine.conf").touch()
    metadata.mkdir()
    record = "../../../share/man/acme.1,,\n../../../etc/acme.conf,,\n../../../../outside,,\n/etc/hostname,,\n"
    (metadata / "RECORD").write_text(record)
    (cloche.cwd / "outside").touch()

    assert cloche(root, "--clear", "--no-seed").code == 0

    assert not (root / "share").exists()
    assert os.listdir(root / "etc") == ["mine.conf"]
    assert (cloche.cwd / "outside").exists()


def test_what_is_behind_a_link_stays(cloche: Cloche) -> None:
    outside = cloche.cwd / "outside"
    outside.mkdir()
    root = cloche.cwd / "venv"
    assert cloche(root, "--no-seed").code == 0
    (root / "bin").rename(outside / "bin")
    (root / "bin").symlink_to(outside / "bin")
    (root / "pyproject.toml").touch()
    before = snapshot(outside)

    done = cloche(root, "--clear", "--no-seed")

    assert done.code in (0, 4)
    assert snapshot(outside) == before


def test_a_directory_without_an_environment_is_not_cleared(cloche: Cloche) -> None:
    (cloche.cwd / "letters").mkdir()
    (cloche.cwd / "letters" / "one.txt").touch()
    before = snapshot(cloche.cwd)

    done = cloche("letters", "--clear")

    assert (done.code, done.out) == (4, "")
    assert "--force" not in done.err, "a hint never offers what destroys"
    assert snapshot(cloche.cwd) == before
    assert cloche("letters", "--no-seed").out.startswith("added letters: "), "the hint works"
    assert cloche("letters", "--no-seed", "--clear").code == 0
    assert (cloche.cwd / "letters" / "one.txt").exists()


@pytest.mark.parametrize("flags", [["--clear", "--force"], ["--clear"]], ids=" ".join)
@pytest.mark.parametrize(
    "marker", [".git", ".hg", "_FOSSIL_", "pyproject.toml", "Makefile", "below/.git", "a/b/setup.py"]
)
def test_no_flag_deletes_a_repository_or_a_project(cloche: Cloche, marker: str, flags: list[str]) -> None:
    path = cloche.cwd / "work" / marker
    path.parent.mkdir(parents=True)
    path.touch()
    before = snapshot(cloche.cwd)

    done = cloche("work", *flags)

    assert (done.code, done.out) == (4, "")
    assert ("--force" not in flags) or f"contains `{marker}`" in done.err
    assert snapshot(cloche.cwd) == before


def test_every_version_control_system_and_project_file_is_recognized_in_any_case(
    cloche: Cloche, tmp_path: Path
) -> None:
    for name in (*VERSION_CONTROL, *PROJECT_FILES):
        directory = tmp_path / "work" / name
        directory.mkdir(parents=True)
        (directory / name.title()).touch()
        with pytest.raises(api.DestinationError, match="contains"):
            api.create(directory, existing="replace-anything", seeds=None)


@pytest.mark.parametrize(
    "argv", [[".", "--clear", "--force"], ["..", "--clear", "--force"], ["..", "--clear"]], ids=" ".join
)
def test_no_flag_deletes_the_current_directory(cloche: Cloche, argv: list[str]) -> None:
    deep = cloche.cwd / "one" / "two"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    before = snapshot(cloche.cwd)

    assert cloche(*argv, "--no-seed", cwd=deep).code == 4
    assert snapshot(cloche.cwd) == before


def test_the_current_directory_inside_an_environment_stays(cloche: Cloche) -> None:
    assert cloche("venv", "--no-seed").code == 0
    before = snapshot(cloche.cwd)

    done = cloche("..", "--clear", "--no-seed", cwd=cloche.cwd / "venv" / "lib")

    assert done.code == 4
    assert "the current directory is inside" in done.err
    assert snapshot(cloche.cwd) == before
    assert cloche(".", "--clear", "--no-seed", cwd=cloche.cwd / "venv").code == 0


def test_no_flag_deletes_the_home_directory(cloche: Cloche) -> None:
    for path in ("house", "house/me"):
        (cloche.cwd / "house" / "me").mkdir(parents=True, exist_ok=True)
        (cloche.cwd / "house" / "me" / "file").touch()
        done = cloche(path, "--clear", "--force", "--no-seed", HOME=str(cloche.cwd / "house" / "me"))
        assert done.code == 4
        assert "your home directory" in done.err
        assert (cloche.cwd / "house" / "me" / "file").exists()


@pytest.mark.parametrize("flags", [["--clear"], ["--clear", "--force"]], ids=" ".join)
def test_what_cannot_be_read_is_not_deleted(cloche: Cloche, flags: list[str]) -> None:
    """Each call that opens something in the directory fails in turn; a repository in it is never lost."""
    strace = require("strace")
    root = cloche.cwd / "venv"
    assert cloche(root, "--no-seed").code == 0
    (root / "work" / ".git").mkdir(parents=True)
    (root / "work" / ".git" / "HEAD").touch()
    before = snapshot(root / "work")
    command = [sys.executable, "-m", "cloche", root, "--no-seed", *flags]
    failed = 0
    for path in (root, root / "work", root / "work" / ".git", root / "bin", root / "lib", root / ".gitignore"):
        inject = [strace, "-f", "-o", os.devnull, "-P", path, "-e", "trace=openat", "-e", "inject=openat:error=EIO"]
        done = subprocess.run([*inject, *command], env=cloche.environ, capture_output=True, text=True, check=False)
        failed += done.returncode == 4
        assert done.returncode in (0, 4), done.stderr
        assert snapshot(root / "work") == before
        assert (root / ".gitignore").exists()
    assert failed >= 2


def test_force_replaces_everything_else(cloche: Cloche) -> None:
    for name in ("plain", "venv"):
        (cloche.cwd / name).mkdir()
        if name == "venv":
            assert cloche(name, "--no-seed").code == 0
        (cloche.cwd / name / "file").touch()
        assert cloche(name, "--clear", "--force", "--no-seed").code == 0
        assert not (cloche.cwd / name / "file").exists()


KILLED_AT = """
import os, sys
import cloche.apply.journal as journal
import cloche.apply.merge as merge
perform, remaining = journal.perform_step, [int(sys.argv.pop(1))]
def die(action, staging, target):
    if not remaining[0]:
        os.kill(os.getpid(), 9)
    remaining[0] -= 1
    perform(action, staging, target)
merge.perform_step = die
if sys.argv.pop(1) == "renames":  # without an exchange, cloche takes more steps
    journal.exchange = merge.exchange = lambda one, other: False
from cloche.__main__ main
sys.exit(main(sys.argv[1:]))
""".replace("__main__ main", "__main__ import main")


@pytest.mark.parametrize("how", ["exchange", "renames"])
@pytest.mark.parametrize("project", [False, True], ids=["environment", "project"])
def test_a_killed_run_leaves_the_old_environment_or_the_new_one(cloche: Cloche, how: str, project: bool) -> None:
    root = cloche.cwd / "venv"
    other = "3.11" if sys.version_info[:2] == (3, 12) else "3.12"
    assert cloche(root, "--no-seed", "-p", other).code == 0
    (root / "notes.txt").write_text("precious")
    if project:
        (root / "bin" / "deploy").write_text("precious")
        (root / ".git").mkdir()
    before = snapshot(root)
    for steps in range(100):
        argv = [sys.executable, "-c", KILLED_AT, str(steps), how, str(root), "--clear", "--no-seed"]
        done = subprocess.run(argv, cwd=cloche.cwd, env=cloche.environ, capture_output=True, text=True, check=False)
        assert (root / "notes.txt").read_text() == "precious"
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert cloche("doctor", "--fix", root).code == 0, steps
        assert snapshot(root) == before
    assert steps > (8 if project else 4)
    assert not project or (root / "bin" / "deploy").read_text() == "precious"
    assert cloche("info", root, "--json").json["python"]["actual"].startswith(f"3.{sys.version_info[1]}")


@pytest.mark.parametrize(
    ("path", "os_name"),
    [
        *(
            (path, "posix")
            for path in ("/", "/etc", "/usr/bin", "/usr/local", "/usr/local/lib", "/home/ana", "/var/lib")
        ),
        *((path, "posix") for path in ("/Library", "/Users/ana", "/opt", "/proc/1", "/dev/shm", "/root")),
        *((path, "nt") for path in ("C:\\", "C:\\Program Files", "c:\\windows\\System32", "D:\\Users\\ana")),
    ],
)
def test_a_directory_of_the_system_is_recognized(path: str, os_name: str) -> None:
    assert is_system_directory(path, os_name)


@pytest.mark.parametrize(
    ("path", "os_name"),
    [
        *((path, "posix") for path in ("/venv", "/app", "/opt/venv", "/srv/venv", "/tmp/venv", "/home/ana/venv")),
        *((path, "posix") for path in ("/usr/local/venv", "/var/www/venv", "/work/usr", "/Program", "/data/etc")),
        *((path, "nt") for path in ("C:\\venv", "C:\\Users\\ana\\venv", "C:\\Program Files\\App")),
    ],
)
def test_other_directories_are_not_of_the_system(path: str, os_name: str) -> None:
    assert not is_system_directory(path, os_name)


@pytest.mark.parametrize("path", ["/etc", "/usr/share"])
def test_a_directory_of_the_system_is_not_emptied(cloche: Cloche, path: str) -> None:
    done = cloche("--clear", "--force", "--dry-run", path)
    assert done.code == 4
    assert "is a system directory" in done.err


def test_an_installation_of_python_is_not_deleted(cloche: Cloche) -> None:
    library = cloche.cwd / "python" / "lib" / "pypy3.10"
    library.mkdir(parents=True)
    (library / "os.py").touch()
    done = cloche("--clear", "--force", "./python")
    assert done.code == 4
    assert "is an installation of Python (`lib/pypy3.10`)" in done.err
    assert (library / "os.py").exists()
