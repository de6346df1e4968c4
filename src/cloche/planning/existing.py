"""A directory that exists at the destination: whether an environment may be added there, refreshed or replaced, and how."""

from __future__ import annotations

import os

from cloche.errors import DestinationError
from cloche.model.value import TYPE_CHECKING
from cloche.planning.destination import find_python_mismatch
from cloche.shells import quote_word
from cloche.store.reserved_names import CONDA_DIRECTORY

if TYPE_CHECKING:
    from cloche.model.aliases import Strategy
    from cloche.model.interpreter import Host
    from cloche.model.plan import Blueprint, Target
    from cloche.planning.clearing import Replacement
    from cloche.planning.destination import Destination


def strategy_for_existing(
    destination: Destination, target: Target, blueprint: Blueprint, host: Host, replaced: Replacement | None
) -> tuple[Strategy, str, Replacement | None]:
    """Return how a new tree gets into a directory that is not empty, the outcome in one word, and what is replaced.

    :raises DestinationError: the directory must not be replaced, or is an environment of another Python.
    """
    if is_conda_environment(destination.target):
        raise conda_environment_error(destination.location, host.os_name)
    if target.existing != "keep":
        if replaced is None:
            from cloche.planning.clearing import plan_replacement

            replaced = plan_replacement(destination, target.existing, blueprint.interpreter, host)
        whole: Strategy = "merge-emptied" if destination.immovable else "exchange"
        return ("merge" if replaced.keeps_others else whole), "replaced", replaced
    if destination.state == "directory":
        return "merge", "added", None
    if python := find_python_mismatch(destination, blueprint.interpreter, blueprint.layout):
        location, executable = destination.location, blueprint.interpreter.executable
        raise DestinationError(
            f"`{location}` is an environment of {python}, not of {blueprint.interpreter.name}",
            hint=f"`cloche upgrade {quote_word(location, host.os_name)} -p {quote_word(executable, host.os_name)}` changes its "
            "Python and keeps the packages; `--clear` replaces the environment",
        )
    return "merge", "refreshed", None


def is_conda_environment(location: str) -> bool:
    """Return whether a directory belongs to conda or a similar tool."""
    return os.path.isdir(os.path.join(location, CONDA_DIRECTORY))


def conda_environment_error(location: str, os_name: str) -> DestinationError:
    """Return the error for a directory that conda manages, which cloche does not change.

    :param os_name: `os.name` of the system that the command in the hint is for.
    """
    return DestinationError(
        f"`{location}` is a conda environment, which only `conda` can change",
        hint=f"`cloche .venv -p {quote_word(location, os_name)}` creates an environment that uses its Python",
    )
