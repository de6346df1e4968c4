"""Parse a command line with the tables of `cloche.cli.commands`, without interpreting the values.

Importing `argparse` would take 7 ms.
"""

from __future__ import annotations

from cloche.cli.commands import COMMANDS, COMMON, CommandSpec
from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING, Value, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloche.model.options import Option


class UnknownOption(Value):
    """An option that is in no table; a plugin may declare it."""

    word: str
    following: int
    """Index of the operand that may be its value, because it is the next word; -1 if there is none."""


class ParsedArguments(Value):
    """A parsed command line. Errors are kept for `check`, because options or commands of plugins may resolve them first."""

    command: CommandSpec
    given: Mapping[str, tuple[str, ...]]
    """Values by option name, in the order given; those of a flag are `true`."""
    operands: tuple[str, ...]
    rest: tuple[str, ...] = ()
    """The words after `--`, for a command that passes them on."""
    is_named: bool = False
    """Whether the command was named; otherwise it is `create`."""
    first: int = -1
    """Index in argv of a first operand that may name a plugin's command; -1 if there is none."""
    leading: Mapping[str, tuple[str, ...]] = {}
    """The options before that operand."""
    unknown: tuple[UnknownOption, ...] = ()
    problem: UsageError | None = None
    """The first error in an option."""

    def flag(self, name: str) -> bool:
        return self.given.get(name, ("false",))[-1] == "true"

    def count(self, name: str) -> int:
        return len(self.given.get(name, ()))

    def check(self) -> None:
        """:raises UsageError: an option is unknown or has an invalid value, or there are too few or too many operands."""
        wants_text = self.flag("help") or self.flag("version")
        if self.first >= 0 and not wants_text:
            refuse_misread_command(self.operands)
        if self.problem is not None:
            raise self.problem
        for option in self.unknown:
            spelling, _, _ = split_option(option.word)
            raise unknown_option(spelling, options_by_spelling(options_of(self.command)), self.command)
        if not wants_text:
            check_operands(self)


def parse_arguments(argv: Sequence[str], commands: Mapping[str, CommandSpec] = COMMANDS) -> ParsedArguments:
    """Parse a command line; options may come before or after operands."""
    command, is_named = commands["create"], False
    table = options_by_spelling((*command.own_options, *COMMON))
    given: dict[str, list[str]] = {}
    leading: dict[str, tuple[str, ...]] = {}
    operands: list[str] = []
    rest: list[str] = []
    first = -1
    unknown: list[UnknownOption] = []
    problem: UsageError | None = None
    queue = list(reversed(argv))
    while queue:
        word = queue.pop()
        if word == "--":
            rest = queue[::-1]
            break
        if is_option(word):
            if command.aliases and split_option(word)[0] not in table:
                table = options_by_spelling(options_of(command))
            try:
                if not parse_option(word, queue, table, given):
                    has_operand = "=" not in word and bool(queue) and queue[-1] != "--" and not is_option(queue[-1])
                    unknown.append(UnknownOption(word, len(operands) if has_operand else -1))
            except UsageError as error:
                problem = problem or error
        elif word in commands and not (is_named or operands or unknown):
            command, is_named = commands[word], True
            table = options_by_spelling(options_of(command) if given else (*command.own_options, *COMMON))
            misplaced = [name for name in given if f"--{name}" not in table]
            if misplaced and not problem:
                problem = unknown_option(f"--{misplaced[0]}", table, command)
        else:
            if not (is_named or operands or unknown or problem):
                first = len(argv) - len(queue) - 1
                leading = {name: tuple(values) for name, values in given.items()}
            operands.append(word)
            if command.rest and len(operands) > command.max_operands >= 0:
                rest = [operands.pop(), *queue[::-1]]
                break
    if rest and not command.rest:
        operands, rest = operands + rest, []
    values = {name: tuple(texts) for name, texts in given.items()}
    return ParsedArguments(
        command, values, tuple(operands), tuple(rest), is_named, first, leading, tuple(unknown), problem
    )


