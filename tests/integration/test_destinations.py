"""Test existing destinations: they are used, kept, replaced or refused, and no files are lost unexpectedly."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.interpreters import pyenv
from tests.run import Outcome, cloche_command_in
from tests.trees import snapshot


def is_refused(done, *words):
    """Assert that a run was refused with these words and a hint; return True."""
    assert done.code == 4
    assert done.out == ""
    assert all(word in done.err for word in words), done.err
    assert "hint:" in done.err
    return True


def test_an_environment_of_the_same_python_is_refreshed_and_keeps_its_packages(cloche):
    assert cloche("./env").code == 0
    site = next((cloche.cwd / "env" / "lib").glob("python*/site-packages"))
    (site / "mine.py").write_text("x = 1")
    (cloche.cwd / "env" / "bin" / "activate").write_text("damaged")
    done = cloche("./env")
    assert done.out.startswith("refreshed env:")
    assert (site / "mine.py").read_text() == "x = 1"
    assert "damaged" not in (cloche.cwd / "env" / "bin" / "activate").read_text()


def test_an_environment_of_another_python_is_refused_with_the_remedies(cloche):
    assert cloche("./env", "--no-seed", "-p", pyenv("3.10")).code == 0
    before = snapshot(cloche.cwd)
    assert is_refused(cloche("./env", "-p", pyenv("3.9")), "3.10", "CPython 3.9", "cloche upgrade", "--clear")
    assert snapshot(cloche.cwd) == before
    assert cloche("./env", "--no-seed", "--clear", "-p", pyenv("3.9")).out.startswith("replaced env: CPython 3.9")
    assert os.listdir(cloche.cwd / "env" / "lib") == ["python3.9"]


@pytest.mark.parametrize("creator", ["symlink", "copy", "venv"])
@pytest.mark.parametrize("name", ["python", "python3"])
def test_a_file_in_the_way_of_an_executable_is_kept(cloche, creator, name):
    existing = cloche.cwd / "env" / "bin" / name
    existing.parent.mkdir(parents=True)
    existing.write_text("mine")
    assert is_refused(cloche("./env", "--creator", creator, "--no-seed"), f"`bin/{name}` already exists in it")
    assert existing.read_text() == "mine"


@pytest.mark.parametrize("content", [None, "", "garbage\n"])
def test_an_environment_that_has_lost_its_settings_is_left_to_doctor(cloche, content):
    settings = cloche.cwd / "env" / "pyvenv.cfg"
    assert cloche("./env", "--no-seed").code == 0
    settings.unlink() if content is None else settings.write_text(content)
    done = cloche("./env", "--json")
    assert done.code == 4
    assert "is a damaged environment" in done.err
    [command] = re.findall(r"`cloche (.*)`", done.json["error"]["hint"])
    assert cloche(*shlex.split(command)).code == 0
    assert cloche("./env", "--no-seed").out.startswith("refreshed env")


def test_an_environment_can_be_added_to_a_directory_with_other_files(cloche):
    (cloche.cwd / "env" / "lib").mkdir(parents=True)
    (cloche.cwd / "env" / "thesis.txt").write_text("precious")
    (cloche.cwd / "env" / "lib" / "notes").write_text("precious")
    before = snapshot(cloche.cwd)
    assert cloche("./env").out.startswith("added env:")
    after = snapshot(cloche.cwd)
    assert {path: after[path] for path in before} == before
    assert not (cloche.cwd / "env" / ".gitignore").exists()
    assert cloche("./env").out.startswith("refreshed env:")
    assert not (cloche.cwd / "env" / ".gitignore").exists()
    assert cloche("./env", "--clear").out.startswith("replaced env:")
    after = snapshot(cloche.cwd)
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("spelling", ["./env", "link"])
def test_clear_does_not_remove_the_environment_that_runs_cloche(cloche, spelling, force):
    """The run would lose its own modules."""
    env = cloche.cwd / "env"
    assert cloche("./env", "--no-seed").code == 0
    (cloche.cwd / "link").symlink_to("env")
    command = cloche_command_in(env)
    before = snapshot(cloche.cwd)
    environ = {name: text for name, text in cloche.environ.items() if name != "PYTHONWARNINGS"}
    done = subprocess.run(
        [*command, spelling, "--clear", "--no-seed", *force],
        cwd=cloche.cwd,
        env={**environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert is_refused(Outcome(done.returncode, done.stdout, done.stderr), "this cloche runs from", "--clear")
    assert snapshot(cloche.cwd) == before


@pytest.mark.parametrize("entry", ["bin", "pyvenv.cfg", "lib"])
@pytest.mark.parametrize("kind", ["file", "link to a directory", "dangling link", "fifo", "hard link"])
def test_an_obstacle_at_the_destination_is_replaced_or_refused_and_never_followed(cloche, entry, kind):
    outside = cloche.cwd / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    target = cloche.cwd / "env"
    target.mkdir()
    if kind == "file":
        (target / entry).write_text("mine")
    elif kind == "link to a directory":
        (target / entry).symlink_to(outside)
    elif kind == "dangling link":
        (target / entry).symlink_to(outside / "nothing")
    elif kind == "fifo":
        os.mkfifo(target / entry)
    else:
        (target / entry).hardlink_to(outside / "file")
    before = snapshot(outside)
    done = cloche("./env", "--no-seed")
    assert done.code in (0, 4)
    assert snapshot(outside) == before
    if done.code == 4:
        assert os.listdir(target) == [entry]


def test_a_symbolic_link_to_a_directory_is_kept_and_its_target_used(cloche):
    (cloche.cwd / "real").mkdir()
    (cloche.cwd / "env").symlink_to("real")
    assert cloche("./env", "--no-seed").code == 0
    assert os.readlink(cloche.cwd / "env") == "real"
    assert (cloche.cwd / "real" / "bin" / "python").exists()
    assert cloche("./env", "--no-seed", "--clear").out.startswith("replaced")
    assert os.readlink(cloche.cwd / "env") == "real"


def test_the_current_directory_itself_can_become_an_environment(cloche):
    inode = os.stat(cloche.cwd).st_ino
    assert cloche(".", "--no-seed").code == 0
    assert os.stat(cloche.cwd).st_ino == inode
    assert (cloche.cwd / "bin" / "python").exists()


@pytest.mark.parametrize(
    ("destination", "code", "word"),
    [
        ("a:b", 4, "PATH"),
        ("", 2, "blank"),
        ("  ", 2, "blank"),
        ("file", 4, "not a directory"),
        ("file/env", 4, "not a directory"),
        ("gone", 4, "does not exist"),
    ],
)
def test_an_impossible_destination_is_refused_in_one_line(cloche, destination, code, word):
    (cloche.cwd / "file").write_text("")
    (cloche.cwd / "gone").symlink_to("nowhere")
    before = snapshot(cloche.cwd)
    done = cloche(destination)
    assert (done.code, len(done.err.splitlines())) == (code, 2)
    assert word in done.err
    assert snapshot(cloche.cwd) == before


def test_a_removed_current_directory_is_an_error_only_for_a_relative_destination(cloche, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m cloche --no-seed "
    for destination, code in (("env", 2), (str(cloche.cwd / "env"), 0)):
        gone.mkdir(exist_ok=True)
        done = subprocess.run(
            ["sh", "-c", script + destination], env=cloche.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


def test_permissions_follow_the_umask(cloche):
    for umask, mode in ((0o077, 0o700), (0o022, 0o755), (0, 0o777)):
        old = os.umask(umask)
        try:
            assert cloche(f"env{umask}").code == 0
        finally:
            os.umask(old)
        assert os.stat(cloche.cwd / f"env{umask}").st_mode & 0o777 == mode
        assert os.stat(cloche.cwd / f"env{umask}" / "bin" / "pip").st_mode & 0o777 == mode


@pytest.mark.parametrize("umask", [0o777, 0o177, 0o333, 0o400])
def test_the_umask_denies_nothing_to_the_owner(cloche, umask):
    old = os.umask(umask)
    try:
        created, refreshed = cloche("./env", "--creator", "copy"), cloche("./env")
        doctor = cloche("doctor", "./env", "--json")
        mask = cloche("run", "./env", "--", "python", "-c", "import os; print(os.umask(0))")
    finally:
        os.umask(old)
    assert (created.code, refreshed.code) == (0, 0), created.err
    assert os.stat(cloche.cwd / "env" / "bin" / "pip").st_mode & 0o777 == 0o777 & ~umask | 0o700
    assert "script-dead" not in doctor.out
    assert int(mask.out) == umask


def test_sixteen_file_descriptors_are_enough(cloche, tmp_path):
    script = f"ulimit -n 16; exec {sys.executable} -m cloche ./env"
    for cache in (tmp_path / "cold", tmp_path / "cold"):
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=cloche.cwd,
            env={**cloche.environ, "XDG_CACHE_HOME": str(cache)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_any_locale_supports_any_prompt(cloche, locale):
    done = cloche("./env", "--prompt", "ünï→", LC_ALL=locale, LANG=locale, PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    assert done.code == 0, done.err


def listens(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a process catches SIGHUP, the last signal for which cloche installs a handler."""
    with open(f"/proc/{process.pid}/status") as file:
        caught = next(line for line in file if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & 1 << (signal.SIGHUP - 1))


