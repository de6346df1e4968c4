"""Recognize what users probably meant by a word that is not a command or an option."""

from __future__ import annotations

from cloche.cli.commands import COMMANDS
from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloche.cli.command_spec import CommandSpec
    from cloche.model.options import Option


def unknown_option(spelling: str, table: Mapping[str, Option], command: CommandSpec) -> UsageError:
    """Return the error for an unknown option; the hint names a similar one, or the commands that have it."""
    name = "" if command.name == "create" else f"{command.name} "
    hint = f"`cloche {name}--help` lists all options"
    if command.name == "create" and spelling in OPTIONS_OF_OTHER_TOOLS:
        hint = OPTIONS_OF_OTHER_TOOLS[spelling]
    elif owners := commands_with(spelling):
        *others, last = [f"`{owner}`" for owner in owners]
        hint = f"it is an option of {', '.join(others)} and {last}" if others else f"it is an option of {last}"
    elif near := nearest_option(spelling, table):
        hint = f"did you mean `{near}`?"
    return UsageError(f"unknown option `{spelling}`", hint=hint)


def commands_with(spelling: str) -> list[str]:
    """Return the names of the commands that have an option of their own."""
    return [
        command.name
        for command in COMMANDS.values()
        if any(spelling == f"--{option.name}" for option in command.own_options)
    ]


def nearest_option(spelling: str, table: Iterable[str]) -> str:
    """Return the option that a spelling is probably a misspelling or an abbreviation of; empty if none is close."""
    from cloche.plugins.similar_names import nearest_name

    options = {option.lstrip("-"): option for option in table if option.startswith("--")}
    return options.get(nearest_name(spelling.lstrip("-").lower(), options), "")


def describe_limit(command: CommandSpec) -> str:
    """Return how many arguments a command takes: `only one DEST is allowed`."""
    if command.choices and command.max_operands > 1:
        return f"at most {command.max_operands} arguments are allowed"
    names = ["argument"] if command.choices else command.operands.replace("[", "").replace("]", "").split()
    if not names:
        return f"`cloche {command.name}` takes no arguments"
    return f"only {' and '.join(names)} are allowed" if len(names) > 1 else f"only one {names[0]} is allowed"


INSTALL = "`cloche run [ENV] -- pip install NAME` installs packages; `--seed NAME` installs one with a new environment"
REMOVE = "`cloche run [ENV] -- pip uninstall NAME` removes packages; to remove an environment, delete its directory"
NEW = "`cloche DEST` creates an environment"
LIST = "`cloche doctor --find DIR` finds environments, `cloche pythons` lists interpreters, and `cloche plugins` lists plugins"
SYNC = "`cloche DEST --lock FILE` creates an environment with the packages of a lock file, or updates it"
MOVE = "`cloche move ENV DEST` moves an environment"
COPY = "`cloche move --copy ENV DEST` copies an environment"
SHOW = "`cloche info [ENV]` describes an environment"
REPAIR = "`cloche doctor --fix [ENV]` repairs an environment"
FREEZE = "`cloche run [ENV] -- pip freeze` lists the packages of an environment"
PRUNE = "`cloche cache prune` removes from the cache what is damaged or was not used for a month"
USE = "`cloche activate [ENV]` prints the command that activates an environment in your shell"

NAMED = "`cloche PATH` creates an environment at a path; environments have no names"
FILE = (
    "`--lock FILE` installs a requirements file that pins every package; "
    "for any other, `cloche run ENV -- pip install -r FILE`"
)
EXISTING = "an existing environment is refreshed; `--clear` replaces it"

OPTIONS_OF_OTHER_TOOLS = {
    "--allow-existing": EXISTING,
    "--name": NAMED,
    "-n": NAMED,
    "--no-site-packages": "that is the default; `--system-site-packages` is the opposite",
    "--no-system-site-packages": "that is the default; an existing environment keeps its setting until `--clear` replaces it",
    "--requirement": FILE,
    "--requirements": FILE,
    "-r": FILE,
    "--upgrade": "`cloche upgrade [ENV]` changes the Python of an environment, and `--download` installs the newest pip",
    "--upgrade-deps": "`--download` installs the newest pip",
}
"""What to use instead of options that venv, virtualenv, uv, pipenv and conda have."""

