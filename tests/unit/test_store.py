"""Test the store: its location, its permissions, and directories that cannot be used."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from cloche.errors import ClocheError
from cloche.store import Store, cache_directory, config_directory
from cloche.store.kinds import STORE_DIRECTORIES
from cloche.testing.fakes import fake_host
from tests.distributions import host_with_home
from tests.tools import skip_missing
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.name == "nt", reason="tests POSIX permissions and links")


def as_ordinary_user(work: Callable[[], None]) -> None:
    """Run `work` in a child process without the privileges of the superuser, who could write to any directory."""
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


# Its location


@pytest.mark.skipif(sys.platform != "linux", reason="on other systems, cloche uses platformdirs itself")
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
def test_directories_are_those_of_platformdirs(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    host = fake_host(environ=variables)

    assert os.path.normpath(cache_directory(host)) == os.path.normpath(platformdirs.user_cache_dir("cloche"))
    assert os.path.normpath(config_directory(host)) == os.path.normpath(platformdirs.user_config_dir("cloche"))


def test_a_relative_path_in_an_xdg_variable_is_ignored() -> None:
    """XDG Base Directory Specification; platformdirs follows it since 4.12."""
    host = fake_host(environ={"HOME": "/home/me", "XDG_CACHE_HOME": "relative", "XDG_CONFIG_HOME": "./relative"})

    assert cache_directory(host) == "/home/me/.cache/cloche"
    assert config_directory(host) == "/home/me/.config/cloche"


def test_a_relative_home_directory_is_ignored() -> None:
    assert cache_directory(fake_host(environ={"HOME": "here"}, platform="linux")) == ""


def test_the_store_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = Store.open(host_with_home(tmp_path))
        directories = [store.writable_directory(kind) for kind in STORE_DIRECTORIES]
    finally:
        os.umask(before)

    assert store.root == str(tmp_path / ".cache" / "cloche")
    for path in (store.root, *directories):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        assert path.startswith(store.root)
    assert store.warnings == []


def test_the_store_is_marked_as_a_cache(tmp_path: Path) -> None:
    store = Store.open(host_with_home(tmp_path))

    with open(os.path.join(store.root, "CACHEDIR.TAG"), "rb") as file:
        assert file.read().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")


def test_the_permissions_of_a_given_directory_are_kept(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o755)
    (tmp_path / "cache").chmod(0o755)

    store = Store.open(host_with_home(tmp_path), str(tmp_path / "cache"))

    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o755
    assert stat.S_IMODE(os.stat(store.writable_directory("images")).st_mode) == 0o700


def test_a_relative_directory_is_below_the_current_directory(tmp_path: Path) -> None:
    assert Store.open(host_with_home(tmp_path), "here").root == str(tmp_path / "here")


# Directories that cannot be used


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


def obstruct_with_permissions_for_everybody(home: Path) -> str:
    (home / ".cache" / "cloche").mkdir(parents=True)
    (home / ".cache" / "cloche").chmod(0o777)
    return "is writable by every user"


def obstruct_with_permissions_for_its_group(home: Path) -> str:
    (home / ".cache" / "cloche").mkdir(parents=True)
    (home / ".cache" / "cloche").chmod(0o770)
    return "is writable by its group"


def obstruct_with_another_user(home: Path) -> str:
    if os.geteuid() != 0:
        skip_missing("only the superuser can change the owner of a directory")
    (home / ".cache" / "cloche").mkdir(parents=True)
    os.chown(home / ".cache" / "cloche", 65534, 65534)
    return "belongs to user 65534"


def obstruct_with_another_users_home(home: Path) -> str:
    if os.geteuid() != 0:
        skip_missing("only the superuser can change the owner of a directory")
    (home / ".cache").mkdir()
    os.chown(home / ".cache", 65534, 65534)
    return "belongs to user 65534"


OBSTRUCTIONS = [
    obstruct_with_file,
    obstruct_with_file_above,
    obstruct_with_link,
    obstruct_with_dangling_link,
    obstruct_with_permissions_for_everybody,
    obstruct_with_permissions_for_its_group,
    obstruct_with_another_user,
    obstruct_with_another_users_home,
]


@pytest.mark.parametrize("obstruct", OBSTRUCTIONS)
def test_an_unusable_cache_is_replaced_by_a_temporary_directory_with_a_warning(
    obstruct: Callable[[Path], str], tmp_path: Path
) -> None:
    reason = obstruct(tmp_path)
    before = snapshot(tmp_path)

    with Store.open(host_with_home(tmp_path)) as store:
        directory = store.writable_directory("images")
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
        assert store.readable_directories("images") == [directory]
        assert not store.is_persistent
    assert not os.path.exists(directory)
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
        obstruct_with_permissions_for_everybody,
    ],
)
def test_a_given_directory_that_cannot_be_used_is_an_error(obstruct: Callable[[Path], str], tmp_path: Path) -> None:
    reason = obstruct(tmp_path)
    before = snapshot(tmp_path)

    with pytest.raises(ClocheError) as raised:
        Store.open(host_with_home(tmp_path), str(tmp_path / ".cache" / "cloche"))

    assert raised.value.exit_code == 1
    assert reason in raised.value.message
    assert "--cache-dir" in str(raised.value.hint)
    assert snapshot(tmp_path) == before


def test_an_ordinary_user_may_name_a_directory_that_others_can_write_to() -> None:
    """The owner of the directory and its group are trusted then, and a parent that the group can write to."""
    with tempfile.TemporaryDirectory() as parent:  # other users cannot enter that of pytest
        os.chmod(parent, 0o775)
        shared = os.path.join(parent, "shared")
        for directory in (shared, os.path.join(shared, "images")):
            os.mkdir(directory)
            os.chmod(directory, 0o2770)
            if os.geteuid() == 0:
                os.chown(directory, 65533, 65534)

        def work() -> None:
            with Store.open(fake_host(environ={"HOME": parent}, cwd=parent), shared) as store:
                assert store.writable_directory("images") == os.path.join(shared, "images")
                assert store.warnings == []

        as_ordinary_user(work)


needs_superuser = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only the superuser can change the owner of a directory"
)


def owned_by_another_user(directory: Path) -> str:
    os.chown(directory, 65533, 65533)
    return "belongs to user 65533"


def writable_by_its_group(directory: Path) -> str:
    directory.chmod(0o770)
    return "is writable by its group"


def writable_by_every_user(directory: Path) -> str:
    directory.chmod(0o777)
    return "is writable by every user"


CHANGEABLE = [owned_by_another_user, writable_by_its_group, writable_by_every_user]


@needs_superuser
@pytest.mark.parametrize("change", CHANGEABLE)
@pytest.mark.parametrize("where", ["cache", "."])
def test_the_superuser_uses_no_cache_that_another_user_can_change(
    change: Callable[[Path], str], where: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / "cache").mkdir(parents=True)
    (home / "cache").chmod(0o700)
    reason = change(home / where)

    for access in ("read-write", "read-only"):
        with pytest.raises(ClocheError) as raised:
            Store.open(host_with_home(home), str(home / "cache"), access)  # type: ignore[arg-type]
        assert reason in raised.value.message
    (home / "cache").rename(home / "cloche")
    with Store.open(host_with_home(home, XDG_CACHE_HOME=str(home))) as store:
        assert not store.is_persistent
        assert store.readable_directories("images") == []
    assert reason in store.warnings[0]


@needs_superuser
@pytest.mark.parametrize("change", CHANGEABLE[:2])
def test_a_cache_below_a_sticky_directory_is_used(change: Callable[[Path], str], tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    (tmp_path / "shared" / "cache").mkdir(mode=0o700)

    with Store.open(host_with_home(tmp_path), str(tmp_path / "shared" / "cache")) as store:
        assert store.is_persistent
    change(tmp_path / "shared" / "cache")
    with pytest.raises(ClocheError):
        Store.open(host_with_home(tmp_path), str(tmp_path / "shared" / "cache"))


def test_no_user_uses_a_cache_below_a_directory_that_everyone_can_write_to(tmp_path: Path) -> None:
    (tmp_path / "open" / "cache").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)

    with pytest.raises(ClocheError, match=r"is in `.*/open`, which is writable by every user"):
        Store.open(host_with_home(tmp_path), str(tmp_path / "open" / "cache"))


def test_a_group_writable_directory_inside_the_default_store_is_not_used(tmp_path: Path) -> None:
    with Store.open(host_with_home(tmp_path)) as store:
        os.mkdir(os.path.join(store.root, "images"))
        os.chmod(os.path.join(store.root, "images"), 0o770)

        assert store.readable_directories("images") == []
        assert not store.writable_directory("images").startswith(store.root)
        [warning] = store.warnings
        assert "is writable by its group" in warning


def test_a_read_only_home_directory_gives_a_warning() -> None:
    with tempfile.TemporaryDirectory() as home:  # other users cannot enter that of pytest
        os.chmod(home, 0o555)

        def work() -> None:
            tempfile.tempdir = "/tmp"  # another user may be unable to enter that of this one
            with Store.open(host_with_home(Path(home))) as store:
                assert os.path.isdir(store.writable_directory("images"))
                assert "permission denied" in store.warnings[0]

        as_ordinary_user(work)


def test_an_unknown_home_directory_gives_a_warning() -> None:
    with Store.open(fake_host(environ={"HOME": ""})) as store:
        assert os.path.isdir(store.writable_directory("wheels"))
    assert "no home directory" in store.warnings[0]


def test_a_directory_with_a_nul_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClocheError):
        Store.open(host_with_home(tmp_path), f"{tmp_path}/a\0b")


@pytest.mark.parametrize("kind", STORE_DIRECTORIES)
def test_a_symbolic_link_inside_the_store_is_not_followed(kind: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    root = tmp_path / ".cache" / "cloche"
    root.mkdir(parents=True)
    (root / kind).symlink_to(victim)

    with Store.open(host_with_home(tmp_path)) as store:
        directory = store.writable_directory(kind)  # type: ignore[arg-type]
        assert not directory.startswith(str(root))
        assert store.readable_directories(kind) == [directory]  # type: ignore[arg-type]
    assert os.listdir(victim) == []
    assert "is a symbolic link" in store.warnings[0]


# Read-only access, and no access


def test_a_read_only_store_is_not_written_to(tmp_path: Path) -> None:
    store = Store.open(host_with_home(tmp_path))
    written = os.path.join(store.writable_directory("images"), "an-image")
    os.mkdir(written)
    before = snapshot(tmp_path)

    with Store.open(host_with_home(tmp_path), access="read-only") as reader:
        assert reader.readable_directories("images") == [store.writable_directory("images")]
        assert not reader.writable_directory("images").startswith(str(tmp_path / ".cache"))
        with reader.lock("x"):
            pass
        assert not reader.is_persistent
    assert snapshot(tmp_path) == before


def test_a_read_only_store_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    with Store.open(host_with_home(tmp_path), str(tmp_path / "cache"), "read-only") as store:
        assert store.readable_directories("images") == []
    assert os.listdir(tmp_path) == []
    assert store.warnings == []


def test_without_access_the_store_is_neither_read_nor_written(tmp_path: Path) -> None:
    Store.open(host_with_home(tmp_path)).writable_directory("images")
    before = snapshot(tmp_path)

    with Store.open(host_with_home(tmp_path), access="none") as store:
        assert store.readable_directories("images") == []
        assert os.path.isdir(store.writable_directory("images"))
    assert snapshot(tmp_path) == before
    assert store.warnings == []


def test_a_store_that_vanishes_is_created_again(tmp_path: Path) -> None:
    store = Store.open(host_with_home(tmp_path))
    os.rename(store.root, tmp_path / "gone")

    assert store.readable_directories("images") == []
    assert os.path.isdir(Store.open(host_with_home(tmp_path)).writable_directory("images"))
