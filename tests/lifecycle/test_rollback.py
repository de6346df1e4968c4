"""Test that a failed move, repair or upgrade restores the environment, and that the next run undoes a killed one."""

from __future__ import annotations

import errno
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from cloche.api import open_session
from cloche.apply import exchange, merge, staging, transaction
from cloche.apply.takeover import TakeoverTransaction
from cloche.errors import ClocheError
from cloche.lifecycle import examination, move, tree
from cloche.lifecycle.doctor import repair
from cloche.lifecycle.doctor.case import Finding
from cloche.lifecycle.doctor.diagnosis import open_case
from cloche.lifecycle.doctor.repair import repair_environment
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.upgrade import rebuild
from cloche.lifecycle.upgrade.plan import plan_upgrade
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from cloche.apply.journal import Action
    from cloche.lifecycle.doctor.case import Case


@pytest.fixture
def session(cloche, shared_cache):
    """Open a session in this process, with the cache that the `cloche` fixture uses."""
    with open_session(environ=cloche.environ, cache=shared_cache / "cloche") as opened:
        yield opened


def make_tree(env: Path) -> Path:
    """Create a small tree with a file, a script, a link and a directory to remove."""
    (env / "lib" / "deep").mkdir(parents=True)
    (env / "lib" / "deep" / "one.py").write_text("one = 1\n")
    (env / "script").write_text("#!/old/bin/python\n")
    (env / "script").chmod(0o755)
    (env / "link").symlink_to("/old")
    (env / "unwanted").mkdir()
    (env / "unwanted" / "file").write_text("old\n")
    return env


def edit(env: Path) -> Overlay:
    """Return an overlay with edits of every kind."""
    overlay = Overlay(str(env))
    overlay.write("lib/deep/one.py", b"one = 2\n")
    overlay.write("script", b"#!/new/bin/python\n")
    overlay.write("lib/added", b"new\n")
    overlay.link("link", "lib")
    overlay.remove("unwanted")
    return overlay


def test_an_overlay_changes_nothing_until_it_is_applied(tmp_path: Path) -> None:
    env = make_tree(tmp_path / "env")
    before = snapshot(env)
    overlay = edit(env)
    assert snapshot(env) == before
    overlay.apply()
    assert (env / "lib/deep/one.py").read_text() == "one = 2\n"
    assert (env / "script").stat().st_mode & 0o777 == 0o755
    assert os.readlink(env / "link") == "lib"
    assert not (env / "unwanted").exists()
    assert (env / "lib/added").read_text() == "new\n"
    assert sorted(os.listdir(env)) == ["lib", "link", "script"]


def test_an_overlay_lists_only_real_changes(tmp_path: Path) -> None:
    overlay = Overlay(str(make_tree(tmp_path / "env")))
    overlay.write("script", b"#!/old/bin/python\n")
    overlay.link("link", "/old")
    assert overlay.changed == []
    overlay.remove("unwanted")
    assert overlay.content("unwanted/file") is None
    assert overlay.changed == ["unwanted"]


def test_a_failed_verification_restores_permissions(tmp_path: Path) -> None:
    env = make_tree(tmp_path / "env")
    before = snapshot(env)
    overlay = edit(env)
    overlay.set_mode("lib/deep", 0o700)
    overlay.set_mode("script", 0o700)
    modes = []

    def verify() -> None:
        modes.extend((env / path).stat().st_mode & 0o777 for path in ("lib/deep", "script"))
        raise ClocheError("it does not work")

    with pytest.raises(ClocheError, match="does not work"):
        overlay.apply(verify)
    assert modes == [0o700, 0o700]
    assert snapshot(env) == before


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("system_call", ["exchange", "rename"])
def test_an_edit_that_fails_at_any_step_restores_everything(tmp_path, monkeypatch, step: int, system_call: str) -> None:
    env = make_tree(tmp_path / "env")
    before = snapshot(env)
    done = []

    def fail_at_step(action: Action, staging: str, target: str) -> None:
        if len(done) == step:
            raise OSError(errno.ENOSPC, "No space left on device", action.path)
        done.append(action)
        original(action, staging, target)

    original = merge.perform_step
    monkeypatch.setattr(merge, "perform_step", fail_at_step)
    if system_call == "rename":
        monkeypatch.setattr(exchange, "system_exchange", lambda one, other: errno.ENOSYS)
    with pytest.raises(ClocheError, match="no space left"):
        edit(env).apply()
    assert len(done) == step
    assert snapshot(env) == before


