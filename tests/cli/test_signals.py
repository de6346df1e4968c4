"""A signal that asks to stop is heard wherever it comes, once, and what is half-done is undone in peace."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, time, weakref
from cloche.cli import command

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

def dispatch(argv, started):
    globals()[sys.argv[1]]()
    time.sleep(20)
    return 0

command.dispatch = dispatch
sys.exit(command.run_command([], 0.0))
"""


def run(program: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("where", ["destructor", "destructor_in_a_destructor", "callback", "generator"])
def test_a_signal_where_python_drops_exceptions_still_ends_the_run(where: str) -> None:
    done = run(PROGRAM, where)
    assert (done.returncode, done.stderr) == (143, "cloche: interrupted\n")


def test_signals_that_come_while_the_first_is_being_undone_wait_until_it_is() -> None:
    done = run(PROGRAM, "undoing")
    assert (done.returncode, done.stdout, done.stderr) == (143, "undone\n", "cloche: interrupted\n")


IN_PROCESS = """
import os, signal, sys, threading
from cloche.cli.command import run_command

def mine(number, frame):
    print("mine")

signal.signal(signal.SIGTERM, mine)
hook = sys.unraisablehook
assert run_command(["--version"], 0.0) == 0
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert sys.unraisablehook is hook
os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=run_command, args=(["--version"], 0.0)).start()
"""


def test_a_program_that_calls_the_command_line_has_its_own_handlers_afterwards() -> None:
    done = run(IN_PROCESS)
    assert done.stderr == ""
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["cloche", "mine", "cloche"]
