"""The error for a command that cannot be started in an environment, with the exit codes of shells."""

from __future__ import annotations

from cloche.errors import ClocheError

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""The exit codes of shells for these errors (POSIX 2.8.2)."""


class CommandFailed(ClocheError):
    """A command cannot be started. The exit code is that of a shell."""

    def __init__(self, message: str, code: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = code
