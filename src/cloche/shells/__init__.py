"""Everything that cloche knows about shells. A shell family consists of the shells that read the same scripts.

Each module defines the programs of a family, how they quote a word, how they activate an environment, and how to read a
quoted word back. The functions here find the right family, and `plugin_activators` makes one of a plugin's activator;
`template` and `words` help to write activators, including those of plugins.

Commands in hints and in `pyvenv.cfg` are for any shell of an operating system: `quote_word` writes their words, and
`split_words` reads them back.
"""

from __future__ import annotations

import sys

from cloche.errors import Inexpressible
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from cloche.model.environment import Environment
    from cloche.shells.words import Word

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")
"""Characters without a special meaning anywhere in a word, in any shell."""


class ShellFamily(Value):
    """A shell, or several shells that read the same scripts."""

    name: str
    """The name of the activator that writes the scripts."""
    programs: tuple[str, ...]
    """The names of the programs: `bash`, `zsh`."""
    script_names: tuple[str, ...]
    """The file names of activation scripts, including those of other tools; the first one is the script to source."""
    quote: Callable[[str], str]
    """Returns a text as one quoted word; see `Activator.quote`."""
    read_words: Callable[[str], Iterable[Word]]
    """Returns the words of a line whose text is known without running the line."""
    source_line: Callable[[str], str] | None = None
    """Returns the command that sources the script at a path; None if the activator has no `source_line`."""
    joins_quoted: bool = False
    """Whether adjacent quoted texts are one word: `'a'"b"` is `ab`."""
    activation_test: str = ""
    """Shell code that runs the command `{line}` and then prints VIRTUAL_ENV; empty if activation cannot be tested."""
    test_options: Mapping[str, tuple[str, ...]] = {}
    """For each program that can run `activation_test`, the options in front of that code."""


def refuse_unwritable(text: str, shell: str) -> None:
    """Refuse text that no script can contain.

    :param shell: the name of the shell, for the message.
    :raises Inexpressible: the text contains NUL, which ends an environment variable, or is not Unicode.
    """
    from cloche.fs import is_unicode  # a plugin that is only imported does not need it

    if "\0" in text:
        raise Inexpressible(f"{shell} cannot express a NUL character")
    if not is_unicode(text):
        raise Inexpressible(f"{shell} cannot express a name that is not Unicode, because its script is UTF-8")


BUILT_IN: Mapping[str, str] = {
    "bash": "posix",
    "csh": "csh",
    "fish": "fish",
    "powershell": "powershell",
    "batch": "batch",
    "python": "python",
}
"""The module of this package that defines the shells of a built-in activator, by the activator's name."""

OF_PLUGINS = ("elvish", "nushell", "xonsh")
"""The modules of this package for the shells whose activators are separate plugins, each named like its activator."""

DISTRIBUTIONS: Mapping[str, str] = {**{name: f"cloche-{name}" for name in OF_PLUGINS}, "rc": "cloche-example"}
"""The distributions of separate plugins, by the name of their activator."""

MODULES: Mapping[str, str] = {
    **dict.fromkeys(("bash", "zsh", "sh", "ash", "dash", "ksh", "ksh93", "mksh", "yash"), "posix"),
    **dict.fromkeys(("csh", "tcsh"), "csh"),
    "fish": "fish",
    **dict.fromkeys(("pwsh", "powershell"), "powershell"),
    "cmd": "batch",
    "elvish": "elvish",
    **dict.fromkeys(("nu", "nushell"), "nushell"),
    "xonsh": "xonsh",
}
"""The module of this package that defines a shell, by the name of its program, so that a run imports only that one."""


def shells_in(module: str) -> tuple[ShellFamily, ...]:
    """Return the shells that a module of this package defines."""
    __import__(f"cloche.shells.{module}")
    shells: tuple[ShellFamily, ...] = sys.modules[f"cloche.shells.{module}"].SHELLS
    return shells


def shell_of_program(program: str) -> ShellFamily | None:
    """Return the shell that a program belongs to; None for an unknown program."""
    module = MODULES.get(program)
    return next((shell for shell in shells_in(module) if program in shell.programs), None) if module else None


def built_in_shells() -> tuple[ShellFamily, ...]:
    """Return the shells of all built-in activators."""
    return tuple(shell for module in BUILT_IN.values() for shell in shells_in(module))


