"""Whatever fails, the environment is what it was; what a killed run left half done, the next run undoes."""

from __future__ import annotations

import errno
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from cloche.api import open_session
from cloche.apply import exchange, merge, staging, transaction
from cloche.errors import ClocheError
from cloche.lifecycle import move as moving
from cloche.lifecycle import rebuild as rebuilding
from cloche.lifecycle import upgrade as upgrading
from cloche.lifecycle.diagnosis import take_up
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.repair import repair_environment
from tests.trees import snapshot

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from cloche.apply.journal import Action


@pytest.fixture
def world(cloche, shared_cache):
    """A session in this process, with the store of the command lines."""
    with open_session(environ=cloche.environ, cache=shared_cache / "cloche") as run:
        yield run


def tree(place: Path) -> Path:
    """Make a directory as an environment has it, with a file, a script, a link and a directory to lose."""
    (place / "lib" / "deep").mkdir(parents=True)
    (place / "lib" / "deep" / "one.py").write_text("one = 1\n")
    (place / "script").write_text("#!/old/bin/python\n")
    (place / "script").chmod(0o755)
    (place / "link").symlink_to("/old")
    (place / "gone").mkdir()
    (place / "gone" / "file").write_text("old\n")
    return place


def edited(place: Path) -> Overlay:
    overlay = Overlay(str(place))
    overlay.write("lib/deep/one.py", b"one = 2\n")
    overlay.write("script", b"#!/new/bin/python\n")
    overlay.write("lib/added", b"new\n")
    overlay.link("link", "lib")
    overlay.remove("gone")
    return overlay


def test_an_overlay_changes_nothing_until_it_is_applied(tmp_path: Path) -> None:
    place = tree(tmp_path / "env")
    before = snapshot(place)
    overlay = edited(place)
    assert snapshot(place) == before
    overlay.apply()
    assert (place / "lib/deep/one.py").read_text() == "one = 2\n"
    assert (place / "script").stat().st_mode & 0o777 == 0o755
    assert os.readlink(place / "link") == "lib"
    assert not (place / "gone").exists()
    assert (place / "lib/added").read_text() == "new\n"
    assert sorted(os.listdir(place)) == ["lib", "link", "script"]


def test_an_overlay_knows_what_will_be_different(tmp_path: Path) -> None:
    overlay = Overlay(str(tree(tmp_path / "env")))
    overlay.write("script", b"#!/old/bin/python\n")
    overlay.link("link", "/old")
    assert overlay.changed == []
    overlay.remove("gone")
    assert overlay.content("gone/file") is None
    assert overlay.changed == ["gone"]


def test_a_failed_verification_restores_permissions(tmp_path: Path) -> None:
    place = tree(tmp_path / "env")
    before = snapshot(place)
    overlay = edited(place)
    overlay.set_mode("lib/deep", 0o700)
    overlay.set_mode("script", 0o700)
    seen = []

    def verify() -> None:
        seen.extend((place / path).stat().st_mode & 0o777 for path in ("lib/deep", "script"))
        raise ClocheError("it does not do")

    with pytest.raises(ClocheError, match="does not do"):
        overlay.apply(verify)
    assert seen == [0o700, 0o700]
    assert snapshot(place) == before


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("exchanging", ["exchange", "rename"])
def test_an_edit_that_fails_at_any_step_leaves_what_was_there(
    tmp_path, monkeypatch, step: int, exchanging: str
) -> None:
    place = tree(tmp_path / "env")
    before = snapshot(place)
    taken = []

    def failing(action: Action, staging: str, target: str) -> None:
        if len(taken) == step:
            raise OSError(errno.ENOSPC, "No space left on device", action.path)
        taken.append(action)
        original(action, staging, target)

    original = merge.perform_step
    monkeypatch.setattr(merge, "perform_step", failing)
    if exchanging == "rename":
        monkeypatch.setattr(exchange, "system_exchange", lambda one, other: errno.ENOSYS)
    with pytest.raises(ClocheError, match="no space left"):
        edited(place).apply()
    assert len(taken) == step
    assert snapshot(place) == before


@pytest.mark.parametrize("step", range(5))
def test_the_next_run_takes_back_what_a_killed_one_had_done(tmp_path, monkeypatch, step: int) -> None:
    place = tree(tmp_path / "env")
    before = snapshot(place)
    original = merge.perform_step
    taken = []

    class Killed(BaseException):
        pass

    def dying(action: Action, staging: str, target: str) -> None:
        if len(taken) == step:
            raise Killed
        taken.append(action)
        original(action, staging, target)

    with monkeypatch.context() as patch:
        patch.setattr(merge, "perform_step", dying)
        patch.setattr(merge, "undo_steps", lambda *_: None)  # a killed process undoes nothing
        patch.setattr(merge, "close_journal", lambda staging: None)
        patch.setattr(transaction.Transaction, "_close", lambda self: [os.close(one) for one in self._descriptors])
        with pytest.raises(Killed):
            edited(place).apply()
    [left] = [name for name in os.listdir(place) if name.startswith(".cloche-")]
    staging.sweep_staging(str(place / left))
    assert snapshot(place) == before


