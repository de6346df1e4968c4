"""Checks of the scripts of an environment: recorded roots, and the Pythons that run scripts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.fs import is_same_file, list_names
from cloche.lifecycle.doctor.case import ONLY_YOU, Finding, and_more
from cloche.lifecycle.embedded_paths import recorded_roots
from cloche.lifecycle.embedded_paths.shebangs import parse_header
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.model import PYVENV_CFG
from cloche.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.lifecycle.doctor.case import Case


def check_moved(case: Case) -> Iterator[Finding]:
    """Report the old roots that files still name."""
    old_roots = case.old_roots
    if not old_roots:
        return
    info = case.info
    files_by_root = recorded_roots.find_recorded_roots(
        case.environment, info.settings, list(info.distributions), info.shells, case.files
    )
    for root in old_roots:
        files = files_by_root.get(root, [])
        action = "copied" if os.path.isfile(os.path.join(root, PYVENV_CFG)) else "moved"
        mentions = f"{len(files)} files still name `{root}`, such as `{files[0]}`"
        if len(files) == 1:
            mentions = f"`{files[0]}` still names `{root}`"
        message = f"the environment was {action} from there: {mentions}"
        yield Finding("moved", root, message, f"{case.fix} writes `{case.root}` in its place", repairable=True)


class ScriptProblem(Value):
    """What is wrong with one or several scripts."""

    code: str
    state: str
    """What is wrong, as a phrase that follows "it"."""
    remedy: str
    repairable: bool = True


def check_scripts(case: Case) -> Iterator[Finding]:
    """Report scripts that cannot run, that run with another Python, or that a move would break; one finding for each cause."""
    for problem, paths in broken_scripts(case).items():
        if problem.code == "base-gone":
            continue  # reported by `check_base`
        message = f"it {problem.state}{and_more(len(paths))}"
        yield Finding(problem.code, paths[0], message, problem.remedy, problem.repairable)


def broken_scripts(case: Case) -> dict[ScriptProblem, list[str]]:
    """Return the scripts that do not work as they should, by problem."""
    environment, files = case.environment, case.files
    own = set(recorded_roots.own_scripts(environment, list(case.info.distributions)))
    found: dict[ScriptProblem, list[str]] = {}
    for name in list_names(environment.path_to(environment.layout.bin)):
        path = f"{environment.layout.bin}/{name}"
        if files.target(path) is not None or PYTHON_NAME.fullmatch(name):
            continue
        if problem := script_problem(case, path, path in own):
            found.setdefault(problem, []).append(path)
    return found


def script_problem(case: Case, path: str, is_own: bool) -> ScriptProblem | None:
    """Return what is wrong with a script; None if nothing is, or if the cause is another finding.

    :param is_own: whether the script belongs to an installed package.
    """
    environment = case.environment
    on_disk = case.files.on_disk(path)
    header = parse_header(case.files.beginning(path))
    if header is None or not header.program.startswith("/"):
        return None
    program, name = header.program, os.path.basename(header.program)
    root = recorded_roots.environment_of_program(program, environment.layout.bin)
    if root in case.old_roots:
        return None  # reported by `check_moved`
    if not os.path.exists(program):
        if is_same_file(root, case.root):
            if name in environment.layout.names or environment.interpreter is None or case.examination.failure:
                return None  # reported by `check_parts`, `check_base` or `check_start`
            state = f"runs with `{name}`, which this environment does not have"
            executable = os.path.basename(environment.layout.executable)
            return ScriptProblem("script-dead", state, f"{case.fix} changes it to `{executable}`")
        if case.is_in_lost_base(program):
            return ScriptProblem("base-gone", "runs with its base, which no longer exists", case.fix)
        state = f"runs with `{program}`, which does not exist"
        if is_own:
            return ScriptProblem("script-dead", state, f"{case.fix} changes it to the Python of this environment")
        remedy = f"{ONLY_YOU}: reinstall the package that it belongs to, or remove it"
        return ScriptProblem("script-dead", state, remedy, repairable=False)
    if not is_own:
        return None
    if not is_executable(on_disk):
        return ScriptProblem("script-dead", "is not executable", f"{case.fix} makes it executable")
    if (not root or not is_same_file(root, case.root)) and name != "env":
        state = f"belongs to a package here, but runs with `{program}`"
        return ScriptProblem("script-foreign", state, f"{case.fix} changes it to the Python of this environment")
    if environment.placement == "relocatable" and environment.os_name != "nt":
        state = "contains its current path, although the environment is relocatable"
        return ScriptProblem("script-fixed", state, f"{case.fix} changes it to find its Python at run time")
    return None


def is_executable(path: str) -> bool:
    """Return whether the permission bits of a file let anyone execute it; see `check_mount` for file systems."""
    return os.name == "nt" or bool(os.stat(path).st_mode & 0o111)
