"""One process of the target Python that compiles modules to bytecode, and the batches of modules that it gets."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING

from cloche.programs import python_environ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    Compiled: TypeAlias = tuple[int, str, str]
    """The size of a bytecode file, its SHA-256 in hexadecimal, and its path as it was given."""

COST_OF_A_FILE = 1000
"""Opening and writing a file costs about as much as compiling this many bytes."""

LONGEST_LINE = 1 << 16
"""The maximum of bytes that are read as one line."""

END = b"end\n"


class Batch:
    """Some modules of one image, which one process compiles."""

    def __init__(self, number: int, header: bytes) -> None:
        self.number = number
        """The number of batches of the image before this one."""
        self.request = [header]
        """The lines for the process, without the last."""
        self.size = 0
        """An estimate of the work, in bytes of source."""
        self.process: Process | None = None
        """The process that compiles it now."""
        self.started = 0.0
        """When that process got it, see `time.monotonic`."""
        self.compiled: list[Compiled] = []
        self.failure = ""
        """Why the modules could not be compiled; empty if they could."""
        self.is_done = False
        self._targets: set[str] = set()
        self._done: SimpleQueue[None] = SimpleQueue()
        """Gets an item in the end; unlike an `Event`, it never stays locked if a signal interrupts the thread that waits."""

    def add(self, source: str, target: str, name: str, size: int) -> None:
        """Add a module; see `Compiler.add`."""
        self.request.append(os.fsencode(f"{source}\0{target}\0{name}\n"))
        self.size += size + COST_OF_A_FILE
        self._targets.add(target)

    def parse(self, line: bytes) -> Compiled:
        """Return the bytecode file that a line of the answer names.

        :raises ValueError: the line names none of this batch.
        """
        size, digest, path = line.removesuffix(b"\n").split(b" ", 2)
        target = os.fsdecode(path)
        if target not in self._targets:
            raise ValueError
        return int(size), digest.decode("ascii"), target

    def finish(self, failure: str = "") -> None:
        """Wake up the thread that waits for the batch."""
        self.failure = self.failure or failure
        self.is_done = True
        self._done.put(None)

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the batch; return whether it was reached in time."""
        if not self.is_done:
            with suppress(Empty):
                self._done.get(timeout=seconds)
        return self.is_done


class ProcessFailed(Exception):
    """A process did not compile its batch."""


class Process:
    """A process of the target Python that runs `_compile.py`."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start it.

        :param environ: the variables of the user.
        :raises OSError: it cannot be started.
        """
        import subprocess  # often, everything is compiled already

        self.is_killed = False
        self._errors = new_log()  # not a pipe, which would have to be read before the process ends
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                cwd=os.sep,
                # the seed shows in the bytecode of sets, and `-I` would ignore it; there is nothing else for Python
                env={**python_environ(environ), "PYTHONHASHSEED": "0"},
                start_new_session=True,  # Ctrl-C in a terminal reaches only cloche, which then kills the process
            )
        except BaseException:
            self._errors.close()
            raise

    def compile(self, batch: Batch) -> list[Compiled]:
        """Compile the modules of a batch, and return their bytecode files.

        The process answers when it has read the whole batch, so neither side waits until the other one reads.

        :raises ProcessFailed: it ended, or printed something else.
        """
        stdin, stdout = self._popen.stdin, self._popen.stdout
        assert stdin is not None
        assert stdout is not None
        with suppress(OSError):  # it has ended; reading shows why
            stdin.write(b"".join((*batch.request, END)))
            stdin.flush()
        compiled: list[Compiled] = []
        while (line := stdout.readline(LONGEST_LINE)).endswith(b"\n"):
            if line == END:
                return compiled
            try:
                compiled.append(batch.parse(line))
            except ValueError:
                raise ProcessFailed(f"unexpected output {line.decode('utf-8', 'replace').strip()[:100]!r}") from None
        code = self._popen.wait()
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - LONGEST_LINE))
        last = self._errors.read().decode("utf-8", "replace").strip().splitlines()[-1:] or ["no error message"]
        raise ProcessFailed(f"exited with code {code}: {last[0]}")

    def kill(self) -> None:
        """Kill the process and those that it has started; may be called in any thread."""
        self.is_killed = True
        if self._popen.returncode is None:
            with suppress(OSError):  # it has ended
                if os.name == "nt":
                    self._popen.kill()
                else:
                    os.killpg(self._popen.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the process, wait until it has ended, and close its files."""
        self.kill()
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout, self._errors):
            if stream is not None:
                with suppress(OSError):  # unsent input of a process that has ended
                    stream.close()


def new_log() -> IO[bytes]:
    """Return a new file for error messages; the null device if there is no directory for temporary files."""
    from tempfile import TemporaryFile

    try:
        return TemporaryFile()
    except OSError:
        return open(os.devnull, "rb+")
