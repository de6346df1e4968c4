"""`cloche completion nushell`, in the real shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from cloche.testing import Terminal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def nu() -> str:
    found = shutil.which("nu")
    if found is None:
        reason = "`nu` is not on PATH"
        pytest.fail(reason) if os.environ.get("CLOCHE_REQUIRE_ALL") == "1" else pytest.skip(reason)
    return found


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "complete.nu"
    said = subprocess.run(["cloche", "completion", "nushell"], capture_output=True, text=True, check=True)
    path.write_text(said.stdout, encoding="utf-8")
    return path


def offered(nu: str, script: Path, *words: str, before: str = "") -> str:
    """Return what the completer answers for the words of a line, as JSON."""
    program = (
        f"{before}\nsource {script}\nprint (do $env.config.completions.external.completer $env.WORDS | to json --raw)"
    )
    done = subprocess.run(
        [nu, "--no-config-file", "--commands", f"$env.WORDS = [{' '.join(map(repr, words))}]\n{program}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_words_come_with_what_each_is_for(nu: str, script: Path) -> None:
    assert (
        offered(nu, script, "cloche", "inf")
        == '[{"value":"info","description":"what an environment is, whoever made it"}]'
    )
    assert '"value":"--link-mode=hardlink"' in offered(nu, script, "cloche", "--link-mode=h")


def test_names_of_files_are_left_to_nushell(nu: str, script: Path) -> None:
    assert offered(nu, script, "cloche", "info", "") == "null"
    assert offered(nu, script, "cloche", "./x") == "null"
    assert offered(nu, script, "cloche", "cache", "no-such") == "[]"


def test_what_completed_other_commands_goes_on_doing_so(nu: str, script: Path) -> None:
    before = "$env.config.completions.external.completer = {|spans| [mine]}"

    assert offered(nu, script, "git", "", before=before) == '["mine"]'
    assert offered(nu, script, "git", "") == "null"


def test_the_tab_key_inserts_what_alone_fits(nu: str, script: Path, tmp_path: Path) -> None:
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
