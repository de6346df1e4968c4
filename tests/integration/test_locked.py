"""Test environments with the packages of a lock file: what is in them, and how they follow changes of the lock file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cloche as api
import cloche as library
from tests.interpreters import pyenv
from tests.locks import BASE, package, pylock, sha256_of, simple_wheel, wheel_entry
from tests.run import Cloche, clean_environ, cloche_command_in
from tests.tools import require
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

VENV = [sys.executable, "-m", "venv", "--without-pip"]


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """The command line in an empty directory, with a cache of its own."""
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    return Cloche(tmp_path / "work", clean_environ(tmp_path / "home", tmp_path / "cache"))


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return tmp_path / "wheels"


def lock(cloche: Cloche, *wheels: Path, name: str = "pylock.toml", **keys: object) -> Path:
    """Write a lock file that names these wheels."""
    path = cloche.cwd / name
    path.write_text(pylock([package(*wheel.name.split("-")[:2], wheels=[wheel]) for wheel in wheels], **keys))
    return path


def create(cloche: Cloche, wheels: Path, *options: object, env: str = "env") -> dict:
    done = cloche(f"./{env}", "--lock", "pylock.toml", "--find-links", wheels, "--no-download", "--json", *options)
    assert done.code == 0, done.err
    return done.json


def site_of(env: Path) -> Path:
    [site] = env.glob("lib/python*/site-packages")
    return site


def installed(env: Path) -> list[str]:
    return sorted(path.name.removesuffix(".dist-info") for path in site_of(env).glob("*.dist-info"))


def changes(result: dict) -> dict[str, tuple[str, str]]:
    return {change["distribution"]: (change["old"], change["new"]) for change in result["plan"]["changes"]}


def create_warm(cloche: Cloche, wheels: Path) -> Path:
    """Create `env` from images with bytecode, like every run after the first two."""
    for env in ("first", "second", "env"):
        create(cloche, wheels, env=env)
    for env in ("first", "second"):
        shutil.rmtree(cloche.cwd / env)
    return cloche.cwd / "env"


def states(root: Path) -> dict[str, tuple[int, ...]]:
    """Return identity, mode, size and time of every file and directory.

    The time of the last change of the inode is left out: the store changes the number of hard links.
    """
    found = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns)
    return found


# A new environment


def test_a_new_environment_has_exactly_the_locked_packages(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"), simple_wheel(wheels, "eggs", "2.0"))
    simple_wheel(wheels, "bacon")

    result = create(cloche, wheels)

    env = cloche.cwd / "env"
    assert installed(env) == ["eggs-2.0", "spam-1.0"]
    assert changes(result) == {"eggs": ("", "2.0"), "spam": ("", "1.0")}
    assert subprocess.run([env / "bin/eggs"], capture_output=True, text=True, check=True).stdout == "2.0\n"
    assert not (site_of(env) / "pip").exists()
    assert "lock = sha256:" in (env / "pyvenv.cfg").read_text()


def test_the_provenance_is_part_of_the_environment(cloche: Cloche, wheels: Path) -> None:
    wheel = simple_wheel(wheels, "spam")
    lock(cloche, wheel)

    create(cloche, wheels)

    info = site_of(cloche.cwd / "env") / "spam-1.0.dist-info"
    assert json.loads((info / "provenance_url.json").read_text()) == {
        "url": BASE + wheel.name,
        "archive_info": {"hashes": {"sha256": sha256_of(wheel)}},
    }
    assert "spam-1.0.dist-info/provenance_url.json,sha256=" in (info / "RECORD").read_text()
    assert not (info / "direct_url.json").exists()


def test_two_locks_that_share_an_image_record_their_own_provenance(cloche: Cloche, wheels: Path) -> None:
    wheel = simple_wheel(wheels, "spam")
    lock(cloche, wheel)
    create(cloche, wheels)
    mirrored = wheel_entry(wheel.name, url=f"https://mirror.example/{wheel.name}", hashes={"sha256": sha256_of(wheel)})
    (cloche.cwd / "pylock.toml").write_text(pylock([package("spam", wheels=[mirrored])]))

    create(cloche, wheels, env="other")

    texts = [
        json.loads((site_of(cloche.cwd / env) / "spam-1.0.dist-info/provenance_url.json").read_text())["url"]
        for env in ("env", "other")
    ]
    assert texts == [BASE + wheel.name, f"https://mirror.example/{wheel.name}"]


def test_a_wheel_named_by_path_needs_no_other_source(cloche: Cloche) -> None:
    wheel = simple_wheel(cloche.cwd / "dist", "spam")
    entry = {"path": f"dist/{wheel.name}", "hashes": {"sha256": sha256_of(wheel)}}
    (cloche.cwd / "pylock.toml").write_text(pylock([package("spam", wheels=[entry])]))
    (cloche.cwd / "sub").mkdir()

    done = cloche("./env", "--lock", "../pylock.toml", "--no-download", cwd=cloche.cwd / "sub")

    assert done.code == 0, done.err
    assert installed(cloche.cwd / "sub" / "env") == ["spam-1.0"]


def test_a_direct_wheel_is_recorded_as_such(cloche: Cloche) -> None:
    wheel = simple_wheel(cloche.cwd / "dist", "spam")
    archive = {"path": f"dist/{wheel.name}", "hashes": {"sha256": sha256_of(wheel)}}
    (cloche.cwd / "pylock.toml").write_text(pylock([package("spam", archive=archive)]))

    assert cloche("./env", "--lock", "pylock.toml", "--no-download").code == 0

    info = site_of(cloche.cwd / "env") / "spam-1.0.dist-info"
    assert json.loads((info / "direct_url.json").read_text()) == {
        "url": wheel.as_uri(),
        "archive_info": {"hashes": {"sha256": sha256_of(wheel)}},
    }
    assert not (info / "provenance_url.json").exists()


def test_a_stored_image_needs_no_wheel(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    for env in ("first", "second"):
        create(cloche, wheels, env=env)
    shutil.rmtree(wheels)
    wheels.mkdir()
    (cloche.cwd / "pylock.toml").touch()  # the plan is made again

    create(cloche, wheels, env="third")

    assert installed(cloche.cwd / "third") == ["spam-1.0"]


def test_a_result_counts_many_packages(cloche: Cloche, wheels: Path) -> None:
    names = ("spam", "eggs", "bacon", "ham", "beans")
    lock(cloche, *(simple_wheel(wheels, name) for name in names))
    options = ["--lock", "pylock.toml", "--find-links", wheels]

    assert ", 5 packages (`-v` lists them), " in cloche("./env", *options).out
    listed = "  + bacon 1.0\n  + beans 1.0\n  + eggs 1.0\n  + ham 1.0\n  + spam 1.0\n"
    assert cloche("other", *options, "-v").out.endswith(listed)
    assert f"packages:   5 packages\n{listed}" in cloche("third", *options, "--dry-run").out
    assert "\noperations: none\n" in cloche("other", *options, "--dry-run").out
    assert ", 5 packages, " in cloche("./env", *options).out


def test_additional_seeds_do_not_replace_the_lock(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    simple_wheel(wheels, "eggs")

    create(cloche, wheels, "--seed", "eggs", "--seed", "spam")

    assert installed(cloche.cwd / "env") == ["eggs-1.0", "spam-1.0"]


def test_a_seed_in_another_version_contradicts_the_lock(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))

    done = cloche("./env", "--lock", "pylock.toml", "--find-links", wheels, "--seed", "spam==2.0")

    assert done.code == 2
    assert "`spam==2.0` contradicts the lock file, which has spam 1.0" in done.err
    assert not (cloche.cwd / "env").exists()


# Hashes


@pytest.mark.parametrize("source", ["find-links", "path"])
def test_a_file_with_another_hash_is_refused(source: str, cloche: Cloche, wheels: Path) -> None:
    wheel = simple_wheel(wheels, "spam")
    path = lock(cloche, wheel)
    if source == "path":
        entry = {"path": os.path.relpath(wheel, cloche.cwd), "hashes": {"sha256": sha256_of(wheel)}}
        path.write_text(pylock([package("spam", wheels=[entry])]))
    expected = sha256_of(wheel)
    create(cloche, wheels, env="before")
    other = simple_wheel(wheels, "spam", files={"spam/__init__.py": "evil = True\n"})
    before = snapshot(cloche.cwd)

    shutil.rmtree(cloche.cwd.parent / "cache")
    done = cloche("./env", "--lock", "pylock.toml", "--find-links", wheels, "--no-download")

    assert done.code == 5
    for text in ("spam", wheel.name, expected, sha256_of(other)):
        assert text in done.err
    assert snapshot(cloche.cwd) == before


def test_the_image_of_another_wheel_is_not_used(cloche: Cloche, wheels: Path, tmp_path: Path) -> None:
    lock(cloche, simple_wheel(tmp_path / "bad", "spam", files={"spam/__init__.py": "evil = True\n"}))
    create(cloche, tmp_path / "bad", env="bad")
    lock(cloche, simple_wheel(wheels, "spam"))

    create(cloche, wheels)

    assert "evil" not in (site_of(cloche.cwd / "env") / "spam" / "__init__.py").read_text()


def test_a_wrong_second_hash_is_not_hidden_by_the_cache(cloche: Cloche, wheels: Path) -> None:
    wheel = simple_wheel(wheels, "spam")
    lock(cloche, wheel)
    create(cloche, wheels)
    hashes = {"sha256": sha256_of(wheel), "sha512": "0" * 128}
    (cloche.cwd / "pylock.toml").write_text(pylock([package("spam", wheels=[wheel_entry(wheel.name, hashes=hashes)])]))

    done = cloche("other", "--lock", "pylock.toml", "--find-links", wheels, "--no-download")

    assert done.code == 5
    assert "its sha512 is" in done.err


# The same lock file again


def test_the_same_lock_again_writes_nothing(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"), simple_wheel(wheels, "eggs"))
    create(cloche, wheels)
    (cloche.cwd / "env" / "notes.txt").touch()
    before = states(cloche.cwd)

    results = [create(cloche, wheels) for _ in range(3)]

    assert [result["plan"]["outcome"] for result in results] == ["up to date"] * 3
    assert states(cloche.cwd) == before


def test_another_lock_file_with_the_same_selection_writes_nothing(cloche: Cloche, wheels: Path) -> None:
    spam, eggs = simple_wheel(wheels, "spam"), simple_wheel(wheels, "eggs")
    lock(cloche, spam)
    create(cloche, wheels)
    before = states(cloche.cwd / "env")
    entries = [package("spam", wheels=[spam]), package("eggs", wheels=[eggs], marker="sys_platform == 'plan9'")]
    (cloche.cwd / "pylock.toml").write_text("# a comment\n" + pylock(entries))

    assert create(cloche, wheels)["plan"]["outcome"] == "up to date"
    assert states(cloche.cwd / "env") == before


DAMAGE = {
    "module": "lib/python*/site-packages/spam/__init__.py",
    "script": "bin/spam",
    "record": "lib/python*/site-packages/spam-1.0.dist-info/RECORD",
    "provenance": "lib/python*/site-packages/spam-1.0.dist-info/provenance_url.json",
    "metadata": "lib/python*/site-packages/spam-1.0.dist-info",
    "activation": "bin/activate.fish",
    "python": "bin/python3",
    "manifest": ".cloche-manifest",
}


EDITABLE = ("metadata", "activation", "python", "manifest")
"""What is only deleted: users may edit these files, or the files are shared."""


@pytest.mark.parametrize(
    ("kind", "edit"),
    [*((kind, "deleted") for kind in DAMAGE), *((kind, "edited") for kind in DAMAGE if kind not in EDITABLE)],
)
def test_a_damaged_environment_is_repaired(kind: str, edit: str, cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"), simple_wheel(wheels, "eggs"))
    env = create_warm(cloche, wheels)
    complete = snapshot(env).without_bytecode()
    [path] = env.glob(DAMAGE[kind])
    content = path.read_bytes() if path.is_file() else b""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    if edit == "edited":
        path.write_bytes(bytes(reversed(content)))

    result = create(cloche, wheels)

    assert result["plan"]["outcome"] == ("updated" if kind == "metadata" else "repaired")
    assert snapshot(env).without_bytecode() == complete
    assert create(cloche, wheels)["plan"]["outcome"] == "up to date"


# Another lock file


def test_another_lock_adds_removes_and_changes_packages(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"), simple_wheel(wheels, "eggs"))
    create(cloche, wheels)
    lock(cloche, simple_wheel(wheels, "spam", "2.0"), simple_wheel(wheels, "bacon"))

    dry = cloche("./env", "--lock", "pylock.toml", "--find-links", wheels, "--dry-run")
    done = cloche("./env", "--lock", "pylock.toml", "--find-links", wheels, "-v")

    expected = ["  + bacon 1.0", "  - eggs 1.0", "  ~ spam 1.0 -> 2.0"]
    assert [line for line in dry.out.splitlines() if line.startswith(("  +", "  -", "  ~"))] == expected
    assert done.out.splitlines()[1:] == expected
    assert "2 packages (1 added, 1 removed, 1 changed)" in done.out
    env = cloche.cwd / "env"
    assert installed(env) == ["bacon-1.0", "spam-2.0"]
    assert not (site_of(env) / "eggs").exists()
    assert not (env / "bin" / "eggs").exists()


@pytest.mark.parametrize("place", ["replaced", "kept"])
def test_the_same_version_with_other_files_is_a_change(
    place: str, cloche: Cloche, wheels: Path, tmp_path: Path
) -> None:
    """It is one whether a new tree replaces the environment, or only what differs is replaced in a project's directory."""
    spam, eggs = simple_wheel(wheels, "spam"), simple_wheel(wheels, "eggs")
    lock(cloche, spam, eggs)
    create(cloche, wheels)
    if place == "kept":
        (cloche.cwd / "env" / ".git").mkdir()
    newer = simple_wheel(tmp_path / "newer", "spam", files={"spam/__init__.py": "changed = True\n"})
    lock(cloche, newer, eggs)
    options = ("--lock", "pylock.toml", "--find-links", newer.parent, "--find-links", wheels, "--no-download")

    dry = cloche("./env", *options, "--dry-run")
    result = cloche("./env", *options, "--json").json

    assert [line for line in dry.out.splitlines() if line.startswith("  ~")] == ["  ~ spam 1.0 (with other files)"]
    assert "(1 changed)" in dry.out
    assert result["plan"]["outcome"] == "updated"
    assert changes(result) == {"spam": ("1.0", "1.0")}


