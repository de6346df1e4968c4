"""All output: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from errno import EBADF

from cloche.errors import ClocheError, reason_of
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from cloche.model.interpreter import Host

STYLES = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
"""ANSI codes of styles (ECMA-48)."""


def styled(text: str, style: str, stream: TextIO) -> str:
    """Return styled text if the stream is a terminal that supports styles; else return it unchanged.

    `NO_COLOR` and `FORCE_COLOR` override that if they are not empty; `NO_COLOR` wins.
    """
    environ = os.environ
    if environ.get("NO_COLOR"):
        return text
    capable = environ.get("TERM") != "dumb" and (os.name != "nt" or "WT_SESSION" in environ)
    if environ.get("FORCE_COLOR") or (capable and stream.isatty()):
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m"
    return text


MAX_MESSAGE_CHARACTERS = 4000
"""The most characters of a message that are printed."""


def shortened(text: str) -> str:
    """Return the beginning and the end of a message that quotes a very long text, such as a line of a damaged file."""
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else f"{text[: MAX_MESSAGE_CHARACTERS - 1000]} … {text[-900:]}"


class RunOutput:
    """The state of the output of one run.

    It is not part of `Invocation`: a process has one standard output and one terminal, and errors are also printed if the
    command line could not be parsed.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        """The warnings of this run; `json_output.print_json` adds them to its object."""
        self.hides_warnings = False
        """Whether warnings are not printed (`-qq`)."""
        self.has_progress_line = False
        """Whether the last line on the terminal is a temporary one."""
        self.reserved: tuple[TextIO, int] | None = None
        """Standard output while it is reserved, with a duplicate of its descriptor; -1 if it has none."""


_run = RunOutput()


def print_error(problem: ClocheError, subject: str = "") -> None:
    """Print an error on one line, then its hint.

    :param subject: the path of the environment that it is about, if there are several; a message may name it already.
    """
    start = "" if subject in problem.message else f"`{subject}`: "
    print_labeled("cloche: error:", "red", one_line(shortened(start + problem.message)))
    if problem.hint:
        print_hint(problem.hint)


def print_hint(text: str) -> None:
    """Print what the user can do, on one line or several."""
    hint = "\n".join(map(one_line, text.split("\n")))
    print_labeled("hint:", "cyan", hint)


def begin_run(*, hides_warnings: bool) -> None:
    """Forget the warnings of an earlier run in this process."""
    _run.warnings = []
    _run.hides_warnings = hides_warnings


def print_warnings(texts: Iterable[str]) -> None:
    """Print warnings unless `-qq` is given, and keep them for `json_output.print_json`."""
    for text in texts:
        _run.warnings.append(text)
        if not _run.hides_warnings:
            print_labeled("cloche: warning:", "yellow", one_line(shortened(text)))


def recorded_warnings() -> list[str]:
    """Return the warnings of this run so far, each once."""
    return list(dict.fromkeys(_run.warnings))


def print_labeled(label: str, style: str, text: str) -> None:
    """Print a line on standard error that begins with a styled label."""
    print_message(f"{styled(label, style, sys.stderr)} {text}")


def print_notice(text: str) -> None:
    """Print what a run is going to do on standard error."""
    print_message(f"cloche: {one_line(shortened(text))}")


def print_message(text: str) -> None:
    """Print a line on standard error, with escapes for characters that its encoding cannot represent."""
    write_message(f"{text}\n")


def write_message(text: str) -> None:
    """Print text on standard error. If that fails, discard further messages; the exit code still reports an error."""
    try:
        write_text(sys.stderr, text)
    except OSError:
        discard_output(sys.stderr)


def print_result(text: str) -> None:
    """Print a line on standard output, with escapes for characters that its encoding cannot represent.

    :raises ClocheError: the line cannot be written.
    :raises BrokenPipeError: the reader has closed the pipe.
    """
    try:
        write_text(sys.stdout, f"{text}\n")
    except OSError as problem:
        discard_output(sys.stdout)
        if isinstance(problem, BrokenPipeError):
            raise
        reason = "standard output is closed" if problem.errno == EBADF else reason_of(problem)
        raise ClocheError(f"cannot write the result: {reason}") from problem


def discard_output(stream: TextIO) -> None:
    """Redirect a broken stream to the null device, so that Python does not try to write to it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def write_text(stream: TextIO, text: str) -> None:
    clear_progress()
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def can_show_progress(host: Host) -> bool:
    """Return whether standard error is a terminal on which a line can be erased."""
    return sys.stderr.isatty() and host.environ.get("TERM") != "dumb"


def show_progress(text: str, /, **_: float) -> None:
    """Show a temporary progress line, until other output replaces it or the run ends."""
    from cloche.cli.terminal import clipped

    write_message(clipped(one_line(f"cloche: {text} ..."), sys.stderr))
    _run.has_progress_line = True


def clear_progress() -> None:
    """Erase the progress line."""
    if _run.has_progress_line:
        _run.has_progress_line = False
        write_message("\r\x1b[K")


def one_line(text: str) -> str:
    """Return untrusted text, say a file name, as one line: escape newlines, control characters and undecodable bytes."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else escape_character(letter) for letter in text)


def escape_character(letter: str) -> str:
    """Return an escape for a character that cannot be printed: `\\xff` for a byte of a path that is not UTF-8 (PEP 383)."""
    return f"\\x{ord(letter) - 0xDC00:02x}" if "\udc80" <= letter <= "\udcff" else repr(letter)[1:-1]


MAX_LISTED_PACKAGES = 4
"""The largest number of packages that a line of a report lists by name."""


def summarize(packages: Sequence[str], details: int) -> str:
    """Return packages as one text: their names, or their number if there are many; with `-v`, always the names.

    :param details: how often `-v` is given.
    """
    lists_all = len(packages) <= MAX_LISTED_PACKAGES or details
    return ", ".join(packages) if lists_all else f"{len(packages)} packages (`-v` lists them)"


def relative_path(path: str, host: Host) -> str:
    """Return a path as the user would type it: relative if it is below the current directory."""
    below = host.cwd.rstrip(os.sep) + os.sep
    return path.removeprefix(below) if host.cwd and path.startswith(below) else path


def reserve_stdout() -> None:
    """Reserve standard output for `json_output.print_json`; until then, output of plugins and programs goes to standard error."""
    if _run.reserved is not None:
        return
    kept = -1
    try:
        sys.stdout.flush()
        number, other = sys.stdout.fileno(), sys.stderr.fileno()
        kept = os.dup(number)
        os.dup2(other, number)
    except (OSError, ValueError, AttributeError):
        pass  # a stream without a descriptor, to which no other program writes
    _run.reserved = sys.stdout, kept
    sys.stdout = sys.stderr


def restore_stdout() -> None:
    """Restore standard output if it is reserved."""
    if _run.reserved is not None:
        sys.stdout, kept = _run.reserved
        _run.reserved = None
        if kept >= 0:
            try:
                sys.stdout.flush()
            except OSError:
                pass  # output of a plugin that standard error does not accept
            os.dup2(kept, sys.stdout.fileno())
            os.close(kept)
