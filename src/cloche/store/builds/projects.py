"""Projects in directories: what their `pyproject.toml` says, and the files that a build of one needs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.errors import reason_of
from cloche.fs import open_regular_file
from cloche.fs.toml import parse_toml
from cloche.store.builds.sources import unusable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.store.builds.sources import SourceCode


def read_pyproject(source: SourceCode) -> Mapping[str, object]:
    """Return the content of a directory's `pyproject.toml`; empty if there is none.

    :raises SeedError: it cannot be read.
    """
    path = os.path.join(project_directory(source), "pyproject.toml")
    try:
        with open_regular_file(path) as file:
            return parse_toml(file.read().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise unusable(source, f"`{path}` cannot be read ({reason_of(error)})") from error


def project_directory(source: SourceCode) -> str:
    """Return the directory that holds a project's `pyproject.toml`."""
    return os.path.join(source.path, source.subdirectory) if source.subdirectory else source.path


def write_setuptools_config(source: SourceCode, work: str) -> str:
    """Return the path of a configuration that makes setuptools leave no `build` in the user's directory.

    Files in it would also end up in the wheels of later builds, even if they were deleted from the project.
    """
    path = os.path.join(work, "setuptools.cfg")
    with open(path, "w", encoding="utf-8") as file:
        if os.path.isdir(source.path) and not source.editable:
            file.write(f"[build]\nbuild_base = {os.path.join(work, 'build').replace('%', '%%')}\n")
    return path
