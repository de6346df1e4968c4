"""Find every error message of cloche and its plugins in the source, and the page that explains it.

Messages are compared as the reader sees them, with `…` for the parts that vary.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cloche
from cloche import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SOURCES = (Path(cloche.__file__).parent, *sorted(HERE.parent.parent.glob("plugins/*/src")))
PAGES = HERE.parent / "reference" / "errors"
SAID = re.compile(r"^cloche: error: (.+)$", re.MULTILINE)
BLOCK = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARIES = "…"


class Message(NamedTuple):
    """A message that one place in the source can raise."""

    text: str
    exit_code: int
    where: str


def raised() -> list[Message]:
    """Return every message in the source of cloche and of the plugins in this repository.

    :raises TypeError: a message is composed in a way that this module cannot read.
    """
    paths = [path for source in SOURCES for path in sorted(source.rglob("*.py"))]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    codes = exit_codes(trees)
    found = []
    for path, tree in trees.items():
        for function in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]:
            for call in calls(function):
                name = call.func.id if isinstance(call.func, ast.Name) else ""
                if name in codes and call.args:
                    where = f"{path.parent.name}/{path.name}:{call.lineno}"
                    found += [Message(text, codes[name], where) for text in texts(call.args[0], function, where)]
    return found


def exit_codes(trees: dict[Path, ast.Module]) -> dict[str, int]:
    """Return the exit code of each error class by name, including classes that a module defines for itself.

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
                for parent in node.bases:
                    if isinstance(parent, ast.Name) and parent.id in codes:
                        own = any(isinstance(item, ast.FunctionDef) for item in node.body)
                        codes.setdefault(node.name, 0 if own else codes[parent.id])
    return codes


def calls(function: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls in a function or module, except those in nested functions."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.FunctionDef):
            yield from calls(node)


def texts(node: ast.expr, function: ast.AST, where: str) -> list[str]:
    """Return every text that an expression can evaluate to."""
    match node:
        case ast.Constant(str(text)):
            return [text]
        case ast.JoinedStr(parts):
            said = itertools.product(*(texts(part, function, where) for part in parts))
            return [re.sub(f"{VARIES}+", VARIES, "".join(one)) for one in said]
        case ast.FormattedValue(ast.IfExp() as choice):
            return choices(choice)
        case ast.FormattedValue():
            return [VARIES]
        case ast.IfExp(_, one, other):
            return texts(one, function, where) + texts(other, function, where)
        case ast.Name(name):
            if given := list(assignments(name, function)):
                return [text for one in given for text in texts(one, function, where)]
    raise TypeError(f"{where}: cannot read this message: {ast.unparse(node)}")


def choices(choice: ast.IfExp) -> list[str]:
    """Return both words of a conditional inside a text, or `…` if they are not constants."""
    match choice:
        case ast.IfExp(_, ast.Constant(str(one)), ast.Constant(str(other))):
            return [one, other]
    return [VARIES]


def assignments(name: str, function: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == name for one in node.targets):
            yield node.value


def explained() -> dict[str, Path]:
    """Return every message that a page explains, with that page.

    :raises KeyError: two pages explain the same message.
    """
    pages: dict[str, Path] = {}
    for path in sorted(PAGES.glob("*.md")):
        for text in said_on(path):
            if text in pages:
                raise KeyError(f"{path.name} and {pages[text].name} both explain: {text}")
            pages[text] = path
    return pages


def said_on(path: Path) -> list[str]:
    """Return the messages that a page explains, in the order of the page."""
    return [text for block in BLOCK.findall(path.read_text(encoding="utf-8")) for text in SAID.findall(block)]


def title_of(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def index() -> str:
    """Return a list of all pages with their exit codes and the messages that they explain.

    :raises KeyError: a page explains a message that the program does not have.
    """
    codes: dict[str, set[int]] = {}
    for message in raised():
        codes.setdefault(message.text, set()).add(message.exit_code)
    pages = {path: sorted(set().union(*(codes[text] for text in said_on(path)))) for path in PAGES.glob("*.md")}
    lines = []
    for path, ends in sorted(pages.items(), key=lambda item: (item[1], item[0])):
        exits = f" (exit code {alternatives(ends)})" if all(ends) else ""
        lines.append(f"[{title_of(path)}](errors/{path.name}){exits}")
        lines += [
            f"{': ' if position == 0 else '  '}- {code_span(text)}" for position, text in enumerate(said_on(path))
        ]
        lines.append("")
    return "\n".join(lines)


def alternatives(codes: list[int]) -> str:
    """Return exit codes as in prose: `1, 2 or 4`."""
    *others, last = map(str, codes)
    return f"{', '.join(others)} or {last}" if others else last


def code_span(text: str) -> str:
    """Return a text as Markdown code; a text with backticks needs two around it."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"
