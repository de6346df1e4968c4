"""Test that settings of distutils outside of an environment do not change where pip installs, up to Python 3.9.

There, pip and setuptools ask distutils where to install. It reads `~/.pydistutils.cfg`, `setup.cfg` in the current directory,
and the `distutils.cfg` of the base interpreter.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.distributions import make_wheel
from tests.interpreters import pyenv, pypy

DAILY = (("3.9", "wheel"), ("3.8", "editable"), ("3.6", "project"))


PLACES = """prefix exec_prefix exec-prefix root install_base install_platbase install_lib install-lib install_purelib
    install_platlib install_headers install_scripts install_data""".split()
COMMANDS = "install_lib install_headers install_scripts install_data install_egg_info develop easy_install".split()


def settings(place: Path) -> str:
    """Return a file of distutils that sends every kind of file to another place."""
    lines = ["[install]", *(f"{name} = {place}" for name in PLACES)]
    for command in COMMANDS:
        lines += [f"[{command}]", f"install_dir = {place}"]
    return "\n".join([*lines, ""])


def install(env: Path, home: Path, *what: object, cwd: Path) -> None:
    """Install with the pip of an environment, from files alone."""
    options = ["--disable-pip-version-check", "--no-index", "--no-build-isolation", "--no-cache-dir"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
    command = [env / "bin" / "python", "-m", "pip", "-q", "install", *options, *what]
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def installed(env: Path) -> tuple[bool, str]:
    """Return whether the module `spam` is in the environment, and what its script prints."""
    script = env / "bin" / "spam"
    printed = subprocess.run([script], capture_output=True, text=True, check=False).stdout if script.exists() else ""
    return any(env.glob("lib*/*/site-packages/spam.py")), printed


def make_project(directory: Path) -> Path:
    """Write a project that setuptools installs."""
    directory.mkdir()
    (directory / "spam.py").write_text("def main():\n    print('spam')\n")
    (directory / "setup.py").write_text(
        "from setuptools import setup\n"
        "setup(name='spam', version='1', py_modules=['spam'], entry_points={'console_scripts': ['spam = spam:main']})\n"
    )
    return directory


@pytest.mark.parametrize(
    ("minor", "kind"),
    [
        pytest.param(minor, kind, marks=[] if (minor, kind) in DAILY else pytest.mark.nightly)
        for minor in ("3.9", "3.8", "3.7", "3.6")
        for kind in ("wheel", "editable", "project")
    ],
)
def test_the_settings_of_the_user_change_nothing(cloche, minor: str, kind: str, tmp_path: Path) -> None:
    seeds = [] if kind == "wheel" else ["--seed", "setuptools"]
    created = cloche("./env", "-p", pyenv(minor), *seeds)
    assert created.code == 0, created.err
    env, elsewhere = cloche.cwd / "env", tmp_path / "elsewhere"
    (tmp_path / "home" / ".pydistutils.cfg").write_text(settings(elsewhere))
    (cloche.cwd / "setup.cfg").write_text(settings(elsewhere))

    if kind == "wheel":
        install(env, tmp_path / "home", make_wheel(tmp_path / "wheels"), cwd=cloche.cwd)
    else:
        project = make_project(tmp_path / "project")
        install(env, tmp_path / "home", *(["-e"] if kind == "editable" else []), project, cwd=cloche.cwd)

    in_site_packages, printed = installed(env)
    assert printed == "spam\n"
    assert in_site_packages or kind == "editable" or any(env.glob("lib/*/site-packages/spam-*.egg"))
    assert not elsewhere.exists()


@pytest.mark.parametrize(
    "creator", ["symlink", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("copy", "venv", "portable"))]
)
def test_the_settings_of_the_base_change_nothing(cloche, creator: str, tmp_path: Path) -> None:
    """Each creator; in a portable environment, the user's file would count as for an installation."""
    base = Path(pyenv("3.9")).parent.parent
    if creator != "portable":
        ignored = shutil.ignore_patterns("test", "tests", "site-packages", "idlelib", "share", "include")
        shutil.copytree(base, tmp_path / "base", symlinks=True, ignore=ignored)
        base = tmp_path / "base"
        (base / "lib" / "python3.9" / "site-packages").mkdir()
        (base / "lib" / "python3.9" / "distutils" / "distutils.cfg").write_text(settings(tmp_path / "elsewhere"))
    else:
        (tmp_path / "home" / ".pydistutils.cfg").write_text(settings(tmp_path / "elsewhere"))
    created = cloche("./env", "-p", base / "bin" / "python3.9", "--creator", creator)
    assert created.code == 0, created.err

    install(cloche.cwd / "env", tmp_path / "home", make_wheel(tmp_path / "wheels"), cwd=tmp_path)

    assert installed(cloche.cwd / "env") == (True, "spam\n")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.nightly
