"""Test pip in environments of every interpreter on this machine: it runs, and it can upgrade and uninstall itself."""

from __future__ import annotations

import ast
import os
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.store import Store
from cloche.store.check import check_image
from cloche.store.images.verification import verify_image
from tests import interpreters
from tests.distributions import host_with_home, make_wheel, record_problems
from tests.trees import snapshot

if TYPE_CHECKING:
    from cloche.model.environment import Environment

INTERPRETERS = [*interpreters.MINORS, "debian", "pypy"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests in this module."""
    return tmp_path_factory.mktemp("cache") / "store"


def find_python(name: str) -> str:
    return {"debian": interpreters.debian, "pypy": interpreters.pypy}.get(name, lambda: interpreters.pyenv(name))()


def create(root: Path, name: str, cache: Path, *seeds: str, **choices: object) -> Environment:
    """Create an environment for an interpreter without the network."""
    return cloche.create(
        root, python=find_python(name), cache=cache, seeds=seeds or ("pip",), network="never", activators=(), **choices
    )


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program without the user's settings for Python and pip, check that it reports no errors, and return its output."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    environ = {**inherited, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=cwd, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def times_of_bytecode(site: Path) -> dict[Path, int]:
    """Return when each file of bytecode was written, except that of the module which Python 3.9 and earlier import at start."""
    own = "_cloche_distutils."
    return {path: path.stat().st_mtime_ns for path in site.rglob("*.pyc") if not path.name.startswith(own)}


@pytest.mark.parametrize("name", INTERPRETERS)
def test_every_interpreter_gets_a_working_pip(name: str, tmp_path: Path, cache: Path) -> None:
    create(tmp_path / "first", name, cache)
    environment = create(tmp_path / "env", name, cache)
    assert environment.interpreter is not None
    version = environment.interpreter.python_version
    [info] = environment.purelib.glob("pip-*.dist-info")
    byte_code = times_of_bytecode(environment.purelib)

    scripts = {f"pip{suffix}" for suffix in ("", "3", version)}
    assert {path.name for path in environment.bin.iterdir()} >= scripts
    for command in (*([environment.bin / script] for script in sorted(scripts)), [environment.executable, "-m", "pip"]):
        output = run(*command, "--version")
        assert output.startswith(f"pip {info.name.split('-')[1].removesuffix('.dist')}")
        assert str(environment.purelib) in output
        assert f"(python {version})" in output
    assert record_problems(environment.purelib, info.name) == []
    assert (info / "INSTALLER").read_text() == "cloche\n"
    assert times_of_bytecode(environment.purelib) == byte_code, (
        "the interpreter accepts the bytecode, so it writes none"
    )


def test_only_the_second_environment_has_byte_code(tmp_path: Path) -> None:
    plan_images(tmp_path / "env", "3.12", tmp_path / "store")
    compiled = []
    for directory in ("first", "second"):
        environment = create(tmp_path / directory, "3.12", tmp_path / "store")
        compiled.append(len(list(environment.purelib.rglob("*.pyc"))))
        plan_images(tmp_path / "env", "3.12", tmp_path / "store")

    assert compiled[0] == 0
    assert compiled[1] > 100


@pytest.mark.parametrize("name", ["3.6", "3.8", "3.12", "3.13", "pypy"])
def test_pip_can_uninstall_itself(name: str, tmp_path: Path, cache: Path) -> None:
    environment = create(tmp_path / "env", name, cache)
    run(environment.executable, "-c", "import pip._internal.commands.install")

    output = run(environment.executable, "-m", "pip", "uninstall", "--yes", "pip")

    assert "Successfully uninstalled pip" in output
    assert list(environment.purelib.glob("pip*")) == []
    assert list(environment.bin.glob("pip*")) == []


def make_newer_pip(environment: Environment, directory: Path) -> Path:
    """Build a wheel of a later version from the pip in an environment."""
    [info] = environment.purelib.glob("pip-*.dist-info")
    version = info.name.removesuffix(".dist-info").partition("-")[2]
    files = {
        str(path.relative_to(environment.purelib)): path.read_bytes()
        for path in (environment.purelib / "pip").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    files["pip/__init__.py"] = files["pip/__init__.py"].replace(version.encode(), b"99.0")
    metadata = (info / "METADATA").read_text().replace(f"\nVersion: {version}\n", "\nVersion: 99.0\n")
    entry_points = (info / "entry_points.txt").read_text()
    return make_wheel(directory, "pip", "99.0", files, entry_points=entry_points, METADATA=metadata)


@pytest.mark.parametrize("name", ["3.7", "3.13"])
@pytest.mark.parametrize("link_mode", ["hardlink", "copy"])
def test_pip_can_upgrade_itself_without_changing_the_store_or_another_environment(
    link_mode: str, name: str, tmp_path: Path, cache: Path
) -> None:
    environment = create(tmp_path / "one", name, cache, link_mode=link_mode)
    other = create(tmp_path / "two", name, cache, link_mode=link_mode)
    wheel = make_newer_pip(environment, tmp_path / "wheels")
    before = snapshot(other.root)

    run(environment.executable, "-m", "pip", "install", "--upgrade", "--find-links", wheel.parent, "pip")

    assert run(environment.bin / "pip", "--version").startswith("pip 99.0 ")
    assert record_problems(environment.purelib, "pip-99.0.dist-info") == []
    assert len(list(environment.purelib.glob("pip-*"))) == 1
    assert snapshot(other.root) == before
    for image in plan_images(tmp_path / "three", name, cache):
        assert check_image(image) is None
        assert verify_image(image.root) == []


def plan_images(root: Path, name: str, cache: Path) -> list[cloche.Image]:
    choices = {"cache": cache, "network": "never", "activators": ()}
    return list(cloche.plan(root, python=find_python(name), **choices).images)  # type: ignore[arg-type]


def test_a_file_modified_in_one_environment_is_intact_in_the_next(tmp_path: Path) -> None:
    environment = create(tmp_path / "one", "3.11", tmp_path / "store", link_mode="hardlink")
    modified = environment.purelib / "pip" / "__main__.py"
    modified.chmod(0o644)
    modified.write_text("raise SystemExit('changed')\n")

    other = create(tmp_path / "two", "3.11", tmp_path / "store", link_mode="hardlink")

    assert run(other.executable, "-m", "pip", "--version")


@pytest.mark.skipif(os.name == "nt", reason="images are read-only only on POSIX")
def test_permissions_changed_in_one_environment_are_intact_in_the_next(tmp_path: Path) -> None:
    environment = create(tmp_path / "one", "3.11", tmp_path / "store", link_mode="hardlink")
    relative = Path("lib", "python3.11", "site-packages", "pip", "__main__.py")
    (environment.root / relative).chmod(0o666)

    other = create(tmp_path / "two", "3.11", tmp_path / "store", link_mode="hardlink")

    assert (other.root / relative).stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize(
    "directory", ["a b", 'it\'s "quoted"', "$(touch planted) `x`", "x" * 200, "new\nline", "環境", "\\x \\N{"]
)
def test_pip_runs_from_a_hostile_directory(directory: str, tmp_path: Path, cache: Path) -> None:
    environment = create(tmp_path / directory / "env", "3.12", cache)
    empty = tmp_path / "empty"
    empty.mkdir()

    assert run(environment.bin / "pip", "--version", cwd=empty).startswith("pip ")
    assert list(empty.iterdir()) == []
    assert not list(tmp_path.rglob("planted"))


def test_modules_in_the_current_directory_are_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for module in ("pip", "sysconfig", "marshal", "hashlib", "importlib", "site", "sitecustomize", "os"):
        (project / f"{module}.py").write_text(f"open({str(tmp_path / 'planted')!r}, 'w').close()\n")
    monkeypatch.chdir(project)

    environment = create(tmp_path / "env", "3.10", tmp_path / "store")
    run(environment.bin / "pip", "--version", cwd=project)

    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("name", ["3.6", "3.12", "pypy"])
def test_files_with_non_ascii_names_are_compiled_in_the_c_locale(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    wheel = make_wheel(tmp_path / "wheels", files={"spam.py": "", "réseau/été.py": "x = 'é'\n"}, entry_points="")

    for directory in ("first", "env"):  # the first unpacks, the second compiles
        environment = create(tmp_path / directory, name, tmp_path / "store", "spam", find_links=[wheel.parent])

    assert [path.name.partition(".")[0] for path in environment.purelib.rglob("réseau/**/*.pyc")] == ["été"]


@pytest.mark.parametrize("name", ["3.8", "3.11"])
def test_setuptools_comes_from_ensurepip_if_bundled(name: str, tmp_path: Path, cache: Path) -> None:
    create(tmp_path / "first", name, cache, "pip", "setuptools")
    environment = create(tmp_path / "env", name, cache, "pip", "setuptools")

    listed = ast.literal_eval(run(environment.executable, "-m", "pip", "list", "--format=json"))
    assert {entry["name"] for entry in listed} == {"pip", "setuptools"}
    for info in environment.purelib.glob("*.dist-info"):
        assert record_problems(environment.purelib, info.name) == []


def test_a_pinned_pip_comes_from_the_find_links_directory(tmp_path: Path, cache: Path) -> None:
    environment = create(tmp_path / "one", "3.12", cache)
    make_newer_pip(environment, tmp_path / "wheels")

    pinned = create(tmp_path / "two", "3.12", cache, "pip==99.0", find_links=[tmp_path / "wheels"])

    assert run(pinned.bin / "pip", "--version").startswith("pip 99.0 ")
    with pytest.raises(cloche.SeedError, match=r"no `pip==98\.0` found for CPython 3\.12"):
        create(tmp_path / "three", "3.12", cache, "pip==98.0")
    assert not (tmp_path / "three").exists()


def test_every_ensurepip_wheel_on_this_machine_is_a_valid_wheel(tmp_path: Path) -> None:
    from cloche.api import find
    from cloche.store.distributions import read_wheel
    from cloche.store.images import find_or_build_image
    from cloche.store.seed_sources import wheels_in_directory

    interpreter = find()
    wheels = [
        wheel.location
        for minor in interpreters.MINORS
        for name in ("pip", "setuptools")
        for wheel in wheels_in_directory(
            os.path.join(os.path.dirname(find_python(minor)), "..", "lib", f"python{minor}", "ensurepip", "_bundled"),
            name,
        )
    ]
    with Store.open(host_with_home(tmp_path), str(tmp_path / "store")) as store:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                members = [name for name in archive.namelist() if not name.endswith("/RECORD")]
            distribution = read_wheel(wheel)
            assert sorted(file.member for file in distribution.files) == sorted(members)
        assert find_or_build_image(read_wheel(wheels[-1]), interpreter, store).files > 100
