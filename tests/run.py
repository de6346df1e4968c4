"""Run the command line like a user: in a new process, with a separate home directory and cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Outcome(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


class Cloche(NamedTuple):
    """The command line in one working directory; call it with the arguments of `cloche`."""

    cwd: Path
    environ: Mapping[str, str]

    def __call__(self, *argv: object, cwd: object = None, **variables: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "cloche", *map(str, argv)],
            cwd=cwd or self.cwd,
            env={**self.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


def cloche_command_in(environment: Path) -> list[str]:
    """Make cloche importable in an environment; return the command that runs it there."""
    [site] = environment.glob("lib/python*/site-packages")
    (site / "cloche.pth").write_text("".join(f"{path}\n" for path in sys.path if os.path.isdir(path)))
    return [str(environment / "bin" / "python"), "-m", "cloche"]


def clean_environ(home: Path, cache: Path) -> dict[str, str]:
    """Return the environment variables of a user without settings for cloche or Python, with this home and cache.

    Settings are in the home too: tests run side by side, and one that changes a setting must not change the others.
    """
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("CLOCHE_", "PYENV_VERSION", "VIRTUAL_ENV", "PYTHON"))
    }
    return {
        **kept,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(cache),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "SHELL": "/bin/bash",
        "PYTHONWARNINGS": "error",
    }


def filled_cache(directory: Path) -> Path:
    """Create two environments in an empty directory; return the cache directory (`XDG_CACHE_HOME`) that they filled.

    The second one compiles the cached seeds. Without it, the first test to run would find them without bytecode.
    """
    cache = directory / "cache"
    for name in ("home", "work"):
        (directory / name).mkdir()
    cloche = Cloche(directory / "work", clean_environ(directory / "home", cache))
    for name in ("first", "second"):
        done = cloche(name)
        assert done.code == 0, done.err
    return cache