def known_shells_of_plugins() -> tuple[ShellFamily, ...]:
    """Return the shells of this package whose activators are separate plugins; they have no `source_line`."""
    return tuple(shell for module in OF_PLUGINS for shell in shells_in(module))


def find_shell(program: str, of_plugins: Iterable[ShellFamily], environment: Environment) -> ShellFamily | None:
    """Return the shell that a program belongs to; None for an unknown program.

    A shell of a plugin comes before the one that cloche knows, unless only the latter can activate the environment.

    :param of_plugins: the shells of the activators that plugins provide.
    """
    known = shell_of_program(program)
    matching = [shell for shell in of_plugins if program in shell.programs] + ([known] if known else [])
    usable = (shell for shell in matching if shell.source_line and activation_script(shell, environment))
    return next(usable, matching[0] if matching else None)


def activation_script(shell: ShellFamily, environment: Environment) -> str:
    """Return the path of the script that activates an environment in a shell; empty if it does not exist.

    The case of the name does not matter, because `venv` writes `Activate.ps1`.
    """
    from cloche.fs import list_names

    directory, script = environment.path_to(environment.layout.bin), shell.script_names[0]
    names = list_names(directory)
    found = script if script in names else next((name for name in names if name.lower() == script.lower()), "")
    return environment.path_to(f"{environment.layout.bin}/{found}") if found else ""


def programs_of(activator: Any) -> tuple[str, ...]:
    """Return the programs that read an activator's scripts: its `shells`, or by default its own name.

    :raises TypeError: `shells` is not a list of strings.
    """
    return names_of_attribute("shells", getattr(activator, "shells", (activator.name,)))


def names_of_attribute(attribute: str, names: Any) -> tuple[str, ...]:
    """Return the value of an attribute of an activator as a tuple.

    :raises TypeError: it is not a list of strings.
    """
    found = (names,) if isinstance(names, str) or not hasattr(names, "__iter__") else tuple(names)
    if found == (names,) or not all(isinstance(name, str) for name in found):
        raise TypeError(f"`{attribute}` is {names!r}: expected a list of strings")
    return found


# Words for any shell of an operating system

UNQUOTED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-")
"""The characters that need no quotes in a POSIX shell."""


def quote_words(words: Iterable[str], os_name: str) -> str:
    """Return a command with these words, each quoted by `quote_word`."""
    return " ".join(quote_word(word, os_name) for word in words)


def quote_word(word: str, os_name: str) -> str:
    """Return a word as it is typed in a POSIX shell, or on Windows in `cmd` and PowerShell, on one line.

    Characters that cannot be printed are written in octal, in the notation `$'...'` of bash, ksh and zsh.

    :param os_name: `os.name` of the system that the command is for.
    """
    if os_name == "nt":
        return word if word and UNQUOTED.issuperset(word.replace("\\", "")) else f'"{word}"'
    if not word.isprintable():
        return "$'" + "".join(map(_escape_character, word)) + "'"
    return quote_as_shlex(word)


def quote_as_shlex(word: str) -> str:
    """Return a word exactly as `shlex.quote` does; `venv` and uv quote words in their scripts in the same way.

    `shlex` is not used, because importing it takes too long for every run.
    """
    if word and UNQUOTED.issuperset(word):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _escape_character(character: str) -> str:
    """Return a character for `$'...'`."""
    if character.isprintable() and character not in "'\\":
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))


def split_words(command: str) -> list[str]:
    """Return the words of a command that `quote_words` wrote; an empty list if a quote is not closed.

    A backslash outside of `$'...'` is an ordinary character, as in the paths of Windows.
    """
    import re

    piece = r"""\$'(?:[^'\\]|\\[0-7]{3})*'|'[^']*'|"[^"]*"|[^\s'"]"""
    if re.sub(r"\s", "", "".join(re.findall(piece, command))) != re.sub(r"\s", "", command):
        return []
    return ["".join(map(_unquote, re.findall(piece, word))) for word in re.findall(rf"(?:{piece})+", command)]


def _unquote(piece: str) -> str:
    """Return the text of a part of a word: quoted in one of the ways of `quote_word`, or a plain character."""
    import re

    def decode(escapes: re.Match[str]) -> str:
        return bytes(int(digits, 8) & 0xFF for digits in escapes[0][1:].split("\\")).decode("utf-8", "surrogateescape")

    if piece.startswith("$'"):
        return re.sub(r"(?:\\[0-7]{3})+", decode, piece[2:-1])
    return piece[1:-1] if piece[0] in "'\"" else piece
