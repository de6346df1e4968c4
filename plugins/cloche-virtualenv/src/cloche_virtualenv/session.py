"""What `virtualenv.session_via_cli` and `virtualenv.cli_run` return: an environment, described and then created.

A description finds the interpreter and does not touch the destination; tox describes environments that it never
creates. The attributes are those that tools use, and they are valid before the environment exists.
"""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING

import cloche
from cloche_virtualenv.app_data import AppData
from cloche_virtualenv.arguments import read_options
from cloche_virtualenv.options import OPTIONS, Options
from cloche_virtualenv.request import choices_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from python_discovery import PythonInfo
    from typing_extensions import Self

    from cloche_virtualenv.arguments import Announced
    from cloche_virtualenv.request import Choices

USER_VARIABLES = ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "XDG_CACHE_HOME", "SYSTEMROOT", "CLOCHE_CACHE_DIR")
"""They locate the user's cache. Tools that pass few variables on still share one cache."""

LEVELS = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
"""What is logged, by verbosity."""

LOGGER = logging.getLogger("cloche")


def cli_run(
    args: Sequence[str],
    options: Options | None,
    setup_logging: bool,
    env: Mapping[str, str] | None,
    announced: Announced,
) -> Session:
    """Create an environment and return its session; parameters and errors as for `session_via_cli`."""
    with session_via_cli(args, options, setup_logging, env, announced) as session:
        session.run()
    return session


def session_via_cli(
    args: Sequence[str],
    options: Options | None,
    setup_logging: bool,
    env: Mapping[str, str] | None,
    announced: Announced,
) -> Session:
    """Describe the environment that a command line of virtualenv asks for.

    :param options: gets the parsed options.
    :param setup_logging: whether the verbosity decides what cloche logs; otherwise that is left to the program.
    :param env: environment variables to use instead of `os.environ`.
    :raises SystemExit: with 2 for invalid arguments; with 0 if they ask for the help or the version.
    :raises RuntimeError: there is no such interpreter.
    """
    environ = environment_variables(env)
    options = Options() if options is None else options
    warnings = read_options([os.fspath(one) for one in args], options, environ, announced)
    if setup_logging:
        LOGGER.setLevel(LEVELS[min(options.verbosity or 0, len(LEVELS) - 1)])
    choices = choices_for(options, environ, announced.version, warnings)
    for warning in warnings:
        LOGGER.warning("%s", warning)
    return Session(options, choices)


def environment_variables(env: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the variables of a run: those of the process, or `env` and what locates the user's cache."""
    if env is None:
        return dict(os.environ)
    return {**{name: os.environ[name] for name in USER_VARIABLES if name in os.environ}, **env}


class Session:
    """One environment: described when the session is made, created by `run`."""

    def __init__(self, options: Options, choices: Choices) -> None:
        """:raises RuntimeError: there is no such interpreter."""
        self.options = options
        self.verbosity: int = options.verbosity or 0
        self.result: cloche.Result | None = None
        """What was created; None before `run`."""
        try:
            environment = cloche.describe(options.dest, **choices)
        except (cloche.InterpreterNotFound, cloche.UsageError) as error:
            wanted = ", ".join(options.python) or "the running Python"
            raise RuntimeError(f"failed to find interpreter for {wanted}: {text_of(error)}") from error
        except cloche.ClocheError as error:
            raise RuntimeError(text_of(error)) from error
        assert environment.interpreter is not None
        self._choices: Choices = {**choices, "python": [environment.interpreter.executable], "try_first_with": ()}
        self.creator = Creator(environment, choices["environ"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: a session keeps nothing open."""

    def run(self) -> None:
        """Create the environment, all or nothing.

        :raises RuntimeError: any refusal or failure; the destination is then as it was.
        """
        try:
            self.result = cloche.create_with_result(self.options.dest, **self._choices)
        except cloche.ClocheError as error:
            raise RuntimeError(text_of(error)) from error
        for warning in (*self.result.warnings, *self.result.plan.notes):
            LOGGER.warning("%s", warning)

    @property
    def interpreter(self) -> PythonInfo:
        return self.creator.interpreter

    @property
    def seeder(self) -> str:
        """Name of the seeder that was used; empty before `run`, and if there was nothing to install."""
        return (self.result.plan.seeder or "") if self.result else ""

    @property
    def activators(self) -> list[str]:
        """Names of the activators that were used; empty before `run`."""
        return list(self.result.plan.activators) if self.result else []


def text_of(error: cloche.ClocheError) -> str:
    """Return an error with its hint, without those parts of the hint that are about options of cloche alone."""
    known = {name for option in OPTIONS for name in option.names}
    parts = (error.hint or "").replace("`--cache-dir`", "`--app-data`").split("; ")
    possible = "; ".join(part for part in parts if known.issuperset(re.findall(r"--[a-z][a-z-]*", part)))
    return f"{error.message} ({possible})" if possible else error.message


class Creator:
    """The paths of an environment, whether it exists or not."""

    def __init__(self, environment: cloche.Environment, environ: Mapping[str, str]) -> None:
        self.environment = environment
        self._environ = environ
        self._info: PythonInfo | None = None

    @property
    def interpreter(self) -> PythonInfo:
        """The base interpreter as `python_discovery` describes it, which tools use as well.

        :raises RuntimeError: it cannot be queried.
        """
        if self._info is None:
            from python_discovery import PythonInfo

            assert self.environment.interpreter is not None
            executable = self.environment.interpreter.executable
            self._info = PythonInfo.from_exe(executable, AppData.of_user(self._environ), env=self._environ)
            if self._info is None:
                raise RuntimeError(f"failed to query `{executable}`")
        return self._info

    @property
    def dest(self) -> Path:
        return self.environment.root

    @property
    def exe(self) -> Path:
        return self.environment.executable

    @property
    def bin_dir(self) -> Path:
        return self.environment.bin

    script_dir = bin_dir
    """virtualenv distinguishes between the directories of Python and of console scripts. In cloche they are the same."""

    @property
    def purelib(self) -> Path:
        return self.environment.purelib

    @property
    def platlib(self) -> Path:
        return self.environment.platlib

    @property
    def libs(self) -> list[Path]:
        return list(dict.fromkeys((self.platlib, self.purelib)))

    @property
    def env_name(self) -> str:
        return self.dest.name

    @property
    def pyenv_cfg(self) -> dict[str, str]:
        """The settings in `pyvenv.cfg`; empty while there is none."""
        try:
            lines = self.environment.config.read_text(encoding="utf-8").split("\n")
        except OSError:
            return {}
        pairs = [line.partition("=") for line in lines]
        return {key.strip(): text.strip() for key, separator, text in pairs if separator}

    def script(self, name: str) -> Path:
        """Return the path of a console script."""
        return self.script_dir / (f"{name}.exe" if self.environment.os_name == "nt" else name)
