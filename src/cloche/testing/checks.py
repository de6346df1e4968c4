"""The checks of the contract kit as values, and functions that several kinds of checks use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

from cloche.model.value import Value
from cloche.testing.purity import Watch

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from pathlib import Path
    from typing import TypeAlias

ContractTest: TypeAlias = Callable[..., None]
"""A test that pytest collects, with one case per check."""

T = TypeVar("T")


class Check(Value):
    """One check of a contract."""

    name: str
    """The identifier of the test case: `quoting-newline`."""
    run: Callable[[Path], None]
    """The check itself. It receives an empty directory.

    It raises `Broken` if the plugin breaks the contract, and `NotApplicable` if the check does not apply to it.
    """


class Broken(AssertionError):
    """The plugin breaks the contract; the message says how."""

    def __init__(self, message: str, cause: object = "") -> None:
        super().__init__(message)
        self.cause = cause or message
        """What is the same for all checks that fail for the same reason."""


def broken(message: str, cause: object = "") -> NoReturn:
    """Report that the plugin breaks the contract.

    :param cause: what is the same for all checks that fail for this reason; by default the message.
    :raises Broken: always, with this message.
    """
    raise Broken(message, cause)


class NotApplicable(Exception):
    """The check does not apply to the plugin; the message says why."""


def not_applicable(reason: str) -> NoReturn:
    """Report that a check does not apply to the plugin.

    :raises NotApplicable: always, with this reason.
    """
    raise NotApplicable(reason)


def as_test(checks: Iterable[Check]) -> ContractTest:
    """Return a pytest test with one case per check.

    Each cause is reported once: if several checks fail for the same reason, the first one that runs fails, and the others
    are skipped with its name.
    """
    import pytest

    checks = list(checks)
    reported: dict[object, str] = {}

    def report_once(cause: object, check: Check, message: str) -> None:
        """Skip a check that fails for a reason that another one has reported."""
        first = reported.setdefault(cause, check.name)
        if first != check.name:
            pytest.skip(f"not applicable: `{first}` failed for the same reason: {message}")

    @pytest.mark.parametrize("check", [pytest.param(check, id=check.name) for check in checks])
    def test_contract(check: Check, tmp_path: Path) -> None:
        """The plugin passes this check."""
        __tracebackhide__ = True
        message = reason = ""
        cause: object = None
        try:
            if check is not checks[0]:
                run_first(checks[0], tmp_path)
            check.run(tmp_path)
        except Broken as violation:
            message, cause = str(violation), violation.cause
        except NotApplicable as exemption:
            reason = str(exemption)
        except Exception as error:
            report_once(cause_of(error), check, repr(error))
            raise
        if message:
            report_once(cause, check, message)
        if message:  # outside the `except` block, so that pytest does not show the exception as well
            pytest.fail(message, pytrace=False)
        if reason:  # even with CLOCHE_REQUIRE_ALL=1, because no tool is missing
            pytest.skip(f"not applicable: {reason}")

    return test_contract


def run_first(check: Check, directory: Path) -> None:
    """Run the check that all others depend on: the name and the methods of a component, or the installation of a plugin.

    :raises NotApplicable: it fails.
    """
    try:
        check.run(directory)
    except Broken as violation:
        not_applicable(f"`{check.name}` fails: {violation}")


def cause_of(error: BaseException) -> object:
    """Return what identifies the cause of an exception: its type, and the line that raised it."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return type(error), last and (last.tb_frame.f_code.co_filename, last.tb_lineno)


def missing_tool(reason: str) -> NoReturn:
    """Skip the running test because a tool is missing; with `CLOCHE_REQUIRE_ALL=1`, fail it instead."""
    import pytest

    if os.environ.get("CLOCHE_REQUIRE_ALL") == "1":
        pytest.fail(f"CLOCHE_REQUIRE_ALL is set, but {reason}")
    pytest.skip(reason)


