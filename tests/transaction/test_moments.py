"""Test that a signal between any two instructions of the interpreter leaves all changes or none."""

from __future__ import annotations

import os
import select
import signal
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from cloche.apply import apply
from cloche.apply.transaction import DeferredHandlers, DeferredSignals, DeliveredSignals, Transaction
from cloche.errors import ClocheError
from cloche.lifecycle.overlay import Overlay
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import CodeType, FrameType


class Stop(Exception):
    """Raised by the signal handler."""


def stop(number: int, frame: FrameType | None) -> None:
    raise Stop


@pytest.fixture(params=["alone", "beside another thread"])
def terminate(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """Raise `Stop` on SIGTERM; return a function that sends SIGTERM and waits for its delivery.

    If there is another thread, which blocks no signals, the system delivers the signal to that thread.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    done = threading.Event()

    def send() -> None:
        if request.param == "alone":  # earlier tests may have left threads
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            return
        while select.select([reading], [], [], 0)[0]:
            os.read(reading, 100)
        os.kill(os.getpid(), signal.SIGTERM)
        select.select([reading], [], [])

    other = threading.Thread(target=done.wait)
    if request.param != "alone":
        other.start()
    before, wakeup = signal.signal(signal.SIGTERM, stop), signal.set_wakeup_fd(writing)
    yield send
    signal.set_wakeup_fd(wakeup)
    signal.signal(signal.SIGTERM, before)
    if request.param != "alone":
        done.set()
        other.join()
    os.close(reading)
    os.close(writing)


TRACED: frozenset[CodeType] = frozenset(
    (
        apply.__code__,
        *(
            function.__code__
            for kind in (Transaction, DeferredSignals, DeliveredSignals)
            for function in vars(kind).values()
            if hasattr(function, "__code__")
        ),
    )
)
"""The functions of `apply`, of a transaction and of deferred signals, without those that they call in other modules."""


def call_interrupted(function: Callable[[], object], moment: int, interrupt: Callable[[], None]) -> str:
    """Call a function, and interrupt it before instruction number `moment`; instructions of the traced functions count too.

    :return: `stopped`, `done`, or `over` if there are fewer instructions.
    """
    executed = 0

    def trace_instruction(frame: FrameType, event: str, argument: object) -> Callable[..., object]:
        nonlocal executed
        if event == "opcode":
            executed += 1
            if executed == moment:
                interrupt()
        return trace_instruction

    def trace_call(frame: FrameType, event: str, argument: object) -> Callable[..., object] | None:
        if frame.f_code is not function.__code__ and frame.f_code not in TRACED:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return trace_instruction

    previous = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # CPython 3.12 traces instructions only if this is set before `settrace`
    sys.settrace(trace_call)
    try:
        function()
    except Stop:
        return "stopped"
    finally:
        sys.settrace(previous)
        sys._getframe().f_trace_opcodes = False
    return "done" if executed >= moment else "over"


def interrupt_everywhere(
    prepare: Callable[[int], Callable[[], object]], interrupt: Callable[[], None]
) -> Iterator[tuple[int, str]]:
    """Repeat a call, each time interrupted one instruction later; yield the number of the instruction and the outcome."""
    moment = 1
    while (end := call_interrupted(prepare(moment), moment, interrupt)) != "over":
        yield moment, end
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set(), moment
        assert signal.getsignal(signal.SIGTERM) is stop, moment
        moment += 1
    assert moment > 200


def test_a_new_environment_is_complete_or_absent(terminate: Callable[[], None], tmp_path: Path) -> None:
    def prepare(moment: int) -> Callable[[], object]:
        target = str(tmp_path / str(moment) / "parent" / "env")
        os.mkdir(tmp_path / str(moment))

        def create() -> None:
            with Transaction(target, "new") as running:
                with running.delivered_signals():
                    os.mkdir(os.path.join(running.new, "lib"))
                running.commit()

        return create

    for moment, end in interrupt_everywhere(prepare, terminate):
        assert end == "stopped", moment
        paths = sorted(snapshot(str(tmp_path / str(moment))))
        assert paths in ([], ["parent", "parent/env", "parent/env/lib"]), moment


def test_a_failure_followed_by_a_signal_leaves_nothing(terminate: Callable[[], None], tmp_path: Path) -> None:
    def prepare(moment: int) -> Callable[[], object]:
        target = str(tmp_path / str(moment) / "parent" / "env")
        os.mkdir(tmp_path / str(moment))

        def fail() -> None:
            try:
                with Transaction(target, "new") as running, running.delivered_signals():
                    raise ClocheError("it does not work")
            except ClocheError:
                pass

        return fail

    for moment, _ in interrupt_everywhere(prepare, terminate):
        assert os.listdir(tmp_path / str(moment)) == [], moment


def test_an_edit_and_its_permissions_are_both_applied_or_neither(terminate: Callable[[], None], tmp_path: Path) -> None:
    def prepare(moment: int) -> Callable[[], object]:
        directory = tmp_path / str(moment) / "env"
        directory.mkdir(parents=True)
        (directory / "script").write_text("old")
        (directory / "open").write_text("")
        (directory / "open").chmod(0o666)
        overlay = Overlay(str(directory))
        overlay.write("script", b"new")
        overlay.set_mode("open", 0o644)
        return lambda: overlay.apply(lambda: None)

    for moment, end in interrupt_everywhere(prepare, terminate):
        assert end == "stopped", moment
        directory = tmp_path / str(moment) / "env"
        now = (directory / "script").read_text(), stat.S_IMODE((directory / "open").stat().st_mode)
        assert now in (("old", 0o666), ("new", 0o644)), moment
        assert sorted(os.listdir(directory)) == ["open", "script"], moment


@pytest.mark.skipif(
    not os.path.exists("/proc/self/status"), reason="only Linux reports the signals that a process blocks"
)
def test_a_program_that_starts_while_signals_are_deferred_receives_them(terminate: Callable[[], None]) -> None:
    masks: list[str] = []

    def start_program() -> None:
        with DeferredHandlers():
            terminate()
            command = ["grep", "SigBlk", "/proc/self/status"]
            masks.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    with pytest.raises(Stop):
        start_program()
    assert [int(mask.split()[1], 16) for mask in masks] == [0]
