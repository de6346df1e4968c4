"""Byte-code for the files of an image: taken over where it exists for the very same ABI, else made by the target.

It never runs anything of the distribution that it compiles.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source
from typing import TYPE_CHECKING

from cloche.errors import SeedError, reason_of
from cloche.shells.template import resource

if TYPE_CHECKING:
    import subprocess

    from cloche.model.interpreter import Host, Interpreter
    from cloche.store.distributions import Distribution, File

PATIENCE = 300.0
"""Seconds after which an interpreter that compiles is given up."""

PROCESSES = 4
"""Most interpreters that compile at once; starting more costs what they save."""


def existing(distribution: Distribution, file: File, source: bytes, interpreter: Interpreter) -> bytes | None:
    """Return the byte-code that lies beside an installed source file, less its header; None if it is not for this ABI.

    Only byte-code that the interpreter that runs cloche would itself take for valid is used (PEP 552, by time).
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
    return data[16:] if data[:16] == header(MAGIC_NUMBER, seconds, len(source)) else None


def header(magic: bytes, seconds: int, size: int) -> bytes:
    """Return what byte-code of Python 3.7 and later starts with (PEP 552) for a source of that time and size."""
    return magic + bytes(4) + (seconds & 0xFFFFFFFF).to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def cached_path(source: str, cache_tag: str) -> str:
    """Return where the byte-code of a source file lies (PEP 3147); both are relative and written with `/`."""
    directory, slash, name = source.rpartition("/")
    return f"{directory}{slash}__pycache__/{name.removesuffix('.py')}.{cache_tag}.pyc"


class Compiler:
    """Interpreters that compile while files are still being unpacked; none is started before there is work."""

    def __init__(self, interpreter: Interpreter, host: Host, root: str, mtime: int, mode: int) -> None:
        """Prepare to compile files below `root`, whose time is `mtime` seconds, to byte-code files of that mode."""
        self._interpreter = interpreter
        self._environ = {name: text for name, text in host.environ.items() if name != "__PYVENV_LAUNCHER__"}
        self._root = root
        self._arguments = [root, str(mtime), str(mode)]
        self._processes: list[subprocess.Popen[bytes]] = []
        self._load: list[int] = []

    def close(self) -> None:
        """End what still runs."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    with contextlib.suppress(OSError):  # what it was still to be told, and it has died
                        stream.close()

    def add(self, source: str, target: str, size: int) -> None:
        """Have a file compiled; paths are relative to the root.

        :raises SeedError: the interpreter cannot be run.
        """
        if not self._processes:
            self._start()
        which = self._load.index(min(self._load))
        self._load[which] += size + 1000  # opening and writing costs about as much as compiling that many bytes
        pipe = self._processes[which].stdin
        assert pipe is not None
        try:
            pipe.write(os.fsencode(f"{source}\0{target}\n"))
        except BrokenPipeError:
            pass  # it has died, which `results` will report

    def results(self) -> list[tuple[int, str, str]]:
        """Wait until all is compiled, and return size, SHA-256 in hexadecimal and path of each byte-code file.

        :raises SeedError: an interpreter failed; that a file does not compile is no failure.
        """
        if not self._processes:
            return []
        import subprocess

        made = []
        for process in self._processes:
            try:
                output, complaint = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                raise self._failure(f"took more than {PATIENCE:.0f} s") from None
            lines = output.splitlines()
            if process.returncode != 0 or lines[-1:] != [b"end"]:
                said = complaint.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
                raise self._failure(f"ended with {process.returncode} and said: {said[0]}")
            for line in lines[:-1]:
                size, digest, path = line.split(b" ", 2)
                made.append((int(size), digest.decode(), os.fsdecode(path)))
        return made

    def _start(self) -> None:
        import subprocess

        script = resource(__name__, "_compile.py")
        command = [self._interpreter.executable, "-I", "-S", "-W", "ignore", "-c", script, *self._arguments]
        for _ in range(min(PROCESSES, _processors())):
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,  # it is to begin at once
                    cwd=self._root,
                    env=self._environ,
                )
            except OSError as error:
                if self._processes:  # no memory or descriptors for more: one does it all
                    break
                raise self._failure(f"cannot be run ({reason_of(error)})") from error
            self._processes.append(process)
            self._load.append(0)

    def _failure(self, reason: str) -> SeedError:
        return SeedError(
            f"`{self._interpreter.executable}` was to byte-compile seeds and {reason}",
            hint="see whether it runs at all, or make the environment with `--no-seed`",
        )


def _processors() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