def test_damage_and_new_bytecode_are_no_changes(cloche: Cloche, wheels: Path) -> None:
    """The second environment is the first one with bytecode, which its RECORD lists."""
    lock(cloche, simple_wheel(wheels, "spam"), simple_wheel(wheels, "eggs"))
    create(cloche, wheels)
    create(cloche, wheels, env="second")
    for package_name in ("spam", "eggs"):
        (site_of(cloche.cwd / "env") / package_name / "__init__.py").unlink()

    result = create(cloche, wheels)

    assert result["plan"]["outcome"] == "repaired"
    assert changes(result) == {}


KERNEL = '{"argv": ["python"]}'


def add_user_files(env: Path) -> dict[str, str]:
    """Add files that belong to no package; return their contents by path."""
    files = {
        "notes.txt": "mine",
        "share/jupyter/kernels/mine/kernel.json": KERNEL,
        f"{site_of(env).relative_to(env)}/mine.pth": "/somewhere\n",
        f"{site_of(env).relative_to(env)}/module.py": "x = 1\n",
        "bin/tool": "#!/bin/sh\n",
        ".gitignore": "# mine\n",
    }
    for name, text in files.items():
        (env / name).parent.mkdir(parents=True, exist_ok=True)
        (env / name).write_text(text)
    (env / "bin" / "tool").chmod(0o755)
    (env / "link").symlink_to("notes.txt")
    (env / "logs").mkdir(mode=0o700)
    with open(env / "bin" / "activate", "a") as script:
        script.write("export MINE=1\n")
    return files


