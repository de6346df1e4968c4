"""Test environments of every Python whose base has a name that is not ASCII, in a locale whose encoding is not UTF-8."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_locales import environ_in
from tests.interpreters import MINORS, pyenv
from tests.targets.test_matrix import EXTRA_PYTHONS

if TYPE_CHECKING:
    from pathlib import Path

PRINT_BASE = "import os, sys; sys.stdout.buffer.write(os.fsencode(sys.base_prefix))"


@pytest.mark.parametrize("target", [*MINORS, *EXTRA_PYTHONS])
def test_the_path_of_the_base_need_not_be_ascii(target: str, tmp_path: Path) -> None:
    """Python 3.15 and later read it in UTF-8, older versions in the encoding of the locale."""
    python = target if target in EXTRA_PYTHONS else pyenv(target)
    base = tmp_path / "é"
    base.symlink_to(os.path.dirname(os.path.dirname(python)))
    environ = environ_in("de_DE.ISO-8859-1", tmp_path, tmp_path)
    executable = base / "bin" / os.path.basename(python)

    def cloche(*words: str, locale: str = "de_DE.ISO-8859-1") -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "cloche", *words]
        return subprocess.run(
            command, env={**environ, "LC_ALL": locale}, cwd=tmp_path, capture_output=True, check=False
        )

    for _ in ("probed", "cached"):
        created = cloche("venv", "--clear", "--no-seed", "-p", str(executable))
        assert (created.returncode, created.stderr) == (0, b"")
        command = [tmp_path / "venv/bin/python", "-c", PRINT_BASE]
        assert subprocess.run(command, env=environ, capture_output=True, check=True).stdout == os.fsencode(base)
        assert cloche("doctor", "venv").stdout.endswith(b"/venv: healthy\n")
    version = (tmp_path / "venv/pyvenv.cfg").read_text(encoding="utf-8").partition("\nversion = 3.")[2]
    if int(version.partition(".")[0]) >= 15:
        assert cloche("doctor", "venv", locale="C.UTF-8").stdout.endswith(b"/venv: healthy\n")
