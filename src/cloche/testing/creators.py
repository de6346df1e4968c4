"""The contract of creators: their operations stay inside the environment, and can be performed in order."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cloche.planning.layout import layout_of
from cloche.planning.validate import find_missing_path, find_operation_problem, find_runtime_problem, required_paths
from cloche.testing.checks import (
    Check,
    as_test,
    broken,
    call_twice,
    check_documented,
    check_name,
    check_sentence,
    not_applicable,
)
from cloche.testing.fakes import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.runtime import Runtime
    from cloche.plugins.hookspecs import Creator
    from cloche.testing.checks import ContractTest


def creator_contract(creator: Creator, interpreters: Mapping[str, Interpreter] | None = None) -> ContractTest:
    """Return a test that a creator keeps its contract.

    :param creator: the creator object.
    :param interpreters: the interpreters to plan for, by the name of the test case; by default `KINDS`.
    """
    return as_test(creator_checks(creator, interpreters))


def creator_checks(creator: Creator, interpreters: Mapping[str, Interpreter] | None = None) -> list[Check]:
    """Return the checks of `creator_contract`."""
    known = KINDS if interpreters is None else interpreters
    checks = [
        Check("name", lambda _: check_named(creator)),
        Check("documentation", lambda _: check_documented("creator", creator)),
        Check("supports-an-interpreter", lambda _: check_support_for_an_interpreter(creator, known.values())),
    ]
    for kind, interpreter in known.items():
        checks.append(Check(f"refusal-{kind}", partial(check_refusal, creator, interpreter)))
        checks.append(Check(f"operations-{kind}", partial(check_operations, creator, interpreter)))
        if hasattr(creator, "runtime"):
            checks.append(Check(f"runtime-{kind}", partial(check_runtime, creator, interpreter)))
    return checks


def check_named(creator: Creator) -> None:
    """Check that the creator has a name for `--creator`, and all methods that the core calls."""
    check_name("creator", getattr(creator, "name", None))
    for method in ("refusal", "operations"):
        if not callable(getattr(creator, method, None)):
            broken(f"the creator has no method `{method}`")


def check_support_for_an_interpreter(creator: Creator, interpreters: Iterable[Interpreter]) -> None:
    """Check that the creator supports at least one interpreter."""
    if all(creator.refusal(interpreter) is not None for interpreter in interpreters):
        broken("the creator refuses every interpreter of the contract kit, so it can never be used")


def check_refusal(creator: Creator, interpreter: Interpreter, _: Path) -> None:
    """Check that `refusal` always returns the same result: None, or a sentence for users."""
    check_sentence("`refusal`", call_twice("`refusal`", lambda: creator.refusal(interpreter)))


def check_operations(creator: Creator, interpreter: Interpreter, _: Path) -> None:
    """Check that `operations` always returns the same operations, which can be performed in an empty directory."""
    if (refusal := creator.refusal(interpreter)) is not None:
        not_applicable(f"the creator refuses {interpreter.name}: {refusal}")
    layout = layout_of(interpreter)
    operations = call_twice("`operations`", lambda: list(creator.operations(interpreter, layout)))
    if problem := find_operation_problem(operations):
        broken(f"in `operations`, {problem}")
    if (path := find_missing_path(operations, required_paths(layout))) and not hasattr(creator, "runtime"):
        broken(f"`operations` does not create `{path}`, which is part of the layout")


def check_runtime(creator: Creator, interpreter: Interpreter, _: Path) -> None:
    """Check that `runtime` always returns the same files, which complete the environment that `operations` create."""
    if (refusal := creator.refusal(interpreter)) is not None:
        not_applicable(f"the creator refuses {interpreter.name}: {refusal}")
    layout = layout_of(interpreter)
    operations = list(creator.operations(interpreter, layout))
    describe: Callable[[Interpreter, Layout], Runtime] | None = getattr(creator, "runtime", None)
    if describe is None:
        not_applicable("the creator describes no runtime")
    runtime = call_twice("`runtime`", lambda: describe(interpreter, layout))
    if problem := find_runtime_problem(runtime, operations):
        broken(f"in `runtime`, {problem}")
    created = [*operations, *runtime.files]
    if path := find_missing_path(created, required_paths(layout)):
        broken(f"neither `operations` nor `runtime` creates `{path}`, which is part of the layout")


check_serves = check_support_for_an_interpreter
"""The name in version 0.1."""