def test_pypy_up_to_3_9_ignores_the_settings_of_the_user_too(cloche, tmp_path: Path) -> None:
    python = pypy()
    version = subprocess.check_output([python, "-c", "import sys; print(sys.version_info < (3, 10))"], text=True)
    assert cloche("./env", "-p", python).code == 0
    assert any((cloche.cwd / "env").glob("lib/*/site-packages/_cloche_distutils.pth")) == (version == "True\n")
    (tmp_path / "home" / ".pydistutils.cfg").write_text(settings(tmp_path / "elsewhere"))

    install(cloche.cwd / "env", tmp_path / "home", make_wheel(tmp_path / "wheels"), cwd=tmp_path)

    assert installed(cloche.cwd / "env") == (True, "spam\n")


def test_a_setting_on_the_command_line_is_obeyed(cloche, tmp_path: Path) -> None:
    """`setup.py install --install-lib` means what it says."""
    assert cloche("./env", "-p", pyenv("3.9"), "--seed", "setuptools").code == 0
    project = make_project(tmp_path / "project")
    python = cloche.cwd / "env" / "bin" / "python"
    options = [f"--install-lib={tmp_path / 'chosen'}", "--single-version-externally-managed", "--record=list"]
    subprocess.run([python, "setup.py", "-q", "install", *options], cwd=project, capture_output=True, check=True)
    assert (tmp_path / "chosen" / "spam.py").is_file()


def test_the_files_are_those_of_cloche_in_every_command(cloche) -> None:
    """They are listed, repaired, verified, and gone after an upgrade to a Python that does not need them."""
    assert cloche("./env", "-p", pyenv("3.9"), "--no-seed").code == 0
    site = cloche.cwd / "env" / "lib" / "python3.9" / "site-packages"
    assert sorted(os.listdir(site)) == ["_cloche_distutils.pth", "_cloche_distutils.py"]
    start = [cloche.cwd / "env" / "bin" / "python", "-c", ""]
    subprocess.run(start, check=True)  # may write bytecode
    assert cloche("doctor", "./env").out.endswith("env: healthy\n")
    assert cloche("verify", "./env").code == 0
    (site / "_cloche_distutils.py").unlink()
    assert cloche("verify", "./env").code == 1
    assert cloche("./env", "-p", pyenv("3.9"), "--no-seed").code == 0
    subprocess.run(start, check=True)  # replaces the bytecode of the earlier file
    assert cloche("verify", "./env").code == 0
    upgraded = cloche("upgrade", "./env", "-p", pyenv("3.12"))
    assert (upgraded.code, upgraded.err) == (0, "")
    assert [*(cloche.cwd / "env").rglob("_cloche_distutils*")] == []


def test_newer_pythons_do_not_get_this_file(cloche) -> None:
    assert cloche("./env", "-p", pyenv("3.10"), "--no-seed").code == 0
    assert [*(cloche.cwd / "env").rglob("_cloche*")] == []
