"""A signal at any moment, between any two steps of the interpreter, finds everything done or nothing."""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from cloche.apply import apply, signals
from cloche.apply.transaction import Transaction
from cloche.errors import ClocheError
from cloche.lifecycle.overlay import Overlay
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import CodeType, FrameType


class Stop(Exception):
    """What the handler raises."""


def stop(number: int, frame: FrameType | None) -> None:
    raise Stop


@pytest.fixture(params=["alone", "beside another thread"])
def terminate(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """Have SIGTERM raise `Stop`; give what sends it and waits until Python knows of it.

    A thread that masks nothing is the one that the system gives it to.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    done = threading.Event()

    def send() -> None:
        if request.param == "alone":  # to this thread, whichever others the tests before have left
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


GUARDED: frozenset[CodeType] = frozenset(
    (
        apply.__code__,
        *(
            function.__code__
            for kind in (Transaction, signals.DeferredSignals, signals.DeliveredSignals)
            for function in vars(kind).values()
            if hasattr(function, "__code__")
        ),
    )
)
"""What `apply` and a transaction do themselves, without what they call elsewhere."""


def struck(act: Callable[[], object], moment: int, strike: Callable[[], None]) -> str:
    """Do something, with a strike before the instruction of that number, among `act` itself and the guarded.

    Return `stopped`, `done` or, if there is no such moment, `over`.
    """
    passed = 0

    def each(frame: FrameType, event: str, argument: object) -> Callable[..., object]:
        nonlocal passed
        if event == "opcode":
            passed += 1
            if passed == moment:
                strike()
        return each

    def calls(frame: FrameType, event: str, argument: object) -> Callable[..., object] | None:
        if frame.f_code is not act.__code__ and frame.f_code not in GUARDED:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return each

    watching = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # CPython 3.12 looks for instructions only if one wants them beforehand
    sys.settrace(calls)
    try:
        act()
    except Stop:
        return "stopped"
    finally:
        sys.settrace(watching)
        sys._getframe().f_trace_opcodes = False
    return "done" if passed >= moment else "over"


def moments(prepare: Callable[[int], Callable[[], object]], strike: Callable[[], None]) -> Iterator[tuple[int, str]]:
    """Do it again and again, struck one moment later each time; yield the moment and how it ended."""
    moment = 1
    while (end := struck(prepare(moment), moment, strike)) != "over":
        yield moment, end
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set(), moment
        assert signal.getsignal(signal.SIGTERM) is stop, moment
        moment += 1
    assert moment > 200


def test_a_new_environment_is_complete_or_absent(terminate: Callable[[], None], tmp_path: Path) -> None:
    def prepare(moment: int) -> Callable[[], object]:
        target = str(tmp_path / str(moment) / "parent" / "env")
        os.mkdir(tmp_path / str(moment))

        def make() -> None:
            with Transaction(target, "new") as running:
                with running.delivered_signals():
                    os.mkdir(os.path.join(running.tree.root, "lib"))
                running.commit()

        return make

    for moment, end in moments(prepare, terminate):
        assert end == "stopped", moment
        left = sorted(snapshot(str(tmp_path / str(moment))))
        assert left in ([], ["parent", "parent/env", "parent/env/lib"]), moment


def test_a_failure_that_a_signal_follows_leaves_nothing(terminate: Callable[[], None], tmp_path: Path) -> None:
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

    for moment, _ in moments(prepare, terminate):
        assert os.listdir(tmp_path / str(moment)) == [], moment


def test_an_edit_and_its_permissions_are_both_applied_or_neither(terminate: Callable[[], None], tmp_path: Path) -> None:
    def prepare(moment: int) -> Callable[[], object]:
        place = tmp_path / str(moment) / "env"
        place.mkdir(parents=True)
        (place / "script").write_text("old")
        (place / "open").write_text("")
        (place / "open").chmod(0o666)
        overlay = Overlay(str(place))
        overlay.write("script", b"new")
        overlay.set_mode("open", 0o644)
        return lambda: overlay.apply(lambda: None)

    for moment, end in moments(prepare, terminate):
        assert end == "stopped", moment
        place = tmp_path / str(moment) / "env"
        now = (place / "script").read_text(), stat.S_IMODE((place / "open").stat().st_mode)
        assert now in (("old", 0o666), ("new", 0o644)), moment
        assert sorted(os.listdir(place)) == ["open", "script"], moment
