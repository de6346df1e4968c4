"""The situations in which a sweep creates environments and injects faults."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.distributions import MODULE, make_wheel
from tests.locks import package, pylock, simple_wheel
from tests.sweep.injection import Scenario

if TYPE_CHECKING:
    from pathlib import Path

ARGUMENTS = ["--activators", "bash,fish", "./env"]
SMALL_SEED = ["--no-pip", "--seed", "spam", "--find-links", "../wheels"]
"""Options for a seed with three modules, so that a night is enough for a fault at every call; pip has a thousand files."""


LOCK = ["--lock", "../wheels/pylock.new.toml", *ARGUMENTS]
LOCKED = ["--find-links", "../wheels", "--no-download"]
"""Options to find the wheels of a lock file."""


def make_small_seed(work: Path) -> None:
    """Create the wheel that `SMALL_SEED` selects, and lock files, in `wheels` beside the directory of the run."""
    files = {
        "spam/__init__.py": MODULE,
        "spam/ham/__init__.py": "",
        "spam/ham/eggs.py": "EGGS = 3\n",
        "spam/menu.txt": "spam",
    }
    wheel = make_wheel(work / "wheels", files=files)
    older = simple_wheel(work / "wheels", "eggs")
    for name, locked in (("new", [wheel]), ("old", [older])):
        text = pylock([package(*path.name.split("-")[:2], wheels=[path]) for path in locked])
        (work / "wheels" / f"pylock.{name}.toml").write_text(text)


def leave_absent(directory: Path) -> None:
    """Do not create the destination."""


def create_environment(directory: Path) -> None:
    """Create an environment for the same Python without seeds; add a file, and damage the activation script."""
    subprocess.run(
        [sys.executable, "-m", "cloche", "--no-seed", "--activators", "bash", "./env"],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    (directory / "env" / "notes.txt").write_text("keep")
    (directory / "env" / "bin" / "activate").write_text("damaged")


def create_locked_environment(directory: Path) -> None:
    """Create an environment from another lock file, and add a file."""
    subprocess.run(
        [sys.executable, "-m", "cloche", *LOCKED, "--lock", "../wheels/pylock.old.toml", *ARGUMENTS],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    (directory / "env" / "notes.txt").write_text("keep")


def create_directory(directory: Path) -> None:
    """Create a directory with other files."""
    (directory / "env" / "lib").mkdir(parents=True)
    (directory / "env" / "thesis.txt").write_text("precious")
    (directory / "env" / "lib" / "thesis.bib").write_text("precious")


SCENARIOS = {
    f"{name} {cache}": Scenario(f"{name} {cache}", prepare, [*seeds, *arguments], cache, scope)
    for name, prepare, seeds, arguments, scope, caches in (
        ("fresh", leave_absent, SMALL_SEED, ARGUMENTS, "every", ("warm", "used once", "cold")),
        ("clear", create_environment, SMALL_SEED, ["--clear", *ARGUMENTS], "every", ("warm", "cold")),
        ("refresh", create_environment, SMALL_SEED, ARGUMENTS, "every", ("warm", "cold")),
        ("add", create_directory, SMALL_SEED, ARGUMENTS, "every", ("warm", "cold")),
        ("locked", leave_absent, LOCKED, LOCK, "every", ("warm", "cold")),
        ("relocked", create_locked_environment, LOCKED, LOCK, "every", ("warm", "cold")),
        ("pip", leave_absent, [], ARGUMENTS, "sample", ("warm", "cold")),
    )
    for cache in caches
}
