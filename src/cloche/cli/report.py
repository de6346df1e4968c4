"""Everything that people or programs get to read: results on standard output, the rest on standard error."""

from __future__ import annotations

import os
import sys

from cloche.errors import ClocheError, reason_of
from cloche.model.value import TYPE_CHECKING, fields

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host
    from cloche.model.operations import Operation
    from cloche.model.plan import Plan, Result

SCHEMA_VERSION = 1
"""Of the objects that `--json` prints; raised when a key is removed or changes its meaning."""


STYLES = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
"""Colours by name, as terminals number them (ECMA-48)."""


def painted(text: str, style: str, stream: TextIO) -> str:
    """Return text in a colour, if the stream is a terminal that shows any, or the user insists; else as it is.

    `NO_COLOR` and `FORCE_COLOR`, set to anything, decide; the first of them has the last word.
    """
    environ = os.environ
    if environ.get("NO_COLOR"):
        return text
    capable = environ.get("TERM") != "dumb" and (os.name != "nt" or "WT_SESSION" in environ)
    if environ.get("FORCE_COLOR") or (capable and stream.isatty()):
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m"
    return text


def error(problem: ClocheError) -> None:
    """Print an error: one line, and the remedy."""
    say(f"{painted('cloche: error:', 'red', sys.stderr)} {one_line(problem.message)}")
    if problem.hint:
        hint = "\n".join(map(one_line, problem.hint.split("\n")))
        say(f"{painted('hint:', 'cyan', sys.stderr)} {hint}")


def warn(texts: Iterable[str]) -> None:
    for text in texts:
        say(f"{painted('cloche: warning:', 'yellow', sys.stderr)} {one_line(text)}")


def say(text: str) -> None:
    """Print a line on standard error, whatever its encoding can hold."""
    mutter(f"{text}\n")


def mutter(text: str) -> None:
    """Print text on standard error. Where that cannot be written nobody can be told, and the exit code has to be enough."""
    try:
        emit(sys.stderr, text)
    except OSError:
        silence(sys.stderr)


def tell(text: str) -> None:
    """Print a line on standard output, whatever its encoding can hold.

    :raises ClocheError: it cannot be written.
    :raises BrokenPipeError: whoever reads it has seen enough.
    """
    try:
        emit(sys.stdout, f"{text}\n")
    except OSError as problem:
        silence(sys.stdout)
        if isinstance(problem, BrokenPipeError):
            raise
        reason = reason_of(problem)
        raise ClocheError(f"the result cannot be written: {reason}") from problem


def silence(stream: TextIO) -> None:
    """Let what could not be printed go nowhere, so that Python does not try again when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def emit(stream: TextIO, text: str) -> None:
    if _passing:
        pass_on()
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


_passing: list[str] = []
"""What `passing` has left on the terminal."""


def can_pass(host: Host) -> bool:
    """Return whether standard error is a terminal on which a line can be erased."""
    return sys.stderr.isatty() and host.environ.get("TERM") != "dumb"


def passing(text: str) -> None:
    """Show on the terminal what is being done, until something else is printed or the run ends."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        columns = 80
    mutter(one_line(f"cloche: {text} ...")[: columns - 1])
    _passing.append(text)


def pass_on() -> None:
    """Erase what `passing` has shown."""
    if _passing:
        _passing.clear()
        mutter("\r\x1b[K")


