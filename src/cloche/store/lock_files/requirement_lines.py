"""The lines of requirements files, as pip splits them, with those of the files that they name.

This module does not know what a line requires: it splits the text, its options and its hashes.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from cloche.errors import UsageError
from cloche.model.value import Value, replace
from cloche.store.lock_files.packages import fragment as fragment_of
from cloche.store.lock_files.packages import read_lock_file
from cloche.store.lock_files.paths import absolute_path, path_of_file_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.store import Store
    from cloche.store.lock_files.paths import LockFile

MAX_DEPTH = 50
"""How deeply files may be nested with `-r` and `-c`."""

NESTED = {"-r": "requirement", "--requirement": "requirement", "-c": "constraint", "--constraint": "constraint"}
"""The options that name another file."""

IGNORED = frozenset("--pre --prefer-binary --trusted-host --use-feature".split())
"""Options on lines of their own that do not change which files are installed. Only the user decides which server to trust."""

SETTINGS = {
    "-i": "index-url",
    "--index-url": "index-url",
    "--pypi-url": "index-url",
    "--extra-index-url": "extra-index-url",
    "-f": "find-links",
    "--find-links": "find-links",
    "--no-index": "no-index",
    "--only-binary": "only-binary",
    "--no-binary": "no-binary",
    "--require-hashes": "require-hashes",
}
"""Options on lines of their own that say where the files are, of which form, and that all must have hashes."""


class Line(Value):
    """One logical line of a requirements file: continuation lines are joined, and comments are removed."""

    text: str
    file: LockFile
    number: int
    """The number of its first physical line."""

    @property
    def position(self) -> str:
        return f"`{self.file.path}`, line {self.number}"


def read_lines(path: str, store: Store, kind: str, within: tuple[str, ...]) -> Iterator[tuple[str, Line]]:
    """Yield the lines of a file and of the files that it names, each as a requirement, a constraint or a setting."""
    named_in = within[-1] if within else ""
    if path in within:
        raise UsageError(
            f"`{path}` includes itself, through `{named_in}`", hint="leave out one of the `-r` and `-c` lines"
        )
    if len(within) >= MAX_DEPTH:
        raise UsageError(f"`{path}` is nested too deeply", hint="nest fewer files with `-r` and `-c`")
    lock, content = read_lock_file(path, store, named_in)
    for line in logical_lines(content, lock):
        if "${" in line.text:
            line = replace(line, text=expand_variables(line.text, store))
        option, name = split_nested(line)
        if option:
            nested = NESTED[option] if kind == "requirement" else "constraint"
            if "://" in name and not name.startswith("file:"):
                raise UsageError(f"{line.position}: `{name}` is a URL", hint="download the file, and name the copy")
            local = path_of_file_url(name, lock) if name.startswith("file:") else absolute_path(name, lock)
            yield from read_lines(local, store, nested, (*within, path))
        elif (option := line.text.split()[0].partition("=")[0]) not in IGNORED:
            yield "setting" if option in SETTINGS else kind, line


def logical_lines(text: str, file: LockFile) -> Iterator[Line]:
    """Yield the lines of a file, as pip splits them: a backslash continues a line, ` #` begins a comment."""
    parts: list[str] = []
    start = 0
    for number, physical in enumerate(text.split("\n"), 1):
        physical = physical.rstrip("\r")
        if not parts:
            start = number
        is_comment = physical.lstrip().startswith("#")
        if physical.endswith("\\") and not is_comment:
            parts.append(physical[:-1])
            continue
        parts.append("" if is_comment else physical)
        joined = re.sub(r"(^|\s+)#.*$", "", " ".join(parts)).strip()
        parts = []
        if joined:
            yield Line(joined, file, start)
    if joined := " ".join(parts).strip():
        yield Line(joined, file, start)


def split_nested(line: Line) -> tuple[str, str]:
    """Return the option and the file of a line that names another file; ("", "") for another line."""
    match = re.fullmatch(r"(-r|--requirement|-c|--constraint)(?:\s*=\s*|\s+)(.+)|(-r|-c)(\S+)", line.text)
    if match is None:
        return "", ""
    return match[1] or match[3], unquoted((match[2] or match[4]).strip())


def unquoted(text: str) -> str:
    """Return a path without the quotes around it."""
    return text[1:-1] if text[:1] in ("'", '"') and text[-1:] == text[:1] else text


def split_options(line: Line) -> tuple[str, list[str]]:
    """Return a requirement and the hashes of its line, each as `ALGORITHM:DIGEST`.

    :raises UsageError: another option is set.
    """
    words = line.text.replace("\t", " ").split(" ")
    end = next((number for number, word in enumerate(words) if word.startswith("-") and number), len(words))
    try:
        options = shlex.split(" ".join(words[end:]))
    except ValueError as error:
        raise invalid_line(line, error) from None
    hashes = []
    for option in (arguments := iter(options)):
        name, _, text = option.partition("=")
        if name == "--hash":
            hashes.append(text or next(arguments, ""))
        elif name in ("--config-settings", "--config-setting", "-C", "--global-option"):
            raise UsageError(
                f"{line.position}: `{name}` is not supported", hint="build the wheel yourself, and pin its file"
            )
        else:
            raise invalid_line(line, f"unknown option `{option}`")
    for text in hashes:
        algorithm, _, digest = text.partition(":")
        if algorithm.lower() not in ("sha256", "sha384", "sha512") or not re.fullmatch(r"[0-9a-fA-F]{64,128}", digest):
            raise invalid_line(line, f"`{text}` is not a SHA-256, SHA-384 or SHA-512 hash")
    return " ".join(words[:end]).strip(), hashes


class InvalidLine(UsageError):
    """A line of a requirements file is not valid; the message quotes it, and its options are those of pip."""

    names_options = False


def invalid_line(line: Line, reason: object) -> InvalidLine:
    return InvalidLine(
        f"{line.position} is not valid: {fragment_of(reason)}", hint="correct the line, or create the file again"
    )


def expand_variables(text: str, store: Store) -> str:
    """Return a text with each `${NAME}` replaced by that environment variable, if it is set."""
    environ = store.host.environ
    return re.sub(r"\$\{([A-Z0-9_]+)\}", lambda match: store.inputs.variable(environ, match[1]) or match[0], text)
