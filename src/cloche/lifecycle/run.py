"""Run a command as if an environment were active; on POSIX, it replaces this process."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from shlex import quote
from typing import TYPE_CHECKING

from cloche.errors import ClocheError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""The exit codes of shells for these errors (POSIX 2.8.2)."""


class CommandFailed(ClocheError):
    """A command cannot be started. The exit code is that of a shell."""

    def __init__(self, message: str, code: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = code


def activated_environ(environment: Environment, host: Host) -> dict[str, str]:
    """Return the environment variables of the host, changed as activation changes them."""
    separator = ";" if environment.os_name == "nt" else ":"
    scripts = environment.path_to(environment.layout.bin)
    earlier = host.environ.get("VIRTUAL_ENV")
    earlier_scripts = os.path.join(earlier, environment.layout.bin) if earlier else None
    entries = [
        entry
        for entry in host.environ.get("PATH", "").split(separator)
        if entry and entry not in (scripts, earlier_scripts)
    ]
    unset = ("PYTHONHOME", "__PYVENV_LAUNCHER__")
    return {
        **{name: text for name, text in host.environ.items() if name not in unset},
        "VIRTUAL_ENV": environment.location,
        "VIRTUAL_ENV_PROMPT": environment.prompt,
        "PATH": separator.join([scripts, *entries]),
    }


def run_command(environment: Environment, command: Sequence[str], host: Host) -> int:
    """Replace this process with a command; on Windows, run the command and return its exit code.

    :raises CommandFailed: the command cannot be started.
    """
    environ = activated_environ(environment, host)
    program = shutil.which(command[0], path=environ["PATH"])
    if program is None:
        exists = os.path.lexists(command[0]) and os.sep in command[0]
        raise CommandFailed(
            f"`{command[0]}` {'cannot be executed' if exists else 'is not in the environment, and not on PATH'}",
            NOT_EXECUTABLE if exists else NOT_FOUND,
            hint=f"`cloche doctor {quote(environment.location)}` checks that the environment is intact",
        )
    if os.name == "nt":
        return subprocess.run([program, *command[1:]], env=environ, check=False).returncode
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and the command would inherit that
        signal.signal(number, signal.SIG_DFL)  # other ignored signals (`nohup` ignores SIGHUP) stay ignored
    try:
        os.execve(program, list(command), environ)
    except OSError as error:
        code = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
        reason = "the program in its first line does not exist" if code == NOT_FOUND else (error.strerror or "").lower()
        raise CommandFailed(
            f"`{program}` cannot be started: {reason}",
            code,
            hint=f"`cloche doctor --fix {quote(environment.location)}` may repair it",
        ) from None
