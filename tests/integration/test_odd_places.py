"""Wherever an environment is to be made it is made whole, or refused in one line that says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run import Cloche, clean_environ
from tests.tools import require
from tests.trees import snapshot

NAME_MAX, PATH_MAX = 255, 4096


def whole(root: Path) -> bool:
    """Return whether an environment is there and its Python and pip run."""
    done = subprocess.run([root / "bin" / "python", "-m", "pip", "--version"], capture_output=True, check=False)
    return done.returncode == 0 and not [name for name in os.listdir(root) if name.startswith(".cloche-0")]


def refused(done, code, *words):
    """Check that a run was refused in one line and a hint."""
    assert done.code == code, done.err
    assert len(done.err.splitlines()) == 2, done.err
    assert all(word in done.err for word in words), done.err


# Long names


@pytest.mark.parametrize("name", ["n" * NAME_MAX, "ü" * (NAME_MAX // 2)])
def test_a_name_that_just_fits_is_enough_for_everything(cloche, name):
    for argv, outcome in (((), "created"), ((), "refreshed"), (("--clear",), "replaced")):
        done = cloche(name, "--no-seed", *argv)
        assert done.out.startswith(outcome), done.err
    assert os.listdir(cloche.cwd) == [name]
    assert (cloche.cwd / name / "bin" / "python").exists()


@pytest.mark.parametrize(
    "destination", ["n" * (NAME_MAX + 1), f"a/{'n' * (NAME_MAX + 1)}/b", "ü" * (NAME_MAX // 2 + 1)]
)
def test_a_name_that_does_not_fit_is_refused_before_anything_is_made(cloche, destination):
    refused(cloche("--dry-run", destination), 4, "too long")
    refused(cloche(destination), 4, "too long")
    assert os.listdir(cloche.cwd) == []


def deep(base: Path, length: int) -> str:
    """Return a path below `base` of so many bytes."""
    path = str(base)
    while len(path) < length:
        rest = length - len(path) - 1
        path += "/" + "d" * (rest if rest <= 200 else min(200, rest - 2))
    assert len(path) == length
    return path


def test_a_path_that_just_fits_is_enough_and_a_longer_one_is_refused_before_anything_is_made(cloche):
    low, high = 4020, PATH_MAX - 16
    while high - low > 1:
        middle = (low + high) // 2
        if cloche("--dry-run", "--no-seed", deep(cloche.cwd, middle)).code:
            high = middle
        else:
            low = middle
    refused(cloche("--no-seed", deep(cloche.cwd, high)), 4, str(high), "bytes")
    assert os.listdir(cloche.cwd) == []
    fitting = deep(cloche.cwd, low)
    for argv, outcome in (((), "created"), ((), "refreshed"), (("--clear",), "replaced")):
        done = cloche("--no-seed", fitting, *argv)
        assert done.out.startswith(outcome), done.err
    assert os.listdir(os.path.dirname(fitting)) == [os.path.basename(fitting)]
    done = subprocess.run([f"{fitting}/bin/python", "-c", "print(6 * 7)"], capture_output=True, text=True, check=False)
    assert done.stdout == "42\n", done.stderr


# File systems


@pytest.fixture
def memory(tmp_path):
    """A directory on another file system than the temporary directory, in memory."""
    place = Path("/dev/shm")
    if not place.is_dir() or os.stat(place).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is no second file system at /dev/shm")
    own = place / f"cloche-{os.getpid()}-{tmp_path.name}"
    own.mkdir()
    yield own
    shutil.rmtree(own)


def test_an_environment_and_the_cache_may_lie_on_different_file_systems(cloche, memory):
    for destination, cache in ((memory / "env", cloche.cwd / "cache"), (cloche.cwd / "env", memory / "cache")):
        for argv, outcome in (((), "created"), ((), "refreshed"), (("--clear",), "replaced")):
            done = cloche(destination, "--cache-dir", cache, *argv)
            assert done.out.startswith(outcome), done.err
        assert whole(destination)
    assert sorted(os.listdir(memory)) == ["cache", "env"]


def mounted(kind: str, where: Path, *options: str) -> Path:
    """Mount a file system, or skip where this user may not."""
    where.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", kind, *options, where], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    return where


@pytest.fixture
def mount_point(tmp_path):
    """A directory that cannot be exchanged for another, because a file system is mounted there."""
    yield mounted("tmpfs", tmp_path / "env", "tmpfs")
    subprocess.run(["umount", tmp_path / "env"], check=True)


@pytest.fixture
def bound(tmp_path):
    """A directory of the same file system, mounted onto itself: its device tells nothing."""
    place = tmp_path / "a bound \\ env"
    place.mkdir()
    yield mounted("none", place, "-o", "bind", str(place))
    subprocess.run(["umount", place], check=True)


def test_a_directory_that_is_bound_is_filled_refreshed_and_emptied_in_place(cloche, bound):
    for outcome, argv in (("created", []), ("refreshed", []), ("replaced", ["--clear", "--force"])):
        done = cloche(bound, "--no-seed", *argv)
        assert (done.code, done.out.split()[0]) == (0, outcome), done.err
        assert (bound / "bin" / "python").exists()
        assert (bound / "notes.txt").exists() == (outcome == "refreshed")
        (bound / "notes.txt").write_text("keep")
    moved = cloche("move", bound, bound.parent / "elsewhere")
    assert moved.code == 4
    assert "mount point" in moved.err


def test_a_mount_point_is_filled_refreshed_and_emptied_in_place(cloche, mount_point):
    for argv, outcome in (((), "created"), ((), "refreshed"), (("--clear",), "replaced")):
        done = cloche(mount_point, "--no-seed", *argv)
        assert done.out.startswith(outcome), done.err
        assert os.path.ismount(mount_point)
        assert (mount_point / "bin" / "python").exists()
        assert (mount_point / "notes.txt").exists() == (outcome == "refreshed")
        (mount_point / "notes.txt").write_text("keep")
    assert not [name for name in os.listdir(mount_point) if name.startswith(".cloche-0")]


@pytest.fixture
def layered(cloche, tmp_path):
    """An environment in a lower layer of an overlay, as in a container's image: its directories cannot be renamed."""
    layers = tmp_path / "layers"
    for name in ("lower", "upper", "work"):
        (layers / name).mkdir(parents=True)
    assert cloche(layers / "lower" / "env", "--no-seed").code == 0
    (layers / "lower" / "env" / "own" / "deep").mkdir(parents=True)
    (layers / "lower" / "env" / "own" / "deep" / "file").write_text("mine")
    options = ",".join(f"{name}dir={layers / name}" for name in ("lower", "upper", "work"))
    yield mounted("overlay", tmp_path / "merged", "-o", f"{options},redirect_dir=off", "overlay")
    subprocess.run(["umount", tmp_path / "merged"], check=True)


