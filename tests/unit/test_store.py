"""The store: where it lies, who may look into it, and what happens where it cannot be."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from cloche.errors import ClocheError
from cloche.store import KINDS, Store
from cloche.store.directories import cache_directory, config_directory
from cloche.store.locks import hold
from cloche.testing.fakes import fake_host
from tests.distributions import host_at
from tests.tools import missing
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions and links are those of POSIX")


def as_nobody(work: Callable[[], None]) -> None:
    """Run `work` in a child process whose user is not the superuser, for whom no directory is unwritable."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# Where it lies


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs itself is asked")
@pytest.mark.parametrize(
    "variables",
    [
        {"HOME": "/home/me"},
        {"HOME": "/home/me", "XDG_CACHE_HOME": "/var/tmp/me", "XDG_CONFIG_HOME": "/srv/me"},
        {"HOME": "/home/me", "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": " "},
        {"HOME": "/home/me/"},
        {"XDG_CACHE_HOME": "/var/tmp/me"},
        {},
    ],
)
def test_directories_are_those_that_platformdirs_names(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    host = fake_host(environ=variables)

    assert os.path.normpath(cache_directory(host)) == os.path.normpath(platformdirs.user_cache_dir("cloche"))
    assert os.path.normpath(config_directory(host)) == os.path.normpath(platformdirs.user_config_dir("cloche"))


def test_a_relative_path_in_a_variable_counts_for_nothing() -> None:
    """XDG Base Directory Specification; platformdirs follows it since 4.12."""
    host = fake_host(environ={"HOME": "/home/me", "XDG_CACHE_HOME": "relative", "XDG_CONFIG_HOME": "./relative"})

    assert cache_directory(host) == "/home/me/.cache/cloche"
    assert config_directory(host) == "/home/me/.config/cloche"


def test_a_home_that_is_no_absolute_path_is_no_home() -> None:
    assert cache_directory(fake_host(environ={"HOME": "here"}, platform="linux")) == ""


def test_it_is_private_to_its_user_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = Store.open(host_at(tmp_path))
        rooms = [store.writable_directory(kind) for kind in KINDS]
    finally:
        os.umask(before)

    assert store.root == str(tmp_path / ".cache" / "cloche")
    for path in (store.root, *rooms):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        assert path.startswith(store.root)
    assert store.warnings == []


def test_it_is_marked_as_a_cache(tmp_path: Path) -> None:
    store = Store.open(host_at(tmp_path))

    with open(os.path.join(store.root, "CACHEDIR.TAG"), "rb") as file:
        assert file.read().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")


def test_the_mode_of_a_directory_that_is_named_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o755)
    (tmp_path / "cache").chmod(0o755)

    store = Store.open(host_at(tmp_path), str(tmp_path / "cache"))

    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o755
    assert stat.S_IMODE(os.stat(store.writable_directory("images")).st_mode) == 0o700


def test_a_relative_name_is_below_the_current_directory(tmp_path: Path) -> None:
    assert Store.open(host_at(tmp_path), "here").root == str(tmp_path / "here")


# Where it cannot be


def obstruct_with_file(home: Path) -> str:
    (home / ".cache").mkdir()
    (home / ".cache" / "cloche").write_text("mine")
    return "is not a directory"


def obstruct_with_file_above(home: Path) -> str:
    (home / ".cache").write_text("mine")
    return "not a directory"


def obstruct_with_link(home: Path) -> str:
    (home / ".cache").mkdir()
    (home / "elsewhere").mkdir()
    (home / ".cache" / "cloche").symlink_to(home / "elsewhere")
    return "is a symbolic link"


def obstruct_with_dangling_link(home: Path) -> str:
    (home / ".cache").mkdir()
    (home / ".cache" / "cloche").symlink_to(home / "nowhere")
    return "is a symbolic link"


def obstruct_with_everybody(home: Path) -> str:
    (home / ".cache" / "cloche").mkdir(parents=True)
    (home / ".cache" / "cloche").chmod(0o777)
    return "is writable by every user"


def obstruct_with_its_group(home: Path) -> str:
    (home / ".cache" / "cloche").mkdir(parents=True)
    (home / ".cache" / "cloche").chmod(0o770)
    return "is writable by its group"


def obstruct_with_another_user(home: Path) -> str:
    if os.geteuid() != 0:
        missing("only the superuser can give a directory away")
    (home / ".cache" / "cloche").mkdir(parents=True)
    os.chown(home / ".cache" / "cloche", 65534, 65534)
    return "belongs to user 65534"


def obstruct_with_another_users_home(home: Path) -> str:
    if os.geteuid() != 0:
        missing("only the superuser can give a directory away")
    (home / ".cache").mkdir()
    os.chown(home / ".cache", 65534, 65534)
    return "belongs to user 65534"


OBSTRUCTIONS = [
    obstruct_with_file,
    obstruct_with_file_above,
    obstruct_with_link,
    obstruct_with_dangling_link,
    obstruct_with_everybody,
    obstruct_with_its_group,
    obstruct_with_another_user,
    obstruct_with_another_users_home,
]


@pytest.mark.parametrize("obstruct", OBSTRUCTIONS)
def test_where_it_cannot_be_a_private_temporary_directory_serves_and_one_line_says_so(
    obstruct: Callable[[Path], str], tmp_path: Path
) -> None:
    reason = obstruct(tmp_path)
    before = snapshot(tmp_path)

    with Store.open(host_at(tmp_path)) as store:
        room = store.writable_directory("images")
        assert stat.S_IMODE(os.stat(room).st_mode) == 0o700
        assert store.readable_directories("images") == [room]
        assert not store.is_persistent
    assert not os.path.exists(room)
    assert snapshot(tmp_path) == before
    [warning] = store.warnings
    assert reason in warning
    assert warning.startswith("continuing without a cache: `")


