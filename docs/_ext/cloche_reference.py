"""The generated parts of the reference: the Sphinx extension that replaces each `<!-- generated: NAME -->`.

The text comes from tables and docstrings in the source. This module adds no descriptions.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from pathlib import Path
from statistics import median
from types import GenericAlias
from typing import TYPE_CHECKING, get_args

import cloche
import cloche_errors
from cloche import Environment, errors, testing
from cloche.api.spelling import ARGUMENTS
from cloche.builtin import activators
from cloche.cli.command_spec import COMMON
from cloche.cli.commands import COMMANDS
from cloche.cli.help import EXAMPLES_OF
from cloche.model import aliases, operations
from cloche.plugins import hookspecs
from cloche.shells import posix
from cloche.testing import checks, fakes, hostile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

    from sphinx.application import Sphinx

    from cloche.cli.command_spec import CommandSpec
    from cloche.model.options import Option

PLUGINS = Path(__file__).parent.parent.parent / "plugins"

SINCE = re.compile(r"^:since: (.+)$", re.MULTILINE)
SLOT = re.compile(r"^- `(\w+)`: (.+(?:\n  .+)*?)[;.]$", re.MULTILINE)
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
    different = (option for option in command.accepted_common_options if option not in COMMON)
    yield from tables_by_group([*(option for option in command.options if not option.hidden), *different])
    if command.ineffective:
        *others, last = (f"`--{name}`" for name in command.ineffective)
        yield f"Like every command, it accepts {', '.join(others)} and {last}, but they have no effect.\n"


def usage(command: CommandSpec) -> str:
    """Return the usage of a command: `cloche run ENV -- CMD`."""
    name = "cloche" if command.name == "create" else f"cloche {command.name}"
    return " ".join(filter(None, [name, command.synopsis]))


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
    return in_module("cloche.plugins.hookspecs", [function_section(name, getattr(hookspecs, name))])


def protocol_section(name: str) -> str:
    """Return a section about a protocol or value class that hooks use."""
    item = getattr(cloche, name)
    is_elsewhere = item in value_classes()
    return in_module("cloche", [class_section(name, item, [":no-index:"] if is_elsewhere else [])])


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
    """Return a table of all error classes with their exit codes, in the order of the source, and a section for each."""
    lines = ["| error | exit code | when |", "| --- | --- | --- |"]
    sections = []
    for name, item in vars(errors).items():
        if inspect.isclass(item) and issubclass(item, errors.ClocheError):
            text = inspect.getdoc(item)
            lines.append(f"| `{name}` | {item.exit_code} | {escape_cell(' '.join(str(text).split()))} |")
            options = [f":canonical: {item.__module__}.{name}"]
            sections.append(directive("exception", name, options, f"Exit code {item.exit_code}. {as_markdown(text)}"))
    return "\n".join([*lines, "", in_module("cloche", sections)])


# The Python interface

ELSEWHERE: Mapping[str, str] = {
    "dry-run": "`cloche.plan(…)`",
    "no-plugin": "the variable `CLOCHE_DISABLE_PLUGINS`",
    "no-plugins": "the variable `CLOCHE_DISABLE_PLUGINS=*`",
    "json": "the fields of the result",
    "quiet": "the logger `cloche`, or `create_with_result`",
    "verbose": "the logger `cloche`, or `create_with_result`",
    "traceback": "an exception has a traceback",
    "version": "`cloche.__version__`",
    "help": "`help(cloche.create)`",
}
"""What corresponds to the options that have no argument."""


def flag_table() -> str:
    """Return a table of the options of `cloche DEST` with the arguments of `cloche.create`.

    :raises KeyError: an option is in none of the tables above.
    """
    lines = ["| option | argument |", "| --- | --- |"]
    for option in (*COMMANDS["create"].options, *COMMON):
        if not option.hidden:
            argument = f"`{ARGUMENTS[option.name]}`" if option.name in ARGUMENTS else ELSEWHERE[option.name]
            lines.append(f"| {spellings(option)} | {argument} |")
    return "\n".join(lines)


def functions() -> str:
    """Return a section for each public function of `cloche`."""
    return in_module(
        "cloche", [function_section(name, item) for name, item in public_names() if inspect.isfunction(item)]
    )


def values() -> str:
    """Return a section for each public value class of `cloche`."""
    sections = []
    for name, item in public_names():
        if inspect.isclass(item) and item in value_classes():
            own = item.__name__ == name
            sections.append(class_section(name, item) if own else alias_section(name, sys.modules[item.__module__]))
    return in_module("cloche", sections)


def value_classes() -> set[type]:
    """Return the classes that the page about the Python interface describes."""
    elsewhere = (errors.__name__, hookspecs.__name__, aliases.__name__)
    classes = {item for _, item in public_names() if inspect.isclass(item) and item.__module__ not in elsewhere}
    return classes - {cloche.Option}


def types() -> str:
    """Return a section for each public type that is not a class."""
    sections = [alias_section("Operation", operations)]
    for name, item in public_names():
        if name in vars(aliases):
            is_class = inspect.isclass(item) and item.__module__ == aliases.__name__
            sections.append(class_section(name, item) if is_class else alias_section(name, aliases))
    return in_module("cloche", sections)


def contract_kit() -> str:
    """Return a section for each public name of `cloche.testing`."""
    sections = []
    for name in testing.__all__:
        item = getattr(testing, name)
        if inspect.isfunction(item):
            sections.append(function_section(name, item))
        elif inspect.isclass(item) and not isinstance(item, GenericAlias):
            sections.append(class_section(name, item))
        else:
            where = next(m for m in (checks, fakes, hostile) if name in vars(m))
            listed = "" if isinstance(item, GenericAlias) else f" Keys: {', '.join(f'`{key}`' for key in item)}."
            sections.append(directive("data", name, [], docstrings(where)[name] + listed))
    return in_module("cloche.testing", sections)


def slot_table() -> str:
    """Return a table of the slots of script templates: what each is, an example, and the shells that use it."""
    environment = fakes.fake_environment("/home/me/an env", fakes.fake_interpreter("cpython-3.13t-linux"))
    lines = ["| slot | meaning | example, quoted for bash | used by |", "| --- | --- | --- | --- |"]
    used = shells_by_slot()
    meanings = dict(SLOT.findall(str(inspect.getdoc(Environment.values))))
    for name, text in environment.values.items():
        shells = ", ".join(used.get(name, ()))
        example = posix.quote(text)
        lines.append(
            f"| `__CLOCHE_{name}__` | {escape_cell(' '.join(meanings[name].split()))} | `{example}` | {shells} |"
        )
    return "\n".join(lines)


def shells_by_slot() -> dict[str, list[str]]:
    """Return the shells whose templates have a slot, by the name of the slot, also those of the plugins in this repository."""
    found: dict[str, list[str]] = {}
    directories = {path.name: path for path in Path(activators.__file__).parent.iterdir() if path.is_dir()}
    for path in PLUGINS.glob("cloche-*/src/*"):
        directories[path.name.removeprefix("cloche_").replace("example", "rc")] = path
    for shell, directory in sorted(directories.items()):
        files = [path for path in directory.iterdir() if path.is_file() and path.suffix != ".pyc"]
        text = "".join(path.read_text("utf-8-sig") for path in files)
        for name in set(re.findall(r"__CLOCHE_([A-Z_]+?)__", text)):
            found.setdefault(name, []).append(shell)
    return found


def in_module(module: str, sections: Iterable[str]) -> str:
    """Return sections whose names and types belong to a module."""
    return "\n".join([f"```{{py:currentmodule}} {module}\n```\n", *sections])


def function_section(name: str, function: Callable[..., object]) -> str:
    return directive("function", signature_of(name, function), [], as_markdown(inspect.getdoc(function)))


def public_names() -> Iterator[tuple[str, object]]:
    for name in cloche.__all__:
        yield name, getattr(cloche, name)


def class_section(name: str, item: type, options: Sequence[str] = ()) -> str:
    """Return a section about a class: its docstring, fields, properties and public methods."""
    members = [
        directive("attribute", field, [f":type: {kind}", *options], field_text(kind, text))
        for field, kind, _, text in fields(item)
    ]
    for member, method in vars(item).items():
        if isinstance(method, property) and not member.startswith("_"):
            kind = str(method.fget.__annotations__["return"])
            members.append(
                directive("property", member, [f":type: {kind}", *options], as_markdown(inspect.getdoc(method)))
            )
    for member, method in vars(item).items():
        if inspect.isfunction(method) and not member.startswith("_"):
            members.append(
                directive("method", signature_of(member, method), options, as_markdown(inspect.getdoc(method)))
            )
    arguments = ", ".join(
        f"{field}: {kind}" + (f" = {default}" if default else "") for field, kind, default, _ in fields(item)
    )
    is_value = "__match_args__" in vars(item)
    options = [*options, f":canonical: {item.__module__}.{item.__name__}"]
    text = "\n".join([as_markdown(inspect.getdoc(item)), "", *members])
    return directive("class", f"{name}({arguments})" if is_value else name, options, text, fence="`" * 5)


def field_text(kind: str, text: str) -> str:
    """Return the description of a field. If its type is an alias, the alias says which values there are, and what they mean."""
    alias = kind.removesuffix(" | None")
    if alias not in vars(aliases):
        return text
    values = [f"`{choice}`" for choice in get_args(getattr(aliases, alias)) if isinstance(choice, str)]
    parts = [text or docstrings(aliases)[alias], f"One of {', '.join(values)}." if values else ""]
    return "\n\n".join(filter(None, parts))


def alias_section(name: str, module: ModuleType) -> str:
    """Return a section about a name for a type, or a second name for a class."""
    text = docstrings(module)[name]
    definition = next(
        node.value
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, (ast.AnnAssign, ast.Assign)) and name in ast.unparse(node).partition("=")[0] and node.value
    )
    return directive("data", name, [f":value: {ast.unparse(definition)}"], text)


def docstrings(module: ModuleType) -> dict[str, str]:
    """Return the texts below the assignments in a module, by name; empty for a class or an assignment without one."""
    body = ast.parse(inspect.getsource(module)).body
    found = {}
    for node, following in zip(body, [*body[1:], None], strict=True):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name):
            documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            found[target.id] = inspect.cleandoc(str(following.value.value)) if documented else ""
    return found


def directive(kind: str, signature: str, options: Iterable[str], text: str, fence: str = "````") -> str:
    """Return a directive that describes a Python object, so that other projects can link to it."""
    return "\n".join([f"{fence}{{py:{kind}}} {signature}", *options, "", text, fence, ""])


def fields(item: type) -> Iterator[tuple[str, str, str, str]]:
    """Yield the name, annotation, default and docstring of every field in the source of a class."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(item))).body
    assert isinstance(definition, ast.ClassDef)
    for node, following in zip(definition.body, [*definition.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            text = inspect.cleandoc(str(following.value.value)) if documented else ""
            yield node.target.id, ast.unparse(node.annotation), ast.unparse(node.value) if node.value else "", text


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


def as_markdown(text: str | None) -> str:
    """Return a docstring as Markdown, with the example as a code block; parameters and exceptions stay field lists."""
    lines: list[str] = []
    fence = ""
    for line in (text or "").splitlines():
        if line.startswith(":") and not SINCE.match(line) and lines and lines[-1] and lines[-1][0] not in ": ":
            lines.append("")
        if match := SINCE.match(line):
            lines.append(f"Since cloche {match[1]}.")
        elif line.endswith("::"):
            lines += [line.removesuffix(":"), "", "```python"]
            fence = "```"
        elif line or not lines or lines[-1] != "```python":
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
    "flags": flag_table,
    "functions": functions,
    "values": values,
    "types": types,
    "slots": slot_table,
    "speed": speed,
    "changes": changes,
    "contract-kit": contract_kit,
}
