"""Bytecode: reused if it exists for exactly the same ABI, else compiled by the target Python. The code is never executed.

What cloche compiles depends only on the interpreter, the source and its name, so it is the same on every machine. It ends with
a *seal*, which Python ignores: the hash of the source for the header (PEP 552), and a SHA-256 over the interpreter, the name,
the source and the code. `cloche pack` takes sealed bytecode instead of compiling again, if the seal fits the packed source.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from hashlib import sha256
from importlib.util import MAGIC_NUMBER, cache_from_source
from typing import TYPE_CHECKING

from cloche.errors import SeedError, reason_of
from cloche.fs import replace_file
from cloche.programs import python_environ
from cloche.shells.template import resource

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable
    from typing import Literal, TypeAlias

    from cloche.model.interpreter import Host, Interpreter
    from cloche.store import Store
    from cloche.store.distributions import Distribution, File

    Validation: TypeAlias = Literal["time", "unchecked-hash"]
    """How Python checks that bytecode is valid (PEP 552): by the time and the size of the source, or not at all.

    `unchecked-hash` bytecode is the same whenever and wherever it is compiled, and stays valid if a copy changes times."""

TIMEOUT_SECONDS = 300.0
"""Seconds after which a compiling interpreter is killed."""

SUPPORTS_HASHES = (3, 7)
"""The first Python whose bytecode can have the hash of its source."""

RECIPE = 2
"""Increased when the same source is compiled to other bytes."""

HEADER_SIZE = 16
"""The bytes before the code: magic number, flags, and the time and size of the source or its hash."""

SEAL_SIZE = 40
"""The bytes after the code: the hash of the source, and the SHA-256."""

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


def compiler_name(interpreter: Interpreter) -> str:
    """Return what decides the bytecode of a source: `2 cpython 3.12.1 cb0d0d0a`."""
    return f"{RECIPE} {interpreter.implementation} {interpreter.version_text}{interpreter.build} {interpreter.magic}"


def unchecked_bytecode(data: bytes, compiler: str, name: str, source_digest: bytes) -> bytes | None:
    """Return sealed bytecode with the header of bytecode that is never checked; None if the seal does not fit.

    :param data: the content of a bytecode file.
    :param compiler: the `compiler_name` of the interpreter.
    :param name: the name of the module's file.
    :param source_digest: the SHA-256 of the source.
    """
    source_hash, seal = data[-SEAL_SIZE : 8 - SEAL_SIZE], data[8 - SEAL_SIZE :]
    body = data[HEADER_SIZE:-SEAL_SIZE]
    hashed = sha256(b"%b\0%b\0%b%b" % (os.fsencode(compiler), os.fsencode(name), source_digest, source_hash))
    hashed.update(body)
    if hashed.digest() != seal:
        return None
    return b"".join((data[:4], b"\1\0\0\0", source_hash, data[HEADER_SIZE:]))


def bytecode_key(compiler: str, name: str, source_digest: bytes) -> str:
    """Return the key of sealed bytecode in the store: a hash of everything that decides it; see `unchecked_bytecode`."""
    return sha256(b"%b\0%b\0%b" % (os.fsencode(compiler), os.fsencode(name), source_digest)).hexdigest()


def find_bytecode(key: str, store: Store, directories: Iterable[str]) -> tuple[str, int] | None:
    """Return the path and the size of sealed bytecode that the store has; the caller checks the seal.

    :param directories: those of the store for bytecode.
    """
    for directory in directories:
        path = os.path.join(directory, key)
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                if store.is_persistent:
                    with contextlib.suppress(OSError):
                        os.utime(path)  # `cloche cache prune` removes what is not used
                return path, status.st_size
    return None


def store_bytecode(key: str, data: bytes, store: Store) -> None:
    """Keep sealed bytecode for later runs; a failure only costs time later."""
    if store.is_persistent:
        with contextlib.suppress(OSError):
            replace_file(os.path.join(store.writable_directory("bytecode"), key), data)


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
        self._arguments = [root, str(mtime), str(mode), validation, compiler_name(interpreter)]
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

    def add(self, source: str, target: str, name: str, size: int) -> None:
        """Compile `source`, a file of `size` bytes, to `target`; both paths are relative to the root.

        :param name: the name of the module's file; Python replaces it with the path when it imports the bytecode.
        :raises SeedError: the interpreter cannot be run.
        """
        if not self._processes or (min(self._load) > WORTH_A_PROCESS and len(self._load) < self._limit):
            self._start()
        index = self._load.index(min(self._load))
        self._load[index] += size + 1000  # opening and writing a file costs about as much as compiling 1000 bytes
        pipe = self._processes[index].stdin
        assert pipe is not None
        try:
            pipe.write(os.fsencode(f"{source}\0{target}\0{name}\n"))
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

    def _start(self) -> None:
        import subprocess

        script = resource(__name__, "_compile.py")
        # the seed shows in the bytecode of sets, and `-I` would ignore it; the variables have nothing else for Python
        environ = {**self._environ, "PYTHONHASHSEED": "0"}
        command = [self._interpreter.executable, "-s", "-S", "-W", "ignore", "-c", script, *self._arguments]
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
            if self._processes:
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
