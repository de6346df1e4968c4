"""Texts that are difficult to quote in a shell, and paths with such names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.shells.template import SLOT_PREFIX
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
    "slot": f"{SLOT_PREFIX}PROMPT__ {SLOT_PREFIX}ROOT__",
    "raw-string-end": "'# \"# '## ''' \"\"\"",
    "escape": "\x1b[31mred\x1b[0m",
    "long": "x" * 200,
}
"""Directory names and prompts that activation scripts often fail to quote, by the name of the test case."""

PLAIN = ("plain", "two words", "smørrebrød")
"""Texts that `quote` must accept in every shell."""


def supported_kinds(activator: Activator) -> list[str]:
    """Return the kinds of interpreters that an activator supports, those for this operating system first."""
    kinds = [kind for kind, interpreter in KINDS.items() if activator.refusal(interpreter) is None]
    return sorted(kinds, key=lambda kind: KINDS[kind].os_name != os.name)


def environment_of(kind: str, root: str | os.PathLike[str], **changes: object) -> Environment:
    return fake_environment(root, KINDS[kind], **changes)


def absolute_path(kind: str, name: str) -> str:
    """Return an absolute path that ends with `name`, for the operating system of a kind of interpreter."""
    return f"C:\\work\\{name}" if KINDS[kind].os_name == "nt" else f"/work/{name}"


def directory_name(text: str) -> str:
    """Return a text as the name of an environment's directory, without `/` and `:`, which paths and PATH reserve."""
    return text.replace("/", "_").replace(":", "_")
