"""Texts that are difficult to write in a shell, and places with such names; it knows no shell."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.shells.template import MARK
from cloche.testing.fakes import KINDS, fake_environment

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.plugins.hookspecs import Activator

HOSTILE = {
    "space": "two words",
    "single-quote": "it's",
    "double-quote": 'say "cheese"',
    "both-quotes": "'\"'\"",
    "command": "a$(touch PWNED)b",
    "backtick": "a`touch PWNED`b",
    "variable": "$HOME ${HOME} %HOME% $env:HOME",
    "exclamation": "wow! !! !$",
    "percent": "100% %F{red} %n",
    "backslash": "back\\slash\\n\\u \\",
    "backslash-quote": "\\'; touch PWNED; \\'",
    "newline": "first\ntouch PWNED\nlast",
    "trailing-newline": "last\n",
    "carriage-return": "first\rlast",
    "tab": "left\tright",
    "unicode": "smørrebrød ☃ 日本 \U0001d54f",
    "typographic-quotes": "\u2018one\u2019 \u201atwo\u201b \u201cthree\u201d",
    "leading-dash": "-rf",
    "semicolon": "a; touch PWNED; b",
    "ampersand": "a & touch PWNED && b",
    "pipe": "a | touch PWNED || b",
    "redirection": "a > PWNED < b",
    "star": "*",
    "bracket": "[a]",
    "braces": "{a,b} {0} {{c}} {RED}",
    "parentheses": "(touch PWNED)",
    "tilde": "~ ~root =~",
    "hash": "a #b # c",
    "caret": "a ^b",
    "at": "@(touch PWNED) @a",
    "slot": f"{MARK}PROMPT__ {MARK}ROOT__",
    "raw-string-end": "'# \"# '## ''' \"\"\"",
    "escape": "\x1b[31mred\x1b[0m",
    "long": "x" * 200,
}
"""Directory names and prompts that have broken activation scripts before, by the name of their case."""

PLAIN = ("plain", "two words", "smørrebrød")
"""What every shell has to be able to write: a quoter that refuses these refuses to work."""


def served(activator: Activator) -> list[str]:
    """Return the kinds of interpreters that it does not refuse, those of this system first."""
    kinds = [kind for kind, interpreter in KINDS.items() if activator.refusal(interpreter) is None]
    return sorted(kinds, key=lambda kind: KINDS[kind].os_name != os.name)


def environment_of(kind: str, root: str | os.PathLike[str], **changes: object) -> Environment:
    return fake_environment(root, KINDS[kind], **changes)


def at(kind: str, name: str) -> str:
    """Return an absolute path that ends with `name`, for a system that may not be this one."""
    return f"C:\\work\\{name}" if KINDS[kind].os_name == "nt" else f"/work/{name}"


def directory_name(text: str) -> str:
    """Return a difficult text as the name of a directory that can hold an environment (`:` would part it in PATH)."""
    return text.replace("/", "_").replace(":", "_")
