"""A pytest plugin that makes virtualenv's own test suite create environments and activation scripts with cloche.

The suite imports classes of virtualenv to describe what it expects, so virtualenv stays installed. What creates something
is replaced: `cli_run`, `session_via_cli`, the program, and the method `generate` of the activators.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import virtualenv
import virtualenv.__main__
import virtualenv.run
from virtualenv import activation
from virtualenv.config.cli.parser import VirtualEnvOptions

import cloche
from cloche_virtualenv import main, session
from cloche_virtualenv.arguments import Announced
from cloche_virtualenv.request import links_for

ANNOUNCED = Announced(virtualenv.__version__, virtualenv.__file__)

ACTIVATORS = {
    "bash": activation.BashActivator,
    "batch": activation.BatchActivator,
    "csh": activation.CShellActivator,
    "fish": activation.FishActivator,
    "nushell": activation.NushellActivator,
    "powershell": activation.PowerShellActivator,
    "python": activation.PythonActivator,
    "xonsh": activation.XonshActivator,
}
"""virtualenv's activators, by the name of the one in cloche."""


def write_scripts(destination, name, prompt):
    """Write the scripts of one activator, without creating an environment; return their paths, relative."""
    python = getattr(sys, "_base_executable", sys.executable)
    plan = cloche.plan(destination, python=python, seeds=None, activators=[name], prompt=prompt)
    others = cloche.plan(destination, python=python, seeds=None, activators=(), prompt=prompt)
    ignored = {operation.path for operation in others.operations if isinstance(operation, cloche.Write)}
    written = []
    for operation in plan.operations:
        if isinstance(operation, cloche.Write) and operation.path not in ignored:
            path = os.path.join(destination, operation.path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(operation.content)
            written.append(operation.path)
    return written


def generate(name):
    """Return a method that replaces `generate` of one of virtualenv's activators."""

    def method(self, creator):
        names = write_scripts(creator.dest, name, self.flag_prompt)
        return [Path(creator.dest) / name for name in names]

    return method


class Seeder:
    """A seeder, with the directories of wheels that it reads."""

    def __init__(self, directories):
        self.extra_search_dir = [Path(directory).resolve() for directory in directories if os.path.isdir(directory)]


class Session:
    """A session of the stand-in, with the activators and the seeder as objects, and with options as attributes."""

    def __init__(self, inner):
        self._inner = inner
        options = inner.options
        inner.creator.clear, inner.creator.prompt = options.clear, options.prompt
        inner.creator.symlinks = links_for(options) != "copy"
        self.seeder = Seeder(options.extra_search_dir)

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def __enter__(self):
        self._inner.__enter__()
        return self

    def __exit__(self, *arguments):
        self._inner.__exit__(*arguments)

    @property
    def activators(self):
        names = self._inner.activators or self._inner.options.activators or []
        return [ACTIVATORS[{"cshell": "csh"}.get(name, name)](self._inner.options) for name in names]


class Config(dict):
    """The settings in `pyvenv.cfg`, with the path of the file."""

    def __init__(self, settings, path):
        super().__init__(settings)
        self.path = path


def config_of(creator, settings=session.Creator.pyenv_cfg):
    return Config(settings.fget(creator), creator.environment.config)


def session_via_cli(args, options=None, setup_logging=True, env=None):
    return Session(session.session_via_cli(args, options, setup_logging, env, ANNOUNCED))


def cli_run(args, options=None, setup_logging=True, env=None):
    return Session(session.cli_run(args, options, setup_logging, env, ANNOUNCED))


def run(args=None, options=None, env=None):
    main.run(args, options, env, ANNOUNCED)


def run_with_catch(args=None, env=None):
    main.run_with_catch(args, env, ANNOUNCED)


for module in (virtualenv, virtualenv.run):
    module.cli_run = cli_run
    module.session_via_cli = session_via_cli
virtualenv.__main__.run = run
virtualenv.__main__.run_with_catch = run_with_catch
VirtualEnvOptions.sources = property(lambda self: self._sources)
session.Creator.pyenv_cfg = property(config_of)
for activator, replaced in ACTIVATORS.items():
    replaced.generate = generate(activator)
