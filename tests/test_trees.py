"""Test the output of failed comparisons of directory trees."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.pages import REPOSITORY
from tests.trees import differences, snapshot

if TYPE_CHECKING:
    from pathlib import Path


def test_differences_list_the_paths_that_differ_and_how(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same").write_text("")
        (tmp_path / name / "open").write_text("")
        (tmp_path / name / "text").write_text(f"home = /{name}\n")
        os.symlink(name, tmp_path / name / "link")
    (tmp_path / "other" / "open").chmod(0o600)
    (tmp_path / "one" / "open").chmod(0o644)
    (tmp_path / "one" / "gone").mkdir()
    (tmp_path / "one" / "kind").mkdir()
    (tmp_path / "other" / "kind").write_text("")
    (tmp_path / "other" / "new").write_text("")

    assert differences(snapshot(tmp_path / "one"), snapshot(tmp_path / "other")) == [
        "6 of 7 paths differ:",
        "  gone: only on the left",
        "  kind: d is not -",
        "  link: 'one' is not 'other'",
        "  new: only on the right",
        "  open: 644 is not 600",
        "  text: from byte 9, b'ne\\n' of 12 bytes is not b'ther\\n' of 14",
    ]


def test_a_failed_comparison_of_large_trees_prints_a_few_lines(tmp_path: Path) -> None:
    (tmp_path / "test_large.py").write_text(
        "from tests.trees import Tree\n"
        "def tree(mode): return Tree({f'file{n}': (0o100000, mode, b'x' * 99999) for n in range(500)})\n"
        "def test_one(): assert tree(0o644) == tree(0o600)\n"
        "def test_several(): assert tree(0o644) in (tree(0o600), tree(0o400))\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-vv", "-p", "tests.conftest", str(tmp_path)],
        cwd=REPOSITORY,
        env={**os.environ, "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "  file0: 644 is not 600" in done.stdout
    assert "  file0: 644 is not 400" in done.stdout
    assert "  and 490 more" in done.stdout
    assert "2 failed" in done.stdout
    assert len(done.stdout) < 10_000
