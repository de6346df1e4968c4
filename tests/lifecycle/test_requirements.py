"""Test that an upgrade refuses to lose what installed packages require from outside their environment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.lifecycle.installed_requirements import unmet_requirements, visible_versions
from tests.distributions import make_wheel
from tests.interpreters import pyenv
from tests.lifecycle.environments import run
from tests.trees import snapshot
from tests.unit.interpreters import interpreter

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloche.lifecycle.installed import InstalledDistribution


def make_base(directory: Path, minor: str) -> Path:
    """Create a Python with a `site-packages` of its own, like that of a system; return its executable."""
    original = Path(os.path.realpath(pyenv(minor))).parent.parent
    library = directory / "lib" / f"python{minor}"
    (library / "site-packages").mkdir(parents=True)
    (directory / "bin").mkdir()
    for path in (original / "lib" / f"python{minor}").iterdir():
        if path.name != "site-packages":
            (library / path.name).symlink_to(path)
    return Path(shutil.copy2(original / "bin" / f"python{minor}", directory / "bin"))


def add_distribution(site: Path, name: str, version: str) -> None:
    """Install an importable distribution by hand."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (site / f"{name}.py").write_text("")


def install_eggs(env: Path, wheels: Path) -> None:
    """Install a package that requires `spam`, and `absent`, which is nowhere."""
    wheel = make_wheel(
        wheels,
        "eggs",
        requires=("Spam>=1.5", "absent", "extra; extra == 'x'"),
        files={"eggs.py": "import spam\n"},
        entry_points="",
    )
    installed = next(iter(env.glob("lib/*/site-packages")))
    run(shutil.which("python3") or "python3", "-m", "zipfile", "-e", wheel, installed)


@pytest.fixture
def system_env(cloche, tmp_path: Path) -> Path:
    """Return an environment of Python 3.11 with `eggs`, whose requirement only the packages of the system meet."""
    base = make_base(tmp_path / "system", "3.11")
    add_distribution(base.parent.parent / "lib" / "python3.11" / "site-packages", "spam", "1.6")
    env = cloche.cwd / "env"
    run(base, "-m", "venv", "--without-pip", "--system-site-packages", env)
    install_eggs(env, tmp_path / "wheels")
    run(env / "bin" / "python", "-c", "import eggs")
    return env


LOSS = "eggs 1.0: it requires Spam>=1.5, which only its old Python has"


@pytest.mark.parametrize("target", ["3.12", "3.11"])
def test_an_upgrade_refuses_to_lose_packages_of_the_system(cloche, system_env, target) -> None:
    """For another version the environment is rebuilt, and for another Python 3.11 it is changed in place."""
    before = snapshot(system_env)
    outcome = cloche("upgrade", "-p", pyenv(target), system_env)
    assert outcome.code == 1
    assert f"not everything can be kept: {LOSS}\n" in outcome.err
    rehearsed = cloche("upgrade", "--dry-run", "-p", pyenv(target), system_env)
    assert LOSS in rehearsed.err
    assert rehearsed.code == 1
    assert rehearsed.out.startswith("would not upgrade ")
    assert " without `--allow-loss`: " in rehearsed.out
    assert snapshot(system_env).without_bytecode() == before.without_bytecode()
    allowed = cloche("upgrade", "--allow-loss", "-p", pyenv(target), system_env)
    assert allowed.code == 0, allowed.err
    assert "eggs 1.0 was not carried over" not in allowed.err
    assert "eggs 1.0: it requires Spam>=1.5, which only its old Python has" in allowed.err


def test_an_upgrade_keeps_packages_whose_requirements_are_met_by_the_new_system(cloche, system_env, tmp_path) -> None:
    target = make_base(tmp_path / "newer", "3.12")
    add_distribution(target.parent.parent / "lib" / "python3.12" / "site-packages", "spam", "1.7")
    outcome = cloche("upgrade", "-p", target, system_env)
    assert outcome.code == 0, outcome.err
    run(system_env / "bin" / "python", "-c", "import eggs")


def test_packages_of_the_user_count_as_well(cloche, tmp_path) -> None:
    add_distribution(Path(cloche.environ["HOME"]) / ".local/lib/python3.11/site-packages", "spam", "1.6")
    env = cloche.cwd / "env"
    run(pyenv("3.11"), "-m", "venv", "--without-pip", "--system-site-packages", env)
    install_eggs(env, tmp_path / "wheels")
    assert LOSS in cloche("upgrade", "-p", "3.12", env).err


@pytest.mark.parametrize("target", ["3.12", "3.11"])
def test_an_upgrade_after_the_base_was_removed_loses_nothing(cloche, system_env, tmp_path, target) -> None:
    """What the removed Python alone had is gone already, and what the environment itself has is kept."""
    site = next(iter(system_env.glob("lib/*/site-packages")))
    wheel = make_wheel(tmp_path, "ham", requires=("eggs",), files={"ham.py": ""}, entry_points="")
    run(shutil.which("python3") or "python3", "-m", "zipfile", "-e", wheel, site)
    shutil.rmtree(tmp_path / "system")
    outcome = cloche("upgrade", "-p", pyenv(target), system_env)
    assert outcome.code == 0, outcome.err
    assert "requires" not in outcome.err
    run(system_env / "bin" / "python", "-c", "import ham")


def test_a_directory_that_a_pth_file_adds_still_counts_after_an_upgrade(cloche, tmp_path) -> None:
    add_distribution(tmp_path / "shared", "spam", "1.6")
    env = cloche.cwd / "env"
    run(pyenv("3.11"), "-m", "venv", "--without-pip", env)
    install_eggs(env, tmp_path / "wheels")
    (next(env.glob("lib/*/site-packages")) / "shared.pth").write_text(f"{tmp_path / 'shared'}\n")
    outcome = cloche("upgrade", "-p", "3.12", env)
    assert outcome.code == 0, outcome.err
    run(env / "bin" / "python", "-c", "import eggs")


@pytest.mark.parametrize(
    ("requirement", "minor", "met"),
    [
        ("spam", "3.12", True),
        ("Spam <2, >=1", "3.12", True),
        ("spam>=2", "3.12", False),
        ("other", "3.12", False),
        ("other; python_version < '3.12'", "3.12", True),
        ("other; python_version < '3.12'", "3.11", False),
        ("other; extra == 'x'", "3.12", True),
        ("unversioned>=7", "3.12", True),
        ("linked", "3.12", True),
        ("not a requirement", "3.12", True),
        ("pre>=1.0", "3.12", True),
    ],
)
def test_a_requirement_is_met_by_what_a_python_sees(
    requirement: str, minor: str, met: bool, tmp_path: Path, distribution_of: Callable[[str], InstalledDistribution]
) -> None:
    for name in ("spam-1.5.dist-info", "unversioned.egg-info", "linked.egg-link", "pre-1.1rc1.egg-info"):
        (tmp_path / name).mkdir()
    unmet = unmet_requirements(
        [distribution_of(requirement)], visible_versions([str(tmp_path)]), interpreter(f"CPython {minor}.1")
    )
    assert (not [*unmet]) == met


@pytest.fixture
def distribution_of() -> Callable[[str], InstalledDistribution]:
    from cloche.lifecycle.installed import InstalledDistribution

    def create(requirement: str) -> InstalledDistribution:
        return InstalledDistribution(
            "eggs", "1.0", "site", "eggs.dist-info", (), "", False, (), (requirement,), "", (), {}, ""
        )

    return create
