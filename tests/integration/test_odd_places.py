"""Test unusual destinations: long names, other file systems, missing permissions. They work or are refused in one line."""

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


def is_complete(root: Path) -> bool:
    """Return whether the Python and pip of an environment run, and no staging directory is left in it."""
    done = subprocess.run([root / "bin" / "python", "-m", "pip", "--version"], capture_output=True, check=False)
    return done.returncode == 0 and not [name for name in os.listdir(root) if name.startswith(".cloche-0")]


def assert_refused(done, code, *words):
    """Assert that a run was refused with one line and a hint."""
    assert done.code == code, done.err
    assert len(done.err.splitlines()) == 2, done.err
    assert all(word in done.err for word in words), done.err


# Long names


@pytest.mark.parametrize("name", ["n" * NAME_MAX, "ü" * (NAME_MAX // 2)])
def test_a_name_of_the_maximum_length_works(cloche, name):
    for argv, outcome in (((), "created"), ((), "refreshed"), (("--clear",), "replaced")):
        done = cloche(name, "--no-seed", *argv)
        assert done.out.startswith(outcome), done.err
    assert os.listdir(cloche.cwd) == [name]
    assert (cloche.cwd / name / "bin" / "python").exists()


@pytest.mark.parametrize(
    "destination", ["n" * (NAME_MAX + 1), f"a/{'n' * (NAME_MAX + 1)}/b", "ü" * (NAME_MAX // 2 + 1)]
)
def test_a_name_that_is_too_long_is_refused_without_changes(cloche, destination):
    assert_refused(cloche("--dry-run", destination), 4, "too long")
    assert_refused(cloche(destination), 4, "too long")
    assert os.listdir(cloche.cwd) == []


def long_path(base: Path, length: int) -> str:
    """Return a path below `base` with this length in bytes."""
    path = str(base)
    while len(path) < length:
        rest = length - len(path) - 1
        path += "/" + "d" * (rest if rest <= 200 else min(200, rest - 2))
    assert len(path) == length
    return path


def test_the_longest_accepted_path_works_and_a_longer_one_is_refused_without_changes(cloche):
    low, high = 4020, PATH_MAX - 16
    while high - low > 1:
        middle = (low + high) // 2
        if cloche("--dry-run", "--no-seed", long_path(cloche.cwd, middle)).code:
            high = middle
        else:
            low = middle
    assert_refused(cloche("--no-seed", long_path(cloche.cwd, high)), 4, str(high), "bytes")
    assert os.listdir(cloche.cwd) == []
    fitting = long_path(cloche.cwd, low)
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
    root = Path("/dev/shm")
    if not root.is_dir() or os.stat(root).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("/dev/shm is not a separate file system")
    directory = root / f"cloche-{os.getpid()}-{tmp_path.name}"
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)


def test_an_environment_and_the_cache_may_be_on_different_file_systems(cloche, memory):
    for destination, cache in ((memory / "env", cloche.cwd / "cache"), (cloche.cwd / "env", memory / "cache")):
        for argv, outcome in (((), "created"), ((), "refreshed"), (("--clear",), "replaced")):
            done = cloche(destination, "--cache-dir", cache, *argv)
            assert done.out.startswith(outcome), done.err
        assert is_complete(destination)
    assert sorted(os.listdir(memory)) == ["cache", "env"]


def mount(kind: str, directory: Path, *options: str) -> Path:
    """Mount a file system and return its directory; skip the test if this is not permitted."""
    directory.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", kind, *options, directory], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"file systems cannot be mounted: {done.stderr.strip()}")
    return directory


@pytest.fixture
def mount_point(tmp_path):
    """A directory on which a file system is mounted, so that it cannot be renamed."""
    yield mount("tmpfs", tmp_path / "env", "tmpfs")
    subprocess.run(["umount", tmp_path / "env"], check=True)


@pytest.fixture
def bind_mount(tmp_path):
    """A directory that is mounted onto itself, so that its device number does not reveal the mount."""
    directory = tmp_path / "a bound \\ env"
    directory.mkdir()
    yield mount("none", directory, "-o", "bind", str(directory))
    subprocess.run(["umount", directory], check=True)


def test_a_bind_mount_is_filled_refreshed_and_emptied_in_place(cloche, bind_mount):
    for outcome, argv in (("created", []), ("refreshed", []), ("replaced", ["--clear", "--force"])):
        done = cloche(bind_mount, "--no-seed", *argv)
        assert (done.code, done.out.split()[0]) == (0, outcome), done.err
        assert (bind_mount / "bin" / "python").exists()
        assert (bind_mount / "notes.txt").exists() == (outcome == "refreshed")
        (bind_mount / "notes.txt").write_text("keep")
    moved = cloche("move", bind_mount, bind_mount.parent / "elsewhere")
    assert moved.code == 4
    assert "mount point" in moved.err


def test_a_mount_point_is_filled_refreshed_and_emptied_in_place(cloche, mount_point):
    for argv, outcome in (((), "created"), ((), "refreshed"), (("--clear",), "replaced")):
        done = cloche(mount_point, "--no-seed", *argv)
        assert done.out.startswith(outcome), done.err
        assert os.path.ismount(mount_point)
        assert (mount_point / "bin" / "python").exists()
        assert (mount_point / "notes.txt").exists() == (outcome != "created")
        (mount_point / "notes.txt").write_text("keep")
    assert not [name for name in os.listdir(mount_point) if name.startswith(".cloche-0")]


@pytest.fixture
def layered(cloche, tmp_path):
    """An environment in the lower layer of an overlay, as in a container image: its directories cannot be renamed."""
    layers = tmp_path / "layers"
    for name in ("lower", "upper", "work"):
        (layers / name).mkdir(parents=True)
    assert cloche(layers / "lower" / "env", "--no-seed").code == 0
    (layers / "lower" / "env" / "own" / "deep").mkdir(parents=True)
    (layers / "lower" / "env" / "own" / "deep" / "file").write_text("mine")
    options = ",".join(f"{name}dir={layers / name}" for name in ("lower", "upper", "work"))
    yield mount("overlay", tmp_path / "merged", "-o", f"{options},redirect_dir=off", "overlay")
    subprocess.run(["umount", tmp_path / "merged"], check=True)


def test_an_environment_in_a_container_image_is_refreshed_and_replaced(cloche, layered):
    assert cloche(layered / "env").out.startswith("refreshed")
    assert (layered / "env" / "own" / "deep" / "file").read_text() == "mine"
    done = cloche(layered / "env", "--clear")
    assert done.out.startswith("replaced"), done.err
    assert (layered / "env" / "own" / "deep" / "file").read_text() == "mine"
    shutil.rmtree(layered / "env" / "own")
    assert os.listdir(layered) == ["env"]
    assert cloche("model").code == 0
    assert snapshot(layered / "env").paths() == snapshot(cloche.cwd / "model").paths()
    assert is_complete(layered / "env")


def test_an_environment_in_a_container_image_is_moved(cloche, layered):
    done = cloche("move", layered / "env", layered / "moved")

    assert done.out.startswith("moved"), done.err
    assert os.listdir(layered) == ["moved"]
    assert (layered / "moved" / "own" / "deep" / "file").read_text() == "mine"
    subprocess.run([layered / "moved" / "bin" / "python", "-c", ""], check=True)


def test_a_cache_in_a_container_image_is_used_extended_and_cleared(cloche, tmp_path):
    """The first run leaves pip without bytecode; the second one, in another layer, replaces its image."""
    layers = tmp_path / "layers"
    for name in ("lower", "upper", "work"):
        (layers / name).mkdir(parents=True)
    assert cloche("./first", XDG_CACHE_HOME=str(layers / "lower")).code == 0
    options = ",".join(f"{name}dir={layers / name}" for name in ("lower", "upper", "work"))
    merged = mount("overlay", tmp_path / "merged", "-o", f"{options},redirect_dir=off", "overlay")
    try:
        for argv in (("./second",), ("./third",), ("cache", "verify"), ("cache", "clear"), ("./fourth",)):
            done = cloche(*argv, XDG_CACHE_HOME=str(merged))
            assert (done.code, done.err) == (0, ""), argv
    finally:
        subprocess.run(["umount", tmp_path / "merged"], check=True)
    assert is_complete(cloche.cwd / "fourth")


def run_with_failures(cloche: Cloche, failures: list[str], *argv: object) -> subprocess.CompletedProcess[str]:
    """Run cloche while some system calls fail: `linkat:error=EPERM`."""
    options = [word for failure in failures for word in ("-e", f"inject={failure}")]
    calls = ",".join(failure.partition(":")[0] for failure in failures)
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
    "failures",
    [
        ["flock:error=EOPNOTSUPP"],
        ["symlinkat,symlink:error=EPERM", "linkat,link:error=EOPNOTSUPP"],
        ["renameat2:error=EXDEV", "linkat,link:error=EPERM"],
        *(
            pytest.param([failure], marks=pytest.mark.nightly)
            for failure in (
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
def test_unsupported_system_calls_have_fallbacks(cloche, failures):
    for argv, outcome in (((), "created"), ((), "refreshed"), (("--clear",), "replaced")):
        done = run_with_failures(cloche, failures, "./env", "--activators", "bash,fish", *argv)
        assert done.stdout.startswith(outcome), done.stderr
        if outcome == "created":
            (cloche.cwd / "env" / "bin" / "activate").write_text("damaged")
            (cloche.cwd / "env" / "notes.txt").write_text("keep")
        elif outcome == "refreshed":
            assert (cloche.cwd / "env" / "notes.txt").read_text() == "keep"
    assert is_complete(cloche.cwd / "env")
    assert (cloche.cwd / "env" / "notes.txt").read_text() == "keep"
    assert "damaged" not in (cloche.cwd / "env" / "bin" / "activate").read_text()
    assert os.listdir(cloche.cwd) == ["env"]


# Users


@pytest.fixture
def ordinary_user(tmp_path):
    """A directory, and a function that runs cloche in it without the privileges of the superuser."""
    directory = tmp_path / "directory"
    directory.mkdir()
    (tmp_path / "home").mkdir(exist_ok=True)
    environ = clean_environ(tmp_path / "home", tmp_path / "own-cache")
    drop_privileges = [require("setpriv"), "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []

    def run(*argv: object, **variables: str | None):
        env = {name: text for name, text in {**environ, **variables}.items() if text is not None}
        command = [*drop_privileges, sys.executable, "-m", "cloche", *map(str, argv)]
        return subprocess.run(
            command, cwd=directory, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    yield directory, run
    subprocess.run(["chmod", "-R", "u+rwx", tmp_path], check=True)


def test_a_read_only_parent_is_refused_unless_the_destination_is_an_empty_directory(ordinary_user):
    directory, run = ordinary_user
    (directory / "empty").mkdir()
    directory.chmod(0o555)
    done = run(directory / "env")
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 2), done.stderr
    assert "permission denied" in done.stderr
    for argv, outcome in (((), "created"), ((), "refreshed"), (("--clear",), "replaced")):
        done = run(directory / "empty", *argv)
        assert done.stdout.startswith(outcome), done.stderr
        assert is_complete(directory / "empty")
        assert (directory / "empty" / "kept").exists() == (outcome != "created")
        (directory / "empty" / "kept").write_text("")
    assert os.listdir(directory) == ["empty"]


@pytest.mark.parametrize("hidden", ["pyvenv.cfg", "."])
@pytest.mark.parametrize("command", ["info", "move", "verify", "run", "doctor"])
def test_nothing_is_inferred_instead_of_settings_that_cannot_be_read(ordinary_user, hidden, command):
    directory, run = ordinary_user
    assert run("./env", "--no-seed").returncode == 0
    (directory / "env" / hidden).chmod(0)
    operands = {"move": ["there"], "run": ["--", "python", "-V"]}.get(command, [])
    done = run(command, "env", *operands)
    assert done.returncode == (1 if command == "doctor" else 4), done
    assert "env/pyvenv.cfg` cannot be read: permission denied" in done.stderr
    assert os.listdir(directory) == ["env"]


def test_a_config_file_that_cannot_be_read_is_not_called_invalid(ordinary_user):
    directory, run = ordinary_user
    path = directory / "config.toml"
    path.write_text("prompt = 'x'\n")
    path.chmod(0)
    done = run("config", "set", "prompt", "y", CLOCHE_CONFIG_FILE=str(path))
    assert done.returncode == 2
    assert f"`{path}` cannot be edited: permission denied" in done.stderr


def test_clear_also_removes_read_only_directories(ordinary_user):
    directory, run = ordinary_user
    locked = directory / "env" / "locked"
    assert run("./env").returncode == 0
    (locked / "deep").mkdir(parents=True)
    (locked / "deep" / "file").write_text("")
    (locked / "deep").chmod(0o500)
    locked.chmod(0)
    done = run("./env", "--clear")
    assert done.stdout.startswith("replaced"), done.stderr
    assert os.listdir(directory) == ["env"]


@pytest.mark.parametrize("home", [None, "/proc/none", "unwritable"])
def test_an_environment_is_created_without_a_usable_home(ordinary_user, home):
    directory, run = ordinary_user
    (directory / "unwritable").mkdir(0o555)
    home = str(directory / home) if home == "unwritable" else home
    done = run("./env", HOME=home, XDG_CACHE_HOME=None)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) <= 1, done.stderr
    assert is_complete(directory / "env")
    assert sorted(os.listdir(directory)) == ["env", "unwritable"]
    assert os.listdir(directory / "unwritable") == []


# Limits


@pytest.mark.parametrize("argv", [[], ["--clear"]], ids=["refresh", "clear"])
def test_sixteen_file_descriptors_are_enough_to_refresh_and_to_replace(cloche, argv):
    for _ in range(2):  # the second one is compiled, so it has more directories
        assert cloche("./env", "--clear").code == 0
    (cloche.cwd / "env" / "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r").mkdir(parents=True)
    done = subprocess.run(
        ["bash", "-c", f"ulimit -n 16; exec {sys.executable} -m cloche ./env {' '.join(argv)}"],
        cwd=cloche.cwd,
        env=cloche.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert os.listdir(cloche.cwd) == ["env"]
