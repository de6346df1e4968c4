"""Test `cloche completion nushell` in the real shell."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from cloche.testing import Terminal, require_program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def nu() -> str:
    return require_program("nu")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "complete.nu"
    done = subprocess.run(["cloche", "completion", "nushell"], capture_output=True, text=True, check=True)
    path.write_text(done.stdout, encoding="utf-8")
    return path


def complete(nu: str, script: Path, *words: str, before: str = "") -> str:
    """Return the completions for the words of a line in the directory of the script, as JSON."""
    program = (
        f"{before}\nsource {script}\nprint (do $env.config.completions.external.completer $env.WORDS | to json --raw)"
    )
    done = subprocess.run(
        [nu, "--no-config-file", "--commands", f"$env.WORDS = [{' '.join(map(repr, words))}]\n{program}"],
        cwd=script.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_completions_have_descriptions(nu: str, script: Path) -> None:
    assert (
        complete(nu, script, "cloche", "inf")
        == '[{"value":"info","description":"describe an environment, whichever tool created it"}]'
    )
    assert '"value":"--link-mode=hardlink"' in complete(nu, script, "cloche", "--link-mode=h")


def test_nushell_completes_file_names(nu: str, script: Path) -> None:
    assert complete(nu, script, "cloche", "info", "") == "null"
    assert complete(nu, script, "cloche", "./x") == "null"
    assert complete(nu, script, "cloche", "cache", "no-such") == "[]"


def test_nushell_completes_environments(nu: str, script: Path) -> None:
    subprocess.run(["cloche", "-q", "--no-pip", "mine"], cwd=script.parent, check=True)

    assert '"value":"mine"' in complete(nu, script, "cloche", "info", "")


def test_the_completer_of_other_commands_is_kept(nu: str, script: Path) -> None:
    before = "$env.config.completions.external.completer = {|spans| [mine]}"

    assert complete(nu, script, "git", "", before=before) == '["mine"]'
    assert complete(nu, script, "git", "") == "null"


def test_tab_inserts_the_only_completion(nu: str, script: Path, tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with Terminal([nu, "--no-config-file", "--no-history"], tmp_path, environ) as shell:
        shell.rest()
        shell.enter(
            f"$env.PROMPT_COMMAND = ''; $env.PROMPT_COMMAND_RIGHT = ''; $env.PROMPT_INDICATOR = '> '; source {script}"
        )
        shell.expect("> ", 60)
        shell.enter("cloche cache ver\t --help")
        end = time.monotonic() + 60
        while "usage: cloche cache" not in shell.shown and time.monotonic() < end:
            shell.rest(60)
        assert "usage: cloche cache" in shell.shown
        assert "cloche cache verify" in shell.shown
