"""Run programs to their end. If cloche is asked to stop, they are killed with every process that they have started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

from cloche.apply.transaction import DeferredHandlers, DeliveredSignals
from cloche.errors import ClocheError
from cloche.model.value import TYPE_CHECKING
from cloche.programs import python_environ

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def run_program(
    command: Sequence[str],
    environ: Mapping[str, str],
    directory: str | None = None,
    *,
    timeout: float | None = None,
    content: bytes | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program until it exits, and return what it prints; on a timeout or an interrupt, kill its process tree.

    It runs in a session of its own, without a terminal: a signal to the group of cloche does not reach it.

    :param directory: the current directory of the program; None for that of cloche.
    :param timeout: seconds; None for no limit.
    :param content: what it can read from its standard input; None for nothing.
    :raises subprocess.TimeoutExpired: it took longer.
    :raises OSError: it cannot be started.
    """
    with started_program(command, environ, directory, reads=content is not None) as process:
        return finish_program(process, content, timeout)


@contextmanager
def started_program(
    command: Sequence[str], environ: Mapping[str, str], directory: str | None, *, reads: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program as `run_program` does, and run the block beside it; if that raises, kill the process tree.

    The block ends with `finish_program`.

    :param reads: whether it reads from its standard input.
    :raises OSError: it cannot be started.
    """
    pipe = subprocess.PIPE
    stdin = pipe if reads else subprocess.DEVNULL
    deferred = DeferredHandlers()  # a signal while it starts must not lose the process
    with (
        deferred,
        subprocess.Popen(
            command, env=environ, cwd=directory, stdin=stdin, stdout=pipe, stderr=pipe, start_new_session=True
        ) as process,
    ):
        try:
            with DeliveredSignals(deferred):
                yield process
        except BaseException:
            kill_process_tree(process, environ)
            raise


def finish_program(
    process: subprocess.Popen[bytes], content: bytes | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Wait until a started program exits, and return what it prints.

    :param content: what it can read from its standard input; None if it does not read.
    :param timeout: seconds from now; None for no limit.
    :raises subprocess.TimeoutExpired: it took longer.
    """
    output, errors = process.communicate(content, timeout)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def run_in_tree(root: str, arguments: Sequence[str], purpose: str, environ: Mapping[str, str] | None) -> None:
    """Run a program with `root` as its current directory, which is trusted; the user's is not.

    :param arguments: the command; `{root}` stands for the directory.
    :param purpose: what it is for, to complete "cannot …".
    :param environ: the variables of the user; by default, the variables of this process.
    :raises OSError: it cannot be started.
    :raises ClocheError: it fails.
    """
    done = run_program([argument.replace("{root}", root) for argument in arguments], python_environ(environ), root)
    if done.returncode:
        printed = (done.stderr.strip() or done.stdout.strip()).decode("utf-8", "replace")
        reason = printed.splitlines()[-1] if printed else f"exit code {done.returncode}"
        raise ClocheError(f"cannot {purpose}: {reason}")


def kill_process_tree(process: subprocess.Popen[bytes], environ: Mapping[str, str]) -> None:
    """Kill the leader of a session and every process that it started in the same session."""
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
        pass  # it hangs in the kernel
    if process.stdout is not None:
        process.stdout.close()