def test_a_failed_verification_restores_everything(tmp_path: Path) -> None:
    place = tree(tmp_path / "env")
    before = snapshot(place)

    def refuse() -> None:
        assert (place / "lib/added").exists()
        raise ClocheError("it does not work")

    with pytest.raises(ClocheError, match="does not work"):
        edited(place).apply(refuse)
    assert snapshot(place) == before


def test_a_move_does_not_touch_what_appears_at_the_destination(cloche, empty, world) -> None:
    old = empty()
    planned = moving.plan_move(str(old), str(cloche.cwd / "new"), "move", world)
    (cloche.cwd / "new").mkdir()
    (cloche.cwd / "new" / "thesis.txt").write_text("precious")
    before = snapshot(cloche.cwd)
    with pytest.raises(ClocheError, match="something else has been put at"):
        moving.move_environment(planned, world)
    assert snapshot(cloche.cwd) == before


def test_a_move_that_does_not_work_is_undone(cloche, empty, world, monkeypatch) -> None:
    old = empty()
    before = snapshot(cloche.cwd)
    planned = moving.plan_move(str(old), str(cloche.cwd / "new"), "move", world)

    def broken(*_: object) -> None:
        assert (cloche.cwd / "new" / "pyvenv.cfg").exists()
        raise ClocheError("its Python does not start")

    monkeypatch.setattr(moving, "refuse_broken", broken)
    with pytest.raises(ClocheError, match="would not work in its new place"):
        moving.move_environment(planned, world)
    assert snapshot(cloche.cwd) == before


class Stop(Exception):
    """What the handler of a signal raises."""


def stop(number: int, frame: FrameType | None) -> None:
    raise Stop


@pytest.mark.parametrize("deed", ["move", "copy"])
def test_a_move_that_is_stopped_after_the_commit_is_undone(cloche, empty, world, monkeypatch, deed) -> None:
    old = empty()
    before = snapshot(cloche.cwd)
    planned = moving.plan_move(str(old), str(cloche.cwd / "parent" / "new"), deed, world)
    commit = transaction.Transaction.commit

    def committing(self: transaction.Transaction) -> None:
        commit(self)
        assert (cloche.cwd / "parent" / "new" / "pyvenv.cfg").exists()
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    monkeypatch.setattr(transaction.Transaction, "commit", committing)
    handler = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(Stop):
            moving.move_environment(planned, world)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert snapshot(cloche.cwd) == before


def test_a_move_that_runs_out_of_space_is_undone(cloche, empty, world, monkeypatch) -> None:
    old = empty()
    before = snapshot(cloche.cwd)
    planned = moving.plan_move(str(old), str(cloche.cwd / "new"), "copy", world)
    calls = []

    def full(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cloche.apply.executor.write_all", full)
    with pytest.raises(ClocheError, match="no space left"):
        moving.move_environment(planned, world)
    assert snapshot(cloche.cwd) == before


def test_an_upgrade_that_does_not_work_is_undone(cloche, empty, world, monkeypatch) -> None:
    place = empty("venv", "3.11")
    before = snapshot(cloche.cwd)
    planned = upgrading.plan_upgrade(str(place), ["3.12"], "keep", world)
    proved = []

    def proof(environment: object, location: str, *_: object) -> None:
        proved.append(location)
        if location == str(place):
            assert (place / "lib" / "python3.12").exists()
            raise ClocheError("it does not work")

    monkeypatch.setattr(rebuilding, "verify_rebuilt", proof)
    with pytest.raises(ClocheError, match="does not work"):
        rebuilding.rebuild(planned, world)
    assert len(proved) == 2
    assert snapshot(cloche.cwd) == before


def test_a_repair_that_does_not_work_is_undone(cloche, empty, world, monkeypatch) -> None:
    old = empty()
    place = cloche.cwd / "renamed"
    old.rename(place)
    before = snapshot(place)
    case = take_up(str(place), world)
    (place / "bin" / "python").unlink()
    (place / "bin" / "python").write_text("#!/bin/sh\nexit 3\n")
    (place / "bin" / "python").chmod(0o755)
    changed = snapshot(place)
    with pytest.raises(ClocheError, match="would not work"):
        repair_environment(case, world)
    assert snapshot(place) == changed != before
