"""Replace the old paths of an environment in text, in each notation that files use: plain, JSON, URL, Python.

Nothing here reads the content of a file; `embedded_paths` knows which file uses which notation. A path that a notation
cannot express is left unchanged, and the caller detects that.
"""

from __future__ import annotations

import json
import os
import re
import sys

from cloche.errors import ClocheError
from cloche.fs import is_within
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BEFORE = r"(?:(?<![\w.~+-])|(?<=-[ILRWl]))"
"""The start of an absolute path: not in the middle of a longer one, but after an option as in `-I/usr/include`."""

_AFTER = r"(?![\w.~+@%#-])"
"""The end of a path component."""

_UNQUOTED = re.compile(r"[\w./\\+@:,~-]*")
"""Text that needs no quotes or escapes in any notation."""


def refuse_other_encoding(*paths: str) -> None:
    """Refuse paths that files contain in an encoding other than the locale's.

    :raises ClocheError: the file-system encoding is not UTF-8, and a path is not ASCII.
    """
    for path in paths:
        if not path.isascii() and sys.getfilesystemencoding() != "utf-8":
            raise ClocheError(
                f"files cannot be searched for `{path}`, because the encoding of the locale is not UTF-8",
                hint="run the command with `LC_ALL=C.UTF-8`",
            )


class Relocation(Value):
    """Pairs of old and new directories."""

    roots: tuple[tuple[str, str], ...]
    """(old, new) for the environment itself; absolute, without a slash at the end."""
    parents: tuple[tuple[str, str], ...] = ()
    """(old, new) for parent directories that were moved with it.

    A path below them is replaced only if it exists at the new path and not at the old one.
    """

    def path(self, text: str) -> str:
        """Return the new path for the path `text`; the same text if it was not moved."""
        for old, new in self.roots:
            if is_within(text, old) and not (is_within(new, old) and is_within(text, new)):
                return new + text[len(old) :]
        for old, new in self.parents:
            if is_within(text, old) and not os.path.lexists(text) and os.path.lexists(new + text[len(old) :]):
                return new + text[len(old) :]
        return text

    def plain_text(self, text: str) -> str:
        """Return text of an unknown notation with its paths replaced, if the new path needs no quotes in any notation."""
        for old, new in (*self.roots, *self.parents):
            if _UNQUOTED.fullmatch(new) and not (new.startswith("/") and "\\" in new):
                text = self._replace(text, old, new, lambda path: path, continuation(old, new))
        return text

    def string(self, text: str) -> str:
        """Return a decoded string, in which nothing needs quotes, with its paths replaced."""
        for old, new in (*self.roots, *self.parents):
            text = self._replace(text, old, new, lambda path: path)
        return text

    def json(self, text: str) -> str:
        """Return a JSON document with the paths in its strings replaced, and its formatting unchanged."""
        for old, new in (*self.roots, *self.parents):
            for notation in {json_unicode(old): json_unicode, json_ascii(old): json_ascii}.values():
                if notation(old) in text:
                    text = self._replace(text, old, new, notation)
        return text

    def url(self, text: str) -> str:
        """Return a `file:` URL with its path replaced; any other URL unchanged."""
        scheme, colon, rest = text.partition("://")
        if scheme != "file" or not colon:
            return text
        from urllib.parse import quote, unquote  # few environments need it

        host, slash, path = rest.partition("/")
        old = unquote(slash + path)
        new = self.path(old)
        return text if new == old else f"file://{host}{quote(new)}"

    def python(self, source: str) -> str:
        """Return a Python program with the paths in its string literals replaced; unchanged if it does not parse.

        F-strings are not changed.
        """
        import ast  # few environments need it

        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            return source
        in_fstrings = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)
        }
        replacements: list[tuple[int, int, str]] = []
        data = source.encode("utf-8", "surrogateescape")
        lines = data.splitlines(keepends=True)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line))
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)) or id(node) in in_fstrings:
                continue
            new = self.string(node.value)
            if new != node.value and node.end_lineno is not None and node.end_col_offset is not None:
                start = starts[node.lineno - 1] + node.col_offset
                end = starts[node.end_lineno - 1] + node.end_col_offset
                replacements.append((start, end, self._literal(data[start:end], new)))
        for start, end, literal in sorted(replacements, reverse=True):
            data = data[:start] + literal.encode("utf-8", "surrogateescape") + data[end:]
        return data.decode("utf-8", "surrogateescape")

    def _literal(self, literal: bytes, new: str) -> str:
        """Return a string literal with the value `new`, in the quotes of `literal` if these can express it."""
        from ast import literal_eval

        changed = self.string(literal.decode("utf-8", "surrogateescape"))
        try:
            return changed if literal_eval(changed) == new else repr(new)
        except (SyntaxError, ValueError):
            return repr(new)

    def mentions_old_root(self, text: str) -> bool:
        """Return whether a text contains an old root of the environment that is not the beginning of the new one."""
        return any(
            self._replace(text, old, "\0", lambda path: path, continuation(old, new)) != text for old, new in self.roots
        )

    def _replace(self, text: str, old: str, new: str, notation: Callable[[str], str], unless: str = "") -> str:
        """Return `text` with `old` replaced by `new` as a whole path or as its first directories.

        :param notation: encodes a path as the text does.
        :param unless: a pattern; `old` is not replaced where it matches the text that follows.
        """
        if notation(old) not in text:
            return text
        pattern = _BEFORE + re.escape(notation(old)) + _AFTER + (f"(?!{unless})" if unless else "")
        replacement = notation(new)
        is_new = re.compile(re.escape(replacement) + _AFTER)
        is_parent = (old, new) in self.parents

        def change(match: re.Match[str]) -> str:
            following = text[match.end() : match.end() + 4096]
            if replacement.startswith(notation(old)) and is_new.match(notation(old) + following):
                return match[0]
            if is_parent:
                rest = re.match(r"[\w./\\+@~ -]*", following)
                path = rest[0].rstrip() if rest else ""
                if os.path.lexists(old + path) or not os.path.lexists(new + path):
                    return match[0]
            return replacement

        return re.sub(pattern, change, text)


