"""What the stand-in answers instead of making an environment: its help, its version, what is wrong with the arguments."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.errors import UsageError

USAGE = "usage: virtualenv [options] DEST"


def version() -> str:
    """Return the version that the stand-in announces: of the virtualenv it stands for, and of cloche."""
    return str(import_module("virtualenv.version").__version__)


def show(what: str) -> None:
    """Print the help or the version."""
    if what == "version":
        place = os.path.abspath(str(import_module("virtualenv").__file__))
        sys.stdout.write(f"virtualenv {version()} from {place}\n")
        return
    from cloche.cli.commands import COMMANDS
    from cloche.cli.help import heading, option_lines, options_by_group

    lines = [USAGE, "", "Make a Python environment with cloche, which stands in for virtualenv here."]
    for title, options in options_by_group(COMMANDS["create"], ()).items():
        lines += ["", heading(title), *(line for option in options for line in option_lines(option))]
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def usage(error: UsageError) -> str:
    """Return what is printed for arguments that make no sense."""
    text = f"virtualenv: error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else "")
    return f"{USAGE}\n" + text.replace("`cloche", "`virtualenv")
