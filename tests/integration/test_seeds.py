"""Test that the seeds work that are asked for: with their dependencies, and on the Python of the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.distributions import make_wheel
from tests.interpreters import pyenv
from tests.plugins.site import Site, site

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["site"]

SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """A directory with `spam`, which needs `eggs`, which needs `ham` on this platform."""
    make_wheel(tmp_path / "links", "spam", files={"spam.py": "import eggs\ndef main(): pass\n"}, requires=["eggs>=1"])
    make_wheel(
        tmp_path / "links",
        "eggs",
        files={"eggs.py": "import ham\n"},
        requires=["ham; os_name == 'posix'", "bacon; os_name == 'nt'"],
        entry_points="",
    )
    return tmp_path / "links"


def test_a_seed_comes_with_its_dependencies(cloche, links: Path) -> None:
    make_wheel(links, "ham", files={"ham.py": ""}, entry_points="")
    done = cloche("./env", "--no-pip", "--seed", "spam", "--find-links", links, "--no-download")
    assert done.code == 0, done.err
    assert done.err == ""
    assert subprocess.run([cloche.cwd / "env" / "bin" / "spam"], check=True).returncode == 0


def test_a_missing_dependency_is_an_error_before_anything_is_written(cloche, links: Path) -> None:
    done = cloche("./env", "--no-pip", "--seed", "spam", "--find-links", links, "--no-download")
    assert done.code == 5
    assert "`ham` (required by eggs 1.0)" in done.err
    assert os.listdir(cloche.cwd) == []


def test_dependencies_can_be_left_out(cloche, links: Path) -> None:
    done = cloche("./env", "--no-pip", "--no-deps", "--seed", "spam", "--find-links", links, "--no-download")
    assert done.code == 0
    assert "not installed: `eggs>=1` (required by spam 1.0)" in done.err
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run([cloche.cwd / "env" / "bin" / "spam"], stderr=subprocess.DEVNULL, check=True)


def test_an_installed_seed_that_is_kept_has_no_warnings_about_its_dependencies(cloche, links: Path) -> None:
    make_wheel(links, "ham", files={"ham.py": ""}, entry_points="")
    seed = ("./env", "--no-pip", "--seed", "spam", "--find-links", links, "--no-download")
    assert cloche(*seed).code == 0

    again = cloche(*seed, "--no-deps")

    assert (again.code, again.err) == (0, "")


@pytest.mark.parametrize("options", [[], ["--no-deps"]], ids=["dependencies", "none"])
@pytest.mark.parametrize("requirement", ["eggs (>=1", "eggs; os_name ~= 'posix'"], ids=["specifier", "marker"])
def test_a_dependency_that_cannot_be_read_causes_a_warning(
    cloche, tmp_path: Path, options: list[str], requirement: str
) -> None:
    """Wheels of older build tools have such metadata."""
    make_wheel(tmp_path / "links", "spam", files={"spam.py": ""}, requires=[requirement], entry_points="")
    seed = ["--seed", "spam", "--find-links", tmp_path / "links", "--no-download"]
    for _ in range(2):
        done = cloche("./env", "--no-pip", *seed, *options)
        assert done.code == 0
        assert f"warning: not installed: `{requirement}` (required by spam 1.0) is not valid" in done.err


@pytest.mark.parametrize("shared", ["spam.py", "script"])
def test_two_seeds_with_the_same_file_are_refused_while_planning(cloche, tmp_path: Path, shared: str) -> None:
    points = "[console_scripts]\nsame = spam:main\n"
    for name in ("one", "two"):
        file = "spam.py" if shared == "spam.py" else f"{name}.py"
        make_wheel(tmp_path / "links", name, files={file: ""}, entry_points=points if shared == "script" else "")
    seeds = ["--seed", "one", "--seed", "two", "--find-links", tmp_path / "links", "--no-download"]
    done = cloche("./env", "--no-pip", *seeds)
    assert done.code == 5
    path = "bin/same" if shared == "script" else f"{SITE}/spam.py"
    assert f"`one` 1.0 and `two` 1.0 both contain `{path}`" in done.err
    assert os.listdir(cloche.cwd) == []


@pytest.mark.parametrize("path", [f"{SITE}/spam.py", f"{SITE}/spam-1.0.dist-info/INSTALLER", "bin/same"])
def test_a_seed_with_one_file_as_module_and_as_data_is_refused_while_planning(
    cloche, tmp_path: Path, path: str
) -> None:
    points = "[console_scripts]\nother = spam:main\n"
    files = {"spam.py": "", "spam-1.0.data/scripts/same": "", f"spam-1.0.data/data/{path}": "text\n"}
    make_wheel(tmp_path / "links", "spam", files=files, entry_points=points)
    make_wheel(tmp_path / "links", "eggs", files={"eggs.py": ""}, entry_points="")
    done = cloche(
        "./env", "--no-pip", "--seed", "spam", "--seed", "eggs", "--find-links", tmp_path / "links", "--no-download"
    )
    assert done.code == 5
    assert f"`spam` 1.0 contains `{path}` twice" in done.err
    assert os.listdir(cloche.cwd) == []


@pytest.mark.parametrize("minor", ["3.8", "3.13"])
def test_pip_resolves_dependencies_for_another_python(cloche, links: Path, tmp_path: Path, minor: str) -> None:
    """Only pip has the wheel, and the marker is true only for the Python of the environment, which may be old."""
    needs = [f"tea; python_version == '{minor}'"]
    make_wheel(tmp_path / "index", "ham", files={"ham.py": ""}, requires=needs, entry_points="")
    make_wheel(tmp_path / "index", "tea", files={"tea.py": ""}, requires_python=f"=={minor}.*", entry_points="")
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "index"), "PIP_CONFIG_FILE": os.devnull}
    for name in ("first", "second"):
        options = ["--seed", "spam", "--find-links", links, "--cache-dir", tmp_path / "own-cache"]
        done = cloche(name, "-p", pyenv(minor), "--no-pip", *options, **pip)
        assert done.code == 0, done.err
        names = {path.name.partition("-")[0] for path in (cloche.cwd / name).glob("lib/*/site-packages/*.dist-info")}
        assert names == {"spam", "eggs", "ham", "tea"}
        pip = {"PIP_NO_INDEX": "1"}  # the second time, they are in the cache


@pytest.mark.parametrize("seed", [("--seed", "spam"), ("--pip", "24.0"), ("--setuptools", "70")], ids=" ".join)
def test_seeds_beside_an_option_that_installs_none_are_refused(cloche, seed: tuple[str, str]) -> None:
    for option in ("--no-seed", "--without-pip"):
        done = cloche("./env", option, *seed)
        assert done.code == 2
        assert f"`--no-seed` and `{seed[0]}` contradict each other" in done.err
    assert not (cloche.cwd / "env").exists()
    variable = {f"CLOCHE_{seed[0].strip('-').upper()}": seed[1]}
    assert cloche("./env", "--no-seed", **variable).code == 0, "the command line comes before a variable"


@pytest.mark.parametrize("name", ["pip", "setuptools"])
def test_a_version_of_a_seed_that_is_left_out_is_refused(cloche, name: str) -> None:
    done = cloche("./env", f"--no-{name}", f"--{name}", "24.0")
    assert done.code == 2
    assert f"`--{name}` and `--no-{name}` contradict each other" in done.err
    assert cloche("./env", f"--no-{name}", f"--{name}", "bundle", "--dry-run").code == 0, "as virtualenv"
    assert cloche("./env", f"--no-{name}", "--dry-run", **{f"CLOCHE_{name.upper()}": "24.0"}).code == 0


def test_a_pip_that_does_not_start_is_refused(cloche) -> None:
    """Its metadata accepts every Python since 3.4."""
    stdlib = os.path.join(os.path.dirname(os.path.dirname(pyenv("3.6"))), "lib", "python3.6")
    bundled = f"{stdlib}/ensurepip/_bundled"
    [version] = (name.split("-")[1] for name in os.listdir(bundled) if name.startswith("pip-"))
    for dry_run in (["--dry-run"], []):
        done = cloche(
            "./env", "-p", pyenv("3.13"), "--pip", version, "--find-links", bundled, "--no-download", *dry_run
        )
        assert done.code == 5, done
        assert f"pip {version} does not start with CPython 3.13" in done.err
        assert os.listdir(cloche.cwd) == []
    assert cloche("./env", "-p", pyenv("3.6"), "--pip", version, "--find-links", bundled, "--no-download").code == 0


@pytest.mark.parametrize("name", ["setuptools", "wheel"])
def test_a_build_tool_that_does_not_start_is_refused_while_planning(cloche, tmp_path: Path, name: str) -> None:
    """Old ones need a part of the standard library that later Pythons do not have, which their metadata does not say."""
    links = tmp_path / "links"
    needs = "import helper, removed\nprint(removed)\n"
    make_wheel(links, name, files={f"{name}/__init__.py": needs, f"{name}/__main__.py": ""}, requires=["helper"])
    make_wheel(links, "helper", files={"helper.py": ""}, entry_points="")
    make_wheel(links, "removed", files={"removed.py": ""}, entry_points="")
    options = [f"--{name}", "1.0", "--no-pip", "--find-links", links, "--no-download"]
    for dry_run in (["--dry-run"], []):
        done = cloche("./env", *options, *dry_run)
        assert done.code == 5
        assert f"{name} 1.0 does not start with CPython" in done.err
        assert "No module named 'removed'" in done.err
    assert os.listdir(cloche.cwd) == []
    assert cloche("./env", *options, "--seed", "removed").code == 0


@pytest.mark.nightly
@pytest.mark.parametrize("seed", ["setuptools==40.0", "setuptools==65.5.0", "wheel==0.30.0"])
def test_a_build_tool_from_the_index_that_does_not_start_is_refused(cloche, seed: str) -> None:
    done = cloche("./env", "-p", pyenv("3.12"), "--seed", seed)
    assert (done.code, "does not start with CPython 3.12" in done.err) == (5, True)


@pytest.mark.nightly
def test_a_pip_from_the_index_that_does_not_start_is_refused(cloche) -> None:
    done = cloche("./env", "-p", pyenv("3.13"), "--pip", "21.3.1", "--download")
    assert done.code == 5
    assert "pip 21.3.1 does not start with CPython 3.13" in done.err


@pytest.mark.nightly
def test_a_seed_from_the_index_comes_with_its_dependencies(cloche) -> None:
    for minor in ("3.12", "3.9", "3.7"):
        done = cloche(f"env-{minor}", "-p", pyenv(minor), "--seed", "requests")
        assert done.code == 0, done.err
        python = cloche.cwd / f"env-{minor}" / "bin" / "python"
        assert subprocess.run([python, "-c", "import requests"], check=True).returncode == 0


PAIRING_SEEDER = """
class Seeder:
    name = "pair"
    def refusal(self, interpreter): return None
    def inputs(self, interpreter, wanted, store): return [{directory!r}]
    def images(self, interpreter, wanted, store):
        return [store.image_of({directory!r} + f"/{{name}}-1.0-py3-none-any.whl", interpreter) for name in ("one", "two")]

