"""`cloche completion SHELL`: the completion script for a shell, or, when that script asks, the suggestions.

The scripts are files beside this module. They contain no commands and options but ask cloche at every key press, so they
never go stale. Completing file names is left to the shell, which knows how to quote them.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloche.cli.completion.suggestions import Suggestions
    from cloche.cli.invocation import Invocation


def completion(invocation: Invocation) -> int:
    """Print the script; if the words of a command line follow, print suggestions for the last of them."""
    from cloche.cli import report

    shell, *line = invocation.arguments.operands
    if not line:
        report.print_result(completion_script(shell).rstrip())
        return 0
    from cloche.cli.completion.suggestions import suggest

    said = WORDS.get(shell, list)(line)
    for text in LINES.get(shell, lines_with_meanings)(suggest(said, invocation.host)):
        report.print_result(text)
    return 0


def completion_script(shell: str) -> str:
    """Return the script for a shell. That for tcsh contains tables: in tcsh, a command cannot ask for a directory."""
    from cloche.shells.template import render, resource

    text = resource(__name__, f"complete.{EXTENSIONS.get(shell, shell)}")
    return render(text, tcsh_values(), str) if shell == "tcsh" else text


EXTENSIONS: Mapping[str, str] = {"nushell": "nu", "powershell": "ps1"}


# What the scripts send


def bash_words(words: Sequence[str]) -> list[str]:
    """Return bash's words as the user typed them: bash splits `--name=value` at the `=`."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].startswith("--") and (word == "=" or joined[-1].endswith("=")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def powershell_words(words: Sequence[str]) -> list[str]:
    """Return PowerShell's words without the mark before each, which keeps older versions from dropping empty ones."""
    return [word[1:] for word in words]


def tcsh_words(words: Sequence[str]) -> list[str]:
    """Return the words of `COMMAND_LINE`, which tcsh sets because it cannot pass words to a completion command."""
    import os

    line = os.environ.get("COMMAND_LINE", "")
    said = line.split()[1:]
    return [*said, ""] if not said or line[-1:].isspace() else said


WORDS: Mapping[str, Callable[[Sequence[str]], list[str]]] = {
    "bash": bash_words,
    "powershell": powershell_words,
    "tcsh": tcsh_words,
}


# What the scripts receive


def lines_with_meanings(found: Suggestions) -> list[str]:
    """Return the kind of paths that fit and their prefix, then a line for each word and its meaning."""
    return [f"{found.paths}\t{found.before}", *(f"{found.before}{word}\t{what}" for word, what in found.words)]


def lines_for_bash(found: Suggestions) -> list[str]:
    """Return the kind of paths that fit, then a line for each word; bash adds them after the `=`."""
    before = "" if found.before.endswith("=") else found.before
    return [found.paths, *(f"{before}{word}" for word, _ in found.words)]


def lines_for_tcsh(found: Suggestions) -> list[str]:
    return [f"{found.before}{word}" for word, _ in found.words]


LINES: Mapping[str, Callable[[Suggestions], list[str]]] = {"bash": lines_for_bash, "tcsh": lines_for_tcsh}


def tcsh_values() -> dict[str, str]:
    """Return the values for tcsh's script: patterns of what takes a directory, and of what takes a file."""
    from cloche.cli.commands import COMMANDS, COMMON

    options = (*COMMON, *(one for command in COMMANDS.values() for one in command.options))
    directories = sorted({f"--{option.name}" for option in options if option.metavar == "DIR"})
    files = sorted({f"--{option.name}" for option in options if option.metavar == "EXE"})
    commands = [command.name for command in COMMANDS.values() if command.operands.startswith(("ENV", "DEST"))]
    return {"DIRECTORIES": ",".join([*directories, *commands]), "FILES": ",".join(files)}
