"""Diagnose an environment, without changing it: what is wrong, and how to repair it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.fs import is_same_file
from cloche.fs.locks import identity_of
from cloche.lifecycle.doctor.case import Case
from cloche.lifecycle.doctor.checks import CHECKS, NEED_ITS_PYTHON
from cloche.lifecycle.editable_modules import modules_of_editables
from cloche.lifecycle.examination import started_python
from cloche.lifecycle.info import info_of
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.reader import find_base, read_environment
from cloche.lifecycle.rebase import find_replacement
from cloche.lifecycle.relocation import Relocation, moved_parent, refuse_other_encoding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cloche.lifecycle.doctor.case import Finding
    from cloche.lifecycle.doctor.checks import Check
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.tree import Tree
    from cloche.model.interpreter import Interpreter
    from cloche.session import Session


def open_case(path: str, session: Session, *, seed: bool = True) -> Case:
    """Examine an environment with its own Python, and return its case.

    :param seed: whether to check that pip runs, which takes longer than everything else if there are few packages.
    :raises DestinationError: there is no environment at `path`.
    :raises ClocheError: its files contain its path in an encoding other than the locale's.
    """
    return examine_case(path, session, seed=seed)


def case_after(case: Case, changed: Collection[str], session: Session) -> Case:
    """Return the case of an environment after changes at and below these paths; the rest of it is not read again.

    :raises ClocheError: as for `open_case`.
    """
    parents = {path[:index] for path in changed for index, character in enumerate(path) if character == "/"}
    known = {
        distribution.metadata: distribution
        for distribution in case.info.distributions
        if distribution.metadata.endswith(".dist-info") and distribution.metadata not in parents.union(changed)
    }
    return examine_case(case.root, session, case.tree.after(changed), known)


def examine_case(
    path: str,
    session: Session,
    tree: Tree | None = None,
    known: Mapping[str, InstalledDistribution] | None = None,
    *,
    seed: bool = True,
) -> Case:
    """Do what `open_case` describes.

    :param tree: its files, if they were read before.
    :param known: as for `installed_distributions`.
    :param seed: as for `open_case`.
    """
    identity = identity_of(path)
    environment = read_environment(path, session.host, session.probes)
    refuse_other_encoding(environment.location)
    with started_python(
        environment, session.host, seed=seed
    ) as python:  # while it starts, this process reads the packages
        info = info_of(environment, session, tree, known)
        editables = modules_of_editables(info.distributions, Overlay(environment.location))
        examination = python.finish(editable={module for found in editables.values() for module in found})
    works = environment.interpreter is not None and not examination.failure
    is_needed = not works and not info.is_portable  # a portable environment cannot be connected to another Python
    replacement = None
    if is_needed:
        replacement = environment.interpreter or find_moved_base(info, session) or find_replacement(info, session)
    return Case(info, session.host, examination, replacement, identity)


def find_moved_base(info: EnvironmentInfo, session: Session) -> Interpreter | None:
    """Return the base of an environment if it was moved together with it, as in a project that contains both; else None."""
    location = info.environment.location
    for root in info.recorded_roots:
        relocation = Relocation(((root, location),), moved_parent(root, location))
        settings = {key: relocation.path(setting) for key, setting in info.settings.items()}
        if not is_same_file(root, location) and settings.get("home") != info.settings.get("home"):
            return find_base(location, settings, session.host, session.probes)
    return None


def diagnose(case: Case, checks: Iterable[Check] = CHECKS) -> list[Finding]:
    """Return the findings of checks, in this order.

    As long as its Python does not work and only the user can change that, the packages are left out: what is wrong with them
    may be a consequence, and no command could repair it.
    """
    findings: list[Finding] = []
    for check in checks:
        if check not in NEED_ITS_PYTHON or not lacks_python(case, findings):
            findings += check(case)
    return findings


def lacks_python(case: Case, findings: Iterable[Finding]) -> bool:
    """Return whether programs that the environment's Python runs, such as pip, do not work on it, or soon will not."""
    examination = case.examination
    if not examination.failure and not is_same_file(examination.prefix, case.root):
        return True  # pip would change another environment, or the base
    codes = {finding.code for finding in findings if not finding.repairable}
    return bool(codes & PYTHON_CODES) or ("mount-noexec" in codes and bool(examination.failure))


PYTHON_CODES = frozenset(
    (
        "base-gone",
        "base-replaced",
        "base-unusable",
        "half-upgraded",
        "prefix-wrong",
        "python-dead",
        "start-held-up",
    )
)
"""The codes of findings about the Python of an environment."""


CODES = {
    "base-gone": "the base interpreter no longer exists",
    "base-replaced": "the path of the base interpreter now leads to an interpreter of another version",
    "base-unusable": "the base interpreter exists, but cloche cannot use it: it is too old, does not start, or cannot be read",
    "base-upgraded": "the base interpreter is now another patch release, but `pyvenv.cfg` still names the old one",
    "config-disagrees": "`pyvenv.cfg` names something that does not exist or does not match the environment",
    "editable-dead": "the source directory of an editable install no longer exists, or its modules cannot be imported",
    "extension-for-other-abi": "this Python cannot load some extension modules",
    "half-made": "something that the tool writes into every environment is missing",
    "half-upgraded": "the environment's Python and its `pyvenv.cfg` have different versions",
    "library-missing": "this system lacks a library that the Python of a portable environment needs",
    "installed-twice": "files of two versions of one package are mixed",
    "left-behind": "a killed run has left its staging directory",
    "lib-of-other-version": "there are packages in a directory that this Python does not search",
    "link-copied": "a directory that should be a link to another one is a copy of it instead",
    "link-dangling": "the target of a symbolic link, or the directory to which all links of a package lead, does not exist",
    "metadata-broken": "the metadata of an installed package is unusable",
    "mount-noexec": "the file system of the environment is mounted with `noexec`",
    "moved": "some files contain a different path for the environment",
    "name-of-other-version": "an executable is named after one version of Python and starts another",
    "path-dead": "a `.pth` file adds a directory that does not exist",
    "prefix-wrong": "the environment's Python does not recognize the environment",
    "python-dead": "the environment's Python does not start, although the base interpreter works",
    "record-altered": "a file was modified after it was installed",
    "record-missing": "an installed file, or the list of installed files, is missing",
    "script-dead": "the Python of a script no longer exists, or the script is not executable",
    "script-fixed": "a script in a relocatable environment would not survive a move",
    "script-foreign": "a script of a package here runs with the Python of another environment",
    "seed-broken": "pip does not run, one of its files is missing, or the seeds are links to a cache that was removed",
    "start-held-up": "a `.pth` file or `pyvenv.cfg` is a pipe or a device",
    "world-writable": "every user on the machine can change what the environment runs",
}
"""The code of every finding, and its meaning."""