@pytest.mark.parametrize("step", range(5))
def test_the_next_run_undoes_a_killed_edit(tmp_path, monkeypatch, step: int) -> None:
    env = make_tree(tmp_path / "env")
    before = snapshot(env)
    original = merge.perform_step
    done = []

    class Killed(BaseException):
        pass

    def die_at_step(action: Action, staging: str, target: str) -> None:
        if len(done) == step:
            raise Killed
        done.append(action)
        original(action, staging, target)

    with monkeypatch.context() as patch:
        patch.setattr(merge, "perform_step", die_at_step)
        patch.setattr(merge, "undo_steps", lambda *_: None)  # a killed process undoes nothing
        patch.setattr(merge, "close_journal", lambda staging: None)
        patch.setattr(
            transaction.Transaction, "_close", lambda self: [os.close(number) for number in self._descriptors]
        )
        with pytest.raises(Killed):
            edit(env).apply()
    [leftover] = [name for name in os.listdir(env) if name.startswith(".cloche-")]
    staging.sweep_staging(str(env / leftover))
    assert snapshot(env) == before


def test_a_failed_verification_restores_everything(tmp_path: Path) -> None:
    env = make_tree(tmp_path / "env")
    before = snapshot(env)

    def fail() -> None:
        assert (env / "lib/added").exists()
        raise ClocheError("it does not work")

    with pytest.raises(ClocheError, match="does not work"):
        edit(env).apply(fail)
    assert snapshot(env) == before


def test_a_move_keeps_files_that_appear_at_the_destination(cloche, empty_env, session) -> None:
    old = empty_env()
    plan = move.plan_move(str(old), str(cloche.cwd / "new"), "move", session)
    (cloche.cwd / "new").mkdir()
    (cloche.cwd / "new" / "thesis.txt").write_text("precious")
    before = snapshot(cloche.cwd)
    with pytest.raises(ClocheError, match="another process has changed"):
        move.move_environment(plan, session)
    assert snapshot(cloche.cwd) == before


def test_a_move_that_fails_verification_is_undone(cloche, empty_env, session, monkeypatch) -> None:
    old = empty_env()
    before = snapshot(cloche.cwd)
    plan = move.plan_move(str(old), str(cloche.cwd / "new"), "move", session)

    def fail(*_: object) -> None:
        assert (cloche.cwd / "new" / "pyvenv.cfg").exists()
        raise ClocheError("its Python does not start")

    monkeypatch.setattr(move, "refuse_new_damage", fail)
    with pytest.raises(ClocheError, match="would not work at its new path"):
        move.move_environment(plan, session)
    assert snapshot(cloche.cwd) == before


class Stop(Exception):
    """Raised by the signal handler of a test."""


def raise_stop(number: int, frame: FrameType | None) -> None:
    raise Stop


@pytest.mark.parametrize("action", ["move", "copy"])
def test_a_move_interrupted_after_the_commit_is_undone(cloche, empty_env, session, monkeypatch, action) -> None:
    old = empty_env()
    before = snapshot(cloche.cwd)
    plan = move.plan_move(str(old), str(cloche.cwd / "parent" / "new"), action, session)
    kind = TakeoverTransaction if action == "move" else transaction.Transaction
    commit = kind.commit

    def commit_and_signal(self, changes) -> None:
        commit(self, changes)
        assert (cloche.cwd / "parent" / "new" / "pyvenv.cfg").exists()
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    monkeypatch.setattr(kind, "commit", commit_and_signal)
    handler = signal.signal(signal.SIGTERM, raise_stop)
    try:
        with pytest.raises(Stop):
            move.move_environment(plan, session)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert snapshot(cloche.cwd) == before