def assert_user_files(env: Path, files: dict[str, str]) -> None:
    assert {name: (env / name).read_text() for name in files} == files
    assert os.access(env / "bin" / "tool", os.X_OK)
    assert os.readlink(env / "link") == "notes.txt"
    assert (env / "logs").stat().st_mode & 0o777 == 0o700
    assert (env / "bin" / "activate").read_text().endswith("export MINE=1\n")


def test_files_that_cannot_be_listed_are_not_lost(cloche: Cloche, wheels: Path) -> None:
    """One attempt to open a directory of the user fails, whichever it is, and the others succeed."""
    strace = require("strace")
    versions = [
        lock(cloche, simple_wheel(wheels, "spam", "1.0")),
        lock(cloche, simple_wheel(wheels, "spam", "2.0"), name="pylock.other.toml"),
    ]
    create(cloche, wheels)
    notes = cloche.cwd / "env" / "notes"
    notes.mkdir()
    (notes / "one.txt").write_text("mine")
    command = [sys.executable, "-m", "cloche", "./env", "--find-links", wheels, "--no-download", "--lock"]
    refused = 0
    for number in range(1, 13):
        fault = f"inject=openat:error=EIO:when={number}"
        inject = [strace, "-f", "-o", os.devnull, "-P", notes, "-e", "trace=openat", "-e", fault]
        wanted = versions[1] if installed(cloche.cwd / "env") == ["spam-1.0"] else versions[0]

        done = subprocess.run(
            [*inject, *command, wanted], cwd=cloche.cwd, env=cloche.environ, capture_output=True, text=True, check=False
        )

        refused += done.returncode != 0
        assert (notes / "one.txt").read_text() == "mine"
        assert done.returncode in (0, 1, 4), done.stderr
        assert not done.returncode or "nothing was changed" in done.stderr
    assert refused > 1


