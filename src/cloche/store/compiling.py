"""Processes of the target Python that compile modules to bytecode, for all images of a run.

Starting a Python takes as long as compiling a small package, so each process compiles modules of all images in turn:

    Compiler              one for each image, see `cloche.store.bytecode`: collects its modules
     │  Batch             some of them
    CompilingProcesses    one for each interpreter, closed with the store: a thread for each process passes batches to it
     │  lines             the header of a batch, one line for each module, `end`
    _compile.py           runs in each process
     │  lines             size, hash and path of each bytecode file, `end`
    Compiler              has its results as soon as its own batches are done
"""

from __future__ import annotations

import os
import threading
import time
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from cloche.errors import SeedError, reason_of
from cloche.shells.template import resource
from cloche.store.compiling_process import Batch, Process, ProcessFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.store.compiling_process import Compiled

TIMEOUT_SECONDS = 300.0
"""Seconds after which a process that has not answered is killed."""

IDLE_SECONDS = 10.0
"""Seconds after which a process without work ends, in case the store is never closed."""

POLL_SECONDS = 1.0
"""Seconds between two looks at the time that a process has taken."""

STOP_TIMEOUT = 2.0
"""Seconds to wait until a killed process has ended."""

WORTH_A_PROCESS = 150_000
"""Bytes of source that keep a process busy for about as long as it takes to start it three times."""


