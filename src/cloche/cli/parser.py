"""Parse a command line with the tables of commands and options, without interpreting the values.

Importing `argparse` would take 7 ms.
"""

from __future__ import annotations

import os

from cloche.cli.command_spec import COMMON, CREATE, CommandSpec
from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING, Value, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    """The arguments after `--`, for a command that passes them on."""
    is_named: bool = False
    """Whether the command was named; otherwise it is `create`."""
    command_index: int = -1
    """Index in argv of a first operand that may name a plugin's command; -1 if there is none."""
    given_before: Mapping[str, tuple[str, ...]] = {}
    """Like `given`, for the options before that operand."""
    unknown: tuple[UnknownOption, ...] = ()
    problem: UsageError | None = None
    """The first error in an option."""

    def flag(self, name: str) -> bool:
        return self.given.get(name, ("false",))[-1] == "true"

    def count(self, name: str) -> int:
        return len(self.given.get(name, ()))

    def check(self) -> None:
        """Refuse invalid arguments.

        :raises UsageError: an option is unknown or has an invalid value, or there are too few or too many operands.
        """
        wants_text = self.flag("help") or self.flag("version")
        if self.command_index >= 0 and not wants_text and is_bare_word(self.operands[0]):
            from cloche.cli.mistakes import refuse_misread_command

            refuse_misread_command(self.operands)
        for word in () if self.command.rest or self.command.takes_text else self.operands:
            if word == "-" or word[:1] > "\x7f":
                from cloche.cli.mistakes import refuse_dash

                refuse_dash(word)
        if self.problem is not None:
            raise self.problem
        for option in self.unknown:
            from cloche.cli.mistakes import unknown_option

            spelling, _, _ = split_option(option.word)
            raise unknown_option(spelling, options_by_spelling(options_of(self.command)), self.command)
        if not wants_text:
            check_operands(self)


def parse_arguments(argv: Sequence[str]) -> ParsedArguments:
    """Parse a command line; options may come before or after operands."""
    command, is_named = CREATE, False
    table = options_by_spelling((*command.own_options, *COMMON))
    given: dict[str, list[str]] = {}
    given_before: dict[str, tuple[str, ...]] = {}
    operands: list[str] = []
    rest: list[str] = []
    command_index = -1
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
        elif not (is_named or operands or unknown) and (named := command_of(word)):
            command, is_named = named, True
            table = options_by_spelling(options_of(command) if given else (*command.own_options, *COMMON))
            misplaced = [name for name in given if f"--{name}" not in table]
            if misplaced and not problem:
                from cloche.cli.mistakes import unknown_option

                problem = unknown_option(f"--{misplaced[0]}", table, command)
        else:
            if not (is_named or operands or unknown or problem):
                command_index = len(argv) - len(queue) - 1
                given_before = {name: tuple(values) for name, values in given.items()}
            operands.append(word)
            if command.rest and len(operands) > command.max_operands >= 0:
                rest = [operands.pop(), *queue[::-1]]
                break
    if rest and not command.rest:
        operands, rest = operands + rest, []
    values = {name: tuple(texts) for name, texts in given.items()}
    return ParsedArguments(
        command, values, tuple(operands), tuple(rest), is_named, command_index, given_before, tuple(unknown), problem
    )


def command_of(word: str) -> CommandSpec | None:
    """Return the command that a word names, if any. The table of commands is loaded only for a word that may name one."""
    if not is_bare_word(word):
        return None
    from cloche.cli.commands import COMMANDS

    return COMMANDS.get(word)


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
    return (*command.options, *command.accepted_common_options)


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


def is_known_option(word: str, table: Mapping[str, Option]) -> bool:
    """Return whether a word is exactly one option: `-q`, `--clear` or `--python=3.12`."""
    return word in table or (word.startswith("--") and split_option(word)[0] in table)


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
    if not (joined or text) and queue and is_known_option(queue[-1], table):
        start = spelling if spelling[1] != "-" else f"{spelling}="
        raise UsageError(
            f"`{spelling}` needs a value, but is followed by the option `{queue[-1]}`",
            hint=f"write `{spelling} {option.metavar or 'VALUE'}`; if that is the value, write `{start}{queue[-1]}`",
        )
    value = attached if joined or text else (queue.pop() if queue else None)
    if value is None or (option.is_path and not value.strip()):
        raise UsageError(f"`{spelling}` needs a value", hint=f"write `{spelling} {option.metavar or 'VALUE'}`")
    if option.is_path:
        value = expand_home(value)
    given.setdefault(name, []).append(value)
    if option.choices and value not in option.choices:
        raise UsageError(f"invalid value `{value}` for `{spelling}`", hint=f"choose one of {', '.join(option.choices)}")
    return True


def expand_home(path: str) -> str:
    """Return a path with `~` expanded: no shell has done so in `--cache-dir=~/cache`, in a variable or in a file."""
    return os.path.expanduser(path) if path.startswith("~") else path


def check_operands(arguments: ParsedArguments) -> None:
    """Refuse invalid operands.

    :raises UsageError: there are too few or too many of them, or the first one is not one of the choices.
    """
    command, operands = arguments.command, arguments.operands
    name = "cloche" if command.name == "create" else f"cloche {command.name}"
    if len(operands) < command.min_operands:
        missing = command.operands.split()[len(operands)]
        rest = f"choose one of {', '.join(command.choices)}" if command.choices else f"see `{name} --help`"
        raise UsageError(f"missing argument {missing}", hint=f"`{name} {command.operands}`; {rest}")
    if 0 <= command.max_operands < len(operands):
        from cloche.cli.mistakes import describe_limit

        raise UsageError(
            f"unexpected argument `{operands[command.max_operands]}`: {describe_limit(command)}",
            hint=f"see `{name} --help`",
        )
    for operand in operands[:1]:
        if command.choices and operand not in command.choices:
            from cloche.cli.mistakes import nearest_command

            near = nearest_command(operand, command.choices)
            choices = f"choose one of {', '.join(command.choices)}"
            raise UsageError(
                f"unknown argument `{operand}`", hint=f"did you mean `{name} {near}`?" if near else choices
            )


def is_bare_word(word: str) -> bool:
    """Return whether a word could name a command: it starts with a letter and is not a path (`.venv`, `./venv`)."""
    return word[:1].isalpha() and "/" not in word and "\\" not in word
