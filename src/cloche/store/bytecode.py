"""Bytecode for the files of an image: reused if it exists for exactly the same ABI, else compiled by the target Python.

The compiled code is never executed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source
from typing import TYPE_CHECKING

from cloche.errors import SeedError, reason_of
from cloche.programs import python_environ
from cloche.shells.template import resource

if TYPE_CHECKING:
    import subprocess
    from typing import Literal, TypeAlias

    from cloche.model.interpreter import Host, Interpreter
    from cloche.store.distributions import Distribution, File

    Validation: TypeAlias = Literal["time", "unchecked-hash"]
    """How Python checks that bytecode is valid (PEP 552): by the time and the size of the source, or not at all.

    `unchecked-hash` bytecode is the same whenever and wherever it is compiled, and stays valid if a copy changes times."""

TIMEOUT_SECONDS = 300.0
"""Seconds after which a compiling interpreter is killed."""

REPRODUCIBLE_PROCESSES = 4
"""The number of interpreters that compile `unchecked-hash` bytecode. It must be the same on every machine, because what a
process has compiled before shows in its output."""

WORTH_A_PROCESS = 150_000
"""Bytes of source that keep a process busy for about as long as it takes to start it three times."""


def reusable_bytecode(distribution: Distribution, file: File, source: bytes, interpreter: Interpreter) -> bytes | None:
    """Return the bytecode of an installed source file without its header; None if there is none for this ABI.

    The bytecode is used only if the Python that runs cloche would load it too (time-based `.pyc` files, PEP 552).
    """
    if (
        distribution.kind != "installed"
        or interpreter.magic != MAGIC_NUMBER.hex()
        or interpreter.cache_tag != sys.implementation.cache_tag
    ):
        return None
    path = os.path.join(distribution.location, file.member)
    try:
        with open(cache_from_source(path, optimization=""), "rb", buffering=0) as opened:
            data = opened.read()
        seconds = int(os.stat(path).st_mtime)
    except (OSError, NotImplementedError):
        return None
    return data[16:] if data[:16] == bytecode_header(MAGIC_NUMBER, seconds, len(source)) else None


def bytecode_header(magic: bytes, seconds: int, size: int) -> bytes:
    """Return the header of a `.pyc` file for Python 3.7 and later (PEP 552), for a source of that time and size."""
    return magic + bytes(4) + (seconds & 0xFFFFFFFF).to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def bytecode_path(source: str, cache_tag: str) -> str:
    """Return the path of a source file's bytecode (PEP 3147); both paths are relative and written with `/`."""
    directory, slash, name = source.rpartition("/")
    return f"{directory}{slash}__pycache__/{name.removesuffix('.py')}.{cache_tag}.pyc"


class Compiler:
    """A compiler that runs in processes of the target Python while other files are still being unpacked.

    The first call of `add` starts a process, and later calls start more, up to the number of processors, while each has enough
    to do. So a small image takes one process, and leaves the other processors to other images.
    """

    def __init__(
        self, interpreter: Interpreter, host: Host, root: str, mtime: int, mode: int, validation: Validation = "time"
    ) -> None:
        """Prepare to compile files below `root`.

        :param mtime: modification time of every source file and bytecode file, in seconds.
        :param mode: permission bits of the bytecode files; 0 keeps the default.
        """
        self._interpreter = interpreter
        self._environ = python_environ(host.environ)
        self._root = root
        self._arguments = [root, str(mtime), str(mode), validation]
        self._validation = validation
        self._limit = available_processors()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._load: list[int] = []
        """An estimate of the work given to each process so far."""

    def close(self) -> None:
        """Kill the processes that are still running."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    with contextlib.suppress(OSError):  # unsent input of a process that has died
                        stream.close()

    def add(self, source: str, target: str, size: int) -> None:
        """Compile `source`, a file of `size` bytes, to `target`; both paths are relative to the root.

        :raises SeedError: the interpreter cannot be run.
        """
        if not self._processes:
            self._start(REPRODUCIBLE_PROCESSES if self._validation == "unchecked-hash" else 1)
        elif self._validation == "time" and min(self._load) > WORTH_A_PROCESS and len(self._load) < self._limit:
            self._start(1)
        index = self._load.index(min(self._load))
        self._load[index] += size + 1000  # opening and writing a file costs about as much as compiling 1000 bytes
        pipe = self._processes[index].stdin
        assert pipe is not None
        try:
            pipe.write(os.fsencode(f"{source}\0{target}\n"))
        except BrokenPipeError:
            pass  # the process has died; `results` reports it

    def results(self) -> list[tuple[int, str, str]]:
        """Wait for the processes; return the size, SHA-256 in hexadecimal and path of each bytecode file.

        Files that do not compile are left out.

        :raises SeedError: an interpreter failed.
        """
        if not self._processes:
            return []
        import subprocess

        compiled = []
        for process in self._processes:
            try:
                output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                raise self._compiler_error(f"timed out after {TIMEOUT_SECONDS:.0f} s") from None
            lines = output.split(b"\n")[:-1]
            if process.returncode != 0 or lines[-1:] != [b"end"]:
                last = errors.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no error message"]
                raise self._compiler_error(f"exited with code {process.returncode}: {last[0]}")
            for line in lines[:-1]:
                size, digest, path = line.split(b" ", 2)
                compiled.append((int(size), digest.decode(), os.fsdecode(path)))
        return compiled

    def _start(self, count: int) -> None:
        import subprocess

        script = resource(__name__, "_compile.py")
        isolation, environ = ["-I"], self._environ
        if self._validation == "unchecked-hash":  # the seed of its hashes shows in its output, and `-I` ignores it
            isolation = ["-s"]
            environ = {name: text for name, text in environ.items() if not name.startswith("PYTHON")}
            environ["PYTHONHASHSEED"] = "0"
        command = [self._interpreter.executable, *isolation, "-S", "-W", "ignore", "-c", script, *self._arguments]
        for _ in range(count):
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,  # the process starts compiling with the first line
                    cwd=self._root,
                    env=environ,
                )
            except OSError as error:
                if self._processes and self._validation == "time":
                    self._limit = len(self._processes)  # out of memory or descriptors: continue with those that run
                    return
                raise self._compiler_error(f"cannot be run ({reason_of(error)})") from error
            self._processes.append(process)
            self._load.append(0)

    def _compiler_error(self, reason: str) -> SeedError:
        return SeedError(
            f"`{self._interpreter.executable}` could not compile modules to bytecode: {reason}",
            hint="check that this Python starts",
        )


def available_processors() -> int:
    """Return the number of processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
