"""Test that the markers of cloche have the same effect as pluggy's, without importing pluggy."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pluggy
import pytest

from cloche import hookimpl
from cloche.plugins import hookspecs

OPTIONS = tuple(inspect.signature(pluggy.HookimplMarker.__call__).parameters)[2:]


def attributes_set_by(marker: object, *positional: object, **named: object) -> object:
    """Return the attributes that a marker with these options sets on a function."""

    def implementation() -> None: ...

    marked = marker(*positional, **named)(implementation)  # type: ignore[operator]
    assert marked is implementation
    return vars(implementation)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_implementation_is_marked_as_pluggy_marks_it(option: str) -> None:
    theirs = pluggy.HookimplMarker(hookspecs.PROJECT)
    chosen: dict[str, object] = {option: "another_hook" if option == "specname" else True}

    assert attributes_set_by(hookimpl, **chosen) == attributes_set_by(theirs, **chosen)


def test_an_implementation_without_options_is_marked_as_pluggy_marks_it() -> None:
    def ours() -> None: ...

    def theirs() -> None: ...

    assert hookimpl(ours) is ours
    pluggy.HookimplMarker(hookspecs.PROJECT)(theirs)
    assert vars(ours) == vars(theirs) == attributes_set_by(hookimpl)


def test_options_are_in_the_same_order_as_those_of_pluggy() -> None:
    assert tuple(inspect.signature(hookimpl).parameters)[1:] == OPTIONS
    for count in range(len(OPTIONS)):
        chosen = [True] * count
        theirs = pluggy.HookimplMarker(hookspecs.PROJECT)
        assert attributes_set_by(hookimpl, None, *chosen) == attributes_set_by(theirs, None, *chosen)


def test_a_hook_is_marked_as_pluggy_marks_it() -> None:
    def ours() -> None: ...

    def theirs() -> None: ...

    hookspecs.hookspec(ours)
    pluggy.HookspecMarker(hookspecs.PROJECT)(theirs)
    assert vars(ours) == vars(theirs)


def test_a_plugin_can_be_imported_without_pluggy() -> None:
    program = "from cloche import Command, Descriptor, Script, hookimpl, render; import sys; print(*sys.modules)"

    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "cloche.plugins.hookspecs" in modules
    assert {name for name in modules if not name.startswith("cloche")} <= {*bare, "__future__"}