def test_an_environment_in_a_containers_image_is_refreshed_and_replaced(cloche, layered):
    assert cloche(layered / "env").out.startswith("refreshed")
    assert (layered / "env" / "own" / "deep" / "file").read_text() == "mine"
    done = cloche(layered / "env", "--clear")
    assert done.out.startswith("replaced"), done.err
    assert not (layered / "env" / "own").exists()
    assert os.listdir(layered) == ["env"]
    assert cloche("model").code == 0
    assert snapshot(layered / "env").paths() == snapshot(cloche.cwd / "model").paths()
    assert whole(layered / "env")


def injected(cloche: Cloche, tampering: list[str], *argv: object) -> subprocess.CompletedProcess[str]:
    """Run cloche while the system refuses some kinds of calls: `linkat:error=EPERM`."""
    options = [word for one in tampering for word in ("-e", f"inject={one}")]
    calls = ",".join(one.partition(":")[0] for one in tampering)
    command = [require("strace"), "-f", "-qq", "-e", f"trace={calls}", *options, "-o", os.devnull]
    return subprocess.run(
        [*command, sys.executable, "-m", "cloche", *map(str, argv)],
        cwd=cloche.cwd,
        env=cloche.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "refusals",
    [
        ["flock:error=EOPNOTSUPP"],
        ["symlinkat,symlink:error=EPERM", "linkat,link:error=EOPNOTSUPP"],
        ["renameat2:error=EXDEV", "linkat,link:error=EPERM"],
        *(
            pytest.param([refusal], marks=pytest.mark.nightly)
            for refusal in (
                "flock:error=ENOLCK",
                "linkat,link:error=EPERM",
                "linkat,link:error=EXDEV",
                "renameat2:error=EINVAL",
                "renameat2:error=EPERM",
            )
        ),
    ],
    ids=" ".join,
)
def test_what_a_file_system_cannot_do_is_done_without(cloche, refusals):
    for argv, outcome in (((), "created"), ((), "refreshed"), (("--clear",), "replaced")):
        done = injected(cloche, refusals, "env", "--activators", "bash,fish", *argv)
        assert done.stdout.startswith(outcome), done.stderr
        if outcome == "created":
            (cloche.cwd / "env" / "bin" / "activate").write_text("damaged")
            (cloche.cwd / "env" / "notes.txt").write_text("keep")
        elif outcome == "refreshed":
            assert (cloche.cwd / "env" / "notes.txt").read_text() == "keep"
    assert whole(cloche.cwd / "env")
    assert not (cloche.cwd / "env" / "notes.txt").exists()
    assert "damaged" not in (cloche.cwd / "env" / "bin" / "activate").read_text()
    assert os.listdir(cloche.cwd) == ["env"]


