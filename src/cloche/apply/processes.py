"""Run programs to their end. If cloche is asked to stop, they are killed with every process that they have started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from cloche.apply.transaction import DeferredHandlers, DeliveredSignals
from cloche.errors import ClocheError
from cloche.programs import python_environ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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
    pipe = subprocess.PIPE
    stdin = subprocess.DEVNULL if content is None else pipe
    deferred = DeferredHandlers()  # a signal while it starts must not lose the process
    with (
        deferred,
        subprocess.Popen(
            command, env=environ, cwd=directory, stdin=stdin, stdout=pipe, stderr=pipe, start_new_session=True
        ) as process,
    ):
        try:
            with DeliveredSignals(deferred):
                output, errors = process.communicate(content, timeout)
        except BaseException:
            kill_process_tree(process, environ)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def run_in_tree(root: str, arguments: Sequence[str], purpose: str, environ: Mapping[str, str] | None) -> None:
    """Run a program with `root` as its current directory, which is trusted; the user's is not.

    :param arguments: the command; `{root}` stands for the directory.
    :param purpose: what it is for, to complete "cannot …".
    :param environ: the variables of the user; None for those of this process.
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
