"""A process that makes environments all day does not grow."""

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
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory a process has at the moment")
def test_a_thousand_environments_in_one_process_leave_nothing_in_its_memory(tmp_path: Path) -> None:
    """A hundred are let go by, after which all that is made once has been made."""
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
    assert max(memory[100:]) - memory[100] < 2_000_000  # what is kept of each may be 2 kB, less than one of its scripts
