"""From the places where an environment was to the one where it is, in every notation in which files hold a path.

Texts in, texts out: which file is written in which notation is known elsewhere. What a notation cannot express stays as
it was, for the caller to notice.
"""

from __future__ import annotations

import ast
import json
import os
import re
from urllib.parse import quote as percent_encoded
from urllib.parse import unquote as percent_decoded

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable

_BEFORE = r"(?:(?<![\w.~+-])|(?<=-[ILRWl]))"
"""What may not stand before an absolute path, or it is part of a longer one; in `-I/usr/include` it is an option."""

_AFTER = r"(?![\w.~+@%#-])"

_UNQUOTED = re.compile(r"[\w./\\+@:,~-]*")
"""Text that means itself in every notation there is."""


@value
class Relocation:
    """Where something was, and where it is."""

    roots: tuple[tuple[str, str], ...]
    """(old, new) for the environment itself; absolute, without a slash at the end."""
    parents: tuple[tuple[str, str], ...] = ()
    """(old, new) for directories around it that were moved together with it, where what is there now can be seen."""

    def path(self, text: str) -> str:
        """Return where the path `text` is now; the same text if it was not moved."""
        for old, new in self.roots:
            if is_within(text, old) and not (is_within(new, old) and is_within(text, new)):
                return new + text[len(old) :]
        for old, new in self.parents:
            if is_within(text, old) and not os.path.lexists(text) and os.path.lexists(new + text[len(old) :]):
                return new + text[len(old) :]
        return text

    def plain_text(self, text: str) -> str:
        """Return text in which paths stand as they are; only where the new one needs no quotes in whatever it is."""
        for old, new in (*self.roots, *self.parents):
            if _UNQUOTED.fullmatch(new):
                text = self._replace(text, old, new, lambda path: path)
        return text

    def string(self, text: str) -> str:
        """Return text that is nothing but data (a decoded string), with every path in it replaced."""
        for old, new in (*self.roots, *self.parents):
            text = self._replace(text, old, new, lambda path: path)
        return text

    def json(self, text: str) -> str:
        """Return a JSON document with every path in its strings replaced, and nothing else changed."""
        for old, new in (*self.roots, *self.parents):
            for notation in (json_ascii, json_unicode):
                if notation(old) in text:
                    text = self._replace(text, old, new, notation)
        return text

    def url(self, text: str) -> str:
        """Return a `file:` URL of what has moved."""
        scheme, colon, rest = text.partition("://")
        if scheme != "file" or not colon:
            return text
        host, slash, path = rest.partition("/")
        old = percent_decoded(slash + path)
        new = self.path(old)
        return text if new == old else f"file://{host}{percent_encoded(new)}"

    def python(self, source: str) -> str:
        """Return a Python program with every path in its string literals replaced; what does not parse stays."""
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            return source
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        found: list[tuple[int, int, str]] = []
        lines = source.encode("utf-8", "surrogateescape").splitlines(keepends=True)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line))
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)) or id(node) in inside:
                continue
            new = self.string(node.value)
            if new != node.value and node.end_lineno is not None and node.end_col_offset is not None:
                start = starts[node.lineno - 1] + node.col_offset
                end = starts[node.end_lineno - 1] + node.end_col_offset
                found.append((start, end, repr(new)))
        data = source.encode("utf-8", "surrogateescape")
        for start, end, literal in sorted(found, reverse=True):
            data = data[:start] + literal.encode("utf-8", "surrogateescape") + data[end:]
        return data.decode("utf-8", "surrogateescape")

    def mentions_old_root(self, text: str) -> bool:
        """Return whether a text still names a place where the environment was."""
        return any(self._replace(text, old, "\0", lambda path: path) != text for old, _ in self.roots)

    def _replace(self, text: str, old: str, new: str, notation: Callable[[str], str]) -> str:
        """Return `text` with one path for another where it ends at a boundary, in a notation that keeps its letters."""
        if notation(old) not in text:
            return text
        pattern = _BEFORE + re.escape(notation(old)) + _AFTER
        there = notation(new)
        parents = (old, new) in self.parents

        def change(match: re.Match[str]) -> str:
            follows = text[match.end() : match.end() + 4096]
            if is_within(new, old) and is_within(notation(old) + follows, there):
                return match[0]
            if parents:
                rest = re.match(r"[\w./\\+@~ -]*", follows)
                path = rest[0].rstrip() if rest else ""
                if os.path.lexists(old + path) or not os.path.lexists(new + path):
                    return match[0]
            return there

        return re.sub(pattern, change, text)


def is_within(path: str, directory: str) -> bool:
    """Return whether a path is a directory, or lies below it, by their texts alone."""
    return path == directory or path.startswith((directory + "/", directory + "\\"))


def json_ascii(text: str) -> str:
    return json.dumps(text)[1:-1]


def json_unicode(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def needle(directory: str) -> bytes:
    """Return a part of a path that stands in a file in whatever notation the path does.

    A file without it need not be looked at more closely.
    """
    return max(re.findall(rb"[A-Za-z0-9_./-]+", os.fsencode(directory)), key=len, default=b"")


def moved_parent(old: str, new: str) -> tuple[tuple[str, str], ...]:
    """Return the directory around an environment that seems to have been moved with it, as (old, new).

    `/x/a/.venv` that is now `/x/b/.venv` went along with `/x/a`.
    """
    while os.path.basename(old) == os.path.basename(new) and os.path.basename(old):
        old, new = os.path.dirname(old), os.path.dirname(new)
        if old in ("", os.path.sep) or new in ("", os.path.sep) or old == new:
            return ()
        if os.path.basename(old) != os.path.basename(new):
            return ((old, new),)
    return ()
