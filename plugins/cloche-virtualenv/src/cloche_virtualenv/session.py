"""The sessions that `virtualenv.session_via_cli` and `virtualenv.cli_run` return.

Creating a session finds the interpreter but does not touch the destination; tox describes environments that it never
creates. A session has the attributes that tools use, and they are valid before the environment exists.
"""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING

import cloche
from cloche_virtualenv.app_data import AppData
from cloche_virtualenv.arguments import read_options
from cloche_virtualenv.options import Options
from cloche_virtualenv.request import choices_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from python_discovery import PythonInfo
    from typing_extensions import Self

    from cloche_virtualenv.arguments import Announced
    from cloche_virtualenv.request import Cache, Choices

USER_VARIABLES = ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "XDG_CACHE_HOME", "SYSTEMROOT", "CLOCHE_CACHE_DIR")
"""The variables that locate the user's cache; with them, tools that pass on few variables still share one cache."""

LEVELS = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
"""The log levels, by verbosity."""

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
    """Return a session for a command line of virtualenv, without creating the environment.

    :param options: the object to store the parsed options in.
    :param setup_logging: whether to set cloche's log level from the verbosity.
    :param env: environment variables to use instead of `os.environ`.
    :raises SystemExit: with 2 for invalid arguments, or with 0 after printing the help or the version.
    :raises RuntimeError: no matching interpreter is found, or an option has an invalid value.
    """
    environ = environment_variables(env)
    options = Options() if options is None else options
    warnings = read_options([os.fspath(argument) for argument in args], options, environ, announced)
    if setup_logging:
        LOGGER.setLevel(LEVELS[min(options.verbosity or 0, len(LEVELS) - 1)])
    choices = choices_for(options, environ, announced.version, warnings)
    for warning in warnings:
        LOGGER.warning("%s", warning)
    if options.reset_app_data and choices["access"] == "read-write":
        clear_cache({"cache": choices["cache"], "access": "read-write", "environ": choices["environ"]})
    return Session(options, choices)


def clear_cache(cache: Cache) -> None:
    """Empty a cache; warnings name the environments that need it.

    :raises RuntimeError: the cache cannot be emptied.
    """
    try:
        cloche.clear_cache(**cache)
    except cloche.ClocheError as error:
        raise RuntimeError(f"the cache cannot be emptied: {error.message}") from error


def environment_variables(env: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the variables of the process, or `env` and the variables that locate the user's cache."""
    if env is None:
        return dict(os.environ)
    return {**{name: os.environ[name] for name in USER_VARIABLES if name in os.environ}, **env}


class Session:
    """An environment that `run` creates; its paths are known before it exists."""

    def __init__(self, options: Options, choices: Choices) -> None:
        """Find the interpreter, and describe the environment without creating it.

        :raises RuntimeError: no matching interpreter is found, or an option has an invalid value.
        """
        self.options = options
        self.verbosity: int = options.verbosity or 0
        self.result: cloche.Result | None = None
        """The result of `run`; None before it is called."""
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
        """Do nothing, because a session holds no resources."""

    def run(self) -> None:
        """Create the environment, completely or not at all.

        :raises RuntimeError: the environment cannot be created; the destination is unchanged.
        """
        try:
            self.result = cloche.create_with_result(self.options.dest, **self._choices)
        except cloche.ClocheError as error:
            raise RuntimeError(text_of(error)) from error
        for warning in (*self.result.warnings, *self.result.plan.notes):
            LOGGER.warning("%s", with_options(warning))

    @property
    def interpreter(self) -> PythonInfo:
        return self.creator.interpreter

    @property
    def seeder(self) -> str:
        """The name of the seeder that was used; empty before `run`, and if there was nothing to install."""
        return (self.result.plan.seeder or "") if self.result else ""

    @property
    def activators(self) -> list[str]:
        """The names of the activators that were used; empty before `run`."""
        return list(self.result.plan.activators) if self.result else []


def text_of(error: cloche.ClocheError) -> str:
    """Return an error with its hint, in virtualenv's options, without the parts of the hint about what only cloche has."""
    arguments = re.compile(rf"`(?:{'|'.join(cloche.Choices.__annotations__)})(?:=.*?)?`|--[a-z]")
    parts = (error.hint or "").split("; ")
    possible = "; ".join(with_options(part) for part in parts if not arguments.search(SPELLED.sub("", part)))
    message = with_options(error.message)
    return f"{message} ({possible})" if possible else message


OPTION_FOR: Mapping[str, str] = {
    "python": "-p",
    "creator": "--creator",
    "seeder": "--seeder",
    "activators": "--activators",
    "find_links": "--extra-search-dir",
    "cache": "--app-data",
    'access="read-only"': "--read-only-app-data",
    'existing="replace"': "--clear",
    'site_packages="system"': "--system-site-packages",
    "seeds=None": "--no-seed",
    'seeds=["pip==VERSION"]': "--pip",
    'network="never"': "--no-download",
    'network="newest"': "--download",
    'link_mode="symlink"': "--symlink-app-data",
    'creator="copy"': "--copies",
    'creator="symlink"': "--symlinks",
    'creator="venv"': "--creator venv",
}
"""The options of virtualenv that mean the same as the arguments of `cloche.create` that its messages name."""

SPELLED = re.compile("`(" + "|".join(map(re.escape, OPTION_FOR)) + ")`")


def with_options(text: str) -> str:
    """Return a message of cloche with virtualenv's options instead of arguments of `cloche.create`."""
    return SPELLED.sub(lambda argument: f"`{OPTION_FOR[argument[1]]}`", text)


class Creator:
    """The paths of an environment, whether it exists or not."""

    def __init__(self, environment: cloche.Environment, environ: Mapping[str, str]) -> None:
        self.environment = environment
        self._environ = environ
        self._info: PythonInfo | None = None

    @property
    def interpreter(self) -> PythonInfo:
        """The base interpreter as `python_discovery` describes it; tools use that type.

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
    """The directory of console scripts, which in cloche is always that of the Python executable."""

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
        """The settings in `pyvenv.cfg`; empty if the file does not exist."""
        try:
            lines = self.environment.config.read_text(encoding="utf-8").split("\n")
        except OSError:
            return {}
        pairs = [line.partition("=") for line in lines]
        return {key.strip(): text.strip() for key, separator, text in pairs if separator}

    def script(self, name: str) -> Path:
        """Return the path of a console script."""
        return self.script_dir / (f"{name}.exe" if self.environment.os_name == "nt" else name)
