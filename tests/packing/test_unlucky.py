"""Test that damage and interruptions are reported in one line, and leave nothing behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.run import Cloche
from tests.tools import require
from tests.trees import snapshot

if TYPE_CHECKING:
    from pathlib import Path

SIGNALS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGKILL": -9}
"""The exit code after each signal."""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portable environment, which no test changes, in a directory with a space and a quote in its name."""
    directory = tmp_path_factory.mktemp("it's portable")
    done = Cloche(directory, os.environ)("./env", "--creator", "portable", "--no-seed")
    assert done.code == 0, done
    return directory / "env"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment without an interpreter of its own, which no test changes."""
    directory = tmp_path_factory.mktemp("small")
    done = Cloche(directory, os.environ)("./env", "--relocatable", "--no-seed")
    assert done.code == 0, done
    return directory / "env"


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    return Cloche(tmp_path, os.environ)


@pytest.mark.parametrize("name", ["e.tar.gz", "e.tar.zst", "e.zip", "e.squashfs"])
def test_a_damaged_archive_is_refused(cloche: Cloche, small: Path, name: str) -> None:
    """Unless the damage is in a part that does not count, such as the time in the header of a gzip file."""
    assert cloche("pack", small, "--with-base-outside", "-o", name).code == 0
    assert cloche("unpack", name, "whole").code == 0
    packed = (cloche.cwd / name).read_bytes()
    chance = random.Random(name)
    for number in range(12):
        damaged = bytearray(packed)
        if number < 3:
            del damaged[len(packed) * number // 3 :]
        else:
            damaged[chance.randrange(len(packed))] ^= 1 << chance.randrange(8)
        (cloche.cwd / "damaged").write_bytes(damaged)

        done = cloche("unpack", "damaged", "there")

        if done.code:
            assert done.code in (1, 2)
            assert [line.partition(":")[0] for line in done.err.splitlines()] == ["cloche", "hint"], done.err
            assert not (cloche.cwd / "there").exists()
        else:
            assert snapshot(cloche.cwd / "there") == snapshot(cloche.cwd / "whole")
            (cloche.cwd / "there").rename(cloche.cwd / f"there {number}")
        assert not [name for name in os.listdir(cloche.cwd) if name.startswith(".")]


def test_a_link_to_an_environment_is_packed(cloche: Cloche, small: Path) -> None:
    (cloche.cwd / "link").symlink_to(small)
    digests = set()
    for source in (small, "link", "link/"):
        assert cloche("pack", source, "--with-base-outside", "-o", "e.zip", "--force").code == 0
        digests.add((cloche.cwd / "e.zip").read_bytes())
    assert len(digests) == 1


def test_an_archive_that_does_not_exist_has_a_hint(cloche: Cloche) -> None:
    done = cloche("unpack", "missing.zip", "there")

    assert (done.code, done.err.splitlines()) == (
        2,
        [
            f"cloche: error: cannot read `{cloche.cwd}/missing.zip`: no such file or directory",
            "hint: check the path; `cloche pack ENV -o FILE` writes an archive",
        ],
    )


def test_a_link_to_a_path_with_a_nul_character_is_refused(cloche: Cloche) -> None:
    with zipfile.ZipFile(cloche.cwd / "e.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "a\0b")

    done = cloche("unpack", "e.zip", "there")

    assert (done.code, len(done.err.splitlines())) == (1, 2)
    assert "NUL" in done.err


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("command", ["pack", "unpack"])
def test_a_signal_leaves_nothing_behind(cloche: Cloche, env: Path, command: str, name: str) -> None:
    """After SIGKILL, which no program can handle, the next run removes what is left. A signal may come too late."""
    argv = ["pack", str(env), "-o", "e.tar.gz"]
    if command == "unpack":
        assert cloche(*argv).code == 0
        argv = ["unpack", "e.tar.gz", "there"]
    before = set(os.listdir(cloche.cwd))
    interrupted = 0
    for delay in (0, 0, 0, 0.1, 0.4):
        running = subprocess.Popen(
            [sys.executable, "-m", "cloche", *argv],
            cwd=cloche.cwd,
            env=cloche.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        while set(os.listdir(cloche.cwd)) == before and running.poll() is None:
            time.sleep(0.001)
        time.sleep(delay)
        running.send_signal(getattr(signal, name))
        _, errors = running.communicate()
        left = set(os.listdir(cloche.cwd)) - before
        interrupted += left.isdisjoint({"e.tar.gz", "there"})
        if running.returncode == 0:
            assert not left.isdisjoint({"e.tar.gz", "there"})
        else:
            assert running.returncode == SIGNALS[name]
            assert errors == ("" if name == "SIGKILL" else "cloche: interrupted\n")
        if "e.tar.gz" in left:  # the signal came after it was put in place
            with tarfile.open(cloche.cwd / "e.tar.gz") as archive:
                assert archive.getnames()[-1] == ".cloche-files"
            left.remove("e.tar.gz")
            (cloche.cwd / "e.tar.gz").unlink()
        if "there" in left:  # it is verified in its place
            assert cloche("verify", "there").code == 0
            left.remove("there")
            shutil.rmtree(cloche.cwd / "there")
        assert left == set() or (name == "SIGKILL" and all(one.startswith(".") for one in left))
        if name == "SIGKILL":
            before |= left
    assert interrupted > 0
    assert cloche(*argv).code == 0
    assert {one for one in os.listdir(cloche.cwd) if one.startswith(".")} == set()


@pytest.mark.parametrize("call", ["mkdir", "flock", "link", "unlink", "rmdir"])
def test_a_signal_during_any_change_leaves_nothing_behind(cloche: Cloche, small: Path, call: str) -> None:
    """The archive is complete or absent, whichever call the signal comes with."""
    strace = require("strace")
    for number in range(1, 5):
        inject = [strace, "-f", "-o", os.devnull, "-e", f"inject={call}:signal=SIGINT:when={number}"]
        command = [sys.executable, "-m", "cloche", "pack", small, "--with-base-outside", "-o", "e.zip"]
        done = subprocess.run([*inject, *command], cwd=cloche.cwd, env=cloche.environ, capture_output=True, check=False)
        assert done.returncode in (0, 130)
        assert set(os.listdir(cloche.cwd)) <= {"e.zip"}
        if done.returncode == 0 or (cloche.cwd / "e.zip").exists():
            assert cloche("unpack", "e.zip", f"there {number}").code == 0
            (cloche.cwd / "e.zip").unlink()
            shutil.rmtree(cloche.cwd / f"there {number}")


@pytest.mark.parametrize("command", ["pack", "unpack"])
def test_one_of_two_simultaneous_runs_succeeds(cloche: Cloche, small: Path, command: str) -> None:
    argv = ["pack", str(small), "--with-base-outside", "-o", "e.tar.gz"]
    if command == "unpack":
        assert cloche(*argv).code == 0
        argv = ["unpack", "e.tar.gz", "there"]
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "cloche", *argv],
            cwd=cloche.cwd,
            env=cloche.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outcomes = sorted((len(run.communicate()[1].splitlines()), run.returncode) for run in runs)

    assert outcomes == [(0, 0), (2, 4)]
    assert {one for one in os.listdir(cloche.cwd) if one.startswith(".")} == set()


CHANGES = {
    "grows": "open(path, 'a').write('more')",
    "shrinks": "os.truncate(path, 3)",
    "vanishes": "os.unlink(path)",
    "becomes a directory": "os.unlink(path); os.mkdir(path)",
    "becomes a pipe": "os.unlink(path); os.mkfifo(path)",
    "becomes a link to nothing": "os.unlink(path); os.symlink('nothing', path)",
}


@pytest.mark.parametrize("name", ["activate", "large"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_before_it_is_read_is_named(
    cloche: Cloche, small: Path, tmp_path: Path, change: str, name: str
) -> None:
    """It changes after the plan of the archive was made; large files are read in pieces."""
    env = shutil.copytree(small, tmp_path / "env", symlinks=True)
    (env / "bin" / "large").write_bytes(bytes(3 << 20))
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        "from cloche.__main__ import main\n"
        "from cloche.cli import pack\n"
        "plan_pack = pack.plan_pack\n"
        "def changing(*arguments):\n"
        "    plan = plan_pack(*arguments)\n"
        f"    path = {str(env / 'bin' / name)!r}\n"
        f"    {CHANGES[change]}\n"
        "    return plan\n"
        "pack.plan_pack = changing\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, program, "pack", env, "--with-base-outside", "-o", "e.zip"],
        cwd=cloche.cwd, env=cloche.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1, done
    message, *_ = done.stderr.splitlines()
    assert f"`{env}/bin/{name}`" in message
    assert "changed while it was being read" in message or "cannot read" in message
    assert sorted(os.listdir(cloche.cwd)) == ["env", "program.py"]


@pytest.mark.parametrize("to", ["packed", "packed/there", "packed/bin/there", "link/there", "packed/new/../there"])
def test_a_directory_is_not_unpacked_into_itself(cloche: Cloche, small: Path, to: str) -> None:
    """It would grow until the disk is full."""
    assert cloche("pack", small, "--with-base-outside", "-o", "packed", "--format", "dir").code == 0
    (cloche.cwd / "link").symlink_to("packed")
    before = snapshot(cloche.cwd)

    done = cloche("unpack", "packed", to)

    assert (done.code, len(done.err.splitlines())) == (4, 2)
    assert snapshot(cloche.cwd) == before


@pytest.mark.parametrize("name", ["e.tar.gz", "e.tar.zst", "e.squashfs"])
def test_an_archive_that_would_not_be_unpacked_is_a_warning(cloche: Cloche, small: Path, name: str) -> None:
    env = shutil.copytree(small, cloche.cwd / "env", symlinks=True)
    (env / "sparse").touch()
    os.truncate(env / "sparse", 120 << 20)

    done = cloche("pack", env, "--with-base-outside", "-o", name)

    assert done.code == 0
    assert f"warning: `cloche unpack` refuses `{cloche.cwd}/{name}`" in done.err
    assert cloche("unpack", name, "there").code == 1


@pytest.mark.parametrize("name", ["e.tar.gz", "e.zip", "e.squashfs"])
def test_names_of_the_maximum_length_are_packed(cloche: Cloche, small: Path, name: str) -> None:
    """The name of bytecode is longer than that of its module, and may be too long for every file system."""
    env = shutil.copytree(small, cloche.cwd / "env", symlinks=True)
    [site] = env.glob("lib/python3*/site-packages")
    (site / f"{'m' * 252}.py").touch()
    (site / f"{'n' * 239}.py").touch()
    (env / ("x" * 255)).touch()

    assert cloche("pack", env, "--with-base-outside", "-o", name, "--prefix", "p" * 255).code == 0
    assert cloche("unpack", name, "there").code == 0

    assert (cloche.cwd / "there" / ("x" * 255)).exists()
    assert len([*(cloche.cwd / "there").rglob("n*.pyc")]) == 1


def test_a_program_that_was_killed_is_named(cloche: Cloche, small: Path) -> None:
    """A system without memory kills programs."""
    program = cloche.cwd / "bin" / "mksquashfs"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'a warning'\nkill -KILL $$\n")
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"

    done = cloche("pack", small, "--with-base-outside", "-o", "e.squashfs", PATH=path)

    assert (done.code, os.listdir(cloche.cwd)) == (1, ["bin"])
    assert "`mksquashfs` failed: ended by signal 9" in done.err


def test_a_program_that_was_killed_does_not_mean_that_an_archive_is_damaged(cloche: Cloche, small: Path) -> None:
    assert cloche("pack", small, "--with-base-outside", "-o", "e.squashfs").code == 0
    program = cloche.cwd / "bin" / "unsquashfs"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nkill -KILL $$\n")
    program.chmod(0o755)

    done = cloche("unpack", "e.squashfs", "there", PATH=f"{program.parent}:{os.environ['PATH']}")

    assert (done.code, sorted(os.listdir(cloche.cwd))) == (1, ["bin", "e.squashfs"])
    assert "`unsquashfs` failed: ended by signal 9" in done.err


@pytest.mark.parametrize("action", ["pack", "unpack"])
def test_a_limit_of_the_size_of_files_is_named(cloche: Cloche, small: Path, action: str) -> None:
    """The limit ends the programs for squashfs with a signal."""
    env = shutil.copytree(small, cloche.cwd / "env", symlinks=True)
    (env / "large").write_bytes(random.Random(0).randbytes(3 << 20))
    arguments = {
        "pack": ["pack", "env", "--with-base-outside", "-o", "e.squashfs"],
        "unpack": ["unpack", "e.squashfs", "there"],
    }
    if action == "unpack":
        assert cloche(*arguments["pack"]).code == 0
    before = sorted(os.listdir(cloche.cwd))

    limited = ["sh", "-c", 'ulimit -f 2048; exec "$@"', "sh", sys.executable, "-m", "cloche", *arguments[action]]
    done = subprocess.run(limited, cwd=cloche.cwd, env={**cloche.environ}, capture_output=True, text=True, check=False)

    assert (done.returncode, sorted(os.listdir(cloche.cwd))) == (1, before)
    assert "file too large" in done.stderr.splitlines()[0]
    assert "`ulimit -f`" in done.stderr.splitlines()[1]
