"""Find a shell: by the name of its program, or what an activator of a plugin says about its own."""

from __future__ import annotations

import sys

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from cloche.model.environment import Environment
    from cloche.shells.shell import Shell
    from cloche.shells.words import Word

BUILT_IN: Mapping[str, str] = {
    "bash": "posix",
    "csh": "csh",
    "fish": "fish",
    "powershell": "powershell",
    "batch": "batch",
    "python": "python",
}
"""The module of this package that has the shells of an activator in the box, by the activator's name."""

MODULES: Mapping[str, str] = {
    **dict.fromkeys(("bash", "zsh", "sh", "ash", "dash", "ksh", "ksh93", "mksh", "yash"), "posix"),
    **dict.fromkeys(("csh", "tcsh"), "csh"),
    "fish": "fish",
    **dict.fromkeys(("pwsh", "powershell"), "powershell"),
    "cmd": "batch",
    **dict.fromkeys(("elvish", "nu", "nushell", "xonsh"), "elsewhere"),
}
"""The module of this package that has a shell, by the name of its program; an index, so that a run loads only one."""


def shells_of(module: str) -> tuple[Shell, ...]:
    """Return the shells in a module of this package."""
    __import__(f"cloche.shells.{module}")
    found: tuple[Shell, ...] = sys.modules[f"cloche.shells.{module}"].SHELLS
    return found


def shell_of_program(program: str) -> Shell | None:
    """Return the shell that a program is; None if it is not known here."""
    module = MODULES.get(program)
    return shell_with_program(program, shells_of(module)) if module else None


def built_in_shells() -> tuple[Shell, ...]:
    """Return every shell with an activator in the box."""
    return tuple(shell for module in BUILT_IN.values() for shell in shells_of(module))


def shell_with_program(name: str, shells: Iterable[Shell]) -> Shell | None:
    """Return the first of some shells that has a program of that name; None if none has."""
    return next((shell for shell in shells if name in shell.programs), None)


def programs_of(activator: Any) -> tuple[str, ...]:
    """Return the programs that read the scripts of an activator: what it says, or one with its own name."""
    return tuple(getattr(activator, "shells", (activator.name,)))


def shell_of_activator(activator: Any, environment: Environment) -> Shell:
    """Return what the activator of a plugin says about its shell; the rest is worked out.

    `script_names` are then the names of the scripts that it gives for `environment`, and `read_words` finds the words
    that its `quote` writes.

    :raises Exception: whatever the activator raises.
    """
    from cloche.shells.shell import Shell

    names = getattr(activator, "script_names", None) or (script.name for script in activator.scripts(environment))
    return Shell(
        name=activator.name,
        programs=programs_of(activator),
        script_names=tuple(names),
        quote=activator.quote,
        read_words=getattr(activator, "read_words", None) or words_quoted_by(activator.quote),
        source_line=getattr(activator, "source_line", None),
    )


def words_quoted_by(quote: Callable[[str], str]) -> Callable[[str], Iterable[Word]]:
    """Return a reader of the words that a quoter writes."""

    def read_words(line: str) -> Iterable[Word]:
        from cloche.shells.words import words_written_by

        return words_written_by(quote, line)

    return read_words
