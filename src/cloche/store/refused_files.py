"""Refuse an image with a file that the environment to install it in cannot have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.apply.file_list import read_file_list
from cloche.errors import SeedError
from cloche.fs.windows_names import unusable_name
from cloche.store.check import FILE_LIST_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Collection

    from cloche.model.distribution import Image
    from cloche.model.environment import Environment


def refuse_unusable_files(
    image: Image, trees: Collection[str], environment: Environment, scripts: Collection[str]
) -> None:
    """Refuse an image with a file that an environment cannot have.

    :param trees: the trees that the image has.
    :param scripts: the names of the scripts that are created for it.
    :raises SeedError: there is such a file.
    """
    _refuse_environment_files(image, trees, environment, scripts)
    if environment.os_name == "nt":
        _refuse_names_of_windows(image, trees, scripts)


def _refuse_environment_files(
    image: Image, trees: Collection[str], environment: Environment, scripts: Collection[str]
) -> None:
    """Refuse a wheel that contains a file of the environment itself: its Python, for example, or its configuration."""
    layout = environment.layout
    taken = {layout.config, layout.executable, *(f"{layout.bin}/{name}" for name in (*layout.names, *scripts))}
    folded = {path.casefold() for path in taken}
    for tree, prefix in (("scripts", f"{layout.bin}/"), ("data", "")):
        if tree in trees:
            for name in read_file_list(f"{image.root}/{tree}{FILE_LIST_SUFFIX}").paths:
                path = prefix + name
                if path.casefold() in folded:
                    raise SeedError(
                        f"`{image.distribution}` {image.version} contains `{path}`, a file of the environment itself",
                        hint="leave it out of the seeds, and install it with pip if you trust it",
                    )


def _refuse_names_of_windows(image: Image, trees: Collection[str], scripts: Collection[str]) -> None:
    """Refuse a wheel with a file that an environment on Windows cannot have; other systems can."""
    lists = [read_file_list(f"{image.root}/{tree}{FILE_LIST_SUFFIX}").paths for tree in trees]
    for path in (*scripts, *(path for paths in lists for path in paths)):
        if name := unusable_name(path):
            raise SeedError(
                f"`{image.distribution}` {image.version} contains `{path}`, and no file can be named `{name}` on Windows",
                hint="leave it out of the seeds or of the lock file, or choose another version",
            )