WORDS_OF_OTHER_TOOLS = {
    "add": INSTALL,
    "check": "`cloche doctor [ENV]` finds problems in an environment",
    "clean": PRUNE,
    "clone": COPY,
    "copy": COPY,
    "cp": COPY,
    "deactivate": "the activation scripts define `deactivate`; type it without `cloche`",
    "del": REMOVE,
    "delete": REMOVE,
    "destroy": REMOVE,
    "env": f"{NEW}, `cloche info [ENV]` describes one; `cloche --help` lists all commands",
    "exec": "`cloche run [ENV] -- CMD` runs a command",
    "export": FREEZE,
    "find": LIST,
    "fix": REPAIR,
    "freeze": FREEZE,
    "gc": PRUNE,
    "init": NEW,
    "inject": INSTALL,
    "inspect": SHOW,
    "install": INSTALL,
    "list": LIST,
    "lock": f"uv, pip, pdm and pip-tools write lock files; {SYNC}",
    "ls": LIST,
    "mv": MOVE,
    "new": NEW,
    "outdated": "`cloche upgrade --check [ENV]` says whether an upgrade is due",
    "pip": "`cloche run [ENV] -- pip` runs the pip of an environment",
    "prune": PRUNE,
    "purge": PRUNE,
    "remove": REMOVE,
    "rename": MOVE,
    "repair": REPAIR,
    "rm": REMOVE,
    "search": LIST,
    "shell": USE,
    "show": SHOW,
    "status": SHOW,
    "sync": SYNC,
    "uninstall": REMOVE,
    "update": "`cloche upgrade [ENV]` changes the Python of an environment",
    "use": USE,
    "version": "`cloche --version` prints the version",
    "where": SHOW,
    "which": SHOW,
    "workon": USE,
}
"""What to use instead of the words that people type out of habit, because they are commands of other tools."""


DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
"""Characters that editors and web pages show instead of `-`: hyphens, dashes and the minus sign."""


def refuse_dash(word: str) -> None:
    """Refuse `-`, and an operand that is an option with another kind of dash, as happens when text is copied from a web page.

    :raises UsageError: it is one of these.
    """
    if word == "-":
        raise UsageError(
            "`-` does not mean standard input or output here", hint="`./-` is the file or directory of that name"
        )
    name = word.lstrip(f"-{DASHES}")
    if word[:1] in DASHES and name:
        dashes = "-" if len(name) == 1 else "--"
        raise UsageError(
            f"`{word}` starts with a dash other than `-`",
            hint=f"write `{dashes}{name}`\n`./{word}` creates an environment of that name",
        )


def refuse_misread_command(operands: Sequence[str]) -> None:
    """Refuse a first operand that is probably meant as a command, so that a typing error creates no environment.

    :raises UsageError: it is close to a command, or is a command of another tool.
    """
    word = operands[0]
    near = nearest_command(word, COMMANDS)
    advice = f"did you mean `cloche {near}`?" if near else WORDS_OF_OTHER_TOOLS.get(word_of_other_tool(word.lower()))
    if advice is not None:
        insisting = f"\n`./{word}` creates an environment of that name" if len(operands) == 1 else ""
        raise UsageError(f"unknown command `{word}`", hint=advice + insisting)


def word_of_other_tool(word: str) -> str:
    """Return the command of another tool that a word is, or is a misspelling of; empty if it is another word.

    Words of fewer than five letters are close to too many names of directories.
    """
    if word in WORDS_OF_OTHER_TOOLS or not word.isalpha():
        return word
    from cloche.plugins.similar_names import count_edits

    return next((name for name in WORDS_OF_OTHER_TOOLS if len(name) > 4 and count_edits(word, name) == 1), "")


def nearest_command(word: str, names: Iterable[str]) -> str:
    """Return the name that a word is probably a misspelling or an abbreviation of; empty if no name is close.

    Any word may be the name of a directory, so a misspelling with several edits must have the first two letters right.

    :param names: the names of commands, or the choices of one.
    """
    word = word.lower()
    if word in WORDS_OF_OTHER_TOOLS or not word.replace("-", "").isalpha():
        return ""
    from cloche.plugins.similar_names import count_edits, nearest_spelling

    for name in names:
        if count_edits(word, name) == 1 or (len(word) > 3 and name.startswith(word)):
            return name
    return nearest_spelling(word, [name for name in names if name[:2] == word[:2]])
