"""Test cloche on a CPython for Windows in Wine, which is the closest to Windows that a Linux machine has.

These tests cover the code for `os.name == "nt"` (paths, renames, locks, processes, names that differ only in case), and
show that a Windows CPython accepts the environments, and that their scripts and the launchers of distlib start it.

They do not cover Windows itself: files in use, long paths, the registry, the Store, PowerShell. They do not cover
CPython's launchers either, because the embeddable package has none, so that environments get copies of the executable.
`tests/unit/test_plan.py` tests that the launchers are used, and `tests/shells/test_batch.py` tests the rules of cmd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.distributions import make_wheel
from tests.windows.wine import WineWindows, windows_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1500)]

PREFIX = "import sys; print(sys.prefix)"
EXTENSIONS = "import ctypes, socket, sqlite3, ssl, zlib; print('work')"
SCRIPT = "import sys\n\ndef main():\n    print(sys.prefix, sys.argv[1:], sep='|')\n"


@pytest.fixture(scope="session")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WineWindows]:
    """Return one Windows system for all tests, because creating a Wine prefix takes half a minute."""
    machine = WineWindows(tmp_path_factory.mktemp("windows"))
    yield machine
    machine.close()


@pytest.fixture
def env(tmp_path: Path) -> Path:
    return tmp_path / "my env"


def settings(env: Path) -> dict[str, str]:
    lines = (env / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" = ", 1) for line in lines)


def install_hello(windows: WineWindows, env: Path) -> None:
    wheels = env.parent / "wheels"
    make_wheel(wheels, "hello", files={"hello.py": SCRIPT}, entry_points="[console_scripts]\nhello = hello:main\n")
    pip = env / "Scripts" / "pip.exe"
    windows.run(pip, "install", "--no-index", "--find-links", windows_path(wheels), "--no-cache-dir", "hello")


@pytest.mark.parametrize("version", ["3.8", "3.11", "3.13"])
def test_an_environment_and_the_packages_in_it_work(windows: WineWindows, env: Path, version: str) -> None:
    base, root = windows.python(version), windows_path(env)
    output = windows.cloche(root, "-p", windows_path(base / "python.exe"))
    assert output.startswith(f"created {root}: CPython {version}")

    config = settings(env)
    assert config["home"] == config["base-prefix"] == windows_path(base)
    assert config["executable"] == windows_path(base / "python.exe")

    python = env / "Scripts" / "python.exe"
    assert windows.run(python, "-c", PREFIX) == root
    assert windows.run(env / "Scripts" / f"python{version}.exe", "-I", "-c", PREFIX) == root
    assert windows.run(python, "-c", EXTENSIONS) == "work"
    site = windows_path(env / "Lib" / "site-packages")
    by_module = windows.run(python, "-m", "pip", "--version")
    assert by_module == windows.run(env / "Scripts" / "pip.exe", "--version")
    assert f"from {site}\\pip (python {version})".lower() in by_module.lower()  # Python 3.8 reports `lib`
    assert list((env / "Lib" / "site-packages" / "pip" / "__pycache__").glob(f"*{version.replace('.', '')}.pyc"))

    install_hello(windows, env)
    assert windows.run(env / "Scripts" / "hello.exe", "a b", 'c"d') == f"{root}|['a b', 'c\"d']"
    assert windows.cloche("doctor", root) == f"{root}: healthy"


def test_activation_puts_the_environment_first_on_path_until_deactivation(windows: WineWindows, env: Path) -> None:
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
    """Return the variables in the output of the command `set`."""
    return dict(line.split("=", 1) for line in listing.read_bytes().decode().split("\r\n") if line)


def test_an_existing_environment_is_refreshed_or_replaced(windows: WineWindows, env: Path) -> None:
    root = windows_path(env)
    windows.cloche(root)
    install_hello(windows, env)
    assert windows.cloche(root).startswith(f"refreshed {root}: CPython 3.11")
    assert (env / "Scripts" / "hello.exe").is_file()
    assert windows.cloche(root, "--clear").startswith(f"replaced {root}: CPython 3.11")
    assert not (env / "Scripts" / "hello.exe").exists()
    assert windows.run(env / "Scripts" / "pip.exe", "list", "--format=freeze").startswith("pip==")
    assert [path for path in env.parent.iterdir() if path.name.startswith(f".{env.name}")] == []


def test_a_moved_environment_still_works(windows: WineWindows, env: Path) -> None:
    moved = env.parent / "other place"
    windows.cloche(windows_path(env))
    install_hello(windows, env)
    assert windows.cloche("move", windows_path(env), windows_path(moved)).startswith("moved ")
    assert not env.exists()
    assert windows.run(moved / "Scripts" / "hello.exe") == f"{windows_path(moved)}|[]"
    assert windows_path(moved / "Lib" / "site-packages") in windows.run(moved / "Scripts" / "pip.exe", "-V")
    assert windows.cloche("doctor", windows_path(moved)) == f"{windows_path(moved)}: healthy"


def test_a_relocatable_environment_works_from_any_path(windows: WineWindows, env: Path) -> None:
    elsewhere = env.parent / "else where"
    windows.cloche(windows_path(env), "--relocatable")
    env.rename(elsewhere)
    assert windows_path(elsewhere / "Lib" / "site-packages") in windows.run(elsewhere / "Scripts" / "pip.exe", "-V")