@pytest.mark.skipif(
    not os.path.exists("/proc/self/status"), reason="only Linux reports the handled signals of a process"
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("moment", ["start", "unpacking", "staging"])
def test_a_signal_ends_the_run_with_its_exit_code_and_leaves_nothing(cloche, tmp_path, number, code, moment):
    """On a busy machine, a run may be complete before the signal comes; then another one is started."""
    for attempt in range(8):
        cache = tmp_path / f"cold {attempt}"
        environ = {**cloche.environ, "XDG_CACHE_HOME": str(cache)}
        del environ["PYTHONWARNINGS"]  # a signal between `open` and `with` can cause a ResourceWarning
        command = [sys.executable, "-m", "cloche", "./env"]
        running = subprocess.Popen(command, cwd=cloche.cwd, env=environ, stderr=subprocess.PIPE)
        while running.poll() is None and not has_come(moment, running, cloche.cwd, cache):
            time.sleep(0.001)
        running.send_signal(number)
        _, errors = running.communicate(timeout=60)
        if os.listdir(cloche.cwd) == []:
            assert (running.returncode, errors) == (code, b"cloche: interrupted\n")
            return
        # The signal came after the rename.
        assert (running.returncode, errors) == (code, b"cloche: interrupted\n") or running.returncode in (0, -number)
        assert os.listdir(cloche.cwd) == ["env"]
        assert cloche("./env").code == 0
        assert (cloche.cwd / "env" / "bin" / "pip").exists()
        shutil.rmtree(cloche.cwd / "env")
    pytest.fail("every run was complete before the signal came")


def has_come(moment, process, directory, cache):
    """Return whether a run that creates an environment has got to a moment."""
    if moment == "start":
        return listens(process)
    return any(directory.iterdir()) if moment == "staging" else any(cache.glob("cloche/images/*/*"))


def run_concurrently(cloche, destinations, **variables):
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "cloche", name], cwd=cloche.cwd, env={**cloche.environ, **variables},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in destinations
    ]  # fmt: skip
    return [(process.communicate(timeout=120), process.returncode) for process in processes]


