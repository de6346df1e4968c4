"""Test signals at any moment, and closed or full standard streams."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.cli import dispatch
from tests.run import clean_environ
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import os, signal, sys, time, weakref
from cloche.cli import dispatch as command

def send(number=signal.SIGTERM, times=1):
    for _ in range(times):
        os.kill(os.getpid(), number)
    for _ in range(100):
        pass

class Noisy:
    def __del__(self):
        send()

class Nested:
    def __del__(self):
        Noisy()

class Node:
    pass

def destructor():
    Noisy()

def destructor_in_a_destructor():
    Nested()

def callback():
    node = Node()
    watch = weakref.ref(node, lambda _: send())
    del node

def generator():
    def waiting():
        try:
            yield
        finally:
            Noisy()
    started = waiting()
    next(started)
    del started

def another_error():
    hooked = []
    sys.unraisablehook = hooked.append
    class Broken:
        def __del__(self):
            raise ValueError("kept")
    restore = command.install_signal_handlers()
    Broken()
    restore()
    print(hooked[0].exc_value)
    send()

def undoing():
    try:
        send()
    finally:
        send(signal.SIGINT, 3)
        try:
            raise OSError
        except OSError:
            send(signal.SIGHUP)
        print("undone")

def dispatch(invocation):
    globals()[sys.argv[1]]()
    time.sleep(20)
    return 0

command.dispatch = dispatch
sys.exit(command.run_command([], 0.0))
"""


