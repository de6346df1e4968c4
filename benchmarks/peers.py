"""The peers (cloche and the tools it is compared with), installed into one environment, and their working directory.

Installing them needs the network, or the index that pip is configured to use. Measuring does not.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from rows import CLOCHE, UV_SEEDED, VIRTUALENV, command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rows import Command

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
KEPT_VARIABLES = ("LANG", "LC_ALL", "TZ", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
"""The environment variables of the user that the peers get; others could slow one of them down."""


class Peers:
    """cloche, uv, virtualenv and venv for the Python that runs this; they write only below the directory `work`."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.root = work / "peers"
        self.directory = work / "environments"
        self.wheels = work / "wheels"
        self.home = work / "home"
        self.turn = 0
        for directory in (self.directory, self.wheels, self.home):
            directory.mkdir()

    def install(self) -> None:
        """Install the peers as their users do, with bytecode; download a wheel of pip, and let uv cache pip."""
        subprocess.run([sys.executable, "-m", "venv", self.root], check=True)
        # these variables would prevent bytecode, or move the caches out of `home`
        removed = ("PYTHONDONTWRITEBYTECODE", "XDG_CACHE", "XDG_DATA", "UV_CACHE")
        environ = {name: text for name, text in os.environ.items() if not name.startswith(removed)}
        pip = [self.root / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "-U", "pip"], check=True, env=environ)
        zstandard = ["backports.zstd"] if sys.version_info < (3, 14) else []
        subprocess.run([*pip, "install", CHECKOUT, "virtualenv", "uv", *zstandard], check=True, env=environ)
        self.download(["pip"])
        self.capture(UV_SEEDED.replace("--offline ", "").split(), {**environ, **self.environ()})

    def download(self, names: Iterable[str]) -> None:
        """Download the pure wheels of some packages, without dependencies."""
        pip = [self.root / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check"]
        options = ["--only-binary", ":all:", "--platform", "any", "--no-deps"]
        subprocess.run([*pip, "download", *options, "-d", self.wheels, *names], check=True)

    def versions(self) -> dict[str, str]:
        """Return the versions of the peers, and of the pip that they install."""
        listing = self.capture(["{bin}/python", "-m", "pip", "list", "--format", "json"])
        installed = {package["name"]: package["version"] for package in json.loads(listing)}
        return {name: installed[name] for name in ("cloche", "uv", "virtualenv", "pip")}

    def environ(self, *, cold: bool = False) -> dict[str, str]:
        """Return the environment variables of a user without settings; `cold` gives an empty home directory."""
        home = self.home
        if cold:
            home = self.work / f"cold{self.turn}"
            home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        return {**kept, "HOME": str(home), "PATH": f"{self.root / 'bin'}:{os.environ.get('PATH', os.defpath)}"}

    def fill_slots(self, words: Sequence[str]) -> list[str]:
        """Return the words of a command, with its slots replaced with paths."""
        slots = {"env": self.environment, "bin": self.root / "bin", "wheels": self.wheels, "here": HERE}
        slots["locks"] = self.work / "locks"
        slots["trees"] = self.work / "trees"
        filled = list(words)
        if "{image}" in filled:
            slots["image"] = self.image
        if "{portable}" in filled:
            slots["portable"] = self.portable
        for name, path in slots.items():
            filled = [word.replace(f"{{{name}}}", str(path)) for word in filled]
        return filled

    @cached_property
    def image(self) -> Path:
        """The directory of pip's files in cloche's cache, from which environments get hard links."""
        root = Path(self.capture(["{bin}/cloche", "cache", "dir"]).strip())
        return max(root.glob("images/*/pip-*/purelib"), key=os.path.getmtime)

    @cached_property
    def portable(self) -> Path:
        """A portable environment, of which all files can be linked; it is created twice, so that pip is compiled."""
        for name in ("first", "second"):
            self.capture(["{bin}/cloche", str(self.work / name), "--creator", "portable"])
        return self.work / "second"

    @property
    def environment(self) -> Path:
        """The destination of the current turn."""
        return self.directory / f"env{self.turn}"

    def next_turn(self) -> None:
        """Prepare for the next command, which must not be slowed by unwritten data of the last one.

        Most environments are not removed: for a minute, ext4 is slow to reuse inodes that were just freed, so a removal
        would slow down the peers that create many directories.
        """
        self.turn += 1
        os.sync()

    def remove_environment(self) -> None:
        """Remove the environment of the current turn, if it was created."""
        shutil.rmtree(self.environment, ignore_errors=True)

    def capture(self, words: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
        """Run a command and return its standard output.

        :raises SystemExit: the command fails.
        """
        filled = self.fill_slots(words)
        with open(self.work / "output", "w+") as out, open(self.work / "errors", "w+") as err:
            code = subprocess.call(
                filled,
                env=environ or self.environ(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
            out.seek(0)
            err.seek(0)
            if code:
                raise SystemExit(f"{' '.join(filled)} failed: {err.read() or out.read()}")
            return out.read()

    def run(self, command: Command, *, cold: bool = False) -> float:
        """Run a command with a new destination; return the seconds for one environment."""
        self.next_turn()
        environ = {**self.environ(cold=cold), **dict(command.environ)}
        if command.before:
            self.capture(command.before, environ)
            os.sync()
        started = perf_counter()
        printed = self.capture(command.words, environ)
        seconds = perf_counter() - started
        return statistics.median(json.loads(printed)["seconds"]) if command.environments > 1 else seconds

    def disk(self) -> dict[str, dict[str, int]]:
        """Return the disk usage of a seeded environment, by peer: the bytes in `files` and the number of `directories`.

        A file with a hard link elsewhere, in a cache, does not count. The size of a directory depends on the file system.
        """
        usage = {}
        for peer, line in (("cloche", CLOCHE), ("uv", UV_SEEDED), ("virtualenv", VIRTUALENV)):
            self.run(command(peer, line))
            entries = [path.lstat() for path in self.environment.rglob("*")]
            files = [entry for entry in entries if entry.st_mode & 0o170000 != 0o040000]
            own = sum(file.st_size for file in files if file.st_nlink == 1)
            usage[peer] = {"files": own, "directories": len(entries) - len(files)}
        return usage
