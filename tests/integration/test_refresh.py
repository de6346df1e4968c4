"""Test that what you ask for is in an existing environment afterwards, and that what you installed stays."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.distributions import make_wheel, record_problems
from tests.trees import snapshot


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """A directory with two versions of a wheel, each with files that the other one lacks."""
    for version, extra in (("1.0", "old"), ("2.0", "new")):
        files = {
            "spam/__init__.py": f"__version__ = {version!r}\ndef main(): print(__version__)\n",
            f"spam/{extra}/__init__.py": "",
            f"only_{extra}.py": "",
            f"spam-{version}.data/scripts/spam-{extra}": "#!python\n",
        }
        points = f"[console_scripts]\nspam = spam:main\nspam-{extra}-too = spam:main\n"
        make_wheel(tmp_path / "links", "spam", version, files, entry_points=points)
    return tmp_path / "links"


@pytest.fixture
def refresh(cloche, links: Path):
    """Return a function that runs `cloche env` with a seed."""

    def run(seed: str, *options: str):
        done = cloche("./env", "--no-download", "--no-pip", "--find-links", links, "--seed", seed, *options)
        assert done.code == 0, done.err
        return done

    return run


def site_of(environment: Path) -> Path:
    [site] = environment.glob("lib/python*/site-packages")
    return site


def files_of(environment: Path) -> set[str]:
    """Return the files in an environment without bytecode, relative."""
    paths = (path for path in environment.rglob("*") if not path.is_dir() and "__pycache__" not in path.parts)
    return {path.relative_to(environment).as_posix() for path in paths}


def packages_of(environment: Path) -> dict[str, str]:
    """Return the files of packages and programs with their content, without bytecode and its rows in RECORD."""
    found = {}
    for path in files_of(environment):
        if path.startswith(("lib/", "bin/")):
            text = (environment / path).read_text(errors="replace")
            found[path] = "".join(line for line in text.splitlines(keepends=True) if ".pyc," not in line)
    return found


@pytest.mark.parametrize(("before", "after"), [("1.0", "2.0"), ("2.0", "1.0")])
def test_another_version_replaces_the_installed_one_completely(cloche, refresh, before: str, after: str) -> None:
    refresh(f"spam=={before}")
    (site_of(cloche.cwd / "env") / "mine.py").write_text("precious")
    (site_of(cloche.cwd / "env") / "spam" / "__pycache__").mkdir(exist_ok=True)

    done = refresh(f"spam=={after}")

    assert f"spam {after} replaces {before}" in done.err
    env = cloche.cwd / "env"
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # a run would add files that RECORD does not list
    spam = subprocess.run([env / "bin" / "spam"], env=environ, capture_output=True, text=True, check=True)
    assert spam.stdout == f"{after}\n"
    assert (site_of(env) / "mine.py").read_text() == "precious"
    assert record_problems(site_of(env), f"spam-{after}.dist-info") == []
    (site_of(env) / "mine.py").unlink()
    (cloche.cwd / "env").rename(cloche.cwd / "changed")
    refresh(f"spam=={after}")
    assert files_of(cloche.cwd / "changed") == files_of(cloche.cwd / "env")
    names = [{*os.listdir(site_of(cloche.cwd / name))} - {"__pycache__"} for name in ("changed", "env")]
    assert names[0] == names[1]
    assert cloche("doctor", cloche.cwd / "env").code == 0


def test_without_a_version_the_installed_one_stays(cloche, refresh) -> None:
    refresh("spam==1.0")
    before = packages_of(cloche.cwd / "env")
    done = refresh("spam")
    assert "spam 1.0 is already installed; 2.0 was not installed" in done.err
    assert packages_of(cloche.cwd / "env") == before


def test_dependencies_follow_the_seed_that_needs_them(cloche, tmp_path: Path) -> None:
    for version, needed in (("1.0", "==1.0"), ("2.0", ">=2")):
        make_wheel(
            tmp_path / "all", "ham", version, {"ham.py": f"# {version}"}, requires=[f"eggs{needed}"], entry_points=""
        )
        make_wheel(tmp_path / "all", "eggs", version, {"eggs.py": f"# {version}"}, entry_points="")
    seeds = ["--no-pip", "--no-download", "--find-links", tmp_path / "all"]

    def versions() -> set[str]:
        return {path.name.removesuffix(".dist-info") for path in site_of(cloche.cwd / "env").glob("*.dist-info")}

    for version in ("1.0", "2.0", "1.0"):
        done = cloche("./env", *seeds, "--seed", f"ham=={version}")
        assert done.code == 0, done.err
        assert versions() == {f"ham-{version}", f"eggs-{version}"}
    assert cloche("./env", *seeds, "--seed", "ham").code == 0
    assert versions() == {"ham-1.0", "eggs-1.0"}


def test_a_refresh_that_fails_changes_nothing(cloche, refresh, links: Path) -> None:
    refresh("spam==1.0")
    (cloche.cwd / "env" / "bin" / "spam-new").mkdir()
    before = snapshot(cloche.cwd / "env")
    done = cloche("./env", "--no-download", "--no-pip", "--find-links", links, "--seed", "spam==2.0")
    assert done.code == 4
    assert snapshot(cloche.cwd / "env") == before


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("lost", ["bin/spam", "bin/spam-old-too"])
def test_a_missing_script_is_restored(cloche, refresh, version: str, lost: str) -> None:
    """Also if the newest version is not the installed one, which stays."""
    refresh("spam==1.0")
    before = packages_of(cloche.cwd / "env")
    (cloche.cwd / "env" / lost).unlink()
    refresh("spam" if version == "2.0" else "spam==1.0")
    assert packages_of(cloche.cwd / "env") == before


def test_a_script_that_cannot_run_is_restored(cloche, refresh) -> None:
    refresh("spam==1.0")
    complete = packages_of(cloche.cwd / "env")
    modes = {path: (cloche.cwd / "env" / path).stat().st_mode for path in complete}
    (cloche.cwd / "env" / "bin" / "spam").chmod(0o644)
    (cloche.cwd / "env" / "bin" / "spam-old-too").write_bytes(b"")

    assert "installed again" not in refresh("spam==1.0").err
    assert packages_of(cloche.cwd / "env") == complete
    assert {path: (cloche.cwd / "env" / path).stat().st_mode for path in complete} == modes


def test_a_seed_whose_record_lists_bytecode_is_complete_without_it(cloche, refresh) -> None:
    """virtualenv lists each `__pycache__` in the RECORD of its seeds, and does not compile them."""
    refresh("spam==1.0")
    record = site_of(cloche.cwd / "env") / "spam-1.0.dist-info" / "RECORD"
    text = record.read_text()
    record.unlink()  # it may be a link into the cache
    record.write_text(f"{text}spam/__pycache__,,\nspam/__pycache__/__init__.cpython-311.pyc,,\n")

    assert "installed again" not in refresh("spam==1.0").err


def test_a_seed_with_an_emptied_module_is_installed_again(cloche, refresh) -> None:
    refresh("spam==1.0")
    complete = packages_of(cloche.cwd / "env")
    module = site_of(cloche.cwd / "env") / "spam" / "__init__.py"
    module.unlink()
    module.touch()

    assert "is installed again" in refresh("spam==1.0").err
    assert packages_of(cloche.cwd / "env") == complete


@pytest.mark.parametrize(
    "lost", ["spam/__init__.py", "spam-1.0.dist-info/RECORD", "spam-1.0.dist-info/METADATA", "../../../bin/spam-old"]
)
def test_a_seed_with_other_missing_files_is_installed_again(cloche, refresh, lost: str) -> None:
    refresh("spam==1.0")
    before = packages_of(cloche.cwd / "env")
    (site_of(cloche.cwd / "env") / lost).unlink()
    done = refresh("spam==1.0")
    assert "spam 1.0 is installed again, because `" in done.err
    assert packages_of(cloche.cwd / "env") == before


def test_a_seed_of_another_version_that_lost_files_is_named(cloche, refresh) -> None:
    refresh("spam==1.0")
    (site_of(cloche.cwd / "env") / "spam" / "__init__.py").unlink()
    done = refresh("spam")
    assert "spam 1.0 is already installed; 2.0 was not installed, although `" in done.err
    assert "spam/__init__.py` is missing or damaged: name a version to install it again" in done.err


def test_a_record_cannot_remove_what_does_not_belong_to_the_seed(cloche, refresh, tmp_path: Path) -> None:
    """GHSA-pjjw-68hj-v9mw: the RECORD of an installed package is untrusted."""
    refresh("spam==1.0")
    env = cloche.cwd / "env"
    site = site_of(env)
    (tmp_path / "victim").write_text("precious")
    (site / "mine").mkdir()
    (site / "mine" / "data").write_text("precious")
    with open(site / "spam-1.0.dist-info" / "RECORD", "a") as record:
        outside = [str(tmp_path / "victim"), "../../../../../victim", "mine", "..", "../../..", "."]
        record.writelines(f"{path},,\n" for path in (*outside, "../../../bin/python", "../../../pyvenv.cfg"))

    refresh("spam==2.0")

    assert (tmp_path / "victim").read_text() == "precious"
    assert (site / "mine" / "data").read_text() == "precious"
    assert (env / "pyvenv.cfg").is_file()
    assert subprocess.run([env / "bin" / "python", "-c", "import spam.new"], check=True).returncode == 0


def test_the_pip_that_was_requested_is_installed(cloche) -> None:
    """With the real pips of two interpreters' ensurepip."""
    from tests.interpreters import pyenv

    bundled = {}
    for minor in ("3.10", "3.12"):
        stdlib = os.path.join(os.path.dirname(os.path.dirname(pyenv(minor))), "lib", f"python{minor}")
        [wheel] = (name for name in os.listdir(f"{stdlib}/ensurepip/_bundled") if name.startswith("pip-"))
        bundled[minor] = (wheel.split("-")[1], f"{stdlib}/ensurepip/_bundled")
    for minor in ("3.10", "3.12", "3.10"):
        version, links = bundled[minor]
        done = cloche("./env", "-p", pyenv("3.12"), "--pip", version, "--find-links", links, "--no-download")
        assert done.code == 0, done.err
        assert cloche("run", "env", "--", "pip", "--version").out.split()[1] == version
    (cloche.cwd / "env" / "bin" / "pip").unlink()
    assert cloche("./env", "-p", pyenv("3.12")).code == 0
    assert cloche("run", "env", "--", "pip", "--version").out.split()[1] == version
    assert cloche("doctor", "env").code == 0


