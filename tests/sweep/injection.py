"""Inject a fault with `strace` at any file-system call of a program, and check what the run leaves.

A *point* is the k-th call of one system call in a process, for example `linkat` number 17. A first run under `strace` lists
all points of the program and its children. Each fault is then injected in a separate run.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tests.trees import Tree, differences, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")

CALLS = (
    "mkdir mkdirat rmdir unlink unlinkat link linkat symlink symlinkat rename renameat renameat2 open openat creat write "
    "pwrite64 writev truncate ftruncate fallocate copy_file_range sendfile chmod fchmod fchmodat chown fchown fchownat "
    "utimensat fsync fdatasync flock"
).split()
"""Calls that change a file system, or that such a change depends on. `openat` both creates and reads files."""

STRACE = ("strace", "-f", "-qq")
"""Trace children too. `--seccomp-bpf` would be faster, but it loses injected signals."""

FAULTS = ("ENOSPC", "EIO", "EACCES", "EINTR")

STOPS = {"INT": 130, "TERM": 143}
"""Signals that stop a run, and the exit code of the stopped run."""

STAGING = re.compile(r"(env/)?\.(env\.)?cloche-(new-)?\d+(/|$)")
"""Matches a staging directory beside or in the destination, and the paths below it."""

HANDLER_INSTALLED = re.compile(r"rt_sigaction\(SIGTERM, \{sa_handler=0x")
"""Matches the call with which cloche starts to handle SIGTERM; Python itself installs no handler for it."""

OTHER_PIP = re.compile(r"cannot be read .*; pip (\S+) from another source is used instead")
"""Matches the warning that a file of the selected pip cannot be read, so that another pip is installed."""

CACHE_USES = {"cold": 0, "used once": 1, "warm": 3}
"""By state of a cache: the number of runs that have used it. The first run unpacks, the second compiles, the third reuses."""


class Point(NamedTuple):
    call: str
    number: int


class Scenario(NamedTuple):
    """One situation in which an environment is created."""

    name: str
    prepare: Callable[[Path], None]
    """Write to an empty directory what exists before the run. The destination is `env` in that directory."""
    arguments: Sequence[str]
    cache: str
    """A key of `CACHE_USES`."""
    scope: str = "every"
    """`every` if a full sweep injects faults at every point; `sample` if it is limited to a sample."""


class Verdict(NamedTuple):
    """The result of a run with one injected fault."""

    point: Point
    fault: str
    state: str
    """`unchanged`, `complete`, `undoable` (an unfinished commit that the next run undoes), or `broken`."""
    exit_code: int
    errors: str
    leftovers: tuple[str, ...]
    """Paths of staging directories, and everything in them."""
    problem: str
    """What is wrong with the run, the destination or the next run; empty if nothing is."""
    injected: bool
    """Whether the run reached the point, so that the fault was injected."""


class Sweep:
    """Runs of one program in one scenario, in one directory."""

    def __init__(self, work: Path, scenario: Scenario, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.work = work
        self.scenario = scenario
        self.command = [*command, *scenario.arguments]
        self.environ = dict(environ)
        self.directory = work / "directory"
        self.warm_cache = work / "warm"
        self.cache = work / "cache"
        self.first_handled = 0
        """The index of the first point after cloche has installed its signal handlers; see `points`."""
        self.warm_cache.mkdir()
        for _ in range(CACHE_USES[scenario.cache]):
            self._reset()
            self._run(self.command)
            shutil.rmtree(self.warm_cache)
            shutil.copytree(self.cache, self.warm_cache, symlinks=True)
        self._reset()
        self.before = snapshot(self.directory)
        self.complete = self._result(self.command)
        self.complete_with: dict[str, Tree] = {}
        """By version of pip: the result of a run that is asked for it."""

    def _reset(self) -> None:
        """Restore the state of the directory and the cache before the run."""
        for directory in (self.directory, self.cache):
            shutil.rmtree(directory, ignore_errors=True)
        self.directory.mkdir()
        shutil.copytree(self.warm_cache, self.cache, symlinks=True)
        self.scenario.prepare(self.directory)

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.directory,
            env={**self.environ, "XDG_CACHE_HOME": str(self.cache), "UV_CACHE_DIR": str(self.cache)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def _result(self, command: Sequence[str]) -> Tree:
        """Return what a run without a fault leaves."""
        done = self._run(command)
        assert done.returncode == 0, done.stderr
        return snapshot(self.directory)

    def _expected(self, errors: str, tree: Tree) -> Tree:
        """Return what a run should have left that printed these errors: if it could not read a pip, it said so, and
        installed another one.
        """
        other = OTHER_PIP.search(errors)
        if other is None:
            return self.complete
        version = other.group(1)
        if version not in self.complete_with:
            self._reset()
            self.complete_with[version] = self._result([*self.command, "--pip", version])
        settings = {"env/pyvenv.cfg": self.complete["env/pyvenv.cfg"]}  # without the version, as in this run
        manifest = {path: tree[path] for path in tree if path == "env/.cloche-manifest"}  # has the hash of `pyvenv.cfg`
        return Tree({**self.complete_with[version], **settings, **manifest})

    def points(self) -> list[Point]:
        """Return every point of the run, in the order of the first occurrence.

        Also set `first_handled`.
        """
        self._reset()
        log = self.work / "strace.log"
        self._run(
            [
                *STRACE,
                "-e",
                f"trace={','.join((*CALLS, 'rt_sigaction'))}",
                "-e",
                "signal=none",
                "-o",
                str(log),
                *self.command,
            ]
        )
        counts: Counter[tuple[str, str]] = Counter()
        points: dict[Point, None] = {}
        self.first_handled = 0
        for line in log.read_text(errors="replace").splitlines():
            if not self.first_handled and HANDLER_INSTALLED.search(line):
                self.first_handled = len(points)
            found = re.match(r"(\d+)\s+(\w+)\(", line)
            if found and found.group(2) in CALLS:
                counts[found.group(1), found.group(2)] += 1
                points[Point(found.group(2), counts[found.group(1), found.group(2)])] = None
        return list(points)

    def inject(self, point: Point, fault: str) -> Verdict:
        """Run with one fault, a signal or the name of an error; check what the run leaves, and then the next run."""
        self._reset()
        action = f"signal={fault}" if fault == "KILL" or fault in STOPS else f"error={fault}"
        injection = f"inject={point.call}:{action}:when={point.number}"
        log = self.work / "injected.log"
        done = self._run([*STRACE, "-e", f"trace={point.call}", "-e", injection, "-o", str(log), *self.command])
        mark = "INJECTED" if action.startswith("error") else f"SIG{fault}"
        injections = log.read_text(errors="replace")
        injected = mark in injections
        tree = snapshot(self.directory)
        next_run = self._run(self.command)
        after = snapshot(self.directory)
        leftovers = tuple(path for path in sorted(tree) if STAGING.match(path))
        rest = {path: entry for path, entry in tree.items() if path not in leftovers}
        journal = any(path.endswith("/journal") for path in leftovers)
        expected = self._expected(done.stderr, tree)
        state = (
            "complete"
            if same(rest, expected)
            else "unchanged"
            if same(rest, self.before)
            else "undoable"
            if journal
            else "broken"
        )
        errors = done.stderr.strip()
        if not errors and re.search(
            r"write\(2, .*\(INJECTED\)", injections
        ):  # each thread gets the fault at its own nth call
            errors = "cloche: error: its message could not be written"
        problem = self._problem(point, fault, state, done.returncode, errors, leftovers)
        if next_run.returncode or not same(after, expected):  # a pip that is installed is not replaced
            paths = differences(without_bytecode(expected), without_bytecode(after))
            problem = problem or "\n".join(
                [f"the next run exited with {next_run.returncode}: {next_run.stderr.strip()[-300:]}", *paths]
            )
        return Verdict(point, fault, state, done.returncode, errors, leftovers, problem, injected)

    def _problem(self, point: Point, fault: str, state: str, code: int, errors: str, leftovers: Sequence[str]) -> str:
        """Return what is wrong with a run that got a fault, or an empty string."""
        if state == "broken":
            return "the destination is neither unchanged nor complete"
        if fault == "KILL":
            return ""
        if "Traceback" in errors and "ERROR:root:code for hash" not in errors:  # an error that Python logs and ignores
            return f"a traceback: {errors[-600:]}"
        if code == 0 and state != "complete":
            return "it exited with 0, but the destination is not complete"
        looks_locked = (point.call, fault) == ("flock", "EACCES")  # the error for a lock of another process
        if (leftovers and not looks_locked) or state == "undoable":
            return f"it exited with {code} and left {leftovers}"
        if fault in STOPS and code == STOPS[fault]:
            return "" if errors.endswith("cloche: interrupted") else f"no message: {errors[-300:]}"
        if fault in STOPS and code == 128 - STOPS[fault] and state == "complete":
            return ""  # the signal arrived after the run had finished its work
        if code not in (0, 1, 3, 4, 5, 6):
            return f"exit code {code}: {errors[-300:]}"
        if code and not errors.startswith("cloche: "):
            return f"no message: {errors[-300:]}"
        return ""


def same(left: Mapping[str, tuple[object, ...]], right: Mapping[str, tuple[object, ...]]) -> bool:
    """Return whether two trees are equal apart from bytecode, which Python may write at any time."""
    return without_bytecode(left) == without_bytecode(right)


def without_bytecode(tree: Mapping[str, tuple[object, ...]]) -> Tree:
    return Tree({path: without_rows(path, entry) for path, entry in tree.items() if "__pycache__" not in path})


def without_rows(path: str, entry: tuple[object, ...]) -> tuple[object, ...]:
    """Return an entry without the rows for bytecode if it is a RECORD, and without those for RECORDs if it is a manifest."""
    *rest, content = entry
    if isinstance(content, bytes) and path.endswith(("/RECORD", "/.cloche-manifest")):
        rows = content.splitlines(keepends=True)
        content = b"".join(row for row in rows if not row.endswith((b".pyc,,\n", b"/RECORD\n")))
    return (*rest, content)


def evenly(points: Sequence[T], count: int) -> list[T]:
    """Return `count` of the points, evenly spread, or all of them if there are fewer."""
    count = min(count, len(points))
    return [points[number * len(points) // count] for number in range(count)]
