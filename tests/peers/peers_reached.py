"""A pytest plugin that marks each test that reaches cloche, so that a test that never does is not counted.

A test reaches cloche if it, or a fixture that it uses, calls cloche or the stand-in, or runs one of them as a program. The mark
is a property of the test in pytest's XML report.
"""

import functools
import os
import sys
from importlib.util import find_spec

import pytest

import cloche
from cloche_virtualenv import session

CALLS = [(cloche, "create"), (cloche, "describe"), (cloche, "plan"), (session, "read_options")]
PROGRAMS = {"cloche", "virtualenv"} if find_spec("virtualenv") and find_spec("virtualenv._borrowed") else {"cloche"}
"""Programs that are cloche: `virtualenv` only if the stand-in is installed."""


class Reached:
    """Whether cloche was reached since `calls` was last zero, and by which fixtures."""

    def __init__(self):
        self.calls = 0
        self.fixtures = set()

    def count(self, function):
        @functools.wraps(function)
        def counted(*arguments, **options):
            self.calls += 1
            return function(*arguments, **options)

        return counted

    def audit(self, event, arguments):
        if event == "subprocess.Popen":
            command = arguments[1]
            words = [command] if isinstance(command, (str, bytes, os.PathLike)) else command
            self.calls += any(os.path.basename(os.fsdecode(word)) in PROGRAMS for word in words)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        before = self.calls
        try:
            return (yield)
        finally:
            if self.calls > before or self.fixtures.intersection(fixturedef.argnames):
                self.fixtures.add(fixturedef.argname)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self):
        self.calls = 0
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        try:
            return (yield)
        finally:
            if self.calls or self.fixtures.intersection(getattr(item, "fixturenames", ())):
                item.user_properties.append(("reached", "cloche"))


def pytest_configure(config):
    reached = Reached()
    for module, name in CALLS:
        setattr(module, name, reached.count(getattr(module, name)))
    sys.addaudithook(reached.audit)
    config.pluginmanager.register(reached)
