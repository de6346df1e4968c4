from __future__ import annotations

import os

import cloche_virtualenv.session as implementation
from cloche_virtualenv.arguments import Announced
from cloche_virtualenv.options import Options as VirtualEnvOptions
from cloche_virtualenv.session import Session
from virtualenv.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANNOUNCED = Announced(__version__, os.path.join(os.path.dirname(os.path.dirname(__file__)), "__init__.py"))


def cli_run(
    args: Sequence[str],
    options: VirtualEnvOptions | None = None,
    setup_logging: bool = True,
    env: Mapping[str, str] | None = None,
) -> Session:
    """Create an environment and return its session; parameters and errors as for `session_via_cli`."""
    return implementation.cli_run(args, options, setup_logging, env, ANNOUNCED)


def session_via_cli(
    args: Sequence[str],
    options: VirtualEnvOptions | None = None,
    setup_logging: bool = True,
    env: Mapping[str, str] | None = None,
) -> Session:
    """Return a session for a command line, without creating the environment; see `cloche_virtualenv.session`."""
    return implementation.session_via_cli(args, options, setup_logging, env, ANNOUNCED)


__all__ = ["Session", "VirtualEnvOptions", "cli_run", "session_via_cli"]
