"""The generated parts of the reference: the Sphinx extension that replaces each `<!-- generated: NAME -->`.

The text comes from tables and docstrings in the source. This module adds no descriptions.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import cloche
import cloche_errors
from cloche import errors, testing
from cloche.cli.commands import COMMANDS, COMMON
from cloche.cli.help import EXAMPLES_OF
from cloche.plugins import hookspecs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sphinx.application import Sphinx

    from cloche.cli.commands import CommandSpec
    from cloche.model.options import Option

SINCE = re.compile(r"^:since: (.+)$", re.MULTILINE)
MARKER = re.compile(r"^<!-- generated: ([a-z-]+)(?: (\w+))? -->$", re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", lambda _app, _page, source: source.__setitem__(0, expand_markers(source[0])))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def expand_markers(text: str) -> str:
    """Return the text of a page with its markers replaced by what they name.

    :raises KeyError: a marker has an unknown name.
    :raises AttributeError: a marker names a hook or class that does not exist.
    """
    return MARKER.sub(
        lambda marker: GENERATORS_FOR[marker[1]](marker[2]) if marker[2] else GENERATORS[marker[1]](), text
    )


# The command line


def commands() -> str:
    """Return a section for each command, with one table for each group of options in its help."""
    return "\n".join("\n".join(command_lines(command)) for command in COMMANDS.values())


def command_lines(command: CommandSpec) -> Iterator[str]:
    yield f"(command-{command.name})=\n\n### `{usage(command)}`\n"
    yield f"{as_sentence(command.summary)}\n"
    if command.name == "create":
        yield "You can also write `cloche create DEST`.\n"
    yield "```sh"
    yield "\n\n".join(f"# {text.replace('`', '')}\n{line}" for line, text in EXAMPLES_OF[command.name])
    yield "```\n"
    yield from tables_by_group([option for option in command.options if not option.hidden])
    if command.ineffective:
        names = ", ".join(f"`--{name}`" for name in command.ineffective)
        yield f"It accepts {names} like every command, but they have no effect.\n"


def usage(command: CommandSpec) -> str:
    """Return the usage of a command: `cloche run ENV -- CMD`."""
    name = "cloche" if command.name == "create" else f"cloche {command.name}"
    return " ".join(filter(None, [name, command.operands, f"-- {command.rest}" if command.rest else ""]))


def common_options() -> str:
    """Return the options that every command accepts."""
    return "\n".join(tables_by_group(COMMON))


def virtualenv_options() -> str:
    """Return the options of virtualenv that cloche accepts."""
    hidden = [option for command in COMMANDS.values() for option in command.options if option.hidden]
    return "\n".join(option_table("", hidden))


def tables_by_group(options: Sequence[Option]) -> Iterator[str]:
    for group in dict.fromkeys(option.group for option in options):
        yield from option_table(group, (option for option in options if option.group == group))


def option_table(title: str, options: Iterable[Option]) -> Iterator[str]:
    """Yield the lines of a table of options, with the variable of each."""
    if title:
        yield f"**{title[0].upper()}{title[1:]}**\n"
    yield "| option | what it does | variable |\n| --- | --- | --- |"
    for option in options:
        variable = f"`{variable_of(option)}`" if option.sources == "all" else ""
        yield f"| {spellings(option)} | {escape_cell(description(option))} | {variable} |"
    yield ""


def variable_of(option: Option) -> str:
    return f"CLOCHE_{option.name.upper().replace('-', '_')}"


def spellings(option: Option) -> str:
    """Return the spellings of an option: `-p SPEC`, `--python SPEC`."""
    value = "" if option.kind in ("flag", "count") else f" {option.metavar or 'VALUE'}"
    names = [*([f"-{option.short}"] if option.short else []), f"--{option.name}"]
    return ", ".join(f"`{name}{value}`" for name in names)


def description(option: Option) -> str:
    choices = f": {', '.join(f'`{choice}`' for choice in option.choices)}" if option.choices else ""
    repeat = "; may be repeated" if option.kind in ("list", "count") else ""
    return f"{option.help}{choices}{repeat}"


# Hooks and errors


def hook_section(name: str) -> str:
    """Return the signature of a hook and its docstring."""
    function = getattr(hookspecs, name)
    return f"```python\n{signature_of(name, function)}\n```\n\n{docstring_as_markdown(inspect.getdoc(function))}\n"


def protocol_section(name: str) -> str:
    """Return a section about a protocol or value class that hooks use."""
    return class_section(getattr(hookspecs, name, None) or getattr(cloche, name))


def hook_table() -> str:
    """Return a table of all hooks."""
    lines = ["| hook | what it does | since |", "| --- | --- | --- |"]
    for name, function in vars(hookspecs).items():
        if name.startswith("cloche_"):
            text = str(inspect.getdoc(function))
            purpose = " ".join(text.partition("\n\n")[0].split())
            (since,) = SINCE.findall(text)
            lines.append(f"| [`{name}`](hooks/{name}.md) | {escape_cell(purpose)} | {since} |")
    return "\n".join(lines)


def error_table() -> str:
    """Return a table of all error classes with their exit codes, in the order of the source."""
    lines = ["| error | exit code | when |", "| --- | --- | --- |"]
    for name, item in vars(errors).items():
        if inspect.isclass(item) and issubclass(item, errors.ClocheError):
            lines.append(
                f"| `{name}` | {item.exit_code} | {escape_cell(' '.join(str(inspect.getdoc(item)).split()))} |"
            )
    return "\n".join(lines)


# The Python interface


def functions() -> str:
    """Return a section for each public function of `cloche`."""
    return "\n".join(function_section(name, item) for name, item in public_names() if inspect.isfunction(item))


def values() -> str:
    """Return a section for each public value class of `cloche`."""
    on_other_pages = {"Command", "Descriptor", "Option"}
    return "\n".join(
        class_section(item) if item.__name__ == name else f"### `{name}`\n\n{definitions(item)[name].text}\n"
        for name, item in public_names()
        if inspect.isclass(item) and not issubclass(item, Exception) and name not in on_other_pages
    )


def contract_kit() -> str:
    """Return a section for each public function and class of `cloche.testing`, and a list of the constants."""
    members = [(name, getattr(testing, name)) for name in testing.__all__]
    constants = [
        f"- `{name}`: {', '.join(f'`{text}`' for text in item)}" for name, item in members if not callable(item)
    ]
    return "\n".join(
        [
            *(function_section(name, item) for name, item in members if inspect.isfunction(item)),
            *(class_section(item) for _, item in members if inspect.isclass(item)),
            *constants,
        ]
    )


def function_section(name: str, function: Callable[..., object]) -> str:
    return f"### `{signature_of(name, function)}`\n\n{docstring_as_markdown(inspect.getdoc(function))}\n"


def public_names() -> Iterator[tuple[str, object]]:
    for name in cloche.__all__:
        yield name, getattr(cloche, name)


def class_section(item: type) -> str:
    """Return a section about a class: its docstring, fields, properties and public methods."""
    lines = [f"### `{item.__name__}`\n", docstring_as_markdown(inspect.getdoc(item)), ""]
    aliases = {**definitions_in_model(), **definitions(item)}
    lines += [field_line(*field, aliases) for field in fields(item)]
    for name, method in vars(item).items():
        if isinstance(method, property):
            annotation = str(method.fget.__annotations__["return"])
            lines.append(field_line(name, annotation, inspect.getdoc(method) or "", aliases))
    for name, method in vars(item).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            lines += ["", f"`{signature_of(name, method)}`\n", docstring_as_markdown(inspect.getdoc(method))]
    return "\n".join([*lines, ""])


def field_line(name: str, annotation: str, text: str, aliases: Mapping[str, Definition]) -> str:
    """Return a line about a field. If its type is an alias, the alias says which values there are, and what they mean."""
    alias = aliases.get(annotation.removesuffix(" | None"), Definition("", ()))
    parts = [" ".join((text or alias.text).split())]
    if alias.values:
        parts.append(f"One of {', '.join(f'`{one}`' for one in alias.values)}.")
    described = " ".join(filter(None, parts))
    return f"- `{name}: {annotation}`" + (f" — {described}" if described else "")


class Definition(NamedTuple):
    """A name that a module defines by an assignment."""

    text: str
    """The docstring after it; empty if it has none."""
    values: tuple[str, ...]
    """The values of a `Literal`; empty for anything else."""


def definitions(item: type) -> dict[str, Definition]:
    """Return the documented names and the type aliases in the module of a class."""
    return definitions_in(Path(inspect.getfile(item)))


@cache
def definitions_in(path: Path) -> dict[str, Definition]:
    """Return the names that a module defines by an assignment, also in `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {}
    for block in (node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.If))):
        for node, following in zip(block.body, [*block.body[1:], None], strict=True):
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                literal = re.fullmatch(r"Literal\[\(?(.*?)\)?\]", ast.unparse(node.value))
                choices = ast.literal_eval(f"({literal[1]},)") if literal else ()
                found[ast.unparse(target)] = Definition(docstring_of(following), choices)
    return found


def definitions_in_model() -> dict[str, Definition]:
    """Return the type aliases of all values."""
    directory = Path(str(cloche.__file__)).parent / "model"
    return {name: found for path in sorted(directory.glob("*.py")) for name, found in definitions_in(path).items()}


def fields(item: type) -> Iterator[tuple[str, str, str]]:
    """Yield the name, annotation and docstring of every field in the source of a class."""
    (definition,) = ast.parse(inspect.getsource(item)).body
    assert isinstance(definition, ast.ClassDef)
    for node, following in zip(definition.body, [*definition.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, ast.unparse(node.annotation), docstring_of(following)


def docstring_of(following: ast.stmt | None) -> str:
    """Return the docstring of a name, given the statement after its definition; empty if that is something else."""
    documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
    return str(following.value.value) if documented else ""


# Speed and changes

DOCS = Path(__file__).parent.parent

TASKS = {
    "seeded": "create an environment with pip",
    "first-pip": "the same, then start pip for the first time",
    "unseeded": "create an environment without pip",
    "cold": "create one with pip when nothing is cached, as in a new container",
    "cold-first-pip": "the same, then start pip for the first time",
}
"""What users do, by the name of the row in the benchmarks."""


def speed() -> str:
    """Return a table of the measured medians of what users do, with the fastest of each row in bold."""
    measured = json.loads((DOCS / "_static/speed.json").read_text(encoding="utf-8"))
    peers = ("cloche", "uv", "virtualenv", "venv")
    lines = [f"| milliseconds | {' | '.join(peers)} |", f"| --- |{' ---: |' * len(peers)}"]
    for name, task in TASKS.items():
        times = {
            peer: median(second for second in seconds if second is not None) * 1000
            for peer, seconds in measured["seconds"][name].items()
            if peer in peers
        }
        cells = [f"{times[peer]:,.0f}".replace(",", "\u202f") if peer in times else "" for peer in peers]
        best = list(peers).index(min(times, key=lambda peer: times[peer]))
        cells[best] = f"**{cells[best]}**"
        lines.append(f"| {task} | {' | '.join(cells)} |")
    machine = measured["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    conditions = (
        f"Medians, measured on {measured['measured']} on an idle machine with {machine['cores']} cores "
        f"({machine['processor']}, {machine['filesystem']}): {machine['python']}, {versions}."
    )
    return "\n".join([*lines, "", conditions])


def changes() -> str:
    """Return the changes that are not released yet, one list for each kind."""
    lines = []
    for kind in ("added", "changed", "fixed"):
        fragments = sorted((DOCS / "changelog").glob(f"*.{kind}.md"))
        entries = [" ".join(path.read_text(encoding="utf-8").split()) for path in fragments]
        lines += [f"### {kind.capitalize()}\n", *(f"- {entry}" for entry in entries), ""]
    return "\n".join(lines)


# Text


def signature_of(name: str, function: Callable[..., object]) -> str:
    """Return a signature as in the source, without `self` and without quotes around annotations."""
    signature = inspect.signature(function)
    parameters = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    returns = signature.empty if signature.return_annotation == "None" else signature.return_annotation
    text = str(signature.replace(parameters=parameters, return_annotation=returns))
    return name + re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)


def docstring_as_markdown(text: str | None) -> str:
    """Return a docstring as Markdown, with parameters and exceptions as a list and the example as a code block."""
    lines: list[str] = []
    fence = ""
    for line in (text or "").splitlines():
        if match := re.match(r":(param|raises) ([\w.]+): (.*)", line):
            if lines and lines[-1] and not lines[-1].startswith("- "):
                lines.append("")
            lines.append(f"- {'raises ' if match[1] == 'raises' else ''}`{match[2]}`: {match[3]}")
        elif lines and re.match(r"- (raises )?`", lines[-1]) and line.startswith("    "):
            lines[-1] += f" {line.strip()}"
        elif match := SINCE.match(line):
            lines.append(f"Since cloche {match[1]}.")
        elif line.endswith("::"):
            lines += [line.removesuffix(":"), "", "```python"]
            fence = "```"
        elif line or lines[-1] != "```python":
            lines.append(line.removeprefix("    ") if fence else line)
    return "\n".join([*lines, fence])


def as_sentence(fragment: str) -> str:
    return f"{fragment[0].upper()}{fragment[1:]}."


def escape_cell(cell: str) -> str:
    return cell.replace("|", "\\|")


GENERATORS_FOR: dict[str, Callable[[str], str]] = {"hook": hook_section, "protocol": protocol_section}
GENERATORS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "common-options": common_options,
    "virtualenv-options": virtualenv_options,
    "hooks": hook_table,
    "errors": error_table,
    "messages": cloche_errors.message_index,
    "functions": functions,
    "values": values,
    "speed": speed,
    "changes": changes,
    "contract-kit": contract_kit,
}
