"""The peers, installed into an environment of their own, and the one directory in which all of them work.

Making it takes the network, or whatever pip is configured to use instead; measuring does not.
"""

from __future__ import annotations

import json
import os
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
KEPT = ("LANG", "LC_ALL", "TZ", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
"""What the peers see of the user's variables: any other could make one of them slower than it has to be."""


class Peers:
    """cloche, uv, virtualenv and venv, for the Python that runs this; everything they write is below one directory."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.root = work / "peers"
        self.place = work / "place"
        self.wheels = work / "wheels"
        self.home = work / "home"
        self.turn = 0
        for directory in (self.place, self.wheels, self.home):
            directory.mkdir()

    def install(self) -> None:
        """Install the peers as their users do, byte-compiled; get a wheel of the pip that they lay down, and let uv do so."""
        subprocess.run([sys.executable, "-m", "venv", self.root], check=True)
        elsewhere = (
            "PYTHONDONTWRITEBYTECODE",
            "XDG_CACHE",
            "XDG_DATA",
            "UV_CACHE",
        )  # what would keep them from `root` and `home`
        environ = {name: text for name, text in os.environ.items() if not name.startswith(elsewhere)}
        pip = [self.root / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "-U", "pip"], check=True, env=environ)
        subprocess.run([*pip, "install", CHECKOUT, "virtualenv", "uv"], check=True, env=environ)
        self.download(["pip"])
        self.capture(UV_SEEDED.replace("--offline ", "").split(), {**environ, **self.environ()})

    def download(self, names: Iterable[str]) -> None:
        """Get wheels that fit everywhere, without what they need."""
        pip = [self.root / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check"]
        only = ["--only-binary", ":all:", "--platform", "any", "--no-deps"]
        subprocess.run([*pip, "download", *only, "-d", self.wheels, *names], check=True)

    def versions(self) -> dict[str, str]:
        """Return the version of every peer, and of the pip that they lay down."""
        shown = self.capture(["{bin}/python", "-m", "pip", "list", "--format", "json"])
        installed = {one["name"]: one["version"] for one in json.loads(shown)}
        return {name: installed[name] for name in ("cloche", "uv", "virtualenv", "pip")}

    def environ(self, *, cold: bool = False) -> dict[str, str]:
        """Return the variables of a user who has set nothing; a cold one has just come to this machine."""
        home = self.home
        if cold:
            home = self.work / f"cold{self.turn}"
            home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {**kept, "HOME": str(home), "PATH": f"{self.root / 'bin'}:{os.environ.get('PATH', os.defpath)}"}

    def words(self, words: Sequence[str]) -> list[str]:
        """Return a command with its slots filled."""
        slots = {"env": self.environment, "bin": self.root / "bin", "wheels": self.wheels, "here": HERE}
        filled = list(words)
        if "{image}" in filled:
            slots["image"] = self.image
        for name, path in slots.items():
            filled = [word.replace(f"{{{name}}}", str(path)) for word in filled]
        return filled

    @cached_property
    def image(self) -> Path:
        """The files of pip as cloche keeps them, which it links into environments."""
        root = Path(self.capture(["{bin}/cloche", "cache", "dir"]).strip())
        return max(root.glob("images/*/pip-*/purelib"), key=os.path.getmtime)

    @property
    def environment(self) -> Path:
        """The destination of this turn."""
        return self.place / f"env{self.turn}"

    def next_turn(self) -> None:
        """Make way for a command: what the last one left to be written to the disk must not slow it.

        Nothing is removed: ext4 is slow, for a minute, to give away inodes that were just freed, and would be so the more
        the more directories a peer makes.
        """
        self.turn += 1
        os.sync()

    def capture(self, words: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
        """Run a command and return what it printed on standard output.

        :raises SystemExit: it fails.
        """
        filled = self.words(words)
        with open(self.work / "output", "w+") as out, open(self.work / "errors", "w+") as err:
            code = subprocess.call(
                filled,
                env=environ or self.environ(),
                cwd=self.place,
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
        """Run a command on a destination that is absent and return the seconds that an environment took."""
        self.next_turn()
        environ = {**self.environ(cold=cold), **dict(command.environ)}
        started = perf_counter()
        printed = self.capture(command.words, environ)
        seconds = perf_counter() - started
        return statistics.median(json.loads(printed)["seconds"]) if command.makes > 1 else seconds

    def disk(self) -> dict[str, dict[str, int]]:
        """Return what a seeded environment takes for itself, by peer: bytes of `files`, and number of `directories`.

        A file with another name elsewhere, in a cache, is not its own. What a directory takes is up to the file system.
        """
        taken = {}
        for peer, line in (("cloche", CLOCHE), ("uv", UV_SEEDED), ("virtualenv", VIRTUALENV)):
            self.run(command(peer, line))
            entries = [path.lstat() for path in self.environment.rglob("*")]
            files = [one for one in entries if one.st_mode & 0o170000 != 0o040000]
            own = sum(one.st_size for one in files if one.st_nlink == 1)
            taken[peer] = {"files": own, "directories": len(entries) - len(files)}
        return taken
