"""What `virtualenv.session_via_cli` and `virtualenv.cli_run` give: an environment described, then made by cloche.

Describing looks for the interpreter and touches nothing at the destination; tox describes environments that it never
makes. The attributes are those that tools use; they hold before the environment is there.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cloche.api import current_host
from cloche.errors import ClocheError, UsageError
from cloche.model.environment import Environment
from cloche.model.value import replace
from cloche.planning import pyvenv_cfg
from cloche.planning.destination import absolute
from cloche.planning.layout import layout_of
from cloche.plugins.guard import blocked
from cloche.session import Session as Run
from cloche_virtualenv.arguments import interpret
from cloche_virtualenv.help import show, usage, version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from python_discovery import PythonInfo
    from typing_extensions import Self

    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.plan import Result
    from cloche_virtualenv.arguments import Asked

OF_THE_USER = ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "XDG_CACHE_HOME", "SYSTEMROOT", "CLOCHE_CACHE_DIR")
"""Variables that say where the user's cache is: tools that pass few variables on still share one cache."""


def cli_run(
    args: Sequence[str], options: object = None, setup_logging: bool = True, env: Mapping[str, str] | None = None
) -> Session:
    """Make an environment and return its session; parameters and errors as of `session_via_cli`."""
    with session_via_cli(args, options, setup_logging, env) as session:
        session.run()
    return session


def session_via_cli(
    args: Sequence[str],
    options: object = None,
    setup_logging: bool = True,
    env: Mapping[str, str] | None = None,
) -> Session:
    """Describe the environment that a command line of virtualenv asks for.

    :param env: environment variables to use instead of `os.environ`.
    :raises SystemExit: with 2, the arguments make no sense; with 0, they ask for help or the version.
    :raises RuntimeError: no interpreter serves.
    """
    host = world(env)
    try:
        asked = interpret([os.fspath(one) for one in args], host, {"virtualenv": version()})
    except UsageError as error:
        sys.stderr.write(usage(error))
        raise SystemExit(2) from None
    if asked.instead:
        show(asked.instead)
        raise SystemExit(0)
    return Session(asked, host)


def world(env: Mapping[str, str] | None) -> Host:
    """Return the world outside, with `env` for the environment variables."""
    if env is None:
        return current_host()
    return current_host({**{name: os.environ[name] for name in OF_THE_USER if name in os.environ}, **env})


class Session:
    """One environment: described when it is built, made by `run`; a context that tidies up."""

    def __init__(self, asked: Asked, host: Host) -> None:
        """:raises RuntimeError: no interpreter serves."""
        assert asked.request is not None
        self.asked = asked
        self.verbosity = asked.verbosity
        self.result: Result | None = None
        self._run = Run(
            host,
            cache=asked.cache or host.environ.get("CLOCHE_CACHE_DIR") or None,
            access="read-only" if asked.read_only_cache else "read-write",
            blocklist=blocked(host),
        )
        wanted = ", ".join(asked.request.pythons) or "the running Python"
        try:
            found = self._run.find(asked.request).interpreter
        except ClocheError as error:
            raise RuntimeError(f"failed to find interpreter for {wanted}: {sentence(error)}") from error
        self.request = replace(asked.request, pythons=(found.executable,), try_first_with=())
        self.creator = Creator(absolute(self.request.destination, host), found, host)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run.__exit__(kind, error, traceback)

    def run(self) -> None:
        """Make the environment, all or nothing.

        :raises RuntimeError: any refusal or failure; the destination is then as it was.
        """
        try:
            self.result = self._run.create(self.request)
        except ClocheError as error:
            raise RuntimeError(sentence(error)) from error

    @property
    def interpreter(self) -> PythonInfo:
        return self.creator.interpreter

    @property
    def seeder(self) -> str:
        """Name of the seeder that was used; empty before `run`, and if there was nothing to seed."""
        return (self.result.plan.seeder or "") if self.result else ""

    @property
    def activators(self) -> list[str]:
        """Names of the activators that were used; empty before `run`."""
        return list(self.result.plan.activators) if self.result else []


def sentence(error: ClocheError) -> str:
    return error.message + (f" ({error.hint})" if error.hint else "")


class Creator:
    """Where things stand in an environment, whether it is there or not."""

    def __init__(self, location: str, interpreter: Interpreter, host: Host) -> None:
        self._host = host
        self._base = interpreter
        self._info: PythonInfo | None = None
        self.environment = Environment(
            location, layout_of(interpreter), interpreter.os_name, os.path.basename(location), interpreter
        )

    @property
    def interpreter(self) -> PythonInfo:
        """The base interpreter as `python_discovery` describes it, which tools share.

        :raises RuntimeError: it cannot be asked.
        """
        if self._info is None:
            from python_discovery import PythonInfo

            from cloche_virtualenv.app_data import AppData

            self._info = PythonInfo.from_exe(self._base.executable, AppData.of_user(self._host), env=self._host.environ)
            if self._info is None:
                raise RuntimeError(f"failed to query `{self._base.executable}`")
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
    """virtualenv tells apart where Python and where console scripts stand; no environment of cloche does."""

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
        """What `pyvenv.cfg` says; empty while there is none."""
        try:
            return pyvenv_cfg.parse(self.environment.config.read_text(encoding="utf-8"))
        except OSError:
            return {}

    def script(self, name: str) -> Path:
        """Return where a console script stands."""
        return self.script_dir / (f"{name}.exe" if self.environment.os_name == "nt" else name)
