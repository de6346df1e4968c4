"""All output: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from errno import EBADF

from cloche.errors import ClocheError, counted, reason_of
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from cloche.model.interpreter import Host
    from cloche.model.plan import Plan, Result

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


def print_error(problem: ClocheError, subject: str = "") -> None:
    """Print an error on one line, then its hint.

    :param subject: the path of the environment that it is about, if there are several; a message may name it already.
    """
    start = "" if subject in problem.message else f"`{subject}`: "
    print_message(f"{styled('cloche: error:', 'red', sys.stderr)} {one_line(shortened(start + problem.message))}")
    if problem.hint:
        print_hint(problem.hint)


def print_hint(text: str) -> None:
    """Print what the user can do, on one line or several."""
    hint = "\n".join(map(one_line, text.split("\n")))
    print_message(f"{styled('hint:', 'cyan', sys.stderr)} {hint}")


_warnings: list[str] = []
"""The warnings of this run; `json_output.print_json` adds them to its object."""

_hides_warnings: list[bool] = []
"""Not empty if warnings are not printed (`-qq`)."""


def begin_run(*, hides_warnings: bool) -> None:
    """Forget the warnings of an earlier run in this process."""
    _warnings.clear()
    _hides_warnings[:] = [True] * hides_warnings


def print_warnings(texts: Iterable[str]) -> None:
    """Print warnings unless `-qq` is given, and keep them for `json_output.print_json`."""
    for text in texts:
        _warnings.append(text)
        if not _hides_warnings:
            print_message(f"{styled('cloche: warning:', 'yellow', sys.stderr)} {one_line(shortened(text))}")


def recorded_warnings() -> list[str]:
    """Return the warnings of this run so far, each once."""
    return list(dict.fromkeys(_warnings))


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
    if _progress:
        clear_progress()
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


_progress: list[str] = []
"""The texts that `show_progress` has left on the terminal."""


def can_show_progress(host: Host) -> bool:
    """Return whether standard error is a terminal on which a line can be erased."""
    return sys.stderr.isatty() and host.environ.get("TERM") != "dumb"


def show_progress(text: str, /, **_: float) -> None:
    """Show a temporary progress line, until other output replaces it or the run ends."""
    shown = one_line(f"cloche: {text} ...")
    room = (columns_of(sys.stderr) or 80) - 1
    if display_width(shown) > room:
        from wcwidth import clip

        shown = clip(shown, 0, room)
    write_message(shown)
    _progress.append(text)


def clear_progress() -> None:
    """Erase the progress line."""
    if _progress:
        _progress.clear()
        write_message("\r\x1b[K")


def one_line(text: str) -> str:
    """Return untrusted text, say a file name, as one line: escape newlines, control characters and undecodable bytes."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else escape_character(letter) for letter in text)


def escape_character(letter: str) -> str:
    """Return an escape for a character that cannot be printed: `\\xff` for a byte of a path that is not UTF-8 (PEP 383)."""
    return f"\\x{ord(letter) - 0xDC00:02x}" if "\udc80" <= letter <= "\udcff" else repr(letter)[1:-1]


