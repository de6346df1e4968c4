"""Generate the reference from the program: a function here replaces each `<!-- generated: NAME -->` in a page.

The text comes from tables and docstrings. This module adds no descriptions of its own.
"""

from __future__ import annotations

import ast
import inspect
import re
from typing import TYPE_CHECKING

import cloche
import cloche_errors
from cloche import errors, testing
from cloche.cli.commands import COMMANDS, COMMON
from cloche.plugins import hookspecs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sphinx.application import Sphinx

    from cloche.cli.commands import CommandSpec
    from cloche.model.options import Option

SINCE = re.compile(r"^:since: (.+)$", re.MULTILINE)
MARKER = re.compile(r"^<!-- generated: ([a-z-]+)(?: (\w+))? -->$", re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", lambda _app, _page, source: source.__setitem__(0, fill(source[0])))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def fill(text: str) -> str:
    """Return a page with all of its markers replaced.

    :raises KeyError: no function has the name in a marker.
    :raises AttributeError: a marker names a hook or a class that does not exist.
    """
    return MARKER.sub(lambda marker: ABOUT[marker[1]](marker[2]) if marker[2] else GENERATORS[marker[1]](), text)


# The command line


def commands() -> str:
    """Return every command with its options, one table for each heading of its help."""
    return "\n".join("\n".join(command_lines(command)) for command in COMMANDS.values())


def command_lines(command: CommandSpec) -> Iterator[str]:
    yield f"(command-{command.name})=\n\n### `{usage(command)}`\n"
    yield f"{sentence(command.summary)}\n"
    if command.name == "create":
        yield "You can also write `cloche create DEST`.\n"
    yield from by_group([option for option in command.options if not option.hidden])


def usage(command: CommandSpec) -> str:
    """Return the usage of a command: `cloche run ENV -- CMD`."""
    name = "cloche" if command.name == "create" else f"cloche {command.name}"
    return " ".join(filter(None, [name, command.operands, f"-- {command.rest}" if command.rest else ""]))


def common_options() -> str:
    """Return the options that every command accepts."""
    return "\n".join(by_group(COMMON))


def virtualenv_options() -> str:
    """Return the options of virtualenv that cloche accepts."""
    hidden = [option for command in COMMANDS.values() for option in command.options if option.hidden]
    return "\n".join(table("", hidden))


def by_group(options: Sequence[Option]) -> Iterator[str]:
    for group in dict.fromkeys(option.group for option in options):
        yield from table(group, (option for option in options if option.group == group))


def table(title: str, options: Iterable[Option]) -> Iterator[str]:
    """Yield the lines of a table of options, with the variable of each."""
    if title:
        yield f"**{title[0].upper()}{title[1:]}**\n"
    yield "| option | what it does | variable |\n| --- | --- | --- |"
    for option in options:
        variable = f"`{variable_of(option)}`" if option.sources == "all" else ""
        yield f"| {spellings(option)} | {escaped(meaning(option))} | {variable} |"
    yield ""


def variable_of(option: Option) -> str:
    return f"CLOCHE_{option.name.upper().replace('-', '_')}"


def spellings(option: Option) -> str:
    """Return the spellings of an option: `-p SPEC`, `--python SPEC`."""
    value = "" if option.kind in ("flag", "count") else f" {option.metavar or 'VALUE'}"
    names = [*([f"-{option.short}"] if option.short else []), f"--{option.name}"]
    return ", ".join(f"`{name}{value}`" for name in names)


def meaning(option: Option) -> str:
    choices = f": {', '.join(f'`{choice}`' for choice in option.choices)}" if option.choices else ""
    repeat = "; may be repeated" if option.kind in ("list", "count") else ""
    return f"{option.help}{choices}{repeat}"


# Hooks and errors


def hook(name: str) -> str:
    """Return one hook: its signature, purpose, first version and example."""
    function = getattr(hookspecs, name)
    return f"```python\n{signature(name, function)}\n```\n\n{prose(inspect.getdoc(function))}\n"


def protocol(name: str) -> str:
    """Return what a hook returns: a protocol with its methods, or a value with its fields."""
    return described(getattr(hookspecs, name, None) or getattr(cloche, name))


def hooks() -> str:
    """Return a table of all hooks."""
    lines = ["| hook | what it is for | since |", "| --- | --- | --- |"]
    for name, function in vars(hookspecs).items():
        if name.startswith("cloche_"):
            text = str(inspect.getdoc(function))
            purpose = " ".join(text.partition("\n\n")[0].split())
            (since,) = SINCE.findall(text)
            lines.append(f"| [`{name}`](hooks/{name}.md) | {escaped(purpose)} | {since} |")
    return "\n".join(lines)


def error_classes() -> str:
    """Return a table of all errors with their exit codes, in the order of the source."""
    lines = ["| error | exit code | when |", "| --- | --- | --- |"]
    for name, item in vars(errors).items():
        if inspect.isclass(item) and issubclass(item, errors.ClocheError):
            lines.append(f"| `{name}` | {item.exit_code} | {escaped(' '.join(str(inspect.getdoc(item)).split()))} |")
    return "\n".join(lines)


# The Python interface


def functions() -> str:
    """Return every function of the facade."""
    return "\n".join(described_function(name, item) for name, item in facade() if inspect.isfunction(item))


def values() -> str:
    """Return every value of the facade with its fields."""
    elsewhere = {"Command", "Descriptor", "Option"}
    return "\n".join(
        described(item)
        for name, item in facade()
        if inspect.isclass(item) and not issubclass(item, Exception) and name not in elsewhere
    )


def contract_kit() -> str:
    """Return everything in `cloche.testing`, functions first."""
    offered = [(name, getattr(testing, name)) for name in testing.__all__]
    constants = [f"- `{name}`: {', '.join(f'`{one}`' for one in item)}" for name, item in offered if not callable(item)]
    return "\n".join(
        [
            *(described_function(name, item) for name, item in offered if inspect.isfunction(item)),
            *(described(item) for _, item in offered if inspect.isclass(item)),
            *constants,
        ]
    )


def described_function(name: str, function: Callable[..., object]) -> str:
    return f"### `{signature(name, function)}`\n\n{prose(inspect.getdoc(function))}\n"


def facade() -> Iterator[tuple[str, object]]:
    for name in cloche.__all__:
        yield name, getattr(cloche, name)


def described(item: type) -> str:
    """Return a class: its docstring, fields, properties and public methods."""
    lines = [f"### `{item.__name__}`\n", prose(inspect.getdoc(item)), ""]
    lines += [field_line(*field) for field in fields(item)]
    for name, method in vars(item).items():
        if isinstance(method, property):
            lines.append(field_line(name, str(method.fget.__annotations__["return"]), inspect.getdoc(method) or ""))
    for name, method in vars(item).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            lines += ["", f"`{signature(name, method)}`\n", prose(inspect.getdoc(method))]
    return "\n".join([*lines, ""])


def field_line(name: str, annotation: str, text: str) -> str:
    return f"- `{name}: {annotation}`" + (f" — {' '.join(text.split())}" if text else "")


def fields(item: type) -> Iterator[tuple[str, str, str]]:
    """Yield the name, annotation and docstring of every field in the source of a class."""
    (definition,) = ast.parse(inspect.getsource(item)).body
    assert isinstance(definition, ast.ClassDef)
    for node, following in zip(definition.body, [*definition.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            text = str(following.value.value) if documented else ""
            yield node.target.id, ast.unparse(node.annotation), text


# Words


def signature(name: str, function: Callable[..., object]) -> str:
    """Return a signature as in the source, without `self` and without quotes around annotations."""
    given = inspect.signature(function)
    parameters = [one for one in given.parameters.values() if one.name != "self"]
    returns = given.empty if given.return_annotation == "None" else given.return_annotation
    text = str(given.replace(parameters=parameters, return_annotation=returns))
    return name + re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)


def prose(text: str | None) -> str:
    """Return a docstring as Markdown, with parameters and errors as a list and an example as a block."""
    lines: list[str] = []
    fence = ""
    for line in (text or "").splitlines():
        if match := re.match(r":(param|raises) ([\w.]+): (.*)", line):
            if lines and lines[-1] and not lines[-1].startswith("- "):
                lines.append("")
            lines.append(f"- {'raises ' if match[1] == 'raises' else ''}`{match[2]}`: {match[3]}")
        elif match := SINCE.match(line):
            lines.append(f"Since cloche {match[1]}.")
        elif line.endswith("::"):
            lines += [line.removesuffix(":"), "", "```python"]
            fence = "```"
        elif line or lines[-1] != "```python":
            lines.append(line.removeprefix("    ") if fence else line)
    return "\n".join([*lines, fence])


def sentence(fragment: str) -> str:
    return f"{fragment[0].upper()}{fragment[1:]}."


def escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


ABOUT: dict[str, Callable[[str], str]] = {"hook": hook, "protocol": protocol}
GENERATORS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "common-options": common_options,
    "virtualenv-options": virtualenv_options,
    "hooks": hooks,
    "errors": error_classes,
    "messages": cloche_errors.index,
    "functions": functions,
    "values": values,
    "contract-kit": contract_kit,
}