def accept_options(arguments: ParsedArguments, options: Sequence[Option]) -> ParsedArguments:
    """Return the arguments, with unknown options parsed as options that plugins declare."""
    table = options_by_spelling((*options_of(arguments.command), *options))
    given = {name: list(values) for name, values in arguments.given.items()}
    unknown: list[UnknownOption] = []
    used: set[int] = set()
    problem = arguments.problem
    for option in arguments.unknown:
        queue = [arguments.operands[option.following]] if option.following >= 0 else []
        queue.append(option.word)
        try:
            while queue and is_option(queue[-1]):
                if not parse_option(queue.pop(), queue, table, given):
                    unknown.append(option)
                    break
        except UsageError as error:
            problem = problem or error
        if not queue and option.following >= 0:
            used.add(option.following)
    operands = [operand for index, operand in enumerate(arguments.operands) if index not in used]
    if used and not arguments.is_named and operands[:1] == [arguments.command.name]:
        del operands[0]  # `cloche --greeting TEXT create DEST`
    values = {name: tuple(texts) for name, texts in given.items()}
    return replace(arguments, given=values, operands=tuple(operands), unknown=tuple(unknown), problem=problem)


def options_of(command: CommandSpec) -> tuple[Option, ...]:
    """Return every option that a command accepts on its command line."""
    return (*command.options, *COMMON)


def options_by_spelling(options: Sequence[Option]) -> dict[str, Option]:
    """Return options by each of their spellings on a command line: `--python`, `-p`."""
    table = {f"--{option.name}": option for option in options}
    table.update((f"-{option.short}", option) for option in options if option.short)
    return table


def is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def split_option(word: str) -> tuple[str, str, str]:
    """Return an option's spelling, the `=` after a long option, and the text that is joined to it."""
    return word.partition("=") if word.startswith("--") else (word[:2], "", word[2:])


def parse_option(word: str, queue: list[str], table: Mapping[str, Option], given: dict[str, list[str]]) -> bool:
    """Parse one option into `given`, with its value from the reversed queue; return False if the option is unknown.

    :raises UsageError: the value is missing or not one of the choices, or a flag has a value.
    """
    spelling, joined, text = split_option(word)
    option = table.get(spelling)
    if option is None:
        return False
    name = option.alias_of or option.name
    if option.kind in ("flag", "count"):
        if joined:
            raise UsageError(f"`{spelling}` takes no value", hint=f"write `{spelling}` alone")
        if text:  # `-vp3.12` is `-v -p3.12`
            queue.append(f"-{text}")
        for implied, implication in option.implies or ((name, "true"),):
            given.setdefault(implied, []).append(implication)
        return True
    attached = text if spelling[1] == "-" else text.removeprefix("=")
    value = attached if joined or text else (queue.pop() if queue else None)
    if value is None or (option.is_path and not value.strip()):
        raise UsageError(f"`{spelling}` needs a value", hint=f"write `{spelling} {option.metavar or 'VALUE'}`")
    if option.choices and value not in option.choices:
        raise UsageError(f"invalid value `{value}` for `{spelling}`", hint=f"choose one of {', '.join(option.choices)}")
    given.setdefault(name, []).append(value)
    return True


def unknown_option(spelling: str, table: Mapping[str, Option], command: CommandSpec) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(spelling, table, 1)
    name = "" if command.name == "create" else f"{command.name} "
    hint = f"did you mean `{near[0]}`?" if near else f"`cloche {name}--help` lists all options"
    return UsageError(f"unknown option `{spelling}`", hint=hint)


def check_operands(arguments: ParsedArguments) -> None:
    """:raises UsageError: there are too few or too many operands, or the first one is not one of the choices."""
    command, operands = arguments.command, arguments.operands
    name = "cloche" if command.name == "create" else f"cloche {command.name}"
    if len(operands) < command.min_operands:
        missing = command.operands.split()[len(operands)]
        rest = f"choose one of {', '.join(command.choices)}" if command.choices else f"see `{name} --help`"
        raise UsageError(f"missing argument {missing}", hint=f"`{name} {command.operands}`; {rest}")
    if 0 <= command.max_operands < len(operands):
        raise UsageError(
            f"unexpected argument `{operands[command.max_operands]}`: {describe_limit(command)}",
            hint=f"see `{name} --help`",
        )
    for operand in operands[:1]:
        if command.choices and operand not in command.choices:
            near = nearest_command(operand, command.choices)
            choices = f"choose one of {', '.join(command.choices)}"
            raise UsageError(
                f"unknown argument `{operand}`", hint=f"did you mean `{name} {near}`?" if near else choices
            )