def display_width(text: str) -> int:
    """Return the columns that a line of text takes on a terminal, in which styles take none."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    from wcwidth import width

    return width(text)


def terminal_columns() -> int | None:
    """Return the columns for results: `COLUMNS`, or those of the terminal; None if standard output goes elsewhere."""
    columns = os.environ.get("COLUMNS", "")
    plausible = columns.isascii() and columns.isdecimal() and len(columns) < 6  # a terminal has 16 bits for them
    return (int(columns) if plausible else 0) or columns_of(sys.stdout)


def columns_of(stream: TextIO | None) -> int | None:
    """Return the columns of a terminal; None if the stream goes elsewhere. Importing `shutil` would be slower."""
    if stream is None or not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None


MAX_LISTED_PACKAGES = 4
"""The largest number of packages that a line of a report lists by name."""


def summarize(packages: Sequence[str], details: int) -> str:
    """Return packages as one text: their names, or their number if there are many; with `-v`, always the names.

    :param details: how often `-v` is given.
    """
    lists_all = len(packages) <= MAX_LISTED_PACKAGES or details
    return ", ".join(packages) if lists_all else f"{len(packages)} packages (`-v` lists them)"


def result_line(result: Result, host: Host, milliseconds: float, hint: str, details: int = 0) -> str:
    """Return one line about a new environment: its location, Python and seeds, the duration, and how to activate it.

    :param hint: the command that activates the environment; empty if there is none.
    :param details: how often `-v` is given.
    """
    plan, environment = result.plan, result.environment
    interpreter = environment.interpreter
    because = f" (from {one_line(plan.chosen_because)})" if plan.chosen_because else ""
    location = one_line(relative_path(environment.location, host))
    parts = [
        f"{plan.outcome} {location}: {interpreter.name if interpreter else 'Python'}{because}",
        *packages_text(plan, details),
        f"{milliseconds:.0f} ms{compiled_text(result)}",
    ]
    return ", ".join(parts) + (f"; activate with: {hint}" if hint else "")


def compiled_text(result: Result) -> str:
    """Return which packages a run compiled, which later runs do not have to, in parentheses; empty if there are none."""
    if not result.compiled:
        return ""
    first, interpreter = result.compiled[0], result.environment.interpreter
    name = "the standard library" if interpreter and first == interpreter.implementation else first
    what = name if len(result.compiled) == 1 else f"{len(result.compiled)} packages"
    return f" (compiled {what} for all environments)"


def packages_text(plan: Plan, details: int) -> list[str]:
    """Return the packages of a plan as part of a sentence: their names, or their number and what changes.

    :param details: how often `-v` is given; `plan_text.package_lines` then has the names of many packages.
    """
    if not plan.is_update:
        names = [f"{image.distribution} {image.version}" for image in plan.images]
        if details and len(names) > MAX_LISTED_PACKAGES:
            return [counted(len(names), "package")]
        return [summarize(names, 0)] if names else ["no packages"] if plan.seeder == "lock" else []
    words = [
        f"{count} {word}"
        for word, count in (
            ("added", sum(not change.old for change in plan.changes)),
            ("removed", sum(not change.new for change in plan.changes)),
            ("changed", sum(bool(change.old and change.new) for change in plan.changes)),
        )
        if count
    ]
    number = counted(len(plan.images), "package")
    return [f"{number} ({', '.join(words)})" if words else number]


def relative_path(path: str, host: Host) -> str:
    """Return a path as the user would type it: relative if it is below the current directory."""
    below = host.cwd.rstrip(os.sep) + os.sep
    return path.removeprefix(below) if host.cwd and path.startswith(below) else path


_reserved: list[tuple[TextIO, int]] = []
"""Standard output while it is reserved for one JSON object, with a duplicate of its descriptor; -1 if it has none."""


def reserve_stdout() -> None:
    """Reserve standard output for `json_output.print_json`; until then, output of plugins and programs goes to standard error."""
    if _reserved:
        return
    kept = -1
    try:
        sys.stdout.flush()
        number, other = sys.stdout.fileno(), sys.stderr.fileno()
        kept = os.dup(number)
        os.dup2(other, number)
    except (OSError, ValueError, AttributeError):
        pass  # a stream without a descriptor, to which no other program writes
    _reserved.append((sys.stdout, kept))
    sys.stdout = sys.stderr


def restore_stdout() -> None:
    """Restore standard output if it is reserved."""
    if _reserved:
        sys.stdout, kept = _reserved.pop()
        if kept >= 0:
            try:
                sys.stdout.flush()
            except OSError:
                pass  # output of a plugin that standard error does not accept
            os.dup2(kept, sys.stdout.fileno())
            os.close(kept)
