"""The error messages in the source of cloche and its plugins, and the pages that explain them.

A message is compared as users see it, with `…` for each part that varies.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cloche
from cloche import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SOURCES = (Path(cloche.__file__).parent, *sorted(HERE.parent.parent.glob("plugins/*/src")))
PAGES = HERE.parent / "reference" / "errors"
MESSAGE_LINE = re.compile(r"^cloche: error: (.+)$", re.MULTILINE)
MESSAGE_BLOCK = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELLIPSIS = "…"


class Message(NamedTuple):
    """An error message in the source."""

    text: str
    exit_code: int
    """The exit code of its class, or 0 if it differs between instances."""
    location: str
    """The file and line: `store/seed_sources.py:120`."""


def messages_in_source() -> list[Message]:
    """Return every message in the source of cloche and of the plugins in this repository.

    :raises TypeError: an expression for a message is not supported.
    """
    return [*messages_in(SOURCES)]


@cache
def messages_in(sources: tuple[Path, ...]) -> tuple[Message, ...]:
    """Return every message in the modules below some directories; parsing them takes seconds, and pages and tests ask often.

    :raises TypeError: an expression for a message is not supported.
    """
    paths = [path for source in sources for path in sorted(source.rglob("*.py"))]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    codes = exit_codes_by_class(trees)
    messages = []
    for path, tree in trees.items():
        for function in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]:
            for call in calls(function):
                name = call.func.id if isinstance(call.func, ast.Name) else ""
                if name in codes and call.args:
                    location = f"{path.parent.name}/{path.name}:{call.lineno}"
                    messages += [
                        Message(text, codes[name], location)
                        for text in possible_texts(call.args[0], function, location)
                    ]
    return tuple(messages)


def exit_codes_by_class(trees: dict[Path, ast.Module]) -> dict[str, int]:
    """Return the exit code of each error class by name, including the classes defined outside `cloche.errors`.

    The code is 0 for a class whose instances have different exit codes.
    """
    codes = {
        name: item.exit_code
        for name, item in vars(errors).items()
        if inspect.isclass(item) and issubclass(item, errors.ClocheError)
    }
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    if isinstance(base, ast.Name) and base.id in codes:
                        has_methods = any(isinstance(item, ast.FunctionDef) for item in node.body)
                        codes.setdefault(node.name, 0 if has_methods else codes[base.id])
    return codes


def calls(function: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls in a function or module, except those in nested functions."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.FunctionDef):
            yield from calls(node)


def possible_texts(node: ast.expr, function: ast.AST, location: str) -> list[str]:
    """Return every text that an expression can evaluate to.

    :param function: the function or module that contains the expression.
    :raises TypeError: the expression is not supported.
    """
    match node:
        case ast.Constant(str(text)):
            return [text]
        case ast.JoinedStr(parts):
            combinations = itertools.product(*(possible_texts(part, function, location) for part in parts))
            return [re.sub(f"{ELLIPSIS}+", ELLIPSIS, "".join(combination)) for combination in combinations]
        case ast.FormattedValue(ast.IfExp() as conditional):
            return possible_words(conditional)
        case ast.FormattedValue():
            return [ELLIPSIS]
        case ast.IfExp(_, if_true, if_false):
            return possible_texts(if_true, function, location) + possible_texts(if_false, function, location)
        case ast.Name(name):
            if values := list(assigned_values(name, function)):
                return [text for value in values for text in possible_texts(value, function, location)]
    raise TypeError(f"{location}: unsupported expression for a message: {ast.unparse(node)}")


def possible_words(conditional: ast.IfExp) -> list[str]:
    """Return both results of a conditional inside an f-string, or `…` if they are not constants."""
    match conditional:
        case ast.IfExp(_, ast.Constant(str(if_true)), ast.Constant(str(if_false))):
            return [if_true, if_false]
    return [ELLIPSIS]


def assigned_values(name: str, function: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that a function assigns to a variable."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and name in {item.id for item in node.targets if isinstance(item, ast.Name)}:
            yield node.value


def pages_by_message() -> dict[str, Path]:
    """Return every message that is explained, with the page that explains it.

    :raises KeyError: two pages explain the same message.
    """
    pages: dict[str, Path] = {}
    for path in sorted(PAGES.glob("*.md")):
        for text in messages_on(path):
            if text in pages:
                raise KeyError(f"{path.name} and {pages[text].name} both explain: {text}")
            pages[text] = path
    return pages


def messages_on(path: Path) -> list[str]:
    """Return the messages at the top of a page, in order."""
    return [
        text
        for block in MESSAGE_BLOCK.findall(path.read_text(encoding="utf-8"))
        for text in MESSAGE_LINE.findall(block)
    ]


def title_of(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def message_index() -> str:
    """Return a Markdown list of all pages, with the exit codes and messages of each.

    :raises KeyError: a page explains a message that is not in the source.
    """
    codes: dict[str, set[int]] = {}
    for message in messages_in_source():
        codes.setdefault(message.text, set()).add(message.exit_code)
    codes_of_pages = {
        path: sorted(set().union(*(codes[text] for text in messages_on(path)))) for path in PAGES.glob("*.md")
    }
    lines = []
    for path, exit_codes in sorted(codes_of_pages.items(), key=lambda item: (item[1], item[0])):
        suffix = f" (exit code {alternatives(exit_codes)})" if all(exit_codes) else ""
        lines.append(f"[{title_of(path)}](errors/{path.name}){suffix}")
        lines += [
            f"{': ' if position == 0 else '  '}- {code_span(text)}" for position, text in enumerate(messages_on(path))
        ]
        lines.append("")
    return "\n".join(lines)


def alternatives(codes: list[int]) -> str:
    """Return exit codes as in prose: `1, 2 or 4`."""
    *others, last = map(str, codes)
    return f"{', '.join(others)} or {last}" if others else last


def code_span(text: str) -> str:
    """Return a text as Markdown code, between two backticks on each side if it contains any."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"