def test_a_move_that_runs_out_of_space_is_undone(cloche, empty_env, session, monkeypatch) -> None:
    old = empty_env()
    before = snapshot(cloche.cwd)
    plan = move.plan_move(str(old), str(cloche.cwd / "new"), "copy", session)
    calls = []

    def fail_third_write(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cloche.apply.executor.write_all", fail_third_write)
    with pytest.raises(ClocheError, match="no space left"):
        move.move_environment(plan, session)
    assert snapshot(cloche.cwd) == before


def test_an_upgrade_that_fails_verification_is_undone(cloche, empty_env, session, monkeypatch) -> None:
    env = empty_env("venv", "3.11")
    before = snapshot(cloche.cwd)
    plan = plan_upgrade(str(env), ["3.12"], "keep", session)
    verified = []

    def verify(environment: object, location: str, *_: object) -> None:
        verified.append(location)
        if location == str(env):
            assert (env / "lib" / "python3.12").exists()
            raise ClocheError("it does not work")

    monkeypatch.setattr(rebuild, "verify_rebuilt", verify)
    with pytest.raises(ClocheError, match="does not work"):
        rebuild.rebuild(plan, session)
    assert len(verified) == 2
    assert snapshot(cloche.cwd) == before


def test_a_repair_that_fails_verification_is_undone(cloche, empty_env, session, monkeypatch) -> None:
    old = empty_env()
    env = cloche.cwd / "renamed"
    old.rename(env)
    before = snapshot(env)
    case = open_case(str(env), session)
    (env / "bin" / "python").unlink()
    (env / "bin" / "python").write_text("#!/bin/sh\nexit 3\n")
    (env / "bin" / "python").chmod(0o755)
    changed = snapshot(env)
    with pytest.raises(ClocheError, match="would not work"):
        repair_environment(case, session)
    assert snapshot(env) == changed != before


def test_a_repair_reads_the_tree_and_starts_python_no_more_often_than_it_must(
    cloche, empty_env, session, monkeypatch
) -> None:
    """Python starts once before the repair, and once after it, while the repair can still be undone."""
    env = empty_env().rename(cloche.cwd / "renamed")
    starts: list[str] = []
    walks: list[str] = []
    start, walk_tree = examination.start_python, tree.walk_tree

    def record_start(executable: str, *others: object) -> object:
        starts.append((env / "bin" / "activate").read_text())
        return start(executable, *others)

    def record_walk(root: str, *others: object) -> Iterator[tuple[str, os.stat_result]]:
        walks.append(root)
        return walk_tree(root, *others)

    monkeypatch.setattr(examination, "start_python", record_start)
    monkeypatch.setattr(tree, "walk_tree", record_walk)

    result = repair_environment(open_case(str(env), session), session)

    assert result.repaired
    assert not result.remaining
    assert [str(env) in text for text in starts] == [False, True]
    assert walks == [str(env)]


def test_a_repair_after_the_first_that_fails_is_a_note(empty_env, session, monkeypatch) -> None:
    """The first repair stays, so an error that says that nothing was changed would be wrong."""
    case = open_case(str(empty_env()), session)
    found = [[Finding(code, "", "", "", repairable=True)] for code in ("moved", "script-dead")]
    monkeypatch.setattr(repair, "diagnose", lambda _: found.pop(0) if len(found) > 1 else found[0])
    done = []

    def repair_once(*_: object) -> tuple[Case, list[str]]:
        done.append("")
        if len(done) > 1:
            raise ClocheError("the disk is full", hint="nothing was changed")
        return case, ["repaired"]

    monkeypatch.setattr(repair, "repair_once", repair_once)

    result = repair_environment(case, session)

    assert result.notes == ("repaired", "some problems were repaired, but the next repair failed: the disk is full")
    assert [finding.code for finding in result.remaining] == ["script-dead"]
