"""Kill or fail a program at every file-system call that it makes, and see what is left; `strace` does the injecting.

A *point* is the k-th call of one kind of call: `linkat` number 17. A first run under `strace` lists them; each is then
injected in a run of its own. strace counts per kind and per process, children included.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

CALLS = (
    "mkdir mkdirat rmdir unlink unlinkat link linkat symlink symlinkat rename renameat renameat2 open openat creat write "
    "pwrite64 writev truncate ftruncate fallocate copy_file_range sendfile chmod fchmod fchmodat chown fchown fchownat "
    "utimensat fsync fdatasync flock"
).split()
"""Calls that change a file system, or that a change stands on; `openat` makes files as well as it reads them."""

STRACE = ("strace", "-f", "-qq")
"""With its children. Not with `--seccomp-bpf`, which is quicker and loses injected signals."""

FAULTS = ("ENOSPC", "EIO", "EACCES", "EINTR")

STOPS = {"INT": 130, "TERM": 143}
"""Signals that ask to stop, and the exit code of a run that did."""

STAGING = re.compile(r"(env/)?\.(env\.)?cloche-\d+(/|$)")
"""A staging directory beside the destination or in it, and what is below."""


LISTENING = re.compile(r"/cloche/(__pycache__/)?api\.")
"""What the command line loads first after it has begun to listen."""


USES = {"cold": 0, "used once": 1, "warm": 3}
"""How many runs a cache has seen: the first unpacks, the second compiles, the third finds everything remembered."""


class Point(NamedTuple):
    call: str
    number: int


class Scenario(NamedTuple):
    """One situation in which an environment is made."""

    name: str
    prepare: Callable[[Path], None]
    """Makes what stands in an empty directory before the run; the destination is `env` in it."""
    argv: Sequence[str]
    cache: str
    """One of `USES`."""
    scope: str = "every"
    """Whether `every` point is struck when there is time, or a `sample` at any time."""


class Verdict(NamedTuple):
    """What one injected run came to."""

    point: Point
    fault: str
    state: str
    """`before`, `whole`, `between` (a commit in place that the next run takes back), or `broken`."""
    code: int
    said: str
    left: tuple[str, ...]
    """What lies about besides the destination."""
    complaint: str
    """What is wrong with it, empty if nothing is."""
    struck: bool
    """Whether the run came to that point, and the fault was injected."""


class Sweep:
    """Runs one program over one scenario in a directory of its own."""

    def __init__(self, work: Path, scenario: Scenario, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.work = work
        self.scenario = scenario
        self.command = [*command, *scenario.argv]
        self.environ = dict(environ)
        self.place = work / "place"
        self.warm_cache = work / "warm"
        self.cache = work / "cache"
        self.listening = 0
        self.warm_cache.mkdir()
        for _ in range(USES[scenario.cache]):
            self._reset()
            self._start(self.command)
            shutil.rmtree(self.warm_cache)
            shutil.copytree(self.cache, self.warm_cache, symlinks=True)
        self._reset()
        self.before = snapshot(self.place)
        done = self._start(self.command)
        assert done.returncode == 0, done.stderr
        self.whole = snapshot(self.place)

    def _reset(self) -> None:
        """Make the place and the cache what they were before the run."""
        for directory in (self.place, self.cache):
            shutil.rmtree(directory, ignore_errors=True)
        self.place.mkdir()
        shutil.copytree(self.warm_cache, self.cache, symlinks=True)
        self.scenario.prepare(self.place)

    def _start(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.place,
            env={**self.environ, "XDG_CACHE_HOME": str(self.cache), "UV_CACHE_DIR": str(self.cache)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def points(self) -> list[Point]:
        """Return every point of the run, in the order of their first occurrence.

        `listening` is then the index of the first at which cloche, if it is what runs, listens for signals.
        """
        self._reset()
        log = self.work / "strace.log"
        self._start(
            [
                *STRACE,
                "-e",
                f"trace={','.join(CALLS)}",
                "-e",
                "signal=none",
                "-o",
                str(log),
                *self.command,
            ]
        )
        counts: Counter[tuple[str, str]] = Counter()
        points: dict[Point, None] = {}
        self.listening = 0
        for line in log.read_text(errors="replace").splitlines():
            if not self.listening and LISTENING.search(line):
                self.listening = len(points)
            if found := re.match(r"(\d+)\s+(\w+)\(", line):
                counts[found.group(1), found.group(2)] += 1
                points[Point(found.group(2), counts[found.group(1), found.group(2)])] = None
        return list(points)

    def inject(self, point: Point, fault: str) -> Verdict:
        """Run with one fault (a signal, or the name of an error) and judge what is left, then judge the next run."""
        self._reset()
        what = f"signal={fault}" if fault == "KILL" or fault in STOPS else f"error={fault}"
        tampering = f"inject={point.call}:{what}:when={point.number}"
        log = self.work / "injected.log"
        done = self._start([*STRACE, "-e", f"trace={point.call}", "-e", tampering, "-o", str(log), *self.command])
        mark = "INJECTED" if what.startswith("error") else f"SIG{fault}"
        struck = mark in log.read_text(errors="replace")
        now = snapshot(self.place)
        left = tuple(path for path in sorted(now) if STAGING.match(path))
        tidy = {path: entry for path, entry in now.items() if path not in left}
        journal = any(path.endswith("/journal") for path in left)
        state = (
            "whole"
            if same(tidy, self.whole)
            else "before"
            if same(tidy, self.before)
            else "between"
            if journal
            else "broken"
        )
        said = done.stderr.strip()
        complaint = self._complaint(point, fault, state, done.returncode, said, left)
        again = self._start(self.command)
        after = snapshot(self.place)
        if again.returncode or not same(after, self.whole):
            complaint = complaint or f"the next run ended with {again.returncode}: {again.stderr.strip()[-300:]}"
        return Verdict(point, fault, state, done.returncode, said, left, complaint, struck)

    def _complaint(self, point: Point, fault: str, state: str, code: int, said: str, left: Sequence[str]) -> str:
        if state == "broken":
            return "the destination is neither what it was nor whole"
        if fault == "KILL":
            return ""
        if "Traceback" in said and "ERROR:root:code for hash" not in said:  # which Python itself logs, and goes on
            return f"a traceback: {said[-600:]}"
        if code == 0 and state != "whole":
            return "it claims to be done and is not"
        held = (point.call, fault) == ("flock", "EACCES")  # what systems answer if another process has the lock
        if (left and not held) or state == "between":
            return f"it stopped with {code} and left {left}"
        if fault in STOPS and code == STOPS[fault]:
            return "" if said.endswith("cloche: interrupted") else f"no message: {said[-300:]}"
        if fault in STOPS and code == 128 - STOPS[fault] and state == "whole":
            return ""  # it came when all was done and said
        if code not in (0, 1, 3, 4, 5, 6):
            return f"exit code {code}: {said[-300:]}"
        if code and not said.startswith("cloche: "):
            return f"no message: {said[-300:]}"
        return ""


def same(one: Mapping[str, tuple[object, ...]], other: Mapping[str, tuple[object, ...]]) -> bool:
    """Return whether two trees are equal but for byte-code, which Python writes as it likes."""
    return comparable(one) == comparable(other)


def comparable(tree: Mapping[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    return {path: without_code(path, entry) for path, entry in tree.items() if "__pycache__" not in path}


def without_code(path: str, entry: tuple[object, ...]) -> tuple[object, ...]:
    """Return an entry of a tree, less what a RECORD says of byte-code, and the manifest of that RECORD."""
    *rest, content = entry
    if isinstance(content, bytes) and path.endswith(("/RECORD", "/.cloche-manifest")):
        rows = content.splitlines(keepends=True)
        content = b"".join(row for row in rows if not row.endswith((b".pyc,,\n", b"/RECORD\n")))
    return (*rest, content)


def evenly(points: Sequence[Point], count: int) -> Iterator[Point]:
    """Yield `count` of the points, evenly over the run; all of them if there are not more."""
    step = max(1.0, len(points) / count)
    index = 0.0
    while int(index) < len(points):
        yield points[int(index)]
        index += step