def test_files_that_belong_to_no_package_are_kept(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"), simple_wheel(wheels, "eggs"))
    create(cloche, wheels)
    env = cloche.cwd / "env"
    files = add_user_files(env)
    inode = (env / "notes.txt").stat().st_ino
    assert create(cloche, wheels)["plan"]["outcome"] == "up to date"

    lock(cloche, simple_wheel(wheels, "spam", "2.0"))
    result = create(cloche, wheels)

    assert result["plan"]["strategy"] == "exchange"
    assert installed(env) == ["spam-2.0"]
    assert not (site_of(env) / "eggs").exists()
    assert_user_files(env, files)
    assert (env / "notes.txt").stat().st_ino == inode
    assert create(cloche, wheels)["plan"]["outcome"] == "up to date"


@pytest.mark.parametrize("reason", ["project", "current directory"])
def test_a_directory_that_must_stay_is_changed_step_by_step(reason: str, cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"), simple_wheel(wheels, "eggs"), simple_wheel(wheels, "ham"))
    env = create_warm(cloche, wheels)
    files = add_user_files(env)
    if reason == "project":
        (env / "pyproject.toml").write_text("[project]\n")
    ham = (site_of(env) / "ham" / "__init__.py").stat().st_ino
    inode = env.stat().st_ino
    lock(cloche, simple_wheel(wheels, "spam", "2.0"), wheels / "ham-1.0-py3-none-any.whl")
    where = cloche.cwd if reason == "project" else env / "logs"
    done = cloche(env, "--lock", cloche.cwd / "pylock.toml", "--find-links", wheels, "--json", cwd=where)

    assert done.code == 0, done.err
    assert done.json["plan"]["strategy"] == "merge"
    assert changes(done.json) == {"eggs": ("1.0", ""), "spam": ("1.0", "2.0")}
    assert env.stat().st_ino == inode
    assert installed(env) == ["ham-1.0", "spam-2.0"]
    assert not (site_of(env) / "eggs").exists()
    assert (site_of(env) / "ham" / "__init__.py").stat().st_ino == ham
    assert "version = '2.0'" in (site_of(env) / "spam" / "__init__.py").read_text()
    assert_user_files(env, files)
    assert create(cloche, wheels)["plan"]["outcome"] == "up to date"


def install(env: Path, wheel: Path, *options: str) -> None:
    """Install a wheel with uv, which can do so in every environment."""
    command = [require("uv"), "pip", "install", "-q", "--python", env / "bin" / "python", "--no-deps", "--no-index"]
    subprocess.run([*command, *options, wheel], check=True)


def test_packages_that_somebody_installed_are_named_before_they_are_removed(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    env = cloche.cwd / "env"
    install(env, simple_wheel(wheels, "eggs"))

    done = cloche("./env", "--lock", "pylock.toml", "--find-links", wheels)

    assert done.code == 0
    assert done.err == "cloche: warning: eggs 1.0 is not in the lock file and is removed; uv installed it\n"
    assert installed(env) == ["spam-1.0"]
    assert not (env / "bin" / "eggs").exists()
    assert not (site_of(env) / "eggs").exists()


def test_a_run_without_the_lock_warns_that_the_environment_no_longer_follows_it(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam", "1.0"))
    create(cloche, wheels)
    warning = f"`{cloche.cwd / 'env'}` no longer follows the lock file"

    assert warning in cloche("./env", "--no-seed").err
    assert warning not in cloche("./env", "--no-seed").err
    create(cloche, wheels)
    assert "lock = sha256:" in (cloche.cwd / "env" / "pyvenv.cfg").read_text()


def test_packages_that_somebody_installed_can_be_kept(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    env = cloche.cwd / "env"
    install(env, simple_wheel(wheels, "eggs"))
    lock(cloche, simple_wheel(wheels, "spam", "2.0"))

    for outcome in ("updated", "up to date"):
        done = cloche("./env", "--lock", "pylock.toml", "--find-links", wheels, "--keep-extra", "--json")
        assert (done.code, done.err) == (0, "")
        assert done.json["plan"]["outcome"] == outcome
        assert installed(env) == ["eggs-1.0", "spam-2.0"]
    ran = subprocess.run([env / "bin" / "eggs"], capture_output=True, text=True, check=True)
    assert ran.stdout == "1.0\n"


def test_a_stronger_source_decides_between_keeping_packages_and_a_new_environment(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    env = cloche.cwd / "env"
    install(env, simple_wheel(wheels, "eggs"))
    options = ["--lock", "pylock.toml", "--find-links", wheels]

    assert cloche("./env", *options, "--keep-extra", CLOCHE_CLEAR="1").code == 0
    assert installed(env) == ["eggs-1.0", "spam-1.0"]
    assert cloche("./env", *options, "--clear", CLOCHE_KEEP_EXTRA="1").code == 0
    assert installed(env) == ["spam-1.0"]


def test_a_locked_package_that_another_tool_replaced_is_restored(cloche: Cloche, wheels: Path, tmp_path: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    env = create_warm(cloche, wheels)
    before = snapshot(env).without_bytecode()
    newer = simple_wheel(tmp_path / "newer", "spam", files={"spam/__init__.py": "", "spam/added.py": ""})
    install(env, newer, "--reinstall")

    assert create(cloche, wheels)["plan"]["outcome"] == "repaired"
    assert snapshot(env).without_bytecode() == before


def test_the_environment_of_another_tool_gets_the_packages(cloche: Cloche, wheels: Path) -> None:
    env = cloche.cwd / "env"
    subprocess.run([*VENV, env], check=True)
    install(env, simple_wheel(wheels, "eggs"))
    lock(cloche, simple_wheel(wheels, "spam"))

    result = create(cloche, wheels)

    assert changes(result) == {"eggs": ("1.0", ""), "spam": ("", "1.0")}
    assert installed(env) == ["spam-1.0"]
    assert create(cloche, wheels)["plan"]["outcome"] == "up to date"


@pytest.mark.parametrize("locked", [True, False], ids=["locked", "refreshed"])
@pytest.mark.parametrize("tool", ["uv", "venv"])
def test_the_scripts_of_another_tool_count_as_they_are(tool: str, locked: bool, cloche: Cloche, wheels: Path) -> None:
    env = cloche.cwd / "env"
    command = {"uv": [require("uv"), "venv", "-q", "--no-project", "-p", sys.executable], "venv": VENV}[tool]
    subprocess.run([*command, env], check=True)
    (env / "bin" / "activate.odd").write_text("")  # of a shell that cloche does not know
    lock(cloche, simple_wheel(wheels, "spam"))

    for _ in range(2):
        assert (
            cloche("./env", *(["--lock", "pylock.toml", "--find-links", wheels] if locked else ["--no-pip"])).code == 0
        )
        done = cloche("verify", "env")
        assert done.code == 0, done.out

    (env / "bin" / "activate.odd").write_text("edited")
    (env / "bin" / "activate.new").write_text("")
    done = cloche("verify", "env")
    assert done.code == 1
    assert [line.split(":")[0] for line in done.out.splitlines()[:2]] == ["added", "modified"]


def test_an_empty_lock_empties_the_environment(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    lock(cloche)

    create(cloche, wheels)

    assert list(site_of(cloche.cwd / "env").iterdir()) == []


def test_a_refused_update_changes_nothing(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    lock(cloche, simple_wheel(wheels, "spam"), simple_wheel(wheels, "eggs"))
    (wheels / "eggs-1.0-py3-none-any.whl").write_bytes(b"no wheel")
    before = states(cloche.cwd / "env")

    done = cloche("./env", "--lock", "pylock.toml", "--find-links", wheels, "--no-download")

    assert done.code == 5
    assert states(cloche.cwd / "env") == before


# Files that several packages contain


def conflicting(wheels: Path, *contents: str) -> Iterable[Path]:
    for name, content in zip(("eggs", "spam"), contents, strict=True):
        files = {f"{name}/__init__.py": "def main(): pass\n", "shared/__init__.py": content}
        yield simple_wheel(wheels, name, files=files)


def test_a_file_that_two_packages_share_is_installed_once(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, *conflicting(wheels, "same\n", "same\n"))

    done = cloche("./env", "--lock", "pylock.toml", "--find-links", wheels)

    assert (done.code, done.err) == (0, "")
    site = site_of(cloche.cwd / "env")
    records = [name for name in ("eggs", "spam") if "shared" in (site / f"{name}-1.0.dist-info/RECORD").read_text()]
    assert records == ["spam"]


def test_of_two_different_files_the_later_one_is_installed(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, *conflicting(wheels, "x = 'eggs'\n", "x = 'spam'\n"))

    for env in ("env", "other", "third"):  # without and with bytecode
        done = cloche(f"./{env}", "--lock", "pylock.toml", "--find-links", wheels)

        site = site_of(cloche.cwd / env)
        name = f"{site.relative_to(cloche.cwd / env)}/shared/__init__.py"
        assert done.err == (
            f"cloche: warning: `eggs` and `spam` both contain `{name}`; the file from `spam` is installed\n"
        )
        ran = subprocess.run(
            [cloche.cwd / env / "bin/python", "-c", "import shared; print(shared.x)"], capture_output=True, text=True
        )
        assert ran.stdout == "spam\n"
        assert cloche("doctor", env).code == 0


def test_a_script_that_two_packages_declare_is_installed_once(cloche: Cloche, wheels: Path) -> None:
    points = "[console_scripts]\ntool = {}:main\n"
    lock(cloche, *(simple_wheel(wheels, name, entry_points=points.format(name)) for name in ("eggs", "spam")))

    done = cloche("./env", "--lock", "pylock.toml", "--find-links", wheels)

    assert done.err == "cloche: warning: `eggs` and `spam` both contain `bin/tool`; the file from `spam` is installed\n"
    assert "from spam import main" in (cloche.cwd / "env" / "bin" / "tool").read_text()


# Settings


@pytest.mark.parametrize("source", ["variable", "project"])
def test_the_lock_can_be_a_setting(source: str, cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    (cloche.cwd / "sub").mkdir()
    variables = {"CLOCHE_LOCK": str(cloche.cwd / "pylock.toml")} if source == "variable" else {}
    if source == "project":
        (cloche.cwd / "pyproject.toml").write_text('[tool.cloche]\nlock = "pylock.toml"\n')

    done = cloche("./env", "--find-links", wheels, cwd=cloche.cwd / "sub", **variables)

    assert done.code == 0, done.err
    assert installed(cloche.cwd / "sub" / "env") == ["spam-1.0"]


def test_a_stronger_setting_wins_over_its_opposite(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    (cloche.cwd / "pyproject.toml").write_text('[tool.cloche]\nlock = "pylock.toml"\n')

    assert cloche("empty", "--no-seed", "--find-links", wheels).code == 0
    assert cloche("also", "--without-pip", "--find-links", wheels).code == 0
    assert cloche("full", "--lock", "pylock.toml", "--find-links", wheels, CLOCHE_NO_SEED="1").code == 0
    assert cloche("off", "--find-links", wheels, CLOCHE_NO_SEED="0").code == 0

    counts = {env: len(installed(cloche.cwd / env)) for env in ("empty", "also", "full", "off")}
    assert counts == {"empty": 0, "also": 0, "full": 1, "off": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lock", "pylock.toml", "--no-seed"], "`--lock` and `--no-seed` contradict each other"),
        (["--lock", "pylock.toml", "--clear", "--keep-extra"], "`--keep-extra` contradicts `--clear`"),
        (["--extra", "fast"], "`--extra` needs a lock file"),
        (["--keep-extra"], "`--keep-extra` needs a lock file"),
        (["--seeder", "lock"], "the seeder `lock` needs a lock file"),
        (["--lock", "pylock.toml", "--seeder", "pip"], "seeder `pip` does not install the packages of a lock file"),
        (["--lock", "missing.toml"], "cannot be read: no such file or directory"),
        (["--lock", "notes.toml"], "neither a `pylock.toml` nor a requirements file"),
        (["--lock", "pylock.missing.toml"], "cannot be read: no such file or directory"),
        (["--lock", ""], "`--lock` needs a value"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: list[str], message: str, cloche: Cloche) -> None:
    lock(cloche)
    (cloche.cwd / "notes.toml").touch()

    done = cloche("./env", *options)

    assert done.code == 2
    assert message in done.err
    assert not (cloche.cwd / "env").exists()


def test_a_requirements_file_is_a_lock_too(cloche: Cloche, wheels: Path) -> None:
    wheel = simple_wheel(wheels, "spam")
    (cloche.cwd / "requirements.txt").write_text(f"spam==1.0 \\\n    --hash=sha256:{sha256_of(wheel)}\n")

    for outcome in ("created", "up to date"):
        done = cloche("./env", "--lock", "requirements.txt", "--find-links", wheels, "--no-download", "--json")
        assert done.code == 0, done.err
        assert done.json["plan"]["outcome"] == outcome
    assert installed(cloche.cwd / "env") == ["spam-1.0"]


def test_a_change_of_a_nested_file_is_noticed(cloche: Cloche, wheels: Path) -> None:
    simple_wheel(wheels, "spam")
    simple_wheel(wheels, "eggs")
    (cloche.cwd / "requirements.txt").write_text("-r nested.txt\n")
    (cloche.cwd / "nested.txt").write_text("spam==1.0\n")
    options = ["--lock", "requirements.txt", "--find-links", wheels, "--no-download"]
    for env in ("a", "b", "c"):
        assert cloche(env, *options).code == 0
    (cloche.cwd / "nested.txt").write_text("eggs==1.0\n")

    assert cloche("a", *options).code == 0

    assert installed(cloche.cwd / "a") == ["eggs-1.0"]


def test_the_python_interface_takes_a_lock(cloche: Cloche, wheels: Path, tmp_path: Path) -> None:
    path = lock(cloche, simple_wheel(wheels, "spam"))
    options = {"lock": path, "find_links": [wheels], "network": "never", "cache": tmp_path / "cache"}

    environment = library.create(tmp_path / "env", **options)
    planned = library.plan(tmp_path / "env", **options)

    assert installed(environment.root) == ["spam-1.0"]
    assert (planned.strategy, planned.operations) == ("nothing", ())


def test_a_dry_run_writes_nothing(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    lock(cloche, simple_wheel(wheels, "spam", "2.0"))
    before = states(cloche.cwd)

    assert create(cloche, wheels, "--dry-run")["plan"]["outcome"] == "updated"

    assert states(cloche.cwd) == before


# Other commands


def other_python() -> str:
    """Return the version of an installed CPython other than the one that runs the tests."""
    versions = ["3.12", "3.13", "3.10", "3.9"]
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return next(version for version in versions if version != own)


def test_upgrade_selects_from_the_lock_for_the_new_python(cloche: Cloche, wheels: Path, tmp_path: Path) -> None:
    own, new = f"{sys.version_info[0]}.{sys.version_info[1]}", other_python()
    entries = [
        package("spam", wheels=[simple_wheel(wheels, "spam")]),
        package("eggs", wheels=[simple_wheel(wheels, "eggs")], marker=f"python_version == '{own}'"),
        package("bacon", wheels=[simple_wheel(wheels, "bacon")], marker=f"python_version == '{new}'"),
    ]
    (cloche.cwd / "pylock.toml").write_text(pylock(entries))
    create(cloche, wheels)
    env = cloche.cwd / "env"
    install(env, simple_wheel(tmp_path / "others", "ham"))
    assert installed(env) == ["eggs-1.0", "ham-1.0", "spam-1.0"]

    done = cloche("upgrade", "env", "-p", new)

    assert done.code == 0, done.err
    assert installed(env) == ["bacon-1.0", "ham-1.0", "spam-1.0"]
    assert (
        cloche("./env", "-p", new, "--lock", "pylock.toml", "--keep-extra", "--json").json["plan"]["outcome"]
        == "up to date"
    )


def test_an_upgrade_that_the_lock_does_not_allow_changes_nothing(cloche: Cloche, wheels: Path) -> None:
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    lock(cloche, simple_wheel(wheels, "spam"), requires_python=f"=={own}.*")
    create(cloche, wheels)
    before = states(cloche.cwd)

    done = cloche("upgrade", "env", "-p", other_python())

    assert done.code == 5
    assert f"needs Python =={own}.*" in done.err
    assert states(cloche.cwd) == before


def test_doctor_names_the_command_that_restores_a_locked_package(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    env = cloche.cwd / "env"
    assert cloche("doctor", "env").code == 0
    (site_of(env) / "spam" / "__init__.py").unlink()

    [finding] = cloche("doctor", "env", "--json").json["environments"][0]["findings"]

    python = cloche("info", env, "--json").json["environment"]["interpreter"]["executable"]
    command = f"cloche {env} -p {python} --lock {cloche.cwd}/pylock.toml --find-links {wheels}"
    assert (finding["code"], finding["remedy"]) == ("record-missing", f"`{command}`")
    assert cloche(*command.split()[1:]).code == 0
    assert cloche("doctor", "env").code == 0


def test_an_additional_seed_brings_what_the_lock_does_not_have(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    simple_wheel(wheels, "eggs", requires=["spam", "bacon"])
    simple_wheel(wheels, "bacon")

    create(cloche, wheels, "--seed", "eggs")

    assert installed(cloche.cwd / "env") == ["bacon-1.0", "eggs-1.0", "spam-1.0"]


# Packages that have to be built


def project(directory: Path, name: str) -> Path:
    """Create a project with one module and a build backend that needs nothing."""
    (directory / "src").mkdir(parents=True)
    (directory / "src" / f"{name}.py").write_text("import os\n\nwhere = os.path.dirname(__file__)\n")
    (directory / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\n\n'
        f'[tool.hatch.build.targets.wheel]\nsources = ["src"]\nonly-include = ["src/{name}.py"]\n'
    )
    return directory


@pytest.mark.nightly
@pytest.mark.parametrize("editable", [False, True])
def test_a_directory_is_built_and_installed(editable: bool, cloche: Cloche) -> None:
    member = project(cloche.cwd / "member", "spam")
    entry = package("spam", "", directory={"path": "member", "editable": editable})
    (cloche.cwd / "pylock.toml").write_text(pylock([entry]))

    for outcome in ("created", "up to date"):
        done = cloche("./env", "--lock", "pylock.toml", "--json")
        assert done.code == 0, done.err
        assert done.json["plan"]["outcome"] == outcome

    env = cloche.cwd / "env"
    where = subprocess.run(
        [env / "bin" / "python", "-c", "import spam; print(spam.where)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert where == str(member / "src" if editable else site_of(env))
    direct = json.loads((site_of(env) / "spam-1.0.dist-info" / "direct_url.json").read_text())
    assert direct == {"url": member.as_uri(), "dir_info": {"editable": editable}}


@pytest.mark.nightly
def test_a_directory_with_other_content_is_a_change(cloche: Cloche) -> None:
    member = project(cloche.cwd / "member", "spam")
    (cloche.cwd / "pylock.toml").write_text(pylock([package("spam", "", directory={"path": "member"})]))
    assert cloche("./env", "--lock", "pylock.toml").code == 0
    (member / "src" / "spam.py").write_text("changed = True\n")

    result = cloche("./env", "--lock", "pylock.toml", "--json").json

    assert result["plan"]["outcome"] == "updated"
    assert changes(result) == {"spam": ("1.0", "1.0")}


def test_a_build_can_be_refused(cloche: Cloche) -> None:
    project(cloche.cwd / "member", "spam")
    (cloche.cwd / "pylock.toml").write_text(pylock([package("spam", "1.0", directory={"path": "member"})]))

    done = cloche("./env", "--lock", "pylock.toml", "--only-binary")

    assert done.code == 5
    assert "`--only-binary` prevents building" in done.err
    assert "`spam 1.0`" in done.err
    assert not (cloche.cwd / "env").exists()


@pytest.mark.parametrize("mode", ["copy", "hardlink", "symlink"])
def test_an_environment_is_up_to_date_however_its_files_got_there(mode: str, cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))

    outcomes = [create(cloche, wheels, "--link-mode", mode)["plan"]["outcome"] for _ in range(3)]

    assert outcomes == ["created", "up to date", "up to date"]


@pytest.mark.parametrize("options", [[], ["--relocatable"]], ids=["fixed", "relocatable"])
def test_a_moved_environment_is_up_to_date(options: list[str], cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels, *options)
    assert cloche("move", "env", "moved").code == 0
    before = states(cloche.cwd / "moved")

    assert create(cloche, wheels, *options, env="moved")["plan"]["outcome"] == "up to date"
    assert states(cloche.cwd / "moved") == before


def test_a_relocatable_environment_stays_so(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels, "--relocatable")
    lock(cloche, simple_wheel(wheels, "spam", "2.0"))

    create(cloche, wheels)

    env = cloche.cwd / "env"
    assert "relocatable = true" in (env / "pyvenv.cfg").read_text()
    assert str(env) not in (env / "bin" / "spam").read_text()


def test_clear_replaces_the_environment_and_keeps_other_files(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    (extra,) = (cloche.cwd / "env" / "lib").glob("python*/site-packages")
    (extra / "extra.py").touch()
    (cloche.cwd / "env" / "notes.txt").write_text("mine")

    result = create(cloche, wheels, "--clear")

    assert result["plan"]["outcome"] == "replaced"
    assert not (extra / "extra.py").exists()
    assert (cloche.cwd / "env" / "notes.txt").read_text() == "mine"


def test_an_environment_of_another_python_is_not_replaced(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    before = states(cloche.cwd)

    done = cloche("./env", "-p", other_python(), "--lock", "pylock.toml", "--find-links", wheels)

    assert done.code == 4
    assert "cloche upgrade" in done.err
    assert states(cloche.cwd) == before


def test_leftovers_of_a_killed_run_are_removed_even_if_nothing_changes(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    leftovers = [cloche.cwd / ".env.cloche-0", cloche.cwd / "env" / ".cloche-0"]
    for leftover in leftovers:
        (leftover / "new" / "bin").mkdir(parents=True)

    assert create(cloche, wheels)["plan"]["outcome"] == "up to date"

    assert [path for path in leftovers if path.exists()] == []


@pytest.mark.parametrize("creator", ["copy", "venv"])
def test_environments_of_every_creator_are_updated_and_repaired(creator: str, cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels, "--creator", creator)
    env = cloche.cwd / "env"
    files = add_user_files(env)
    assert create(cloche, wheels, "--creator", creator)["plan"]["outcome"] == "up to date"
    lock(cloche, simple_wheel(wheels, "spam", "2.0"))

    assert create(cloche, wheels, "--creator", creator)["plan"]["outcome"] == "updated"

    assert installed(env) == ["spam-2.0"]
    assert_user_files(env, files)
    if creator == "copy":
        (env / "bin" / "python3").unlink()
        assert create(cloche, wheels, "--creator", creator)["plan"]["outcome"] == "repaired"
    assert subprocess.run([env / "bin/python3", "-c", "import spam"], check=False).returncode == 0
    assert create(cloche, wheels, "--creator", creator)["plan"]["outcome"] == "up to date"


def test_a_cloche_in_the_environment_only_confirms_it(cloche: Cloche, wheels: Path) -> None:
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    command = [*cloche_command_in(cloche.cwd / "env"), "./env", "--lock", "pylock.toml", "--find-links", wheels]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, command)], cwd=cloche.cwd, env=cloche.environ, capture_output=True, text=True, check=False
        )

    assert run().returncode == 0
    lock(cloche, simple_wheel(wheels, "spam", "2.0"))
    before = installed(cloche.cwd / "env")
    refused = run()

    assert refused.returncode == 4
    assert "an update from a lock file would delete it" in refused.stderr
    assert installed(cloche.cwd / "env") == before


def test_an_environment_in_use_as_the_current_directory_is_updated_in_place(cloche: Cloche, wheels: Path) -> None:
    """A shell in a directory that was exchanged would be in the old one, which is removed."""
    lock(cloche, simple_wheel(wheels, "spam"))
    create(cloche, wheels)
    lock(cloche, simple_wheel(wheels, "spam", "2.0"))
    env = cloche.cwd / "env"
    before = env.stat().st_ino

    done = cloche(".", "--lock", "../pylock.toml", "--find-links", wheels, cwd=env)

    assert done.code == 0, done.err
    assert env.stat().st_ino == before
    assert installed(env) == ["spam-2.0"]


def test_an_environment_is_updated_where_clear_would_empty_no_directory(
    cloche: Cloche, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update replaces the environment only, so an image may have it at `/home/ci`."""
    monkeypatch.setattr("cloche.planning.clearing.is_system_directory", lambda *_: True)
    for version in ("1.0", "2.0"):
        lock(cloche, simple_wheel(wheels, "spam", version))
        options = {"lock": cloche.cwd / "pylock.toml", "find_links": [wheels], "environ": cloche.environ}
        api.create(cloche.cwd / "env", **options)

    assert installed(cloche.cwd / "env") == ["spam-2.0"]


def test_an_interrupt_while_wheels_are_unpacked_leaves_nothing_unfinished(cloche: Cloche, wheels: Path) -> None:
    """Threads unpack them. None of them may delay the exit until its wheel is unpacked."""
    files = {f"{{name}}/module{item}.py": "" for item in range(1500)}
    named = {name: {path.format(name=name): text for path, text in files.items()} for name in ("one", "two")}
    lock(cloche, *(simple_wheel(wheels, name, files=files) for name, files in named.items()))
    words = [sys.executable, "-m", "cloche", "./env", "--lock", "pylock.toml", "--find-links", wheels, "--no-download"]
    running = subprocess.Popen(
        words, cwd=cloche.cwd, env=cloche.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    store = Path(cloche.environ["XDG_CACHE_HOME"]) / "cloche"
    while not list(store.glob("images/*/*.new/purelib")):
        assert running.poll() is None, running.communicate()
        time.sleep(0.001)
    running.send_signal(signal.SIGTERM)
    output = running.communicate(timeout=60)

    assert (running.returncode, *output) == (143, b"", b"cloche: interrupted\n")
    assert [path for path in store.rglob("*") if path.suffix in (".new", ".old")] == []
    assert os.listdir(cloche.cwd) == ["pylock.toml"]
    create(cloche, wheels)
    assert installed(cloche.cwd / "env") == ["one-1.0", "two-1.0"]


# Another kind of environment


@pytest.mark.parametrize("before", ["symlink", "portable"])
@pytest.mark.parametrize("options", [["--lock", "pylock.toml"], ["--no-seed"]], ids=["lock", "no-lock"])
def test_an_environment_becomes_portable_only_with_clear(cloche: Cloche, before: str, options: list[str]) -> None:
    """Nor does a portable one become another, whether or not there is a lock file."""
    lock(cloche)
    options = [*options, "-p", pyenv("3.12")]  # the Python that runs the tests may be one that cannot be portable
    assert cloche("./env", "--creator", before, *options).code == 0
    content = snapshot(cloche.cwd / "env")
    after = "symlink" if before == "portable" else "portable"

    done = cloche("./env", "--creator", after, *options)

    assert (done.code, len(done.err.splitlines())) == (4, 2), done
    assert "--clear" in done.err
    assert snapshot(cloche.cwd / "env") == content
    assert cloche("./env", "--creator", after, "--clear", *options).code == 0


def test_a_lock_does_not_hide_that_another_creator_is_wanted(cloche: Cloche) -> None:
    lock(cloche)
    python = cloche.cwd / "env" / "bin" / "python"
    assert cloche("./env", "--creator", "symlink", "--lock", "pylock.toml").code == 0
    assert python.is_symlink()

    assert cloche("./env", "--creator", "copy", "--lock", "pylock.toml").code == 0
    assert not python.is_symlink()
    assert cloche("./env", "--creator", "copy", "--lock", "pylock.toml").out.startswith("up to date")
