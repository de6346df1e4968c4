"""The situations in which environments are made, killed and failed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.sweep.tool import Scenario

if TYPE_CHECKING:
    from pathlib import Path

MAKE = ["--activators", "bash,fish", "env"]


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
    f"{name} {cache}": Scenario(f"{name} {cache}", prepare, argv, cache)
    for cache in ("warm", "cold")
    for name, prepare, argv in (
        ("fresh", nothing, MAKE),
        ("clear", environment, ["--clear", *MAKE]),
        ("refresh", environment, MAKE),
        ("add", directory, MAKE),
    )
}