def test_concurrent_runs_for_one_destination_all_succeed(cloche):
    assert cloche("model").code == 0
    done = run_concurrently(cloche, ["./env"] * 8)
    assert [code for _, code in done] == [0] * 8, done
    model, environment = snapshot(cloche.cwd / "model"), snapshot(cloche.cwd / "env")
    assert environment.paths() == model.paths()
    assert sorted(os.listdir(cloche.cwd)) == ["env", "model"]


def test_concurrent_runs_with_an_empty_cache_build_one_image(cloche, tmp_path):
    cache = tmp_path / "cold"
    done = run_concurrently(cloche, [f"env{number}" for number in range(6)], XDG_CACHE_HOME=str(cache))
    assert [code for _, code in done] == [0] * 6, done
    (abi,) = os.listdir(cache / "cloche" / "images")
    assert len(os.listdir(cache / "cloche" / "images" / abi)) == 1
    for number in range(6):
        assert (cloche.cwd / f"env{number}" / "bin" / "pip").exists()


def test_a_default_cache_that_cannot_be_used_is_a_warning(cloche, tmp_path):
    (tmp_path / "file").write_text("")
    done = cloche("./env", XDG_CACHE_HOME=str(tmp_path / "file"))
    assert done.code == 0
    assert len(done.err.splitlines()) == 1
    assert "without a cache" in done.err
    assert (cloche.cwd / "env" / "bin" / "pip").exists()
    assert cloche("other", "--cache-dir", tmp_path / "file").code == 1


