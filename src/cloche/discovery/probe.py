"""Run the probe in executables, several in parallel and within a time limit; a failure is a result too.

Each process runs isolated, without input, outside the current directory, and in its own session, so that it can be
killed with all its children.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from cloche.apply import DeferredHandlers
from cloche.apply.processes import kill_process_tree
from cloche.discovery import serialization
from cloche.discovery.cache import ProbeResult, too_old_result
from cloche.errors import reason_of
from cloche.model.environment import as_read
from cloche.programs import python_environ
from cloche.shells.template import resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TOTAL_TIMEOUT = 10.0
"""Seconds that all executables together may take."""
TIMEOUT = 5.0
"""Seconds that one executable may take."""
MAX_OUTPUT_BYTES = 1 << 20
"""Bytes of output without a valid result after which an executable is killed."""
MAX_PARALLEL = max(4, os.cpu_count() or 1)
"""How many executables run at the same time."""
EXIT_GRACE = 0.5
"""Seconds that a process may take to exit after it has closed its output."""


_SPAWN_LOCK = threading.Lock()
"""Held while a process is started, because that takes more file descriptors than reading its output."""


def probe_executables(
    paths: Sequence[str], environ: Mapping[str, str], *, total_timeout: float = TOTAL_TIMEOUT, timeout: float = TIMEOUT
) -> list[ProbeResult]:
    """Run the probe in each executable and return the results in the same order.

    :param total_timeout: seconds that all executables together may take.
    :param timeout: seconds that one executable may take.
    """
    source = resource("cloche.discovery.probe", "_probe.py")
    deadline = monotonic() + total_timeout
    results = [ProbeResult(reason="was not checked because the time limit was reached")] * len(paths)
    waiting = list(enumerate(paths))[::-1]
    running: set[subprocess.Popen[bytes]] = set()

    def work() -> None:
        while waiting and monotonic() < deadline:
            try:
                at, path = waiting.pop()
            except IndexError:  # another thread took the last one
                return
            until = min(deadline, monotonic() + timeout)
            results[at] = _probe_executable(path, source, environ, until, running)

    started = []
    try:
        for thread in [threading.Thread(target=work, daemon=True) for _ in range(min(MAX_PARALLEL, len(paths)) - 1)]:
            try:
                thread.start()
            except RuntimeError:  # no more threads can be started, so those that run do the work
                break
            started.append(thread)
        work()
        for thread in started:
            thread.join()
    except BaseException:  # an interrupt: leave no process behind
        waiting.clear()
        for process in tuple(running):
            kill_process_tree(process, environ)
        raise
    return results


def _probe_executable(
    path: str, source: str, environ: Mapping[str, str], deadline: float, running: set[subprocess.Popen[bytes]]
) -> ProbeResult:
    for isolation in (["-I"], ["-E", "-s"]):
        start, end = os.urandom(16).hex(), os.urandom(16).hex()
        try:
            process = _start([path, *isolation, "-S", "-B", "-c", source, start, end], environ, running, deadline)
        except OSError as error:
            from cloche.programs.failures import reason_not_started

            return ProbeResult(reason=f"cannot be started: {reason_not_started(path, error)}")
        except ValueError as error:
            return ProbeResult(reason=f"cannot be started: {reason_of(error)}")
        try:
            output, outcome = _read_output(process, end[::-1].encode(), deadline)
        finally:
            kill_process_tree(process, environ)
            running.discard(process)
        if not (process.returncode == 2 and b"nknown option" in output and isolation == ["-I"]):  # Python 2.7 has no -I
            break
    _, found, text = output.rpartition(start[::-1].encode())
    text, ended, _ = text.partition(end[::-1].encode())
    if found and ended:
        return parse_probe_output(text)
    return ProbeResult(reason=outcome or _describe_exit(process.returncode, output))


def _start(
    command: list[str], environ: Mapping[str, str], running: set[subprocess.Popen[bytes]], deadline: float
) -> subprocess.Popen[bytes]:
    """Start a process and add it to `running`; if too many files are open, wait for other processes to end."""
    while True:
        try:
            with _SPAWN_LOCK, DeferredHandlers():  # a signal must not lose the process
                process = _spawn(command, environ)
                running.add(process)
                return process
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not running or monotonic() > deadline:
                raise
            sleep(0.01)


def _spawn(command: list[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=python_environ(environ),
        cwd=os.path.dirname(command[0]),
        creationflags=flags,
        start_new_session=True,  # ignored on Windows
    )


def _read_output(process: subprocess.Popen[bytes], end: bytes, deadline: float) -> tuple[bytes, str]:
    """Return the output of a process up to the end of its answer, and the reason if there is no complete answer."""
    assert process.stdout is not None
    output = b""
    try:
        for piece in _read_chunks(process.stdout.fileno(), deadline):
            output += piece
            if end in output[-len(piece) - len(end) :]:
                return output, ""
            if len(output) > MAX_OUTPUT_BYTES:
                return output, f"prints more than {MAX_OUTPUT_BYTES >> 20} MiB without a valid result"
        process.wait(timeout=max(0, min(EXIT_GRACE, deadline - monotonic())))
    except (TimeoutError, subprocess.TimeoutExpired):
        return output, "does not respond in time"
    return output, ""


def _read_chunks(descriptor: int, deadline: float) -> Iterator[bytes]:
    """Yield chunks from a pipe until its other end is closed.

    :raises TimeoutError: the deadline has passed.
    """
    if sys.platform == "win32":
        from queue import Empty, SimpleQueue

        arrived: SimpleQueue[bytes] = SimpleQueue()

        def read() -> None:
            while piece := os.read(descriptor, 1 << 16):
                arrived.put(piece)
            arrived.put(b"")

        threading.Thread(target=read, daemon=True).start()  # Windows cannot poll pipes
        while True:
            try:
                piece = arrived.get(timeout=max(0, deadline - monotonic()))
            except Empty:
                raise TimeoutError from None
            if not piece:
                return
            yield piece
    else:
        from select import POLLIN, poll

        poller = poll()
        poller.register(descriptor, POLLIN)
        while True:
            remaining = deadline - monotonic()
            if remaining <= 0 or not poller.poll(remaining * 1000):
                raise TimeoutError
            if not (piece := os.read(descriptor, 1 << 16)):
                return
            yield piece


def parse_probe_output(text: bytes) -> ProbeResult:
    """Return the result for the output of a probe; the text is untrusted, so every field is checked."""
    import json

    try:
        answer = _localized(json.loads(text))
        kind = answer.get("kind")
        if kind == "too-old":
            version = ".".join(str(int(part)) for part in answer["version"][:3])
            return too_old_result(version)
        if kind == "failed":
            return ProbeResult(reason=f"cannot describe itself: {_printable(str(answer['reason']))}")
        interpreter = serialization.interpreter_from_dict(answer)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        return ProbeResult(reason=f"prints invalid data: {_printable(str(error))}")
    if interpreter.os_name != os.name:
        return ProbeResult(reason=f"is built for another operating system ({interpreter.platform})")
    return ProbeResult(interpreter)


def _localized(item: Any) -> Any:
    """Return JSON in which every text is in the file-system encoding of this process; see `_probe._json`."""
    if isinstance(item, str):
        return as_read(item)
    if isinstance(item, list):
        return [_localized(element) for element in item]
    if isinstance(item, dict):
        return {key: _localized(element) for key, element in item.items()}
    return item


def _describe_exit(code: int | None, output: bytes) -> str:
    """Return how a process without a valid answer ended."""
    if code is not None and code < 0:
        try:
            return f"is terminated by {signal.Signals(-code).name}"
        except ValueError:
            return f"is terminated by signal {-code}"
    lines = output.decode("utf-8", "replace").strip().splitlines()
    last = f": {_printable(lines[-1])}" if lines else ""
    return f"fails with exit code {code}{last}" if code else f"prints no result{last}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:200]).strip()
