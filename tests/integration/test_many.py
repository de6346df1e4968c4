"""Test that a process that creates many environments does not leak memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run import clean_environ

INSIDE = Path(__file__).parents[2] / "benchmarks" / "in_process.py"


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the current memory of a process")
def test_a_thousand_environments_in_one_process_leak_no_memory(tmp_path: Path) -> None:
    """The first hundred do not count: after them, all caches of the process are filled."""
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        [sys.executable, str(INSIDE), str(tmp_path / "env"), "1000", "--remove"],
        env=clean_environ(tmp_path / "home", tmp_path / "cache"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    memory = json.loads(done.stdout)["memory"]

    assert len(memory) == 1000
    assert max(memory[100:]) - memory[100] < 2_000_000  # about 2 kB for each environment
