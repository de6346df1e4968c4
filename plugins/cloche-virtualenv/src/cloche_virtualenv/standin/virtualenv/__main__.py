"""`virtualenv` and `python -m virtualenv`."""

from __future__ import annotations

from cloche_virtualenv import main
from virtualenv.run import ANNOUNCED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from virtualenv.run import VirtualEnvOptions


def run(
    args: Sequence[str] | None = None,
    options: VirtualEnvOptions | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Create the environment that the arguments describe, and print a report."""
    main.run(args, options, env, ANNOUNCED)


def run_with_catch(args: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> NoReturn:
    """Run the program and exit."""
    main.run_with_catch(args, env, ANNOUNCED)


if __name__ == "__main__":
    run_with_catch()

__all__ = ["run", "run_with_catch"]
