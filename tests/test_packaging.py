"""What is said about dependencies in several places agrees, and shell scripts outside the package are sound."""

from __future__ import annotations

import re
import subprocess

from tests.test_architecture import REPOSITORY, tomllib
from tests.tools import require


def test_the_oldest_versions_that_are_tested_are_the_oldest_that_are_allowed() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = [re.match(r"([\w-]+)>=([\d.]+)", requirement).groups() for requirement in project["dependencies"]]
    pins = [line.split("==") for line in (REPOSITORY / "tests/minimum.txt").read_text().splitlines() if line[0] != "#"]

    assert {(name, release(version)) for name, version in pins} == {(name, release(bound)) for name, bound in bounds}


def release(version: str) -> tuple[int, ...]:
    """Return a version as numbers, of which 24.0 has as many as 24."""
    return (*map(int, version.split(".")), 0, 0)[:3]


def test_the_scripts_of_continuous_integration_pass_shellcheck() -> None:
    scripts = sorted(str(path) for path in (REPOSITORY / ".ci").iterdir())
    done = subprocess.run([require("shellcheck"), *scripts], capture_output=True, text=True, check=False)

    assert done.stdout == ""
