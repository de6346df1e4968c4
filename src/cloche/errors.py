"""Everything that can go wrong, as values: a message with facts, a hint with the remedy, an exit code.

    ClocheError                1  it failed
    ├── UsageError             2  what was asked for makes no sense
    │   └── Inexpressible      2  a shell's syntax cannot hold a text
    ├── InterpreterNotFound    3  no such interpreter
    ├── DestinationError       4  the destination is refused
    ├── SeedError              5  seeding failed
    └── PluginError            6  a plugin is broken, missing or in conflict

A message is a lower-case fragment with names in backticks and no full stop. `cli/report.py` is the only place that
turns an error into terminal text.
"""

from __future__ import annotations


class ClocheError(Exception):
    """Something failed; `message` says what, `hint` (or None) what would help, `exit_code` what a shell is told."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ClocheError):
    """What was asked for makes no sense, whatever the machine looks like."""

    exit_code = 2


class Inexpressible(UsageError):
    """A text that a shell's syntax has no way to write; the message names the shell and what it cannot hold.

    Quoters raise it. The activator is then left out with the reason, or, if it was asked for by name, refused.
    """


class InterpreterNotFound(ClocheError):
    """No interpreter satisfies what was asked; the hint lists the nearest misses and where they are."""

    exit_code = 3


class DestinationError(ClocheError):
    """The destination cannot hold an environment, or holds something that must not be touched."""

    exit_code = 4


class SeedError(ClocheError):
    """No source could provide a seed for this interpreter, or a seed is damaged; the message says what was tried."""

    exit_code = 5


class PluginError(ClocheError):
    """A plugin failed, is missing, or claims a name that another one has; the message names the distributions."""

    exit_code = 6


def reason_of(error: Exception) -> str:
    """Return why the system refused something, as messages have it: the text of its `errno`, which begins in lower case."""
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]
