"""Repair an environment: all repairs edit one overlay, which is applied in one transaction."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cloche.apply.obstacles import commands_before_removal
from cloche.apply.staging import recover_environment, staging_directories
from cloche.errors import ClocheError, SeedError
from cloche.lifecycle.doctor.case import ONLY_YOU, RepairResult
from cloche.lifecycle.doctor.checks.packages import missing_scripts
from cloche.lifecycle.doctor.checks.parts import PIP, empty_activation_scripts, missing_parts
from cloche.lifecycle.doctor.checks.scripts import broken_scripts
from cloche.lifecycle.doctor.diagnosis import case_after, diagnose, open_case
from cloche.lifecycle.embedded_paths import files_to_relocate, relocate_tree, retarget_scripts
from cloche.lifecycle.external_references import find_external_references, linked_distributions, outdated_records
from cloche.lifecycle.installed_startup_code import startup_rule
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.reader import copied_links
from cloche.lifecycle.rebase import rebase
from cloche.lifecycle.recorded_command import recorded_pin, seeds_like
from cloche.lifecycle.relocation_context import activation_scripts, relocation_context
from cloche.lifecycle.resolving import seed_images
from cloche.lifecycle.seed_replacement import apply_overlay, reinstall_seeds
from cloche.model.value import replace
from cloche.shells import quote_word
from cloche.store.installation import entry_point_script
from cloche.store.startup_code import StartupCodeRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloche.lifecycle.doctor.case import Case, Finding
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.model.aliases import StartupRule
    from cloche.model.interpreter import Interpreter
    from cloche.session import Session


def repair_environment(case: Case, session: Session, rule: StartupRule | None = None) -> RepairResult:
    """Repair all repairable findings, and those that only show after that; diagnose the environment again.

    :param rule: what happens to seeds with startup code; None for the rule that the environment was created with.

    :raises ClocheError: an operation failed, or the environment does not work afterwards; it is unchanged. If that happens
        after a first repair, the result has a note instead.
    """
    findings = diagnose(case)
    leftovers = staging_directories(case.root)
    recover_environment(case.root)
    if leftovers:
        case = open_case(case.root, session)
    current = diagnose(case) if leftovers else findings
    notes: list[str] = []
    attempted: set[str] = set()
    is_repaired = False
    while any(finding.repairable and finding.code not in attempted for finding in current):
        attempted |= {finding.code for finding in current if finding.repairable}
        try:
            case, told = repair_once(case, current, session, rule)
        except ClocheError as error:
            if not is_repaired:
                raise
            notes.append(f"some problems were repaired, but the next repair failed: {error.message}")
            break
        is_repaired = True
        notes += told
        current = diagnose(case)  # with the cause repaired, more can be examined and repaired
    return RepairResult(tuple(findings), tuple(map(left_to_user, current)), tuple(notes))


def left_to_user(finding: Finding) -> Finding:
    """Return a finding that remains after a repair; what could not be removed is left to the user."""
    if finding.code != "left-behind":
        return finding
    commands = [*commands_before_removal(finding.path), f"rm -r {quote_word(finding.path, os.name)}"]
    remove = " and ".join(f"`{command}`" for command in commands)
    remedy = f"{ONLY_YOU} what you still need from it: save that, then run {remove}; cloche cannot remove the directory"
    return replace(finding, remedy=remedy, repairable=False)


def repair_once(
    case: Case, findings: list[Finding], session: Session, rule: StartupRule | None
) -> tuple[Case, list[str]]:
    """Repair all these findings that are repairable in one transaction; return the case after that, and notes for the user.

    :raises ClocheError: an operation failed, or the environment does not work afterwards; it is unchanged.
    """
    overlay, notes = plan_repairs(case, findings, session, rule)
    overlay.update_checksums()
    repaired: list[Case] = []

    def verify() -> None:
        after = case_after(case, overlay.changed, session)
        if after.examination.failure and not case.examination.failure:
            raise ClocheError(f"`{case.root}` would not work: {after.examination.failure}; nothing was changed")
        repaired.append(after)

    apply_overlay(overlay, verify, case.info, session, case.identity)
    return repaired[0] if repaired else open_case(case.root, session), notes


REBASE_CODES = frozenset(
    ("base-gone", "base-replaced", "base-unusable", "base-upgraded", "config-disagrees", "python-dead")
)
"""Codes of findings that a rebase repairs; it also repairs a `half-made` Python or `pyvenv.cfg`."""


def plan_repairs(
    case: Case, findings: list[Finding], session: Session, rule: StartupRule | None
) -> tuple[Overlay, list[str]]:
    """Return an overlay with the repairs of all repairable findings, and notes for the user.

    :param rule: what happens to seeds with startup code; None for the rule that the environment was created with.
    """
    repairs = Repairs(case, findings, session, startup_rule(case.info.settings, rule))
    repairs.restore_python()
    repairs.restore_scripts()
    repairs.update_moved_paths()
    repairs.correct_scripts()
    repairs.correct_entries()
    repairs.reinstall_seeds()
    return repairs.overlay, repairs.notes


class Repairs:
    """The repairs of what was found in an environment, by what they change."""

    def __init__(self, case: Case, findings: Iterable[Finding], session: Session, rule: StartupRule) -> None:
        self.case = case
        self.session = session
        self.rule = rule
        self.overlay = Overlay(case.root)
        self.notes: list[str] = []
        self.paths: dict[str, list[str]] = {}
        """The paths of the repairable findings, by code."""
        for finding in findings:
            if finding.repairable:
                self.paths.setdefault(finding.code, []).append(finding.path)
        self.interpreter = case.environment.interpreter or case.replacement
        self.environment = replace(case.environment, interpreter=self.interpreter)
        """The environment as it is after the repair."""
        self.incomplete = {*missing_parts(case)} if "half-made" in self.paths else set()

    def restore_python(self) -> None:
        """Refer to a base interpreter that works, and restore the other names of the Python."""
        layout, overlay = self.environment.layout, self.overlay
        needs_base = self.paths.keys() & REBASE_CODES or self.incomplete & {
            layout.config,
            layout.executable,
            layout.bin,
        }
        if needs_base and self.interpreter is not None:
            rebase(overlay, self.case.environment, self.interpreter, self.session)
        for path in self.incomplete & {f"{layout.bin}/{name}" for name in layout.names} - {layout.executable}:
            overlay.link(path, os.path.basename(layout.executable))

    def restore_scripts(self) -> None:
        """Write activation scripts and the scripts of packages again if they were lost."""
        has_lost_all = self.environment.layout.bin in self.incomplete
        empty = {} if has_lost_all else {path.lower(): path for path in empty_activation_scripts(self.case)}
        if has_lost_all or empty:
            for path, content in activation_scripts(self.environment, self.session).items():
                if has_lost_all or path.lower() in empty:
                    self.overlay.write(empty.get(path.lower(), path), content)
        if has_lost_all or "record-missing" in self.paths:
            for path, (name, point) in missing_scripts(self.case).items():
                self.overlay.write(path, entry_point_script(name, point, self.environment)[1], executable=True)

    def update_moved_paths(self) -> None:
        """Write the path of the environment in place of the one that it was moved from."""
        case, host = self.case, self.session.host
        if "moved" not in self.paths:
            return
        old_roots = case.old_roots
        old_name = os.path.basename(old_roots[0])
        context = relocation_context(case.info, self.environment, case.relocation, old_name, self.session)
        files = files_to_relocate(case.tree, case.info.distributions, case.info.settings)
        remaining = relocate_tree(self.overlay, context, files)
        self.notes += (f"`{path}` still contains `{old_roots[0]}`" for path in remaining)
        lost = [root for root in old_roots if not os.path.isdir(root)]  # the others have references of their own
        linked = linked_distributions(case.info)
        references = find_external_references(lost, [*lost, case.root], host, linked) if lost else []
        self.notes += (f"{reference} still contains `{lost[0]}`" for reference in references)
        self.notes += outdated_records(linked, self.overlay.changed)

    def correct_scripts(self) -> None:
        """Let scripts name the Python of the environment, and be executable."""
        scripts = [
            path
            for problem, paths in broken_scripts(self.case).items()
            if problem.code in self.paths and problem.repairable
            for path in paths
        ]
        retarget_scripts(self.overlay, self.case.environment, scripts, platform_of(self.case))
        for path in scripts:
            mode = self.overlay.mode(path)
            if not mode & stat.S_IXUSR:
                self.overlay.set_mode(path, mode | (mode & 0o444) >> 2)  # users who can read it can execute it

    def correct_entries(self) -> None:
        """Remove wrong names of the Python, replace copies by the links that they were, and correct permissions."""
        for path in self.paths.get("name-of-other-version", []):
            self.overlay.remove(path)
        for path in self.paths.get("link-copied", []):
            self.overlay.replace_with_link(path, dict(copied_links(self.case.environment))[path])
        for path in self.case.tree.world_writable if "world-writable" in self.paths else ():
            self.overlay.set_mode(path, self.overlay.mode(path) & ~stat.S_IWOTH)

    def reinstall_seeds(self) -> None:
        """Install seeds again that are damaged or lost.

        :raises StartupCodeRefused: one has startup code that is refused.
        """
        broken = {*self.paths.get("seed-broken", ())} | self.incomplete & {PIP}
        if broken:
            self.notes += repair_seeds(self.overlay, self.case, self.interpreter, broken, self.rule, self.session)


def repair_seeds(
    overlay: Overlay,
    case: Case,
    interpreter: Interpreter | None,
    broken: set[str],
    rule: StartupRule,
    session: Session,
) -> list[str]:
    """Reinstall each broken seed that is available; return a note for each one that is not.

    :raises StartupCodeRefused: one has startup code that is refused.
    :param interpreter: the interpreter that the environment has after the repair.
    :param broken: the paths of the findings. One that belongs to no lost seed is about pip.
    """
    info = replace(case.info, environment=replace(case.environment, interpreter=interpreter))
    lost = {seed.requirement: (*seed.links, *seed.metadata) for seed in case.lost_seeds}
    if not broken <= {path for paths in lost.values() for path in paths}:
        version = next((item.version for item in info.distributions if item.key == "pip"), "")
        lost.setdefault(f"pip=={version}" if version else recorded_pin(info.settings, "pip") or "pip", ())
    requirements = {requirement: with_available_pip(requirement, info, session) for requirement in lost}

    def reinstall(replaced: Mapping[str, str]) -> str:
        """Return why seeds cannot be reinstalled; empty if they are.

        :param replaced: what to install in the place of each one, as requirements.
        """
        remnants = [path for requirement in replaced for path in lost[requirement]]
        try:
            installed = reinstall_seeds(overlay, info, tuple(replaced.values()), rule, session, remnants)
        except StartupCodeRefused:
            raise
        except SeedError as error:
            return error.message
        version = next((old.removeprefix("pip==") for old in replaced if old.startswith("pip==")), "")
        new = next((item for item in installed if item.startswith("pip ")), "")
        if version and new != f"pip {version}":
            notes.append(f"{new} was installed instead of {version}, which is not available")
        return ""

    notes: list[str] = []
    if not (message := reinstall(requirements)):
        return notes
    for old, requirement in requirements.items():
        reason = reinstall({old: requirement}) if len(lost) > 1 else message
        if reason and requirement.startswith("pip=="):
            reason = reinstall({old: "pip"})
        if reason:
            notes.append(f"`{requirement}` was not installed again: {reason}; {SEED_HINT}")
    return notes


def with_available_pip(requirement: str, info: EnvironmentInfo, session: Session) -> str:
    """Return the requirement of a seed; of pip, without its version if only a package index may still have that.

    If the user chose the version, the index is asked for it.

    :param requirement: `NAME==VERSION`, or `pip`.
    """
    if not requirement.startswith("pip==") or requirement == recorded_pin(info.settings, "pip"):
        return requirement
    assert info.environment.interpreter is not None
    wanted = replace(seeds_like(info.settings, [requirement]), network="never")
    try:
        seed_images(wanted, info.environment.interpreter, session)
    except SeedError:
        return "pip"
    return requirement


SEED_HINT = (
    "repeat this with access to the package index, "
    "or set `PIP_FIND_LINKS` to the path of a directory that contains its wheel"
)


def platform_of(case: Case) -> str:
    """Return `sys.platform` of the Python of an environment."""
    interpreter = case.environment.interpreter or case.replacement
    return interpreter.platform if interpreter else case.host.platform
