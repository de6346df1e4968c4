"""`cloche completion SHELL`: the completion script for a shell, or the suggestions that the script requests.

The scripts are files beside this module. They contain no commands or options: they ask cloche for each completion, so
they are always up to date. The shell completes file names, because it knows how to quote them.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloche.cli.completion.suggestions import Suggestions
    from cloche.cli.invocation import Invocation


def completion(invocation: Invocation) -> int:
    """Print the script; if the words of a command line follow the shell, print suggestions for the last of them."""
    from cloche.cli import report

    shell, *line = invocation.arguments.operands
    if not line:
        report.print_result(completion_script(shell).rstrip())
        return 0
    from cloche.cli.completion.suggestions import suggest

    words = WORDS.get(shell, list)(line)
    for text in LINES.get(shell, lines_with_descriptions)(suggest(words, invocation.host)):
        report.print_result(text)
    return 0


def completion_script(shell: str) -> str:
    """Return the script for a shell. Only the one for tcsh lists options and commands: there, a command cannot request paths."""
    from cloche.shells.template import render, resource

    text = resource(__name__, f"complete.{EXTENSIONS.get(shell, shell)}")
    return render(text, tcsh_values(), str) if shell == "tcsh" else text


EXTENSIONS: Mapping[str, str] = {"nushell": "nu", "powershell": "ps1"}


# Input from the scripts


def bash_words(words: Sequence[str]) -> list[str]:
    """Return bash's words with `--name=value` joined again, which bash splits at the `=`."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].startswith("--") and (word == "=" or joined[-1].endswith("=")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def powershell_words(words: Sequence[str]) -> list[str]:
    """Remove the mark before each word, which keeps older PowerShells from dropping empty words."""
    return [word[1:] for word in words]


def tcsh_words(words: Sequence[str]) -> list[str]:
    """Return the words of `COMMAND_LINE`, which tcsh sets because it cannot pass words to a completion command."""
    import os

    line = os.environ.get("COMMAND_LINE", "")
    words = line.split()[1:]
    return [*words, ""] if not words or line[-1:].isspace() else words


WORDS: Mapping[str, Callable[[Sequence[str]], list[str]]] = {
    "bash": bash_words,
    "powershell": powershell_words,
    "tcsh": tcsh_words,
}


# Output for the scripts


def lines_with_descriptions(found: Suggestions) -> list[str]:
    """Return the kind of paths to suggest and their prefix, then a line for each word and its description."""
    return [
        f"{found.paths}\t{found.before}",
        *(f"{found.before}{word}\t{description}" for word, description in found.words),
    ]


def lines_for_bash(found: Suggestions) -> list[str]:
    """Return the kind of paths to suggest, then a line for each word; bash adds them after the `=`."""
    before = "" if found.before.endswith("=") else found.before
    return [found.paths, *(f"{before}{word}" for word, _ in found.words)]


def lines_for_tcsh(found: Suggestions) -> list[str]:
    return [f"{found.before}{word}" for word, _ in found.words]


LINES: Mapping[str, Callable[[Suggestions], list[str]]] = {"bash": lines_for_bash, "tcsh": lines_for_tcsh}


def tcsh_values() -> dict[str, str]:
    """Return the values for tcsh's script: patterns for the words that precede a directory, and those that precede a file."""
    from cloche.cli.command_spec import COMMON
    from cloche.cli.commands import COMMANDS

    options = (*COMMON, *(option for command in COMMANDS.values() for option in command.options))
    directories = sorted({f"--{option.name}" for option in options if option.metavar == "DIR"})
    files = sorted({f"--{option.name}" for option in options if option.metavar in ("EXE", "FILE")})
    commands = [
        command.name for command in COMMANDS.values() if command.operands.lstrip("[").startswith(("ENV", "DEST"))
    ]
    return {"DIRECTORIES": ",".join([*directories, *commands]), "FILES": ",".join(files)}