@pytest.mark.parametrize(
    "obstruct",
    [
        obstruct_with_file,
        obstruct_with_file_above,
        obstruct_with_link,
        obstruct_with_dangling_link,
        obstruct_with_everybody,
    ],
)
def test_a_directory_that_was_named_and_cannot_be_used_is_an_error(
    obstruct: Callable[[Path], str], tmp_path: Path
) -> None:
    reason = obstruct(tmp_path)
    before = snapshot(tmp_path)

    with pytest.raises(ClocheError) as raised:
        Store.open(host_at(tmp_path), str(tmp_path / ".cache" / "cloche"))

    assert raised.value.exit_code == 1
    assert reason in raised.value.message
    assert "--cache-dir" in str(raised.value.hint)
    assert snapshot(tmp_path) == before


def test_a_directory_that_a_group_may_write_to_is_used_if_it_was_named(tmp_path: Path) -> None:
    for directory in (tmp_path / "shared", tmp_path / "shared" / "images"):
        directory.mkdir()
        directory.chmod(0o2770)

    with Store.open(host_at(tmp_path), str(tmp_path / "shared")) as store:
        assert store.writable_directory("images") == str(tmp_path / "shared" / "images")
        assert store.warnings == []


def test_a_directory_inside_that_its_group_may_write_to_is_not_used(tmp_path: Path) -> None:
    with Store.open(host_at(tmp_path)) as store:
        os.mkdir(os.path.join(store.root, "images"))
        os.chmod(os.path.join(store.root, "images"), 0o770)

        assert store.readable_directories("images") == []
        assert not store.writable_directory("images").startswith(store.root)
        [warning] = store.warnings
        assert "is writable by its group" in warning


def test_an_unwritable_home_is_no_obstacle() -> None:
    with tempfile.TemporaryDirectory() as place:  # that of pytest is closed to other users
        os.chmod(place, 0o555)

        def work() -> None:
            with Store.open(host_at(Path(place))) as store:
                assert os.path.isdir(store.writable_directory("images"))
                assert "permission denied" in store.warnings[0]

        as_nobody(work)


def test_a_home_that_nobody_knows_is_no_obstacle() -> None:
    with Store.open(fake_host(environ={"HOME": ""})) as store:
        assert os.path.isdir(store.writable_directory("wheels"))
    assert "no home directory" in store.warnings[0]


def test_a_name_with_a_nul_is_an_error_and_no_crash(tmp_path: Path) -> None:
    with pytest.raises(ClocheError):
        Store.open(host_at(tmp_path), f"{tmp_path}/a\0b")


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_planted_inside_is_not_followed(kind: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    root = tmp_path / ".cache" / "cloche"
    root.mkdir(parents=True)
    (root / kind).symlink_to(victim)

    with Store.open(host_at(tmp_path)) as store:
        room = store.writable_directory(kind)  # type: ignore[arg-type]
        assert not room.startswith(str(root))
        assert store.readable_directories(kind) == [room]  # type: ignore[arg-type]
    assert os.listdir(victim) == []
    assert "is a symbolic link" in store.warnings[0]


# Read-only, and not at all


def test_a_read_only_store_is_not_written_to(tmp_path: Path) -> None:
    store = Store.open(host_at(tmp_path))
    written = os.path.join(store.writable_directory("images"), "an-image")
    os.mkdir(written)
    before = snapshot(tmp_path)

    with Store.open(host_at(tmp_path), access="read-only") as reader:
        assert reader.readable_directories("images") == [store.writable_directory("images")]
        assert not reader.writable_directory("images").startswith(str(tmp_path / ".cache"))
        with reader.lock("x"):
            pass
        assert not reader.is_persistent
    assert snapshot(tmp_path) == before


def test_a_read_only_store_that_is_not_there_is_empty_and_stays_away(tmp_path: Path) -> None:
    with Store.open(host_at(tmp_path), str(tmp_path / "cache"), "read-only") as store:
        assert store.readable_directories("images") == []
    assert os.listdir(tmp_path) == []
    assert store.warnings == []


def test_without_a_store_nothing_is_read_or_written(tmp_path: Path) -> None:
    Store.open(host_at(tmp_path)).writable_directory("images")
    before = snapshot(tmp_path)

    with Store.open(host_at(tmp_path), access="none") as store:
        assert store.readable_directories("images") == []
        assert os.path.isdir(store.writable_directory("images"))
    assert snapshot(tmp_path) == before
    assert store.warnings == []


def test_it_may_vanish_at_any_moment(tmp_path: Path) -> None:
    store = Store.open(host_at(tmp_path))
    os.rename(store.root, tmp_path / "gone")

    assert store.readable_directories("images") == []
    assert os.path.isdir(Store.open(host_at(tmp_path)).writable_directory("images"))


# Locks

HOLDER = """
import sys, time
from cloche.store.locks import hold
with hold(sys.argv[1], 5) as other:
    assert other is None
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_that_is_held_too_long_is_named_with_its_holder(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            with hold(path, 0.1) as holder:
                assert holder is not None
                assert f"process {process.pid} " in holder
        finally:
            process.send_signal(signal.SIGKILL)
    with hold(path, 5) as holder:
        assert holder is None, "the system releases what a killed process held"


def test_a_lock_that_cannot_be_had_at_all_stops_nobody(tmp_path: Path) -> None:
    with hold(str(tmp_path / "no" / "such" / "directory"), 5) as holder:
        assert holder == ""


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "a.lock").symlink_to(victim)

    with hold(str(tmp_path / "a.lock"), 5) as holder:
        assert holder == ""
    assert victim.read_text() == "precious"