class CompilingProcesses:
    """The processes of one interpreter, at most as many as there are processors.

    A process is started when the first module is known, and another one when a batch has to wait and the work so far was
    enough for one more. A process that fails is replaced when the next batch needs it.
    """

    def __init__(self, executable: str, compiler: str, environ: Mapping[str, str]) -> None:
        """Prepare to start them.

        :param executable: the path of the interpreter.
        :param compiler: its name, see `cloche.store.bytecode.compiler_name`.
        :param environ: the variables of the user.
        """
        self._executable = executable
        self._command = [executable, "-s", "-S", "-W", "ignore", "-c", resource(__name__, "_compile.py"), compiler]
        self._environ = environ
        self._limit = available_processors()
        self._lock = threading.Lock()
        """Held while the attributes below are used, and never while waiting."""
        self._waiting: list[tuple[int, int, Batch]] = []
        """A heap: every image gets its first batch compiled before any image gets its second one."""
        self._submitted = 0
        self._work = 0
        """An estimate of the work so far, in bytes of source."""
        self._threads: set[threading.Thread] = set()
        self._busy = 0
        """The number of threads with a batch."""
        self._processes: set[Process] = set()
        self._is_closed = False
        self._starting = threading.Lock()
        """Held while a process is started: on Windows, another one would inherit the ends of its pipes."""
        self._calls: SimpleQueue[None] = SimpleQueue()
        """An item for each waiting batch, and for each thread when it has to end."""

    def prepare(self) -> None:
        """Start the first process, because it takes some time.

        :raises SeedError: no thread can be started.
        """
        with self._lock:
            thread = None if self._threads or self._is_closed else self._new_thread()
        if thread is not None:
            self._start_thread(thread)

    def submit(self, batch: Batch) -> None:
        """Have a batch compiled.

        :raises SeedError: no thread can be started.
        """
        thread = None
        with self._lock:
            if self._is_closed:
                batch.finish("the run has ended")
                return
            self._submitted += 1
            self._work += batch.size
            heappush(self._waiting, (batch.number, self._submitted, batch))
            count = len(self._threads)
            if len(self._waiting) > count - self._busy and count < self._limit and self._work > count * WORTH_A_PROCESS:
                thread = self._new_thread()
        self._calls.put(None)
        if thread is not None:
            self._start_thread(thread)

    def results(self, batch: Batch) -> list[Compiled]:
        """Wait for a batch, and return its bytecode files.

        :raises SeedError: the interpreter failed.
        """
        while not batch.wait(min(POLL_SECONDS, TIMEOUT_SECONDS)):
            if batch.process is not None and time.monotonic() - batch.started > TIMEOUT_SECONDS:
                self.stop(batch, f"timed out after {TIMEOUT_SECONDS:.0f} s")
                batch.wait(STOP_TIMEOUT)
                break
        if batch.failure:
            raise self._error(batch.failure)
        return batch.compiled

    def stop(self, batch: Batch, reason: str) -> None:
        """Let a batch fail unless it is done; if it is being compiled, kill the process."""
        with self._lock:
            if batch.process is not None:
                batch.failure = batch.failure or reason
                batch.process.kill()
            elif not batch.is_done:
                batch.finish(reason)

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._is_closed = True
            for _, _, batch in self._waiting:
                if not batch.is_done:
                    batch.finish("the run has ended")
            self._waiting.clear()
            for process in self._processes:
                process.kill()
            threads = [thread for thread in self._threads if thread.ident is not None]
        for _ in threads:
            self._calls.put(None)
        deadline = time.monotonic() + STOP_TIMEOUT
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))

    def _new_thread(self) -> threading.Thread:
        """Return a new thread that is going to be started; the caller owns the lock."""
        thread = threading.Thread(target=self._serve, daemon=True)
        self._threads.add(thread)
        return thread

    def _start_thread(self, thread: threading.Thread) -> None:
        try:
            thread.start()
        except RuntimeError as error:
            with self._lock:
                self._discard(thread)
                self._limit = max(len(self._threads), 1)
                is_last = not self._threads
            if is_last:
                raise self._error(f"cannot be run ({error})") from error

    def _discard(self, thread: threading.Thread) -> None:
        """Forget a thread that ends; the caller owns the lock."""
        self._threads.discard(thread)
        if not self._threads:  # no one else takes these
            for _, _, batch in self._waiting:
                if not batch.is_done:
                    batch.finish("it was stopped")
            self._waiting.clear()

    def _serve(self) -> None:
        """Start a process, and let it compile batches until the end."""
        process = None
        try:
            try:
                process = self._start_process()
            except OSError:
                with self._lock:
                    if self._processes:  # out of memory or descriptors: continue with those that run
                        self._limit = len(self._processes)
                        return
            while batch := self._next_batch():
                process = self._compile(batch, process)
        finally:
            with self._lock:
                self._discard(threading.current_thread())
            if process is not None:
                self._end_process(process)

    def _next_batch(self) -> Batch | None:
        """Wait for a batch, and return it; None if the thread has to end."""
        while True:
            try:
                self._calls.get(timeout=IDLE_SECONDS)
                is_called = True
            except Empty:
                is_called = False
            with self._lock:
                if self._is_closed or not (is_called or self._waiting):
                    self._discard(threading.current_thread())
                    return None
                if is_called and self._waiting:
                    batch = heappop(self._waiting)[2]
                    self._busy += 1
                    return batch

    def _compile(self, batch: Batch, process: Process | None) -> Process | None:
        """Let a process compile a batch; return the process for the next one, None if there is none.

        :param process: a running process, or None to start one.
        """
        failure = "it was stopped"
        try:
            process = process or self._start_process()
            with self._lock:
                if not batch.is_done:
                    batch.process, batch.started = process, time.monotonic()
            if batch.process is not None:
                batch.compiled = process.compile(batch)
            failure = ""
        except OSError as error:
            failure = f"cannot be run ({reason_of(error)})"
        except ProcessFailed as error:
            failure = str(error)
        finally:
            if failure and process is not None:
                self._end_process(process)  # first, so that it no longer writes when the batch is done
            with self._lock:
                self._busy -= 1
                batch.process = None
                if not batch.is_done:
                    batch.finish(failure)
        if process is not None and process.is_killed:
            self._end_process(process)
            return None
        return process

    def _start_process(self) -> Process:
        with self._starting:
            process = Process(self._command, self._environ)
        with self._lock:
            self._processes.add(process)
            if self._is_closed:
                process.kill()
        return process

    def _end_process(self, process: Process) -> None:
        process.close()
        with self._lock:
            self._processes.discard(process)

    def _error(self, reason: str) -> SeedError:
        return SeedError(
            f"`{self._executable}` could not compile modules to bytecode: {reason}",
            hint="check that this Python starts",
        )


def available_processors() -> int:
    """Return the number of processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