def test_a_refresh_builds_no_image_of_a_seed_that_stays(cloche, refresh, tmp_path: Path) -> None:
    """Neither if the installed version is another one, nor if it is the same one and the cache was cleared."""
    cloche.environ["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    refresh("spam==1.0")
    images = Path(cloche("cache", "dir").out.strip()) / "images"

    def built() -> set[str]:
        return {path.name.rpartition("-")[0] for path in images.glob("*/spam-*")}

    before = packages_of(cloche.cwd / "env")
    assert built() == {"spam-1.0"}
    for _ in range(2):
        done = refresh("spam")
        assert "spam 1.0 is already installed; 2.0 was not installed" in done.err
        assert built() == {"spam-1.0"}
    assert cloche("cache", "clear").code == 0
    refresh("spam==1.0")
    assert built() == set()
    assert packages_of(cloche.cwd / "env") == before
    (site_of(cloche.cwd / "env") / "spam" / "__init__.py").unlink()
    refresh("spam==1.0")
    assert built() == {"spam-1.0"}
    assert packages_of(cloche.cwd / "env") == before


def test_a_refresh_does_not_compile_the_image_of_a_seed_that_stays(cloche, refresh, tmp_path: Path) -> None:
    cloche.environ["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    refresh("spam==2.0")
    images = Path(cloche("cache", "dir").out.strip()) / "images"
    refresh("spam==2.0")
    assert list(images.glob("*/spam-2.0-*/**/*.pyc")) == []
