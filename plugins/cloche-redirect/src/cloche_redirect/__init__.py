"""A plugin that writes a file `.venv` beside a new environment of a project, so that tools find it (PEP 832, a draft).

The file contains one line, the path of the environment relative to the file. It is written only beside a
`pyproject.toml`, and only if `.venv` does not exist or is a redirect to another environment that cloche created.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche import Result, hookimpl

if TYPE_CHECKING:
    from pathlib import Path

NAME = ".venv"


@hookimpl
def cloche_created(result: Result) -> None:
    root = result.environment.root
    redirect = root.parent / NAME
    if root.name == NAME or not (root.parent / "pyproject.toml").is_file():
        return
    if root.name != root.name.strip() or len(root.name.splitlines()) != 1:
        raise ValueError(f"`{redirect}` cannot contain the name {root.name!r}, which does not fit on one line")
    if not os.path.lexists(redirect):
        with redirect.open("x", encoding="utf-8", newline="\n") as file:
            file.write(f"{root.name}\n")
    elif is_redirect_to_cloche(redirect):
        temporary = redirect.with_name(f"{NAME}.{os.getpid()}")
        temporary.write_text(f"{root.name}\n", encoding="utf-8", newline="\n")
        os.replace(temporary, redirect)


def is_redirect_to_cloche(redirect: Path) -> bool:
    """Return whether a file is a redirect to an environment that cloche created."""
    if redirect.is_symlink() or not redirect.is_file():
        return False
    try:
        line = redirect.read_text(encoding="utf-8").removesuffix("\n")
        settings = (redirect.parent / line / "pyvenv.cfg").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return bool(line) and any(row.partition("=")[0].strip() == "cloche" for row in settings.splitlines())