def describe_limit(command: CommandSpec) -> str:
    """Return how many arguments a command takes: `only one DEST is allowed`."""
    if command.choices and command.max_operands > 1:
        return f"at most {command.max_operands} arguments are allowed"
    names = ["argument"] if command.choices else command.operands.replace("[", "").replace("]", "").split()
    if not names:
        return f"`cloche {command.name}` takes no arguments"
    return f"only {' and '.join(names)} are allowed" if len(names) > 1 else f"only one {names[0]} is allowed"


def is_bare_word(word: str) -> bool:
    """Return whether a word could name a command: it starts with a letter and is not a path (`.venv`, `./venv`)."""
    return word[:1].isalpha() and "/" not in word and "\\" not in word


INSTALL = "`cloche run [ENV] -- pip install NAME` installs packages; `--seed NAME` installs one with a new environment"
REMOVE = "`cloche run [ENV] -- pip uninstall NAME` removes packages; to remove an environment, delete its directory"
CREATE = "`cloche DEST` creates an environment"
LIST = "`cloche doctor --find DIR` finds environments, `cloche pythons` interpreters, `cloche plugins` plugins"
MOVE = "`cloche move ENV DEST` moves an environment"

WORDS_OF_OTHER_TOOLS = {
    "add": INSTALL,
    "copy": "`cloche move --copy ENV DEST` copies an environment",
    "deactivate": "the activation scripts define `deactivate`; type it without `cloche`",
    "delete": REMOVE,
    "env": f"{CREATE}, `cloche info [ENV]` describes one; `cloche --help` lists all commands",
    "exec": "`cloche run [ENV] -- CMD` runs a command",
    "fix": "`cloche doctor --fix [ENV]` repairs an environment",
    "freeze": "`cloche run [ENV] -- pip freeze` lists the packages of an environment",
    "init": CREATE,
    "install": INSTALL,
    "list": LIST,
    "ls": LIST,
    "mv": MOVE,
    "new": CREATE,
    "pip": "`cloche run [ENV] -- pip` runs the pip of an environment",
    "remove": REMOVE,
    "rename": MOVE,
    "repair": "`cloche doctor --fix [ENV]` repairs an environment",
    "rm": REMOVE,
    "shell": "`cloche activate [ENV]` prints the command that activates an environment in your shell",
    "show": "`cloche info [ENV]` describes an environment",
    "sync": INSTALL,
    "uninstall": REMOVE,
    "update": "`cloche upgrade [ENV]` changes the Python of an environment",
    "use": "`cloche activate [ENV]` prints the command that activates an environment in your shell",
    "version": "`cloche --version` prints the version",
}
"""What to use instead of the words that people type out of habit, because they are commands of other tools."""


def refuse_misread_command(operands: Sequence[str]) -> None:
    """Refuse a first operand that is probably meant as a command, so that a typing error creates no environment.

    :raises UsageError: it is close to a command, or is a command of another tool.
    """
    word = operands[0]
    if not is_bare_word(word):
        return
    near = nearest_command(word, COMMANDS)
    advice = f"did you mean `cloche {near}`?" if near else WORDS_OF_OTHER_TOOLS.get(word.lower())
    if advice is not None:
        insisting = f"\n`./{word}` creates an environment of that name" if len(operands) == 1 else ""
        raise UsageError(f"unknown command `{word}`", hint=advice + insisting)


def nearest_command(word: str, names: Iterable[str]) -> str:
    """Return the name that a word is probably a misspelling or an abbreviation of; empty if no name is close.

    :param names: the names of commands, or the choices of one.
    """
    word = word.lower()
    if word in WORDS_OF_OTHER_TOOLS or not word.replace("-", "").isalpha():
        return ""
    for name in names:
        if is_one_edit_away(word, name) or (len(word) > 3 and name.startswith(word)):
            return name
    similar = [name for name in names if name[:2] == word[:2]] if len(word) > 5 else []
    if not similar:  # importing `difflib` takes longer than everything else here
        return ""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, similar, 1, 0.76)), "")


def is_one_edit_away(word: str, name: str) -> bool:
    """Return whether two words differ in one letter that is missing, superfluous or wrong, or in two that are swapped."""
    if not -2 < len(word) - len(name) < 2:
        return False
    start = 0
    while word[start : start + 1] == name[start : start + 1] != "":
        start += 1
    end = 0
    while end < min(len(word), len(name)) - start and word[-1 - end] == name[-1 - end]:
        end += 1
    ours, theirs = word[start : len(word) - end], name[start : len(name) - end]
    return (len(ours) < 2 and len(theirs) < 2) or (len(ours) == 2 and ours == theirs[::-1])
