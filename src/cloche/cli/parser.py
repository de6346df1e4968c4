"""Take a command line apart by the tables of `cloche.cli.commands`; what the words mean is decided elsewhere.

`argparse` would cost a run 7 ms.
"""

from __future__ import annotations

from cloche.cli.commands import COMMANDS, COMMON, CommandSpec
from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche.model.options import Option


@value
class ParsedArguments:
    """A command line taken apart."""

    verb: CommandSpec
    given: Mapping[str, tuple[str, ...]]
    """Values by option name, in the order given; a flag that stands there has `true`."""
    operands: tuple[str, ...]
    rest: tuple[str, ...] = ()
    """What stands after `--` for a command that hands it on."""

    def flag(self, name: str) -> bool:
        return self.given.get(name, ("false",))[-1] == "true"

    def count(self, name: str) -> int:
        return len(self.given.get(name, ()))


def parse(
    argv: Sequence[str], extra: Sequence[Option] = (), verbs: Mapping[str, CommandSpec] = COMMANDS
) -> ParsedArguments:
    """Return what a command line says; options may stand before or after operands.

    :param extra: options that plugins declare, for `create`.
    :raises UsageError: it names an option that there is not, or lacks a value or an operand, or has one too many.
    """
    verb = verbs["create"]
    table = by_spelling((*COMMON, *verb.options, *extra))
    given: dict[str, list[str]] = {}
    operands: list[str] = []
    rest: list[str] = []
    named = False
    queue = list(reversed(argv))
    while queue:
        word = queue.pop()
        if word == "--":
            rest = queue[::-1]
            break
        if word.startswith("-") and word != "-":
            take(word, queue, table, given, verb)
        elif not named and not operands and word in verbs:
            named, verb = True, verbs[word]
            table = by_spelling((*COMMON, *verb.options, *(extra if verb.name == "create" else ())))
            for name in given:
                if f"--{name}" not in table:
                    raise unknown(f"--{name}", table, verb)
        else:
            operands.append(word)
            if verb.rest and len(operands) > verb.most >= 0:
                rest = [operands.pop(), *queue[::-1]]
                break
    if rest and not verb.rest:
        operands, rest = operands + rest, []
    words = ParsedArguments(verb, {name: tuple(values) for name, values in given.items()}, tuple(operands), tuple(rest))
    if not (words.flag("help") or words.flag("version")):
        check_operands(words)
    return words


def first_operand(argv: Sequence[str]) -> int:
    """Return the number of the first word that is neither an option nor its value; that of words if there is none."""
    verb = COMMANDS["create"]
    table = by_spelling((*COMMON, *verb.options))
    queue = list(reversed(argv))
    while queue and queue[-1].startswith("-") and queue[-1] not in ("-", "--"):
        try:
            take(queue.pop(), queue, table, {}, verb)
        except UsageError:
            return len(argv)
    return len(argv) if queue and queue[-1] == "--" else len(argv) - len(queue)


def by_spelling(options: Sequence[Option]) -> dict[str, Option]:
    """Return a table of options by everything that may stand for them on a command line."""
    table = {f"--{option.name}": option for option in options}
    table.update((f"-{option.short}", option) for option in options if option.short)
    return table


def take(
    word: str, queue: list[str], table: Mapping[str, Option], given: dict[str, list[str]], verb: CommandSpec
) -> None:
    """Take one option with its value from the queue (which is reversed) into `given`.

    :raises UsageError: there is no such option, it lacks its value, or has one where it takes none.
    """
    spelling, joined, text = word.partition("=") if word.startswith("--") else (word[:2], "", word[2:])
    option = table.get(spelling)
    if option is None:
        raise unknown(spelling, table, verb)
    name = option.alias_of or option.name
    if option.kind in ("flag", "count"):
        if joined:
            raise UsageError(f"`{spelling}` takes no value", hint=f"write `{spelling}` alone")
        if text:  # `-vq` is `-v -q`
            queue.append(f"-{text}")
        for implied, implication in option.implies or ((name, "true"),):
            given.setdefault(implied, []).append(implication)
        return
    attached = text if spelling[1] == "-" else text.removeprefix("=")
    value = attached if joined or text else (queue.pop() if queue else None)
    if value is None or (option.is_path and not value.strip()):
        raise UsageError(f"`{spelling}` needs a value", hint=f"`{spelling} {option.metavar or 'VALUE'}`")
    if option.choices and value not in option.choices:
        raise UsageError(f"`{spelling}` cannot be `{value}`", hint=f"choose one of {', '.join(option.choices)}")
    given.setdefault(name, []).append(value)


def unknown(spelling: str, table: Mapping[str, Option], verb: CommandSpec) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(spelling, table, 1)
    command = "" if verb.name == "create" else f"{verb.name} "
    hint = f"did you mean `{near[0]}`?" if near else f"`cloche {command}--help` lists what there is"
    return UsageError(f"there is no option `{spelling}`", hint=hint)


def misspelt(words: ParsedArguments) -> str:
    """Return a hint at the command that the first of too many operands may have been meant for; empty if at none."""
    from difflib import get_close_matches

    near = get_close_matches(words.operands[0], COMMANDS, 1) if words.verb.name == "create" else []
    return f"did you mean `cloche {near[0]}`?" if near else ""


def check_operands(words: ParsedArguments) -> None:
    """:raises UsageError: there are too few operands, or too many."""
    verb, count = words.verb, len(words.operands)
    command = "cloche" if verb.name == "create" else f"cloche {verb.name}"
    if count < verb.least:
        what = {"create": "the directory to make", "cache": "what to do"}.get(verb.name, verb.operands)
        raise UsageError(
            f"`{command}` needs {what}", hint=f"`{command} {verb.operands}`; `{command} --help` tells more"
        )
    if 0 <= verb.most < count:
        raise UsageError(
            f"`{command}` takes {verb.operands or 'no operand'}, and got `{words.operands[verb.most]}` as well",
            hint=misspelt(words) or f"`{command} --help` tells more",
        )
    for operand in words.operands[:1]:
        if verb.choices and operand not in verb.choices:
            raise UsageError(f"`{command}` does not know `{operand}`", hint=f"choose one of {', '.join(verb.choices)}")