def one_line(text: str) -> str:
    """Return text that may come from anywhere (a directory's name) as something that cannot move the cursor."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def result_line(result: Result, host: Host, milliseconds: float, hint: str) -> str:
    """Return what was made, in one line: which Python, where, with what, how long it took, how to activate it.

    :param hint: the command that activates it; empty for none.
    """
    plan, environment = result.plan, result.environment
    interpreter = environment.interpreter
    seeds = ", ".join(f"{image.distribution} {image.version}" for image in plan.images)
    because = f" (from {one_line(plan.chosen_because)})" if plan.chosen_because else ""
    parts = [
        f"{plan.outcome} {one_line(shown(environment.location, host))}: {interpreter.name if interpreter else 'Python'}{because}",
        *([seeds] if seeds else []),
        f"{milliseconds:.0f} ms",
    ]
    return ", ".join(parts) + (f"; activate with: {hint}" if hint else "")


def shown(path: str, host: Host) -> str:
    """Return a path as the user would type it: relative if it lies below the current directory."""
    below = host.cwd.rstrip(os.sep) + os.sep
    return path.removeprefix(below) if host.cwd and path.startswith(below) else path


# JSON


def as_json(item: object) -> object:
    """Return a value as what JSON can hold: fields by name, bytes as their length and hash."""
    if hasattr(type(item), "__match_args__") and not isinstance(item, (str, bytes, tuple, dict)):
        kind = {"kind": type(item).__name__} if type(item).__module__ == "cloche.model.operations" else {}
        return {**kind, **{name: as_json(field) for name, field in fields(item).items()}}
    if isinstance(item, bytes):
        from hashlib import sha256

        return {"size": len(item), "sha256": sha256(item).hexdigest()}
    if isinstance(item, dict):
        return {str(key): as_json(field) for key, field in item.items()}
    if isinstance(item, (tuple, list)):
        return [as_json(one) for one in item]
    return item if item is None or isinstance(item, (str, int, float, bool)) else repr(item)


_reserved: list[tuple[TextIO, int]] = []
"""Standard output, while it is kept for one JSON object, and a descriptor that leads where its own led; -1 if it has none."""


def reserve() -> None:
    """Keep standard output for `print_json`; what plugins and their programs print until then goes to standard error."""
    if _reserved:
        return
    kept = -1
    try:
        sys.stdout.flush()
        number, other = sys.stdout.fileno(), sys.stderr.fileno()
        kept = os.dup(number)
        os.dup2(other, number)
    except (OSError, ValueError, AttributeError):
        pass  # a stream without a descriptor, which no other program writes to
    _reserved.append((sys.stdout, kept))
    sys.stdout = sys.stderr


def release() -> None:
    """Put standard output back if it is kept."""
    if _reserved:
        sys.stdout, kept = _reserved.pop()
        if kept >= 0:
            try:
                sys.stdout.flush()
            except OSError:
                pass  # what somebody has written past us, and standard error does not take
            os.dup2(kept, sys.stdout.fileno())
            os.close(kept)


def print_json(**parts: object) -> None:
    """Print one JSON object with `schema_version` on standard output."""
    import json

    release()
    tell(
        json.dumps(
            {"schema_version": SCHEMA_VERSION, **{name: as_json(part) for name, part in parts.items()}}, indent=2
        )
    )


def environment_json(environment: Environment) -> dict[str, object]:
    """Return an environment as tools want it: absolute paths."""
    layout = environment.layout
    return {
        "root": environment.location,
        "executable": environment.place(layout.executable),
        "bin": environment.place(layout.bin),
        "purelib": environment.place(layout.purelib),
        "platlib": environment.place(layout.platlib),
        "include": environment.place(layout.include),
        "config": environment.place(layout.config),
        "prompt": environment.prompt,
        "placement": environment.placement,
        "interpreter": as_json(environment.interpreter),
    }


def plan_json(plan: Plan) -> dict[str, object]:
    """Return a plan with the environment as tools want it."""
    said = as_json(plan)
    assert isinstance(said, dict)
    return {**said, "environment": environment_json(plan.environment)}


# The plan, for people


def plan_text(plan: Plan, host: Host) -> str:
    """Return a plan as lines: what it makes of what, and every operation."""
    environment = plan.environment
    interpreter = environment.interpreter
    because = f" (from {one_line(plan.chosen_because)})" if plan.chosen_because else ""
    lines = [
        f"would be {plan.outcome}: {one_line(environment.location)}",
        f"python:     {interpreter.name if interpreter else '?'} at {interpreter.executable if interpreter else '?'}{because}",
        f"creator:    {plan.creator}",
        f"seeds:      {', '.join(f'{image.distribution} {image.version}' for image in plan.images) or 'none'}",
        f"activators: {', '.join(plan.activators) or 'none'}",
        f"prompt:     {one_line(environment.prompt)}",
        f"placement:  {environment.placement}",
        f"in place:   {plan.way}",
        "operations:",
    ]
    return "\n".join([*lines, *(f"  {operation_text(operation)}" for operation in plan.operations)])


def operation_text(operation: Operation) -> str:
    from cloche.model.operations import Copy, CopyTree, InstallTree, Link, MakeDir, Rewrite, Run, Write

    match operation:
        case MakeDir(path):
            return f"directory {path}"
        case Link(path, target):
            return f"link      {path} -> {target}"
        case Copy(path, source):
            return f"copy      {path} from {source}"
        case Write(path, content):
            return f"write     {one_line(path)} ({len(content)} bytes)"
        case Rewrite(path, content):
            return f"rewrite   {one_line(path)} ({len(content)} bytes)"
        case CopyTree(source, _, mode):
            return f"{'link' if mode == 'hardlink' else 'copy'} all  from {one_line(source)}"
        case InstallTree(path, source, _, files, size):
            return f"lay       {path} from {source} ({files} files, {size} bytes)"
        case Run(arguments, purpose):
            return f"run       {arguments[0]} to {purpose}"
