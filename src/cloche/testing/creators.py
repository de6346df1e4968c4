"""What a creator promises: operations that stay inside the environment, in an order in which they can be performed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cloche.layout import layout_of
from cloche.operations import Copy, CopyTree, LayImage, Link, MakeDir, Rewrite, Run, Write
from cloche.testing.checks import Check, as_test, broken, check_documented, check_name, check_sentence, twice
from cloche.testing.fakes import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cloche.hookspecs import Creator
    from cloche.model import Interpreter, Layout
    from cloche.operations import Operation
    from cloche.testing.checks import Test

RESERVED = ("pyvenv.cfg", ".cloche-manifest", ".gitignore", "CACHEDIR.TAG")
"""Files that the core writes."""


def creator_contract(creator: Creator, interpreters: Mapping[str, Interpreter] | None = None) -> Test:
    """Return a test of everything that a creator promises.

    :param creator: the object itself.
    :param interpreters: those to plan for, by the name of the case; by default the kit's own.
    """
    return as_test(creator_checks(creator, interpreters))


def creator_checks(creator: Creator, interpreters: Mapping[str, Interpreter] | None = None) -> list[Check]:
    """Return the promises one by one; see `creator_contract`."""
    known = KINDS if interpreters is None else interpreters
    checks = [
        Check("name", lambda _: check_named(creator)),
        Check("documentation", lambda _: check_documented("creator", creator)),
        Check("serves-something", lambda _: check_serves(creator, known.values())),
    ]
    for kind, interpreter in known.items():
        checks.append(Check(f"refusal-{kind}", partial(check_refusal, creator, interpreter)))
        checks.append(Check(f"operations-{kind}", partial(check_operations, creator, interpreter)))
    return checks


def check_named(creator: Creator) -> None:
    """It has a name that can be typed after `--creator`, and everything that the core will call."""
    check_name("creator", getattr(creator, "name", None))
    for method in ("refusal", "operations"):
        if not callable(getattr(creator, method, None)):
            broken(f"the creator has no method `{method}`")


def check_serves(creator: Creator, interpreters: Iterable[Interpreter]) -> None:
    """There is an interpreter that it does not refuse."""
    if all(creator.refusal(interpreter) is not None for interpreter in interpreters):
        broken("the creator refuses every interpreter that the kit has, so it can never be used")


def check_refusal(creator: Creator, interpreter: Interpreter, _: Path) -> None:
    """It gives None or a sentence that a user can act on, always the same."""
    check_sentence("`refusal`", twice("`refusal`", lambda: creator.refusal(interpreter)))


def check_operations(creator: Creator, interpreter: Interpreter, _: Path) -> None:
    """It gives operations that the core can perform in order in an empty directory, always the same."""
    if creator.refusal(interpreter) is not None:
        return
    layout = layout_of(interpreter)
    operations = twice("`operations`", lambda: list(creator.operations(interpreter, layout)))
    check_order(operations)
    check_complete(operations, layout)


def check_order(operations: Sequence[Operation]) -> None:
    """Every path is relative and inside, is made once, and lies in a directory that was made before."""
    there = {""}
    files: set[str] = set()
    for operation in operations:
        if isinstance(operation, (Run, CopyTree)):
            continue
        if not isinstance(operation, (MakeDir, Link, Copy, Write, Rewrite, LayImage)):
            broken(f"`operations` gives {operation!r}, which is no operation")
        path = operation.path
        check_inside(path)
        parent = path.rpartition("/")[0]
        if parent not in there:
            broken(f"`{path}` is made before its directory `{parent}`")
        if path in files or (path in there and not isinstance(operation, (MakeDir, LayImage))):
            broken(f"`{path}` is made twice")
        if path in RESERVED:
            broken(f"`{path}` is written by the core")
        match operation:
            case MakeDir():
                there.add(path)
            case Link(_, target):
                check_target(path, target)
                files.add(path)
            case Copy(_, source) if not absolute(source):
                broken(f"`{path}` is copied from `{source}`, which is not an absolute path")
            case Copy() | Write() | Rewrite():
                files.add(path)


def check_inside(path: str) -> None:
    if absolute(path):
        broken(f"`{path}` is an absolute path; an operation names its place relative to the environment's root")
    if "\\" in path:
        broken(f"`{path}` is written with backslashes; an operation's path has `/` on every system")
    if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        broken(f"{path!r} is no plain path inside the environment")


def check_target(path: str, target: str) -> None:
    """A relative link stays inside the environment."""
    if not target:
        broken(f"the link `{path}` has no target")
    if absolute(target):
        return
    depth = path.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else 1
        if depth < 0:
            broken(f"the link `{path}` points out of the environment, to `{target}`")


def check_complete(operations: Sequence[Operation], layout: Layout) -> None:
    """The Python and the directories that the layout promises are made, unless by a program or a copied tree."""
    if any(isinstance(operation, (Run, CopyTree)) for operation in operations):
        return
    made = {operation.path for operation in operations if not isinstance(operation, (Run, CopyTree))}
    for path in (*(f"{layout.bin}/{name}" for name in layout.names), layout.purelib, layout.platlib):
        if path not in made:
            broken(f"`{path}`, which the layout promises, is not made")


def absolute(path: str) -> bool:
    """Return whether a path is absolute on any system."""
    return path.startswith(("/", "\\")) or path[1:2] == ":"