seeder = Seeder()

@cloche.hookimpl
def cloche_seeders(): return [cloche.Descriptor("pair", "THIS:seeder")]
"""

SAME_PATHS = {
    "a module": ("spam.py", "spam.py", f"{SITE}/spam.py"),
    "a program, as it is": ("one-1.0.data/scripts/same", "two-1.0.data/scripts/same", "bin/same"),
    "a program, as data": ("one-1.0.data/scripts/same", "two-1.0.data/data/bin/same", "bin/same"),
    "a module, as data": ("spam.py", f"two-1.0.data/data/{SITE}/spam.py", f"{SITE}/spam.py"),
    "a file and a directory": ("spam", "spam/part.py", f"{SITE}/spam"),
    "a directory and a file": ("spam/part.py", "spam", f"{SITE}/spam"),
}


@pytest.mark.parametrize("case", SAME_PATHS)
def test_the_images_of_a_plugin_are_checked_for_shared_files_too(cloche, site: Site, tmp_path: Path, case: str) -> None:
    first, second, shared = SAME_PATHS[case]
    make_wheel(tmp_path / "links", "one", files={first: "#!python\n"}, entry_points="")
    make_wheel(tmp_path / "links", "two", files={second: "text\n"}, entry_points="")
    site.install("pairs", pair=PAIRING_SEEDER.format(directory=str(tmp_path / "links")))

    done = cloche("./env", "--seeder", "pair", "--dry-run", PYTHONPATH=str(site.directory))

    assert done.code == 5
    assert f"`one` 1.0 and `two` 1.0 both contain `{shared}`" in done.err
    assert os.listdir(cloche.cwd) == []
