"""A Python that only cloche finds, for tests of plugins that let other tools use cloche."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def python_off_path(directory: str | os.PathLike[str]) -> tuple[str, dict[str, str]]:
    """Return a minor version of Python (`3.12`), and the variables with which only pyenv has it; skip the test without one.

    The variables are `PYENV_ROOT`, `PATH` and `HOME`. `directory` then contains a pyenv with one version, which is a link.
    """
    import pytest

    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    running = f"{sys.version_info[0]}.{sys.version_info[1]}."
    found = [path for path in sorted(versions.glob("3.1[0-9].*")) if not path.name.startswith(running)]
    if not found:
        pytest.skip("not applicable: pyenv has no Python of another version")
    root = Path(directory) / "pyenv"
    (root / "versions").mkdir(parents=True)
    (root / "versions" / found[0].name).symlink_to(found[0])
    minor = ".".join(found[0].name.split(".")[:2])
    return minor, {"PYENV_ROOT": str(root), "PATH": "/usr/bin:/bin", "HOME": str(directory)}
