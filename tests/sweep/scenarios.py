"""The situations in which environments are made, killed and failed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.distributions import MODULE, make_wheel
from tests.sweep.tool import Scenario

if TYPE_CHECKING:
    from pathlib import Path

MAKE = ["--activators", "bash,fish", "env"]
SMALL = ["--no-pip", "--seed", "spam", "--find-links", "../wheels"]
"""A distribution of three modules, so that every call of a run can be struck in a night: pip has a thousand of each kind."""


def lay_in_wheels(work: Path) -> None:
    """Make what `SMALL` takes, beside the directory in which environments are made."""
    files = {
        "spam/__init__.py": MODULE,
        "spam/ham/__init__.py": "",
        "spam/ham/eggs.py": "EGGS = 3\n",
        "spam/menu.txt": "spam",
    }
    make_wheel(work / "wheels", files=files)


def nothing(place: Path) -> None:
    """There is nothing at the destination."""


def environment(place: Path) -> None:
    """There is an environment of the same Python, without seeds, with a file of the user's and one of ours damaged."""
    subprocess.run(
        [sys.executable, "-m", "cloche", "--no-seed", "--activators", "bash", "env"],
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    (place / "env" / "notes.txt").write_text("keep")
    (place / "env" / "bin" / "activate").write_text("damaged")


def directory(place: Path) -> None:
    """There is a directory of the user's that is no environment."""
    (place / "env" / "lib").mkdir(parents=True)
    (place / "env" / "thesis.txt").write_text("precious")
    (place / "env" / "lib" / "thesis.bib").write_text("precious")


SCENARIOS = {
    f"{name} {cache}": Scenario(f"{name} {cache}", prepare, [*seeds, *argv], cache, scope)
    for name, prepare, seeds, argv, scope, caches in (
        ("fresh", nothing, SMALL, MAKE, "every", ("warm", "used once", "cold")),
        ("clear", environment, SMALL, ["--clear", *MAKE], "every", ("warm", "cold")),
        ("refresh", environment, SMALL, MAKE, "every", ("warm", "cold")),
        ("add", directory, SMALL, MAKE, "every", ("warm", "cold")),
        ("pip", nothing, [], MAKE, "sample", ("warm", "cold")),
    )
    for cache in caches
}
