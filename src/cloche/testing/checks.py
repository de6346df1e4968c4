"""Promises as values: a name, and a function that breaks with a sentence if the promise is not kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn, TypeVar

from cloche.testing.purity import Watch
from cloche.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable
    from pathlib import Path
    from typing import TypeAlias

    Test: TypeAlias = Callable[..., None]

T = TypeVar("T")


@value
class Check:
    """One promise."""

    name: str
    """As it appears in a test's name: `quoting-newline`."""
    run: Callable[[Path], None]
    """Takes an empty directory; raises `Broken` with a sentence if the promise is broken, and `NotApplicable` with the reason
    if the plugin never gets into the situation that the promise is about."""


class Broken(AssertionError):
    """A promise that is not kept; the message says which, and how it shows."""


def broken(sentence: str) -> NoReturn:
    """:raises Broken: always."""
    raise Broken(sentence)


class NotApplicable(Exception):
    """A promise that does not apply to a plugin, which never gets into that situation; the message says why."""


def not_applicable(reason: str) -> NoReturn:
    """Say that a promise does not apply to a plugin, and why.

    :raises NotApplicable: always.
    """
    raise NotApplicable(reason)


def as_test(checks: Iterable[Check]) -> Test:
    """Return a pytest test with a case per check; its name is the one that the author's module gives it."""
    import pytest

    @pytest.mark.parametrize("check", [pytest.param(check, id=check.name) for check in checks])
    def test_contract(check: Check, tmp_path: Path) -> None:
        """The plugin keeps this promise of the contract."""
        complaint = reason = ""
        try:
            check.run(tmp_path)
        except Broken as promise:
            complaint = str(promise)
        except NotApplicable as exempt:
            reason = str(exempt)
        if complaint:  # here, where no exception is being handled: pytest would show that as well
            pytest.fail(complaint, pytrace=False)
        if reason:  # whatever CLOCHE_REQUIRE_ALL says: no tool is missing
            pytest.skip(f"not applicable: {reason}")

    return test_contract


def missing_tool(reason: str) -> NoReturn:
    """Skip the running test because a tool is missing; with `CLOCHE_REQUIRE_ALL=1`, fail it."""
    import pytest

    if os.environ.get("CLOCHE_REQUIRE_ALL") == "1":
        pytest.fail(f"CLOCHE_REQUIRE_ALL is set, and {reason}")
    pytest.skip(reason)


def watched(what: str, call: Callable[[], T], allowed: Iterable[str] = (), unheard: Container[str] = ()) -> T:
    """Return what a call returns.

    :raises Broken: it does something to the world (see `Watch`).
    """
    with Watch(allowed, unheard) as watch:
        result = call()
    if watch.deeds:
        broken(f"{what} {'; '.join(watch.deeds)}; a plugin describes, and the core performs")
    return result


def twice(what: str, call: Callable[[], T], allowed: Iterable[str] = (), unheard: Container[str] = ()) -> T:
    """Return what a call returns, the second time from another directory and with other variables.

    :raises Broken: the two results differ, or it does something to the world.
    """
    first = watched(what, call, allowed, unheard)
    variables, cwd = dict(os.environ), os.getcwd()
    try:
        os.chdir(os.path.abspath(os.sep))
        os.environ.clear()
        os.environ.update({"PATH": "", "HOME": "/nowhere", "LANG": "C", "CLOCHE_PROMPT": "another"})
        second = watched(what, call, allowed, unheard)
    finally:
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(cwd)
    if first != second:
        broken(f"{what} gives {first!r} once and {second!r} another time for the same input")
    return first


NAMES = ("Windows", "Linux", "Python", "PowerShell", "Tcl", "Debian", "Homebrew")
"""Words that have a capital wherever they stand; those with a capital inside (`CPython`) are known by it."""


def check_sentence(what: str, text: object) -> None:
    """:raises Broken: a reason for people is neither None nor a lower-case fragment in one line."""
    if text is None:
        return
    if not isinstance(text, str):
        broken(f"{what} is {text!r}; it has to be None or a sentence")
    first = text.partition(" ")[0]
    if not text.strip():
        broken(f"{what} is empty; say what is needed, or return None")
    if "\n" in text:
        broken(f"{what} has several lines: {text!r}")
    if text != text.strip():
        broken(f"{what} begins or ends with blanks: {text!r}")
    if text.endswith("."):
        broken(f"{what} ends with a full stop: {text!r}")
    if " " not in text:
        broken(f"{what} is one word, and should tell the user what is needed: {text!r}")
    if first[:1].isupper() and first.strip(",:") not in NAMES and not any(letter.isupper() for letter in first[1:]):
        broken(f"{what} begins with a capital: {text!r}")


def check_name(kind: str, name: object) -> str:
    """Return the name of what a plugin gives.

    :raises Broken: users could not type it as a name.
    """
    if not isinstance(name, str) or not name:
        broken(f"the {kind} has no name: {name!r}")
    if name.lower() != name or not all(letter.isalnum() or letter in "-_." for letter in name) or not name[0].isalnum():
        broken(f"the {kind}'s name is {name!r}; it has to be lower-case letters, digits and dashes")
    if name in ("all", "none"):
        broken(f"the {kind}'s name is `{name}`, which means something else on the command line")
    return name


def check_documented(kind: str, item: object) -> None:
    """:raises Broken: neither a summary nor a docstring says what the thing is for."""
    import sys

    module = sys.modules.get(type(item).__module__)
    texts = (getattr(item, "summary", ""), type(item).__doc__, getattr(module, "__doc__", ""))
    if not any(isinstance(text, str) and text.strip() for text in texts):
        broken(f"the {kind} is not documented: give it a `summary`, or its class or module a docstring")
