"""virtualenv, and CPython's venv (CVE-2024-9287): names in activation scripts were not quoted, and ran as commands."""

from __future__ import annotations

import subprocess

import pytest

from tests.tools import require


@pytest.mark.parametrize(
    "name", ["$(touch pwned)", "`touch pwned`", "a'; touch pwned; '", 'a"; touch pwned; "', "a&b|c"]
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_nothing_in_the_path_or_the_prompt_is_run(cloche, shell: str, name: str) -> None:
    program = require(shell)
    done = cloche(cloche.cwd / name, "--no-seed", "--prompt", name)
    assert done.code == 0, done.err
    script = {"fish": "activate.fish", "tcsh": "activate.csh"}.get(shell, "activate")
    where = cloche.cwd / name / "bin"
    subprocess.run([program, "-c", f"source ./{script}"], cwd=where, capture_output=True, timeout=60, check=False)
    assert not list(cloche.cwd.rglob("pwned"))