def test_a_read_only_cache_is_used_but_not_changed(cloche, tmp_path):
    cache = tmp_path / "cache"
    assert cloche("one", "--cache-dir", cache).code == 0
    before, times = snapshot(cache), {path: os.lstat(cache / path).st_mtime_ns for path in snapshot(cache)}
    assert cloche("two", "--cache-dir", cache, "--read-only-cache").code == 0
    assert cloche("three", "--cache-dir", cache, "--read-only-cache", "-p", pyenv("3.12"), "--no-seed").code == 0
    assert snapshot(cache) == before
    assert {path: os.lstat(cache / path).st_mtime_ns for path in before} == times


def test_an_environment_works_after_the_cache_is_removed(cloche, tmp_path):
    cache = tmp_path / "cache"
    assert cloche("./env", "--cache-dir", cache).code == 0
    subprocess.run(["rm", "-rf", str(cache)], check=True)
    python = cloche.cwd / "env" / "bin" / "python"
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


KILLED_AT = """
import os, sys
import cloche.apply.journal as journal
import cloche.apply.merge as merge
take, remaining = journal.perform_step, [int(sys.argv[1])]
def die(action, staging, target):
    if not remaining[0]:
        os.kill(os.getpid(), 9)
    remaining[0] -= 1
    take(action, staging, target)
merge.perform_step = die
from cloche.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


def test_the_next_run_does_not_rely_on_files_of_a_killed_one(cloche):
    """The killed run had installed pip. The next run removes it again, and must install pip itself."""
    assert cloche("--no-seed", "./env").code == 0
    killed = KILLED_AT.replace("not remaining[0]", 'action.path == "pyvenv.cfg"')
    command = [sys.executable, "-c", killed, "0", "./env"]
    done = subprocess.run(command, cwd=cloche.cwd, env=cloche.environ, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (cloche.cwd / "env" / "bin" / "pip").exists()

    assert cloche("./env").code == 0
    command = [cloche.cwd / "env" / "bin" / "python", "-m", "pip", "--version"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4])
def test_the_next_run_rolls_back_a_killed_one_that_added_to_a_directory(cloche, steps):
    env = cloche.cwd / "env"
    env.mkdir()
    (env / "thesis.txt").write_text("precious")
    words = ["--no-seed", "--activators", "bash", "./env"]
    command = [sys.executable, "-c", KILLED_AT, str(steps), *words]
    done = subprocess.run(command, cwd=cloche.cwd, env=cloche.environ, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (env / ".cloche-0" / "journal").exists()

    again = cloche(*words)

    assert (again.code, again.err) == (0, "")
    assert (env / "thesis.txt").read_text() == "precious"
    assert (env / "bin" / "python").exists()
    assert not (env / ".cloche-0").exists()