def run(program: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("where", ["destructor", "destructor_in_a_destructor", "callback", "generator"])
def test_a_signal_during_a_destructor_or_callback_still_ends_the_run(where: str) -> None:
    done = run(PROGRAM, where)
    assert (done.returncode, done.stderr) == (143, "cloche: interrupted\n")


def test_other_errors_in_destructors_still_reach_the_hook_of_the_program() -> None:
    done = run(PROGRAM, "another_error")
    assert (done.returncode, done.stdout, done.stderr) == (143, "kept\n", "cloche: interrupted\n")


def test_further_signals_do_not_interrupt_the_rollback() -> None:
    done = run(PROGRAM, "undoing")
    assert (done.returncode, done.stdout, done.stderr) == (143, "undone\n", "cloche: interrupted\n")


IN_PROCESS = """
import os, signal, sys, threading
from cloche.cli.dispatch import run_command

def handle(number, frame):
    print("handled")

signal.signal(signal.SIGTERM, handle)
hook = sys.unraisablehook
assert run_command(["--version"], 0.0) == 0
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert sys.unraisablehook is hook
os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=run_command, args=(["--version"], 0.0)).start()
"""


def test_the_handlers_of_a_calling_program_are_restored() -> None:
    done = run(IN_PROCESS)
    assert done.stderr == ""
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["cloche", "handled", "cloche"]


WITH_A_THREAD = """
import sys, threading
from cloche.__main__ import needs_orderly_exit

is_over = threading.Event()
thread = threading.Thread(target=is_over.wait)
assert not needs_orderly_exit()
thread.start()
assert needs_orderly_exit()
is_over.set()
thread.join()
assert not needs_orderly_exit()
"""


def test_a_run_ends_at_once_unless_a_thread_is_running() -> None:
    assert run(WITH_A_THREAD).stderr == ""


def shell(line: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `cloche` is a function that runs the tested code."""
    script = f'cloche() {{ {shlex.quote(sys.executable)} -m cloche "$@"; }}; set -o pipefail; {line}'
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    command = [require("bash"), "-c", script]
    return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("closed", ["2>&-", "<&-", "<&- 2>&-"])
def test_a_run_works_without_the_other_standard_streams(tmp_path: Path, closed: str) -> None:
    done = shell(f"cloche ./env --no-seed {closed} && cloche --version {closed} && cloche --help {closed}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "env" / "bin" / "python").exists()


@pytest.mark.parametrize("argv", ["./env --no-seed", "--help", "--version", "pythons --json", "config", "cache dir"])
def test_a_result_for_a_closed_standard_output_is_an_error(tmp_path: Path, argv: str) -> None:
    done = shell(f"cloche {argv} >&-", tmp_path)
    assert (done.returncode, done.stderr) == (1, "cloche: error: cannot write the result: standard output is closed\n")
    assert shell(f"cloche {argv} <&- >&- 2>&-", tmp_path).returncode == 1


def test_a_run_without_a_result_works_with_a_closed_standard_output(tmp_path: Path) -> None:
    assert shell("cloche ./env -q --no-seed <&- >&- 2>&-", tmp_path).returncode == 0


def test_no_file_gets_the_descriptor_of_a_closed_stream(tmp_path: Path) -> None:
    """Otherwise the output of a child process would go into that file."""
    assert shell("cloche ./env -q --creator venv --no-seed <&- >&- 2>&-", tmp_path).returncode == 0
    assert (tmp_path / "env" / "pyvenv.cfg").read_text().startswith("home = ")


@pytest.mark.parametrize("argv", ["./env --no-seed", "./env --no-seed --json", "--help", "info nowhere --json"])
def test_a_reader_that_closes_the_pipe_early_fails_the_run_without_a_message(tmp_path: Path, argv: str) -> None:
    done = shell(f"cloche {argv} 2> messages > >(true); code=$?; cat messages; exit $code", tmp_path)
    expected = (4, 2) if "nowhere" in argv else (1, 0)
    assert (done.returncode, len(done.stdout.splitlines())) == expected


@pytest.mark.parametrize("argv", ["./env --no-seed", "./env --no-seed --json", "--help", "--version"])
def test_a_result_that_cannot_be_written_is_a_one_line_error(tmp_path: Path, argv: str) -> None:
    done = shell(f"cloche {argv} > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "cloche: error: cannot write the result: no space left on device\n",
    )


@pytest.mark.parametrize("stream", ["2> /dev/full", "2>&-", "> /dev/full 2> /dev/full", "2> >(true)"])
@pytest.mark.parametrize(("argv", "code"), [("--nothing", 2), ("-p 9.9 ./env", 3), ("--traceback -p 9.9 ./env", 3)])
def test_an_error_that_cannot_be_written_keeps_its_exit_code(tmp_path: Path, argv: str, code: int, stream: str) -> None:
    done = shell(f"cloche {argv} {stream}", tmp_path)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_warning_that_cannot_be_written_is_not_an_error(tmp_path: Path) -> None:
    done = shell("CLOCHE_NOTHING=1 cloche ./env --no-seed 2> /dev/full", tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("created env")


BROKEN = """
import sys
sys.modules["cloche.cli.dispatch"] = None
from cloche.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_module_that_cannot_be_imported_is_an_error_with_a_hint() -> None:
    done = run(BROKEN, "./env")
    assert (done.returncode, done.stdout) == (1, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith("cloche: error: cannot import a module: ")
    assert (
        hint == f"hint: reinstall cloche, and check that `{sys.executable}` is intact; `--traceback` shows the import"
    )
    assert "Traceback" in run(BROKEN, "./env", "--traceback").stderr
    assert json.loads(run(BROKEN, "./env", "--json").stdout)["error"]["message"] == error.removeprefix(
        "cloche: error: "
    )


def test_a_module_that_cannot_be_read_is_an_error_with_a_hint() -> None:
    """Python reads the source if it cannot read the bytecode, so both fail here."""
    source = dispatch.__file__
    fault = ["--inject=openat:error=EIO", "-P", source, "-P", importlib.util.cache_from_source(source)]
    command = [require("strace"), "-f", "-qq", "-o", os.devnull, *fault, sys.executable, "-m", "cloche", "./env"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"cloche: error: cannot import a module: input/output error (`{source}`)"
