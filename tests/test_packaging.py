"""Test the declared dependencies, the scripts of continuous integration, and the installed data files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distribution
from typing import TYPE_CHECKING

import pytest

from cloche.cli.commands import COMMANDS, COMMON
from cloche.cli.completion import completion_script
from tests.test_architecture import REPOSITORY, tomllib
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

sys.path.insert(0, str(REPOSITORY / "docs" / "_ext"))

import cloche_manual


def test_the_oldest_tested_versions_are_the_oldest_allowed_versions() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    bounds = [re.match(r"([\w-]+)>=([\d.]+)", requirement).groups() for requirement in declared]
    pins = [line.split("==") for line in (REPOSITORY / "tests/minimum.txt").read_text().splitlines() if line[0] != "#"]

    assert {(name, release(version)) for name, version in pins} == {(name, release(bound)) for name, bound in bounds}


def release(version: str) -> tuple[int, ...]:
    """Return a version as three numbers, so that 24 equals 24.0."""
    return (*map(int, version.split(".")), 0, 0)[:3]


def test_the_scripts_of_continuous_integration_pass_shellcheck() -> None:
    scripts = sorted(str(path) for path in (REPOSITORY / ".ci").iterdir())
    done = subprocess.run([require("shellcheck"), *scripts], capture_output=True, text=True, check=False)

    assert done.stdout == ""


# The manual page


@pytest.mark.parametrize("checker", [["groff", "-man", "-Tutf8", "-ww", "-z"], ["mandoc", "-Tlint", "-Werror"]])
def test_the_manual_page_has_no_formatting_errors(tmp_path: Path, checker: list[str]) -> None:
    page = tmp_path / "cloche.1"
    page.write_text(cloche_manual.manual_page(), encoding="utf-8")
    done = subprocess.run([require(checker[0]), *checker[1:], str(page)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_manual_page_has_every_command_and_option() -> None:
    text = cloche_manual.manual_page().replace("\\-", "-")

    assert [name for name in COMMANDS if name != "create" and f'.SS "cloche {name} ' not in text] == []
    options = [option for command in COMMANDS.values() for option in (*command.options, *COMMON) if not option.hidden]
    assert [option.name for option in options if f"--{option.name}" not in text] == []
    assert "--always-copy" not in text


def test_the_manual_page_and_completion_scripts_are_installed() -> None:
    installed = distribution("cloche")
    if json.loads(installed.read_text("direct_url.json") or "{}").get("dir_info", {}).get("editable"):
        pytest.skip("cloche is installed in editable mode, so its data files may be outdated")
    texts = {
        "/".join(path.parts[path.parts.index("share") :]): path.locate().read_text(encoding="utf-8")
        for path in installed.files or ()
        if "share" in path.parts
    }

    assert texts == {
        "share/man/man1/cloche.1": cloche_manual.manual_page(),
        "share/bash-completion/completions/cloche": completion_script("bash"),
        "share/fish/vendor_completions.d/cloche.fish": completion_script("fish"),
        "share/zsh/site-functions/_cloche": completion_script("zsh"),
    }