def require_program(name: str) -> str:
    """Return the absolute path of a program on PATH. If it is missing, skip the running test.

    With `CLOCHE_REQUIRE_ALL=1`, the test fails instead.
    """
    found = shutil.which(name)
    if found is None:
        missing_tool(f"`{name}` is not on PATH")
    return os.path.abspath(found)


def call_without_side_effects(
    what: str, call: Callable[[], T], allowed: Iterable[str] = (), ignored_events: Container[str] = ()
) -> T:
    """Make a call and return its result.

    :param what: the name of the call in messages.
    :param allowed: directories in which it may write.
    :param ignored_events: audit events that it may cause; see `Watch`.
    :raises Broken: the call has a side effect.
    """
    with Watch(allowed, ignored_events) as watch:
        result = call()
    if watch.side_effects:
        broken(f"{what} {'; '.join(watch.side_effects)}; a plugin must not have side effects")
    return result


def call_twice(what: str, call: Callable[[], T], allowed: Iterable[str] = (), ignored_events: Container[str] = ()) -> T:
    """Make a call twice, in different directories and with different variables, and return its result.

    :raises Broken: the two results differ, or the call has a side effect.
    """
    first = call_without_side_effects(what, call, allowed, ignored_events)
    variables, cwd = dict(os.environ), os.getcwd()
    try:
        os.chdir(os.path.abspath(os.sep))
        os.environ.clear()
        os.environ.update({"PATH": "", "HOME": "/nowhere", "LANG": "C", "CLOCHE_PROMPT": "another"})
        second = call_without_side_effects(what, call, allowed, ignored_events)
    finally:
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(cwd)
    if first != second:
        broken(f"{what} returns different results for the same input: {first!r} and {second!r}")
    return first


CAPITALIZED_NAMES = ("Windows", "Linux", "Python", "PowerShell", "Tcl", "Debian", "Homebrew")
"""Names that are always capitalized; those with another capital inside (`CPython`) need not be listed."""


def check_sentence(what: str, text: object) -> None:
    """Check that a message for users is None, or a lower-case fragment on one line.

    :raises Broken: it is not.
    """
    if text is None:
        return
    if not isinstance(text, str):
        broken(f"{what} is {text!r}; it must be None or a sentence")
    first = text.partition(" ")[0]
    if not text.strip():
        broken(f"{what} is empty; say what is needed, or return None")
    if "\n" in text:
        broken(f"{what} has several lines: {text!r}")
    if text != text.strip():
        broken(f"{what} begins or ends with white space: {text!r}")
    if text.endswith("."):
        broken(f"{what} ends with a full stop: {text!r}")
    if " " not in text:
        broken(f"{what} is a single word; it must say what is needed: {text!r}")
    is_name = first.strip(",:") in CAPITALIZED_NAMES or any(letter.isupper() for letter in first[1:])
    if first[:1].isupper() and not is_name:
        broken(f"{what} begins with a capital letter: {text!r}")


def check_name(kind: str, name: object) -> str:
    """Return the name of a component.

    :raises Broken: it cannot be used on the command line.
    """
    if not isinstance(name, str) or not name:
        broken(f"the {kind} has no name: {name!r}")
    if name.lower() != name or not all(letter.isalnum() or letter in "-_." for letter in name) or not name[0].isalnum():
        broken(f"the name of the {kind} is {name!r}; use only lower-case letters, digits, `-`, `_` and `.`")
    if name in ("all", "none"):
        broken(f"the name of the {kind} is `{name}`, which has a special meaning on the command line")
    return name


def check_documented(kind: str, item: object) -> None:
    """Check that a component has a summary or a docstring.

    :raises Broken: it has neither.
    """
    import sys

    module = sys.modules.get(type(item).__module__)
    texts = (getattr(item, "summary", ""), type(item).__doc__, getattr(module, "__doc__", ""))
    if not any(isinstance(text, str) and text.strip() for text in texts):
        broken(f"the {kind} is not documented; add a `summary`, or a docstring to its class or module")
