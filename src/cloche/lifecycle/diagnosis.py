"""What is wrong with an environment: findings with a name, an explanation and a remedy. It looks, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.lifecycle.case import Case
from cloche.lifecycle.checks import CHECKS
from cloche.lifecycle.examination import examine
from cloche.lifecycle.info import environment_info
from cloche.lifecycle.rebase import find_replacement

if TYPE_CHECKING:
    from cloche.lifecycle.case import Finding
    from cloche.session import Session


def open_case(path: str, session: Session) -> Case:
    """Look at an environment and start its Python.

    :raises DestinationError: there is none.
    """
    info = environment_info(path, session)
    environment = info.environment
    examination = examine(environment, session.host)
    alive = environment.interpreter is not None and not examination.failure
    other = None if alive else environment.interpreter or find_replacement(info, session)
    return Case(info, session.host, examination, other)


def diagnose(case: Case) -> list[Finding]:
    """Return everything that is wrong."""
    return [finding for check in CHECKS for finding in check(case)]


CODES = {
    "base-gone": "the interpreter that the environment was made from is no longer there",
    "base-replaced": "an interpreter of another version stands where its base was",
    "base-upgraded": "its base has become another patch release, and `pyvenv.cfg` has not",
    "config-disagrees": "`pyvenv.cfg` names what does not exist, or is not what the environment is made of",
    "editable-dead": "a package is developed in a directory that is gone",
    "extension-for-other-abi": "extension modules cannot be loaded by this Python",
    "half-made": "something is missing that its maker puts into every environment",
    "half-upgraded": "its Python and its `pyvenv.cfg` are of different versions",
    "installed-twice": "two versions of one package lie over each other",
    "left-behind": "a killed run has left its staging directory",
    "lib-of-other-version": "packages lie where this Python does not look",
    "link-dangling": "a symbolic link leads nowhere",
    "metadata-broken": "an installed package does not say what it is",
    "moved": "files in it name another place as its own",
    "name-of-other-version": "an executable has the name of another version than it starts",
    "path-dead": "a `.pth` file adds a directory that is not there",
    "prefix-wrong": "its Python does not find the environment",
    "python-dead": "its Python does not start, although the base is alive",
    "record-altered": "a file is not what was installed",
    "record-missing": "a file that was installed is gone",
    "script-dead": "a script's Python is gone, or nobody may execute it",
    "script-fixed": "a script in a relocatable environment would not survive a move",
    "script-foreign": "a script of a package here is started by another environment's Python",
    "seed-broken": "pip does not run",
    "start-held-up": "a file that its Python reads when it starts is none, and it would wait for it",
    "world-writable": "every user may change what the environment runs",
}
"""Every code of a finding, and what it stands for."""
