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

from cloche.fs import replace_file
from cloche.store.compiling import STOP_TIMEOUT, CompilingProcesses
from cloche.store.compiling_process import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal, TypeAlias

    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.compiling_process import Compiled
    from cloche.store.distributions import Distribution, File

    Validation: TypeAlias = Literal["time", "unchecked-hash"]
    """How Python checks that bytecode is valid (PEP 552): by the time and the size of the source, or not at all.

    `unchecked-hash` bytecode is the same whenever and wherever it is compiled, and stays valid if a copy changes times."""

SUPPORTS_HASHES = (3, 7)
"""The first Python whose bytecode can have the hash of its source."""

RECIPE = 2
"""Increased when the same source is compiled to other bytes."""

HEADER_SIZE = 16
"""The bytes before the code: magic number, flags, and the time and size of the source or its hash."""

SEAL_SIZE = 40
"""The bytes after the code: the hash of the source, and the SHA-256."""

WORTH_A_BATCH = 50_000
"""Bytes of source that a process gets at once; the rest of an image may have less."""


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

    :param directories: the directories of the store for bytecode.
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
    """Compiles the modules of one image in processes of the target Python, while other files are still being unpacked.

    The processes serve all images of a run; see `cloche.store.compiling`.
    """

    def __init__(
        self, interpreter: Interpreter, store: Store, root: str, mtime: int, mode: int, validation: Validation = "time"
    ) -> None:
        """Prepare to compile files below `root`.

        :param mtime: modification time of every source file and bytecode file, in seconds.
        :param mode: permission bits of the bytecode files; 0 keeps the default.
        """
        self._processes = compiling_processes(interpreter, store)
        # the root may contain line breaks
        self._header = b"%b\0%d\0%d\0%b\n" % (os.fsencode(root).hex().encode(), mtime, mode, validation.encode())
        self._collected: Batch | None = None
        self._batches: list[Batch] = []

    def close(self) -> None:
        """Stop compiling: when this returns, no process is writing below the root."""
        for batch in self._batches:
            self._processes.stop(batch, "it was stopped")
        for batch in self._batches:
            batch.wait(STOP_TIMEOUT)

    def add(self, source: str, target: str, name: str, size: int) -> None:
        """Compile `source`, a file of `size` bytes, to `target`; both paths are relative to the root.

        :param name: the name of the module's file; Python replaces it with the path when it imports the bytecode.
        :raises SeedError: no process can be started.
        """
        if self._collected is None:
            self._collected = Batch(len(self._batches), self._header)
            self._processes.prepare()
        self._collected.add(source, target, name, size)
        if self._collected.size >= WORTH_A_BATCH:
            self._submit()

    def results(self) -> list[Compiled]:
        """Wait until every file is compiled, and return the bytecode files. Files that do not compile are left out.

        :raises SeedError: an interpreter failed.
        """
        self._submit()
        return [compiled for batch in self._batches for compiled in self._processes.results(batch)]

    def _submit(self) -> None:
        batch, self._collected = self._collected, None
        if batch is not None:
            self._batches.append(batch)
            self._processes.submit(batch)


def compiling_processes(interpreter: Interpreter, store: Store) -> CompilingProcesses:
    """Return the processes of an interpreter, which the store ends when it is closed."""
    compiler = compiler_name(interpreter)
    key = f"{compiler} {interpreter.executable}"
    if (found := store.compiling.get(key)) is None:
        new = CompilingProcesses(interpreter.executable, compiler, store.host.environ)
        found = store.compiling.setdefault(key, new)  # another thread may have been faster; none is started yet
    return found
