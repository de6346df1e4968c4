"""The log of a build that failed, and the error that quotes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloche.errors import SeedError

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter
    from cloche.store.builds.sources import SourceCode

LOG_LINES = 12
"""The number of lines of a log that an error shows."""

_NOISE = re.compile(
    r"|\[.*|note:.*|hint:.*|error: [a-z-]+|ERROR: Failed.*|Failed to build.*|from \S+:.*|Encountered error.*|See above .*|"
    r".*: started|.*: finished with status .*"
)
"""Lines that pip prints around the output of a build that failed."""

_REPORT = "error: subprocess-exited-with-error"
"""The line with which pip begins to report that a program failed."""

_NO_OUTPUT = "No available output."
"""What pip prints in place of the output of a program that it has not captured."""


def build_error(source: SourceCode, interpreter: Interpreter, reason: str, log: str) -> SeedError:
    lines = "".join(f"\n  {line}" for line in last_lines(log)[-LOG_LINES:])
    return SeedError(
        f"cannot build {source.title} for {interpreter.name}: {reason}",
        hint=f"the log is `{log}`; it ends with:{lines}" if lines else f"the build printed nothing; its log is `{log}`",
    )


def likely_reason(log: str) -> str:
    """Return the line of a log that most likely says what failed."""
    lines = [re.sub(r"^[^\x00-\x7f]+>?\s*", "", line) for line in last_lines(log)]  # pip draws boxes
    if _NO_OUTPUT in lines and _REPORT in lines:  # git has printed the reason before pip reports that it failed
        lines = lines[: lines.index(_REPORT)]
        lines = [line for line in lines if line.startswith("fatal: ")] or lines
    lines = [line for line in lines if not _NOISE.fullmatch(line)]
    return lines[-1].removeprefix("ERROR: ") if lines else "no error message"


def last_lines(log: str) -> list[str]:
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()][-4 * LOG_LINES :]
            return [re.sub(r"(\w+://)[^/@\s]+@", r"\1****@", line) for line in lines]  # URLs may have credentials
    except OSError:
        return []
