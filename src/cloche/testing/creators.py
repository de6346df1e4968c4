"""What a creator promises: operations that stay inside the environment, in an order in which they can be performed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cloche.layout import layout_of
from cloche.soundness import flaw, missing, promised
from cloche.testing.checks import (
    Check,
    as_test,
    broken,
    check_documented,
    check_name,
    check_sentence,
    not_applicable,
    twice,
)
from cloche.testing.fakes import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cloche.hookspecs import Creator
    from cloche.model import Interpreter
    from cloche.testing.checks import Test


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
    if (refusal := creator.refusal(interpreter)) is not None:
        not_applicable(f"the creator refuses {interpreter.name}: {refusal}")
    layout = layout_of(interpreter)
    operations = twice("`operations`", lambda: list(creator.operations(interpreter, layout)))
    if problem := flaw(operations):
        broken(f"in `operations`, {problem}")
    if path := missing(operations, promised(layout)):
        broken(f"`{path}`, which the layout promises, is not made")
