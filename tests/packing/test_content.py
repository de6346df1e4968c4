"""Test that packed files contain nothing of the place where an environment was, and no reference to source outside."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.run import Cloche
from tests.seeding.projects import make_project

if TYPE_CHECKING:
    from pathlib import Path

BACKEND = """
POINTS = {"spam-1.0.dist-info/entry_points.txt": "[console_scripts]\\nspam = spam:main\\n"}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open("src/spam.py") as file:
        return write(wheel_directory, {"spam.py": file.read(), **POINTS})

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return write(wheel_directory, {"spam.pth": os.path.abspath("src") + "\\n", **POINTS})
"""

MODULE = """
def main():
    import sys
    print(sys.prefix, __file__)
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portable environment, which no test changes."""
    directory = tmp_path_factory.mktemp("content")
    done = Cloche(directory, os.environ)("./env", "--creator", "portable", "--link-mode", "copy")
    assert done.code == 0, done
    return directory / "env"


@pytest.fixture
def env(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "work" / "env", symlinks=True)


@pytest.fixture
def cloche(env: Path) -> Cloche:
    return Cloche(env.parent, os.environ)


def install(env: Path, *words: str) -> Path:
    """Install a project with the pip of an environment; return its directory."""
    project = make_project(env.parent / "project", BACKEND)
    (project / "src").mkdir(exist_ok=True)
    (project / "src" / "spam.py").write_text(MODULE)
    pip = [env / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-cache-dir", *words, project]
    subprocess.run(pip, check=True, cwd="/")
    return project


def output_of(*words: object) -> list[str]:
    command = [*map(str, words)]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd="/", env={"PATH": os.defpath}
    ).stdout.split()


def test_how_an_environment_was_created_is_not_packed(cloche: Cloche, env: Path) -> None:
    """Another machine may link the same files in another way, and its archive has the same bytes."""
    assert "\noptions = --creator portable --link-mode copy" in (env / "pyvenv.cfg").read_text()
    assert cloche("pack", env, "-o", "packed", "--format", "dir").code == 0
    settings = (env.parent / "packed" / "pyvenv.cfg").read_text()
    assert "\nportable = true\n" in settings
    assert "options" not in settings


def test_scripts_that_pip_installed_find_the_python_beside_them(cloche: Cloche, env: Path) -> None:
    """pip writes the path of the environment into their first line."""
    install(env)
    assert os.fsencode(env) in (env / "bin" / "spam").read_bytes()
    assert cloche("pack", "env", "-o", "env.tar.gz").code == 0
    env.rename(env.with_name("gone"))

    done = cloche("unpack", "env.tar.gz", "there")

    assert (done.code, done.err) == (0, "")
    there = cloche.cwd / "there"
    assert output_of(there / "bin" / "spam")[0] == str(there)
    assert os.fsencode(env) not in (there / "bin" / "spam").read_bytes()
    assert "healthy" in cloche("doctor", "there").out


@pytest.mark.parametrize("way", ["moved", "linked"])
def test_scripts_with_another_path_of_the_environment_find_the_python_beside_them(
    cloche: Cloche, env: Path, way: str
) -> None:
    """The environment was moved with `mv`, or packages were installed through a link to it."""
    other = env.with_name("other")
    if way == "moved":
        install(env)
        env.rename(other)
        packed = other
    else:
        other.symlink_to(env)
        install(other)
        packed = env
    assert cloche("pack", packed, "-o", "env.tar.gz").code == 0
    packed.rename(env.with_name("gone"))
    assert cloche("unpack", "env.tar.gz", "there").code == 0

    there = cloche.cwd / "there"
    assert output_of(there / "bin" / "spam")[0] == str(there)


def test_scripts_of_another_python_are_packed_as_they_are(cloche: Cloche, env: Path) -> None:
    """The user wrote one for a Python that may exist elsewhere."""
    install(env)
    script = env / "bin" / "mine"
    script.write_text("#!/opt/elsewhere/bin/python\n")
    assert cloche("pack", "env", "-o", "env.tar.gz").code == 0
    assert cloche("unpack", "env.tar.gz", "there").code == 0

    assert (cloche.cwd / "there" / "bin" / "mine").read_text() == script.read_text()


def test_followed_editable_installs_are_ordinary_ones(cloche: Cloche, env: Path) -> None:
    project = install(env, "--editable")
    refused = cloche("pack", "env", "-o", "env.tar.gz")
    assert (refused.code, "`--follow`" in refused.err) == (1, True)

    assert cloche("pack", "env", "-o", "env.tar.gz", "--follow").code == 0
    shutil.rmtree(project)
    done = cloche("unpack", "env.tar.gz", "there")

    assert (done.code, done.err) == (0, "")
    there = cloche.cwd / "there"
    prefix, file = output_of(there / "bin" / "spam")
    assert (prefix, file.startswith(f"{there}/lib/python3"), file.endswith("/site-packages/spam.py")) == (
        str(there),
        True,
        True,
    )
    assert not list(there.rglob("spam.pth"))
    assert [path for path in there.rglob("*") if path.is_file() and os.fsencode(project) in path.read_bytes()] == []


def test_an_editable_install_that_cannot_be_built_is_refused(cloche: Cloche, env: Path) -> None:
    project = install(env, "--editable")
    (project / "pyproject.toml").write_text("[build-system")

    done = cloche("pack", "env", "-o", "env.tar.gz", "--follow")

    assert (done.code, (cloche.cwd / "env.tar.gz").exists()) == (5, False)
    assert "spam" in done.err.splitlines()[0]


def test_what_was_modified_or_added_before_packing_is_a_warning(cloche: Cloche, env: Path) -> None:
    [module] = env.glob("lib/python3*/site-packages/pip/__init__.py")
    module.chmod(0o644)
    module.write_text(module.read_text() + "# mine\n")
    (env / "bin" / "mine").touch()
    assert cloche("pack", "env", "-o", "env.tar.gz").code == 0

    done = cloche("unpack", "env.tar.gz", "there")

    assert done.code == 0
    added, modified = sorted(done.err.splitlines())
    assert "in the archive, `bin/mine` does not belong to a package" in added
    assert f"in the archive, `{module.relative_to(env)}` was modified" in modified


def test_a_python_that_does_not_start_here_is_a_warning(cloche: Cloche, env: Path) -> None:
    """It may be for another kind of machine."""
    assert cloche("pack", "env", "-o", "packed", "--format", "dir").code == 0
    python = min((cloche.cwd / "packed" / "bin").glob("python3.*"))
    broken = b"\x7fELF" + bytes(100)
    listed = cloche.cwd / "packed" / ".cloche-files"
    listed.write_text(
        listed.read_text().replace(hashlib.sha256(python.read_bytes()).hexdigest(), hashlib.sha256(broken).hexdigest())
    )
    python.write_bytes(broken)

    done = cloche("unpack", "packed", "there")

    assert done.code == 0
    assert "does not start on this machine" in done.err
