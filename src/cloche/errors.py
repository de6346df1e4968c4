"""The exceptions of cloche. Each has a message with the facts, perhaps a hint with the remedy, and an exit code.

    ClocheError                1  the operation failed
    ├── UsageError             2  the request is not valid
    │   └── Inexpressible      2  a shell's syntax cannot express a text
    ├── InterpreterNotFound    3  no interpreter satisfies the request
    ├── DestinationError       4  the destination cannot be used
    ├── SeedError              5  seeding failed
    └── PluginError            6  a plugin is broken, missing or in conflict

A message is a lower-case fragment with names in backticks and no full stop. `cli/report.py` prints errors; `__main__` prints
one itself only if a module of cloche cannot be imported.
"""

from __future__ import annotations


class ClocheError(Exception):
    """An operation failed.

    `message` says what failed, `hint` says what to do about it or is None, and `exit_code` is the exit code of the command.
    """

    exit_code = 1
    names_options = True
    """Whether the options in the message are options of cloche; False if the message quotes them from a file."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ClocheError):
    """The request is not valid, regardless of the machine."""

    exit_code = 2


class Inexpressible(UsageError):
    """A shell's syntax cannot express a text; the message names the shell and the text.

    An activator's method `quote` raises it. The run then leaves out the activator and says why, or fails if the user chose
    the activator by name.
    """


class InterpreterNotFound(ClocheError):
    """No interpreter satisfies the request; the hint lists the closest ones and their paths."""

    exit_code = 3


class DestinationError(ClocheError):
    """The destination cannot be used for an environment, or has files that must not be changed."""

    exit_code = 4


class SeedError(ClocheError):
    """No source has a seed for this interpreter, or a seed is damaged; the message lists the sources that were tried."""

    exit_code = 5


class PluginError(ClocheError):
    """A plugin failed, is missing, or conflicts with another one; the message names the distributions."""

    exit_code = 6


def reason_of(error: Exception) -> str:
    """Return the reason for an error, for a message: the text of its `errno` if it has one, starting in lower case."""
    if isinstance(error, UnicodeEncodeError) and error.encoding != "utf-8":
        return f"the encoding of the locale, `{error.encoding}`, cannot express it"
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]


def encoding_error(error: UnicodeEncodeError) -> ClocheError:
    """Return the error for a name or a text that the locale cannot express, for example one from a UTF-8 file.

    :param error: raised by an encoding other than UTF-8, the file-system encoding.
    """
    return ClocheError(
        f"`{error.object}`: the encoding of the locale, `{error.encoding}`, cannot express it",
        hint="run the command with `LC_ALL=C.UTF-8`",
    )


def system_error(error: OSError, hint: str | None = None) -> ClocheError:
    """Return the error for a system call that failed."""
    where = f" (`{error.filename}`)" if error.filename else ""
    return ClocheError(f"system error: {reason_of(error)}{where}", hint=hint)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, for a message: `1 file`, `2 files`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def human_size(size: float) -> str:
    """Return a number of bytes in readable form: `7.4 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