# Users


@pytest.fixture
def powerless(tmp_path):
    """Run a command line as a user who may not go past permissions, with a directory of their own to be in."""
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "home").mkdir(exist_ok=True)
    environ = clean_environ(tmp_path / "home", tmp_path / "own-cache")
    without = [require("setpriv"), "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []

    def run(*argv: object, **variables: str | None):
        said = {name: text for name, text in {**environ, **variables}.items() if text is not None}
        command = [*without, sys.executable, "-m", "cloche", *map(str, argv)]
        return subprocess.run(
            command, cwd=place, env=said, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    yield place, run
    subprocess.run(["chmod", "-R", "u+rwx", tmp_path], check=True)


def test_a_parent_that_cannot_be_written_is_refused_and_an_empty_directory_in_it_is_used(powerless):
    place, run = powerless
    (place / "empty").mkdir()
    place.chmod(0o555)
    done = run(place / "env")
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 2), done.stderr
    assert "permission denied" in done.stderr
    for argv, outcome in (((), "created"), ((), "refreshed"), (("--clear",), "replaced")):
        done = run(place / "empty", *argv)
        assert done.stdout.startswith(outcome), done.stderr
        assert whole(place / "empty")
        assert (place / "empty" / "kept").exists() == (outcome == "refreshed")
        (place / "empty" / "kept").write_text("")
    assert os.listdir(place) == ["empty"]


def test_directories_that_nobody_may_write_do_not_outlive_the_environment_that_they_were_in(powerless):
    place, run = powerless
    locked = place / "env" / "locked"
    assert run("env").returncode == 0
    (locked / "deep").mkdir(parents=True)
    (locked / "deep" / "file").write_text("")
    (locked / "deep").chmod(0o500)
    locked.chmod(0)
    done = run("env", "--clear")
    assert done.stdout.startswith("replaced"), done.stderr
    assert os.listdir(place) == ["env"]


@pytest.mark.parametrize("home", [None, "/proc/none", "unwritable"])
def test_without_a_home_that_can_be_used_there_is_an_environment_all_the_same(powerless, home):
    place, run = powerless
    (place / "unwritable").mkdir(0o555)
    home = str(place / home) if home == "unwritable" else home
    done = run("env", HOME=home, XDG_CACHE_HOME=None)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) <= 1, done.stderr
    assert whole(place / "env")
    assert sorted(os.listdir(place)) == ["env", "unwritable"]
    assert os.listdir(place / "unwritable") == []


# Limits


@pytest.mark.parametrize("argv", [[], ["--clear"]], ids=["refresh", "clear"])
def test_sixteen_descriptors_are_enough_to_refresh_and_to_replace(cloche, argv):
    assert cloche("env").code == 0
    (cloche.cwd / "env" / "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r").mkdir(parents=True)
    done = subprocess.run(
        ["bash", "-c", f"ulimit -n 16; exec {sys.executable} -m cloche env {' '.join(argv)}"],
        cwd=cloche.cwd,
        env=cloche.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert os.listdir(cloche.cwd) == ["env"]
