"""Problems of a `pyproject.toml` or version file that names a Python, each with its position. A valid file never loads this."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.errors import reason_of
from cloche.fs import read_at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "requires-python"


def problems_of(path: str, text: str, wanted: str, max_bytes: int) -> Iterator[str]:
    """Yield a warning for each reason why a `pyproject.toml` does not decide which Python is used.

    :param text: its content; empty if it cannot be read.
    :param wanted: its `requires-python`, if that is text.
    """
    if not text:
        yield from unreadable(path, max_bytes)
        return
    if KEY not in text:
        return
    from cloche.fs.toml import InvalidToml, parse_toml

    try:
        project = parse_toml(text).get("project")
    except InvalidToml as error:
        yield f"`{path}` is ignored: {reason_of(error)}"
        return
    if not isinstance(project, dict) or KEY not in project:
        return
    given = project[KEY]
    shown = f"`{wanted[:100]}` is not a version range" if isinstance(given, str) else "it is not text"
    line, column = _position(text)
    yield f"`{KEY}` in {path} is ignored: {shown} (at line {line}, column {column})"


def unreadable(path: str, max_bytes: int) -> Iterator[str]:
    """Yield why a file that exists has no text."""
    if not os.path.lexists(path):
        return
    if not os.path.exists(path):
        yield f"`{path}` is ignored: it is a broken link to `{os.readlink(path)}`"
        return
    if os.path.isdir(path):
        yield f"`{path}` is ignored: it is a directory"
        return
    content = read_at_most(path, max_bytes + 1)
    if content is None:
        yield f"`{path}` is ignored: it cannot be read"
    elif len(content) > max_bytes:
        yield f"`{path}` is ignored: it is larger than {size_text(max_bytes)}"
    else:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            yield f"`{path}` is ignored: it is not UTF-8 (at line {line})"


def size_text(count: int) -> str:
    """Return a number of bytes that is a power of two: `64 KiB`, `1 MiB`."""
    return f"{count >> 20} MiB" if count >> 20 else f"{count >> 10} KiB"


def _position(text: str) -> tuple[int, int]:
    """Return line and column of the value in the table `[project]`; of the first mention if it is written otherwise."""
    table, first = "", (0, 0)
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("["):
            table = line.strip()
        if KEY not in line:
            continue
        key, _, value = line.partition("=")
        column = len(key) + 2 + len(value) - len(value.lstrip())
        if table == "[project]" and key.strip().strip("\"'") == KEY:
            return number, column
        first = first if first[0] else (number, line.index(KEY) + 1)
    return first
