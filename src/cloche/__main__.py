"""`cloche` and `python -m cloche`: the way from argv to an exit code."""

from __future__ import annotations

import sys
from time import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import NoReturn

STARTED = perf_counter()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, or that of the error (see `cloche.errors`), 130 when interrupted."""
    argv = sys.argv[1:] if argv is None else argv
    if argv in (["--version"], ["-V"]):
        from cloche import __version__

        sys.stdout.write(f"cloche {__version__}\n")
        return 0
    from cloche.cli.command import run_command

    return run_command(argv, STARTED)


def run() -> NoReturn:
    """Entry point of the console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()
