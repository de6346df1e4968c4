"""Programs that cloche runs: interpreters, pip and shells.

The settings of the user's own Python must not change what these programs do, so they start without them. Every module that
starts a process takes its environment variables from here, with two exceptions: `cloche run` runs the user's command, and
programs of the system, such as `mksquashfs`, `unsquashfs` and the loader, may get a fixed environment.
"""

from __future__ import annotations

import os

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHON_PREFIXES = ("PYTHON", "_PYTHON", "__PYVENV_LAUNCHER__")
"""Prefixes of the variables that change how Python starts, or what it reports about itself.

`_PYTHON_HOST_PLATFORM`, `_PYTHON_SYSCONFIGDATA_NAME` and `_PYTHON_PROJECT_BASE` are for cross builds; sysconfig reads them even
with `-I`.
"""

SHELL_VARIABLES = frozenset(("BASH_ENV", "ENV", "ZDOTDIR", "PROMPT_COMMAND", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT"))
"""Variables that make a shell run the user's startup files, and those that activation sets."""


def python_environ(environ: Mapping[str, str] | None) -> dict[str, str]:
    """Return the environment variables for an interpreter: those of the user, without what changes Python.

    :param environ: the variables of the user; None for the variables of this process.
    """
    found = os.environ if environ is None else environ
    return {name: text for name, text in found.items() if not name.upper().startswith(PYTHON_PREFIXES)}


def shell_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for a shell: without startup files, exported functions and an active environment."""
    return {
        name: text
        for name, text in python_environ(environ).items()
        if name not in SHELL_VARIABLES and not name.startswith(("BASH_FUNC_", "XDG_"))
    }
