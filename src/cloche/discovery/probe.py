"""Ask executables what they are, several at once and within one bound; whatever they do, it becomes an answer.

They run isolated, without input, away from the current directory, in a session of their own that is killed as a whole.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING, Protocol

from cloche.discovery import record
from cloche.discovery.cache import Answer, too_old
from cloche.errors import reason_of
from cloche.shells.template import resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BOUND = 10.0
"""Seconds that all candidates together may take."""
PATIENCE = 5.0
"""Seconds that one candidate may take."""
LARGEST = 1 << 20
"""Bytes of output after which no answer is expected any more."""
AT_ONCE = max(4, os.cpu_count() or 1)
"""Candidates that run at the same time."""
GRACE = 0.5
"""Seconds between the end of a candidate's output and its own end."""


_ONE_BY_ONE = threading.Lock()
"""Held while a process is started, which takes more file descriptors than listening to it does."""


class Ask(Protocol):
    """How executables are asked: one answer for each path, in their order."""

    def __call__(self, paths: Sequence[str], environ: Mapping[str, str]) -> list[Answer]: ...


def ask(
    paths: Sequence[str], environ: Mapping[str, str], *, bound: float = BOUND, patience: float = PATIENCE
) -> list[Answer]:
    """Run the probe in each of the executables; a slow one costs `patience` seconds, all of them at most `bound`."""
    source = resource("cloche.discovery.probe", "_probe.py")
    deadline = monotonic() + bound
    answers = [Answer(reason="was not asked: others took all the time there is")] * len(paths)
    waiting = list(enumerate(paths))[::-1]
    running: set[subprocess.Popen[bytes]] = set()

    def work() -> None:
        while waiting and monotonic() < deadline:
            try:
                at, path = waiting.pop()
            except IndexError:  # another thread was quicker
                return
            until = min(deadline, monotonic() + patience)
            answers[at] = _ask_one(path, source, environ, until, running)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, len(paths)) - 1)]
    try:
        for thread in threads:
            thread.start()
        work()
        for thread in threads:
            thread.join()
    except BaseException:  # an interrupt: nobody is left to read what they say
        waiting.clear()
        for process in tuple(running):
            kill_all(process, environ)
        raise
    return answers


def _ask_one(
    path: str, source: str, environ: Mapping[str, str], deadline: float, running: set[subprocess.Popen[bytes]]
) -> Answer:
    for isolation in (["-I"], ["-E", "-s"]):
        start, end = os.urandom(16).hex(), os.urandom(16).hex()
        try:
            process = _start([path, *isolation, "-S", "-B", "-c", source, start, end], environ, running, deadline)
        except (OSError, ValueError) as error:
            return Answer(reason=f"cannot be started: {reason_of(error)}")
        try:
            output, outcome = _listen(process, end[::-1].encode(), deadline)
        finally:
            kill_all(process, environ)
            running.discard(process)
        if not (process.returncode == 2 and b"nknown option" in output and isolation == ["-I"]):  # Python 2.7 has no -I
            break
    _, found, text = output.rpartition(start[::-1].encode())
    text, ended, _ = text.partition(end[::-1].encode())
    if found and ended:
        return judge(text)
    return Answer(reason=outcome or _ending(process.returncode, output))


def _start(
    command: list[str], environ: Mapping[str, str], running: set[subprocess.Popen[bytes]], deadline: float
) -> subprocess.Popen[bytes]:
    """Start a candidate, and add it to those that are running; where too many files are open, wait for the others."""
    while True:
        try:
            with _ONE_BY_ONE:
                process = _spawn(command, environ)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not running or monotonic() > deadline:
                raise
            sleep(0.01)
        else:
            running.add(process)
            return process


def _spawn(command: list[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    clean = {
        name: text for name, text in environ.items() if not name.upper().startswith(("PYTHON", "__PYVENV_LAUNCHER__"))
    }
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=clean,
        cwd=os.path.dirname(command[0]),
        creationflags=flags,
        start_new_session=True,  # which Windows has not, and passes over
    )


def _listen(process: subprocess.Popen[bytes], end: bytes, deadline: float) -> tuple[bytes, str]:
    """Return what a candidate says until its answer is complete, and why nothing more was heard, if it was too long."""
    assert process.stdout is not None
    output = b""
    try:
        for piece in _pieces(process.stdout.fileno(), deadline):
            output += piece
            if end in output[-len(piece) - len(end) :]:
                return output, ""
            if len(output) > LARGEST:
                return output, f"says more than {LARGEST >> 20} MiB, and nothing that is an answer"
        process.wait(timeout=max(0, min(GRACE, deadline - monotonic())))
    except (TimeoutError, subprocess.TimeoutExpired):
        return output, "does not answer in time"
    return output, ""


def _pieces(descriptor: int, deadline: float) -> Iterator[bytes]:
    """Yield what comes out of a pipe until nobody holds its other end.

    :raises TimeoutError: the deadline has come.
    """
    if sys.platform == "win32":
        from queue import Empty, SimpleQueue

        arrived: SimpleQueue[bytes] = SimpleQueue()

        def read() -> None:
            while piece := os.read(descriptor, 1 << 16):
                arrived.put(piece)
            arrived.put(b"")

        threading.Thread(target=read, daemon=True).start()  # pipes cannot be polled there
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


def kill_all(process: subprocess.Popen[bytes], environ: Mapping[str, str]) -> None:
    """End the leader of a session and everything that it started and that did not leave the session."""
    if sys.platform == "win32":
        if process.poll() is None:
            killer = os.path.join(environ.get("SYSTEMROOT", "C:\\Windows"), "System32", "taskkill.exe")
            subprocess.run([killer, "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
            process.kill()
    else:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        pass  # it hangs in the kernel; nobody waits for it any more
    if process.stdout is not None:
        process.stdout.close()


def judge(text: bytes) -> Answer:
    """Make an answer of what stood between the cookies, which is still only what somebody claims."""
    import json

    try:
        answer = json.loads(text)
        kind = answer.get("kind")
        if kind == "too-old":
            version = ".".join(str(int(part)) for part in answer["version"][:3])
            return too_old(version)
        if kind == "failed":
            return Answer(reason=f"cannot describe itself: {_printable(str(answer['reason']))}")
        interpreter = record.load(answer)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        return Answer(reason=f"gives an answer that makes no sense: {_printable(str(error))}")
    if interpreter.os_name != os.name:
        return Answer(reason=f"is made for another system ({interpreter.platform})")
    return Answer(interpreter)


def _ending(code: int | None, output: bytes) -> str:
    """Say how a candidate ended that gave no answer."""
    if code is not None and code < 0:
        try:
            return f"is ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"is ended by signal {-code}"
    lines = output.decode("utf-8", "replace").strip().splitlines()
    last = f": {_printable(lines[-1])}" if lines else ""
    return f"fails with exit code {code}{last}" if code else f"gives no answer{last}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:200]).strip()
