"""cloche on Windows, as far as that can be had elsewhere: all of it runs in Wine, on a CPython for Windows.

Proved by this are what cloche does through the system that `os.name == "nt"` stands for (its places, renames, locks and
processes, names that differ by case only), that a Windows CPython takes what is made for an environment, and that its
scripts and distlib's launchers start it.

Not proved are what is Windows' own: how it treats files in use and long paths, its registry and its Store, PowerShell.
Nor are CPython's launchers, since its embeddable package has none: environments have copies of the executable. That they
would be taken from their place is in `tests/unit/test_plan.py`, and the rules of cmd are in `tests/shells/test_batch.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.distributions import make_wheel
from tests.windows.world import World, windows_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1500)]

PREFIX = "import sys; print(sys.prefix)"
EXTENSIONS = "import ctypes, socket, sqlite3, ssl, zlib; print('work')"
SCRIPT = "import sys\n\ndef main():\n    print(sys.prefix, sys.argv[1:], sep='|')\n"


@pytest.fixture(scope="session")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Making Wine's world takes half a minute, so there is one for all tests."""
    world = World(tmp_path_factory.mktemp("windows"))
    yield world
    world.close()


@pytest.fixture
def env(tmp_path: Path) -> Path:
    return tmp_path / "my env"


def settings(env: Path) -> dict[str, str]:
    lines = (env / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" = ", 1) for line in lines)


def install_hello(windows: World, env: Path) -> None:
    wheels = env.parent / "wheels"
    make_wheel(wheels, "hello", files={"hello.py": SCRIPT}, entry_points="[console_scripts]\nhello = hello:main\n")
    pip = env / "Scripts" / "pip.exe"
    windows.run(pip, "install", "--no-index", "--find-links", windows_path(wheels), "--no-cache-dir", "hello")


@pytest.mark.parametrize("version", ["3.8", "3.11", "3.13"])
def test_an_environment_works_and_so_does_what_pip_installs_into_it(windows: World, env: Path, version: str) -> None:
    base, root = windows.python(version), windows_path(env)
    said = windows.cloche(root, "-p", windows_path(base / "python.exe"))
    assert said.startswith(f"created {root}: CPython {version}")

    told = settings(env)
    assert told["home"] == told["base-prefix"] == windows_path(base)
    assert told["executable"] == windows_path(base / "python.exe")

    python = env / "Scripts" / "python.exe"
    assert windows.run(python, "-c", PREFIX) == root
    assert windows.run(env / "Scripts" / f"python{version}.exe", "-I", "-c", PREFIX) == root
    assert windows.run(python, "-c", EXTENSIONS) == "work"
    site = windows_path(env / "Lib" / "site-packages")
    by_module = windows.run(python, "-m", "pip", "--version")
    assert by_module == windows.run(env / "Scripts" / "pip.exe", "--version")
    assert f"from {site}\\pip (python {version})".lower() in by_module.lower()  # Python 3.8 itself writes `lib`
    assert list((env / "Lib" / "site-packages" / "pip" / "__pycache__").glob(f"*{version.replace('.', '')}.pyc"))

    install_hello(windows, env)
    assert windows.run(env / "Scripts" / "hello.exe", "a b", 'c"d') == f"{root}|['a b', 'c\"d']"
    assert windows.cloche("doctor", root) == f"{root}: healthy"


def test_activated_it_comes_first_and_deactivated_no_more(windows: World, env: Path) -> None:
    windows.cloche(windows_path(env))
    install_hello(windows, env)
    windows.session(
        f"""
        set >before.env
        call "{windows_path(env)}\\Scripts\\activate.bat"
        set >active.env
        python -c "{PREFIX}" >python.txt
        hello 1 >hello.txt
        call deactivate
        set >after.env
        """,
        env.parent,
    )
    before, active, after = (variables(env.parent / f"{name}.env") for name in ("before", "active", "after"))
    assert active["PATH"] == f"{windows_path(env)}\\Scripts;{before['PATH']}"
    assert active["VIRTUAL_ENV"] == windows_path(env)
    assert after == before
    assert (env.parent / "python.txt").read_text().strip() == windows_path(env)
    assert (env.parent / "hello.txt").read_text().strip() == f"{windows_path(env)}|['1']"


def variables(listing: Path) -> dict[str, str]:
    """Read what `set` writes."""
    return dict(line.split("=", 1) for line in listing.read_bytes().decode().split("\r\n") if line)


def test_one_that_is_there_is_refreshed_or_replaced(windows: World, env: Path) -> None:
    root = windows_path(env)
    windows.cloche(root)
    install_hello(windows, env)
    assert windows.cloche(root).startswith(f"refreshed {root}: CPython 3.11")
    assert (env / "Scripts" / "hello.exe").is_file()
    assert windows.cloche(root, "--clear").startswith(f"replaced {root}: CPython 3.11")
    assert not (env / "Scripts" / "hello.exe").exists()
    assert windows.run(env / "Scripts" / "pip.exe", "list", "--format=freeze").startswith("pip==")
    assert [path for path in env.parent.iterdir() if path.name.startswith(f".{env.name}")] == []


def test_a_move_takes_everything_along(windows: World, env: Path) -> None:
    moved = env.parent / "other place"
    windows.cloche(windows_path(env))
    install_hello(windows, env)
    assert windows.cloche("move", windows_path(env), windows_path(moved)).startswith("moved ")
    assert not env.exists()
    assert windows.run(moved / "Scripts" / "hello.exe") == f"{windows_path(moved)}|[]"
    assert windows_path(moved / "Lib" / "site-packages") in windows.run(moved / "Scripts" / "pip.exe", "-V")
    assert windows.cloche("doctor", windows_path(moved)) == f"{windows_path(moved)}: healthy"


def test_a_relocatable_one_works_wherever_it_is_put(windows: World, env: Path) -> None:
    elsewhere = env.parent / "else where"
    windows.cloche(windows_path(env), "--relocatable")
    env.rename(elsewhere)
    assert windows_path(elsewhere / "Lib" / "site-packages") in windows.run(elsewhere / "Scripts" / "pip.exe", "-V")
