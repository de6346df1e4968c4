"""Test that a commit installs the complete staged tree, or restores the old one: contents, modes and links."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading

import pytest

from cloche.apply import exchange, journal, leftovers, merge, transaction
from cloche.apply import staging as staging_module
from cloche.apply.transaction import Transaction
from cloche.errors import ClocheError, DestinationError
from tests.trees import snapshot


@pytest.fixture
def target(tmp_path):
    return str(tmp_path / "env")


def create_tree(root: str) -> None:
    """Create a small tree with every kind of entry."""
    os.makedirs(os.path.join(root, "bin"))
    os.makedirs(os.path.join(root, "lib", "new"))
    os.symlink("python3.12", os.path.join(root, "bin", "python"))
    for path, text in (("bin/activate", "new"), ("lib/new/pip.py", "pip"), ("pyvenv.cfg", "home = /new\n")):
        with open(os.path.join(root, path), "w") as file:
            file.write(text)
    os.chmod(os.path.join(root, "bin", "activate"), 0o755)


@pytest.fixture
def old(target):
    """The tree of an old environment at `target`, with files of the user, and links that must not be followed."""
    os.makedirs(os.path.join(target, "bin"))
    os.makedirs(os.path.join(target, "lib", "own", "deep"))
    outside = os.path.join(os.path.dirname(target), "outside")
    with open(outside, "w") as file:
        file.write("precious")
    os.link(outside, os.path.join(target, "bin", "activate"))
    os.symlink(outside, os.path.join(target, "bin", "python"))
    for path, text in (("lib/own/mine.py", "mine"), ("pyvenv.cfg", "home = /old\n"), ("notes.txt", "keep")):
        with open(os.path.join(target, path), "w") as file:
            file.write(text)
    os.chmod(os.path.join(target, "notes.txt"), 0o640)
    os.chmod(os.path.join(target, "lib", "own"), 0o750)
    return snapshot(target)


def siblings(target: str) -> list[str]:
    """Return the unexpected entries beside the target."""
    return sorted(set(os.listdir(os.path.dirname(target))) - {"env", "outside"})


def commit(target: str, strategy: str) -> None:
    with Transaction(target, strategy) as running:
        create_tree(running.new)
        running.commit()


@pytest.fixture
def without_exchange(monkeypatch):
    """A system on which two directory entries cannot be exchanged."""
    monkeypatch.setattr(exchange, "system_exchange", cannot_exchange)


def cannot_exchange(first: bytes, second: bytes) -> int:
    return errno.ENOSYS


def test_a_new_environment_is_created_with_its_parents(tmp_path):
    target = str(tmp_path / "a" / "b" / "env")
    commit(target, "new")
    assert snapshot(target)["pyvenv.cfg"][2] == b"home = /new\n"
    assert os.listdir(tmp_path / "a" / "b") == ["env"]


def test_an_empty_directory_is_replaced_and_its_permissions_are_kept(target):
    os.mkdir(target)
    os.chmod(target, 0o2750)
    commit(target, "new")
    assert os.stat(target).st_mode & 0o7777 == 0o2750


def commit_after(target: str, event) -> None:
    """Stage a tree, call a function, and commit."""
    with Transaction(target, "new") as running:
        create_tree(running.new)
        event()
        running.commit()


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_an_aborted_transaction_leaves_nothing_not_even_parents(tmp_path, failure):
    def fail():
        raise failure

    with pytest.raises(failure):
        commit_after(str(tmp_path / "a" / "b" / "env"), fail)
    assert os.listdir(tmp_path) == []


def test_a_directory_that_another_process_created_meanwhile_is_not_changed(target):
    with pytest.raises(transaction.DestinationChanged):
        commit_after(target, lambda: os.makedirs(os.path.join(target, "theirs")))
    assert os.listdir(target) == ["theirs"]
    assert siblings(target) == []


def test_a_file_that_another_process_created_meanwhile_is_not_changed(target, tmp_path):
    with pytest.raises(transaction.DestinationChanged):
        commit_after(target, lambda: (tmp_path / "env").write_text("theirs"))
    assert (tmp_path / "env").read_text() == "theirs"
    assert siblings(target) == []


@pytest.mark.parametrize("system", ["exchanging", "not exchanging"])
def test_an_exchange_replaces_all_files_and_does_not_change_link_targets(target, old, system, request):
    if system == "not exchanging":
        request.getfixturevalue("without_exchange")
    commit(target, "exchange")
    assert set(snapshot(target)) == {
        "bin",
        "bin/activate",
        "bin/python",
        "lib",
        "lib/new",
        "lib/new/pip.py",
        "pyvenv.cfg",
    }
    assert siblings(target) == []
    with open(os.path.join(os.path.dirname(target), "outside")) as file:
        assert file.read() == "precious"


@pytest.mark.parametrize("system", ["exchanging", "not exchanging"])
def test_a_merge_replaces_staged_files_keeps_others_and_follows_no_links(target, old, system, request):
    if system == "not exchanging":
        request.getfixturevalue("without_exchange")
    commit(target, "merge")
    now = snapshot(target)
    assert now["bin/activate"][1:] == (0o755, b"new")
    assert now["bin/python"][2] == "python3.12"
    assert now["notes.txt"] == old["notes.txt"]
    assert now["lib/own/mine.py"] == old["lib/own/mine.py"]
    assert now["lib/new/pip.py"][2] == b"pip"
    with open(os.path.join(os.path.dirname(target), "outside")) as file:
        assert file.read() == "precious"
    assert not [name for name in os.listdir(target) if name.startswith(".cloche")]


def test_merging_the_same_tree_changes_nothing(target):
    commit(target, "new")
    before = {path: os.lstat(os.path.join(target, path)).st_ino for path in snapshot(target)}
    commit(target, "merge")
    assert {path: os.lstat(os.path.join(target, path)).st_ino for path in snapshot(target)} == before


@pytest.mark.parametrize("difference", ["mode", "name"])
def test_a_file_with_the_same_content_is_replaced_if_its_mode_or_link_count_differs(target, difference):
    commit(target, "new")
    expected = snapshot(target)
    script = os.path.join(target, "bin", "activate")
    if difference == "mode":
        os.chmod(script, 0o777)
    else:
        os.link(script, os.path.join(os.path.dirname(target), "outside"))
    commit(target, "merge")
    assert snapshot(target) == expected
    assert os.stat(script).st_nlink == 1


def test_pyvenv_cfg_is_merged_last(target, old, tmp_path):
    create_tree(str(tmp_path / "new"))
    (tmp_path / "new" / "zzz").write_text("")
    assert [path for _, _, path in merge.update_steps(str(tmp_path / "new"), target, "")][-1] == "pyvenv.cfg"


@pytest.mark.parametrize("strategy", ["exchange", "merge"])
def test_a_failing_exchange_is_an_error(target, old, strategy, monkeypatch):
    monkeypatch.setattr(exchange, "system_exchange", lambda one, other: errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        commit(target, strategy)
    assert snapshot(target) == old
    assert siblings(target) == []


def test_a_journal_that_cannot_be_written_stops_the_commit(target, old, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        commit(target, "merge")
    assert snapshot(target) == old
    assert siblings(target) == []


def test_emptying_removes_all_entries_and_keeps_the_directory(target, old):
    inode = os.stat(target).st_ino
    commit(target, "merge-emptied")
    assert os.stat(target).st_ino == inode
    assert sorted(os.listdir(target)) == ["bin", "lib", "pyvenv.cfg"]


@pytest.mark.parametrize(
    "obstacle", ["file instead of directory", "link instead of directory", "directory instead of file"]
)
def test_a_tree_that_cannot_be_merged_is_refused_without_changes(target, obstacle):
    os.mkdir(target)
    elsewhere = os.path.join(os.path.dirname(target), "outside")
    os.mkdir(elsewhere)
    if obstacle.startswith("file"):
        open(os.path.join(target, "lib"), "w").close()
    elif obstacle.startswith("link"):
        os.symlink(elsewhere, os.path.join(target, "lib"))
    else:
        os.makedirs(os.path.join(target, "pyvenv.cfg"))
    before = snapshot(target)
    with pytest.raises(DestinationError):
        commit(target, "merge")
    assert snapshot(target) == before
    assert os.listdir(elsewhere) == []


STRATEGIES = [("merge", "exchanging"), ("merge", "not exchanging"), ("merge-emptied", "exchanging")]


@pytest.mark.parametrize(("strategy", "system"), STRATEGIES)
@pytest.mark.parametrize("step", range(6))
def test_a_failure_at_any_step_restores_contents_modes_and_links(target, old, strategy, system, step, monkeypatch):
    if system == "not exchanging":
        monkeypatch.setattr(exchange, "system_exchange", cannot_exchange)
    take, taken = merge.perform_step, []

    def failing(action, staging, target):
        if len(taken) == step:
            raise OSError(28, "No space left on device")
        taken.append(action)
        take(action, staging, target)

    monkeypatch.setattr(merge, "perform_step", failing)
    try:
        commit(target, strategy)
    except OSError:
        assert snapshot(target) == old
    else:
        assert step >= len(taken)
    assert siblings(target) == []


def test_a_journal_that_cannot_be_removed_is_emptied(target, old, monkeypatch):
    unlink = os.unlink

    def refuse(path, **more):
        if os.path.basename(path) == journal.JOURNAL:
            raise PermissionError(errno.EPERM, "Operation not permitted", path)
        unlink(path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        commit(target, "merge")
    staging_module.sweep_staging(os.path.join(target, ".cloche-0"))
    assert snapshot(target)["pyvenv.cfg"][2] == b"home = /new\n"
    assert ".cloche-0" not in os.listdir(target)


def test_files_that_cannot_be_restored_are_kept_for_the_next_run(target, old, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(journal, "undo_step", lambda *_: refuse())
        take = merge.perform_step

        def refuse():
            raise OSError(5, "Input/output error")

        def failing(action, staging, target):
            take(action, staging, target)
            if action.path == "pyvenv.cfg":
                refuse()

        patched.setattr(merge, "perform_step", failing)
        with pytest.raises(ClocheError, match=r"could not restore .* completely") as caught:
            commit(target, "merge")
    assert ".cloche-0" in caught.value.hint
    staging_module.sweep_staging(os.path.join(target, ".cloche-0"))
    assert snapshot(target) == old


def is_killed(target: str, strategy: str, exchanging: bool, fatal) -> bool:
    """Commit in a child process that exits at once when `fatal(call, path)` is true; return whether it did.

    `call` is `take`, a step of a merge, or `rename`.
    """
    child = os.fork()
    if child == 0:
        take, rename = merge.perform_step, os.rename

        def dying_take(action, staging, target):
            if fatal("take", action.path):
                os._exit(9)
            take(action, staging, target)

        def dying_rename(source, destination, **more):
            if fatal("rename", source):
                os._exit(9)
            rename(source, destination, **more)

        merge.perform_step, os.rename = dying_take, dying_rename
        if not exchanging:
            exchange.system_exchange = cannot_exchange
        try:
            commit(target, strategy)
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


@pytest.mark.parametrize(("strategy", "system"), STRATEGIES)
@pytest.mark.parametrize("step", range(6))
def test_the_next_run_rolls_back_a_killed_one(target, old, strategy, system, step):
    taken = iter(range(100))
    if is_killed(target, strategy, system == "exchanging", lambda call, _: call == "take" and next(taken) == step):
        staging_module.sweep_staging(os.path.join(target, ".cloche-0"))
        assert snapshot(target) == old
    else:
        assert step >= 3
        assert "bin/activate" in snapshot(target)


def rename_in_overlay(rename):
    """Return a `rename` that fails for old directories, like an overlay for directories of its lower layers."""

    def refusing(source, destination, **more):
        if os.path.isdir(source) and not os.path.islink(source) and "/new" not in source:
            raise OSError(errno.EXDEV, "Invalid cross-device link", source)
        rename(source, destination, **more)

    return refusing


@pytest.fixture
def layered(monkeypatch):
    """A system on which existing directories cannot be renamed, but the files in them can."""
    monkeypatch.setattr(exchange, "system_exchange", lambda one, other: errno.EXDEV)
    monkeypatch.setattr(os, "rename", rename_in_overlay(os.rename))


@pytest.mark.parametrize("strategy", ["exchange", "merge-emptied"])
@pytest.mark.parametrize("step", range(18))
@pytest.mark.parametrize("end", ["failed", "killed"])
def test_a_directory_that_cannot_be_renamed_is_replaced_file_by_file_or_restored(
    target, old, layered, strategy, step, end, monkeypatch
):
    if end == "failed":
        take, taken = merge.perform_step, []

        def failing(action, staging, target):
            if len(taken) == step:
                raise OSError(28, "No space left on device")
            taken.append(action)
            take(action, staging, target)

        monkeypatch.setattr(merge, "perform_step", failing)
        try:
            commit(target, strategy)
            replaced = True
        except OSError:
            replaced = False
    else:
        taken = iter(range(100))
        replaced = not is_killed(target, strategy, True, lambda call, _: call == "take" and next(taken) == step)
        staging_module.sweep_staging(os.path.join(os.path.dirname(target), ".env.cloche-0"))
        staging_module.sweep_staging(os.path.join(target, ".cloche-0"))
    if replaced:
        assert step > 8
        assert sorted(snapshot(target)) == [
            "bin", "bin/activate", "bin/python", "lib", "lib/new", "lib/new/pip.py", "pyvenv.cfg"
        ]  # fmt: skip
    else:
        assert snapshot(target) == old
    assert siblings(target) == []


@pytest.mark.parametrize("step", range(4))
def test_files_with_unusual_names_are_restored(target, old, step):
    for name in ("two\nlines", "end", "drop 0 bin", "lib\\own", " ", "\udcff"):
        with open(os.path.join(target, name), "w") as file:
            file.write(name.encode("utf-8", "surrogateescape").hex())
    before = snapshot(target)
    taken = iter(range(100))
    assert is_killed(target, "merge-emptied", True, lambda call, _: call == "take" and next(taken) == step * 3)
    staging_module.sweep_staging(os.path.join(target, ".cloche-0"))
    assert snapshot(target) == before


def plant_staging(target: str, *records: str, inside: tuple[str, ...] = ()) -> str:
    """Create a staging directory like one that a killed commit left; return its path.

    :param records: the lines of its journal.
    :param inside: names of further files in it.
    """
    staging = os.path.join(os.path.dirname(target), ".env.cloche-0")
    os.makedirs(os.path.join(staging, "old"))
    with open(os.path.join(staging, "old", "0"), "w") as file:
        file.write("theirs")
    for name in inside:
        open(os.path.join(staging, name), "w").close()
    with open(os.path.join(staging, journal.JOURNAL), "w") as file:
        file.write("\0".join([journal.HEADER, *records, "end", ""]))
    return staging


@pytest.mark.parametrize(
    "records",
    [("env", "drop 0 ../outside"), ("../outside", "drop 0 x"), ("/", "drop 0 etc/x"), ("env", "hop 0 x"), ("env", "x")],
)
def test_a_journal_with_invalid_records_is_ignored_and_kept(target, old, records):
    staging = plant_staging(target, *records)
    staging_module.sweep_staging(staging)
    assert os.path.exists(os.path.join(staging, "old", "0"))
    assert snapshot(target) == old
    with open(os.path.join(os.path.dirname(target), "outside")) as file:
        assert file.read() == "precious"


def test_an_incomplete_journal_means_that_nothing_was_changed_yet(target, old):
    staging = plant_staging(target, "env", "drop 0 notes.txt", "drop 0 bin", "drop 0 lib")
    with open(os.path.join(staging, journal.JOURNAL), "r+") as file:
        file.truncate(os.path.getsize(file.name) - len("end\0"))
    staging_module.sweep_staging(staging)
    assert snapshot(target) == old
    assert siblings(target) == []


def test_a_journal_of_another_version_is_ignored_and_kept(target, old, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(journal, "HEADER", "cloche journal 999")
        staging = plant_staging(target, "env", "drop 0 notes.txt")
    staging_module.sweep_staging(staging)
    assert snapshot(target) == old
    assert os.path.exists(os.path.join(staging, journal.JOURNAL))


def test_a_directory_that_replaced_a_new_one_is_not_removed(target, old):
    added = iter(range(100))
    assert is_killed(target, "merge", True, lambda call, path: call == "take" and next(added) == 3)
    directory = os.path.join(target, "lib", "new")
    os.mkdir(f"{directory}.theirs")  # created before the other is removed, so that it gets another inode
    shutil.rmtree(directory)
    os.rename(f"{directory}.theirs", directory)
    staging_module.sweep_staging(os.path.join(target, ".cloche-0"))
    assert os.path.isdir(directory)


def test_leftovers_are_swept_whatever_their_number(target, old):
    """They are beside the environment, although the next run stages inside it."""
    parent = os.path.dirname(target)
    for name in (".env.cloche-0", ".env.cloche-7"):
        os.makedirs(os.path.join(parent, name, "new", "bin"))
    commit(target, "merge")
    assert siblings(target) == []


def plant_new_tree(target: str) -> str:
    """Create a tree like one that a killed run was staging for a new environment; return its path."""
    tree = os.path.join(os.path.dirname(target), ".env.cloche-new-3")
    create_tree(tree)
    return tree


@pytest.mark.parametrize("strategy", ["new", "exchange", "merge", "merge-emptied"])
def test_an_unfinished_new_tree_is_swept_by_every_strategy(target, request, strategy):
    if strategy != "new":
        request.getfixturevalue("old")
    plant_new_tree(target)
    commit(target, strategy)
    assert siblings(target) == []


def test_an_unfinished_new_tree_is_listed_and_recovered(target, old):
    tree = plant_new_tree(target)
    assert staging_module.staging_directories(target) == [tree]
    staging_module.recover_environment(target)
    assert siblings(target) == []
    assert snapshot(target) == old


def test_a_file_in_a_new_tree_is_never_read_as_a_journal(target, old):
    """Others may be allowed to write to a new tree, and its files have any names."""
    tree = plant_new_tree(target)
    os.makedirs(os.path.join(tree, "old"))
    with open(os.path.join(tree, journal.JOURNAL), "w") as file:
        file.write("\0".join([journal.HEADER, "env", "drop 0 notes.txt", "end", ""]))
    staging_module.sweep_staging(tree)
    assert siblings(target) == []
    assert snapshot(target) == old


def test_a_new_tree_that_is_not_committed_is_removed_whatever_its_files_are_called(target):
    with Transaction(target, "new") as running:
        create_tree(running.new)
        with open(os.path.join(running.new, journal.JOURNAL), "w") as file:
            file.write("of the environment")
    assert siblings(target) == []
    assert not os.path.lexists(target)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o077, 0o700), (0o002, 0o775)])
def test_the_root_of_a_new_tree_has_the_mode_of_any_new_directory(target, umask, mode):
    before = os.umask(umask)
    try:
        with Transaction(target, "new") as running:
            create_tree(running.new)
            assert os.stat(running.new).st_mode & 0o022 == 0, "others could put a link in the place of a directory"
            running.commit()
    finally:
        os.umask(before)
    assert os.stat(target).st_mode & 0o777 == mode


def test_a_new_tree_in_which_another_user_was_faster_is_not_used(target, monkeypatch):
    claim = transaction.claim_staging

    def claimed(stem, *mode):
        path, descriptor = claim(stem, *mode)
        os.symlink("/", os.path.join(path, "lib"))
        return path, descriptor

    monkeypatch.setattr(transaction, "claim_staging", claimed)
    before = os.umask(0)
    try:
        with pytest.raises(ClocheError):
            Transaction(target, "new").__enter__()
    finally:
        os.umask(before)
    assert siblings(target) == []


def test_the_name_of_a_committed_tree_may_be_used_by_another_run(target):
    """What this run still does, a revert included, must not touch the tree of the other run."""
    with Transaction(target, "new") as running:
        create_tree(running.new)
        name = running.new
        running.commit()
        create_tree(name)
        running.revert()
        assert not os.path.lexists(target)
    assert siblings(target) == [os.path.basename(name)]
    assert os.path.isfile(os.path.join(name, "pyvenv.cfg"))


def test_without_locks_only_old_leftovers_are_swept(target, old, monkeypatch):
    staging = plant_staging(target, "env", "drop 0 notes.txt")
    monkeypatch.setattr(leftovers, "try_lock_directory", lambda path: (None, "unsupported"))
    staging_module.sweep_staging(staging)
    assert os.path.exists(staging)
    os.utime(staging, (0, 0))
    staging_module.sweep_staging(staging)
    assert siblings(target) == []


def test_a_staging_directory_of_another_user_or_with_other_files_is_kept(target, old, monkeypatch):
    staging = plant_staging(target, "env", "drop 0 notes.txt", inside=("mine.txt",))
    staging_module.sweep_staging(staging)
    assert os.path.exists(os.path.join(staging, "mine.txt"))
    os.unlink(os.path.join(staging, "mine.txt"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.stat(staging).st_uid + 1)
        staging_module.sweep_staging(staging)
    assert snapshot(target) == old
    staging_module.sweep_staging(staging)
    assert not os.path.exists(staging)
    assert snapshot(target)["notes.txt"][2] == b"theirs"


class Stop(Exception):
    """Raised by the signal handler."""


@pytest.fixture(params=["alone", "beside another thread"])
def terminate(request):
    """Raise `Stop` on SIGTERM; return a function that sends SIGTERM and waits for its delivery.

    If there is another thread, which blocks no signals, the system delivers the signal to that thread.
    """

    def stop(number, frame):
        raise Stop

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    done = threading.Event()

    def send():
        if request.param == "alone":  # earlier tests may have left threads
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        else:
            os.kill(os.getpid(), signal.SIGTERM)
            os.read(reading, 1)

    if request.param != "alone":
        threading.Thread(target=done.wait).start()
    before, wakeup = signal.signal(signal.SIGTERM, stop), signal.set_wakeup_fd(writing)
    yield send
    signal.set_wakeup_fd(wakeup)
    signal.signal(signal.SIGTERM, before)
    done.set()
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("strategy", ["new", "exchange", "merge", "merge-emptied"])
@pytest.mark.parametrize("call", ["mkdir", "rename", "rmdir", "unlink", "chmod", "open"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_signal_during_any_call_leaves_the_old_or_the_new_tree(
    target, terminate, request, monkeypatch, strategy, call, count
):
    before = {} if strategy == "new" else request.getfixturevalue("old")
    original, calls = getattr(os, call), []

    def signalling(*arguments, **named):
        result = original(*arguments, **named)
        calls.append(arguments)
        if len(calls) == count:
            terminate()
        return result

    with monkeypatch.context() as patch:
        patch.setattr(os, call, signalling)
        try:
            commit(target, strategy)
        except Stop:
            assert len(calls) >= count
        else:
            assert len(calls) < count
    now = snapshot(target)
    assert now == before or now["pyvenv.cfg"][2] == b"home = /new\n"
    assert siblings(target) == []
    assert not [path for path in now if ".cloche" in path]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_an_environment_that_a_killed_run_had_moved_aside_is_restored(target, old):
    assert is_killed(target, "exchange", False, lambda call, path: call == "rename" and os.path.basename(path) == "new")
    assert not os.path.exists(target)
    staging_module.sweep_staging(os.path.join(os.path.dirname(target), ".env.cloche-0"))
    assert snapshot(target) == old


def test_a_staging_directory_in_use_is_never_swept(target):
    with Transaction(target, "new") as running:
        create_tree(running.new)
        with Transaction(target, "new") as other:
            assert other.new != running.new
        assert snapshot(running.new)["pyvenv.cfg"]
        running.commit()
    assert siblings(target) == []


def test_a_parent_that_another_run_removed_meanwhile_is_created_again(tmp_path, monkeypatch):
    claim, tries = staging_module.claim_staging, []

    def remove_parent_first(stem, *mode):
        tries.append(stem)
        if len(tries) == 1:
            os.rmdir(os.path.dirname(stem))
        return claim(stem, *mode)

    monkeypatch.setattr(transaction, "claim_staging", remove_parent_first)
    commit(str(tmp_path / "a" / "env"), "new")
    assert os.listdir(tmp_path / "a") == ["env"]


def test_a_staging_directory_that_another_run_is_sweeping_is_not_used(target, monkeypatch):
    lock, tries = staging_module.try_lock_directory, []

    def late(path):
        tries.append(path)
        return (None, "busy") if len(tries) == 1 else lock(path)

    monkeypatch.setattr(staging_module, "try_lock_directory", late)
    with Transaction(target, "new") as running:
        assert running.new == tries[1] != tries[0]


def test_a_link_or_file_with_the_name_of_a_staging_directory_is_kept(target, tmp_path):
    elsewhere = tmp_path / "outside"
    elsewhere.mkdir()
    (elsewhere / "keep").write_text("x")
    os.symlink(elsewhere, tmp_path / ".env.cloche-0")
    (tmp_path / ".env.cloche-1").write_text("a file")
    commit(target, "new")
    assert (elsewhere / "keep").read_text() == "x"
    assert (tmp_path / ".env.cloche-1").read_text() == "a file"


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127])
def test_a_name_of_the_maximum_length_works(tmp_path, name):
    commit(str(tmp_path / name), "new")
    assert os.listdir(tmp_path) == [name]


def test_a_parent_that_is_a_file_is_refused_with_a_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DestinationError, match=r"not a directory|file exists"):
        commit(str(tmp_path / "file" / "env"), "new")