def continuation(old: str, new: str) -> str:
    """Return a pattern for the rest of the new path if it begins with the old one, in any notation; empty otherwise.

    Quotes and escapes may stand before each of its characters: the rest of `/work/old'2` is `'\\''2` in a shell.
    """
    if not new.startswith(old) or new == old:
        return ""
    return "".join(map(_in_any_notation, new[len(old) :])) + _AFTER


def _in_any_notation(character: str) -> str:
    """Return a pattern for a character with quotes and escapes before it, or as an escape in JSON, Python, a shell or a URL."""
    data = character.encode("utf-8", "surrogateescape")
    forms = [
        character,
        *(json_ascii(character), repr(character)[1:-1]),
        *("".join(form.format(byte) for byte in data) for form in ("\\{:03o}", "\\x{:02x}", "%{:02X}")),
    ]
    return r"""[\\'"`]{0,8}?(?:""" + "|".join(map(re.escape, dict.fromkeys(forms))) + ")"


def spellings(paths: Iterable[str]) -> list[str]:
    """Return paths together with what they are without symbolic links: programs record either."""
    return list(dict.fromkeys(spelling for path in paths for spelling in (path, os.path.realpath(path))))


def json_ascii(text: str) -> str:
    """Return the content of a JSON string, with `\\u` escapes for characters outside ASCII."""
    return json.dumps(text)[1:-1]


def json_unicode(text: str) -> str:
    """Return the content of a JSON string, without escapes for characters outside ASCII."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def needle(directory: str) -> bytes:
    """Return the longest part of a path that is written the same in every notation.

    A file that does not contain it does not contain the path.
    """
    return max(re.findall(rb"[A-Za-z0-9_./-]+", os.fsencode(directory)), key=len, default=b"")


def moved_parent(old: str, new: str) -> tuple[tuple[str, str], ...]:
    """Return the parent directory that was probably moved with an environment, as one pair (old, new), or nothing.

    For `/x/a/.venv` that is now `/x/b/.venv`, it is `/x/a`, which is now `/x/b`.
    """
    while os.path.basename(old) == os.path.basename(new) and os.path.basename(old):
        old, new = os.path.dirname(old), os.path.dirname(new)
        if old in ("", os.path.sep) or new in ("", os.path.sep) or old == new:
            return ()
        if os.path.basename(old) != os.path.basename(new):
            return ((old, new),)
    return ()
