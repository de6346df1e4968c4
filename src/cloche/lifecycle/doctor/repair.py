"""Repair an environment: all repairs edit one overlay, which is applied in one transaction."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cloche.apply.obstacles import commands_before_removal
from cloche.apply.staging import recover_environment, staging_directories
from cloche.errors import ClocheError, SeedError
from cloche.fs.inputs import UNRECORDED
from cloche.fs.manifests import MANIFEST
from cloche.lifecycle.doctor.case import ONLY_YOU
from cloche.lifecycle.doctor.checks.packages import missing_scripts
from cloche.lifecycle.doctor.checks.parts import PIP, missing_parts
from cloche.lifecycle.doctor.checks.scripts import broken_scripts
from cloche.lifecycle.doctor.diagnosis import diagnose, open_case
from cloche.lifecycle.embedded_paths import (
    RelocationContext,
    files_of,
    relocate_tree,
    retarget_scripts,
    with_location,
)
from cloche.lifecycle.external_references import find_external_references
from cloche.lifecycle.installed import site_directories
from cloche.lifecycle.installed_startup_code import startup_rule
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.reader import copied_links
from cloche.lifecycle.rebase import rebase
from cloche.model.plan import EnvironmentSpec
from cloche.model.value import Value, replace
from cloche.planning.plan_at import collect_scripts, script_operation
from cloche.planning.resolve import choose_activators
from cloche.shells import quote_word
from cloche.store.installation import entry_point_script
from cloche.store.startup_code import StartupCodeRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.lifecycle.doctor.case import Case, Finding
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.relocation import Relocation
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter
    from cloche.session import Session


class RepairResult(Value):
    """The result of a repair."""

    findings: tuple[Finding, ...]
    """The findings before the repair."""
    remaining: tuple[Finding, ...]
    """The findings after it."""
    notes: tuple[str, ...] = ()
    """What is left for the user to do: files, inside and outside, that still contain the old path, and seeds that are not
    available."""

    @property
    def repaired(self) -> tuple[Finding, ...]:
        """The findings that were repaired."""
        remaining = {(finding.code, finding.path) for finding in self.remaining}
        return tuple(finding for finding in self.findings if (finding.code, finding.path) not in remaining)


def repair_environment(case: Case, session: Session) -> RepairResult:
    """Repair all repairable findings, and those that only show after that; diagnose the environment again.

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
            case, told = repair_once(case, current, session)
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
    remedy = f"cloche cannot remove it, and {ONLY_YOU} what you still need from it; then, {remove}"
    return replace(finding, remedy=remedy, repairable=False)


def repair_once(case: Case, findings: list[Finding], session: Session) -> tuple[Case, list[str]]:
    """Repair all these findings that are repairable in one transaction; return the case after that, and notes for the user.

    :raises ClocheError: an operation failed, or the environment does not work afterwards; it is unchanged.
    """
    overlay, notes = plan_repairs(case, findings, session)
    overlay.update_checksums()
    repaired: list[Case] = []

    def verify() -> None:
        after = open_case(case.root, session, case.tree.after(overlay.changed))
        if after.examination.failure and not case.examination.failure:
            raise ClocheError(f"`{case.root}` would not work: {after.examination.failure}", hint="nothing was changed")
        repaired.append(after)

    overlay.apply(verify, session.link_mode("auto"))
    return repaired[0] if repaired else open_case(case.root, session), notes


REBASE_CODES = frozenset(
    ("base-gone", "base-replaced", "base-unusable", "base-upgraded", "config-disagrees", "python-dead")
)
"""Codes of findings that a rebase repairs; it also repairs a `half-made` Python or `pyvenv.cfg`."""


def plan_repairs(case: Case, findings: list[Finding], session: Session) -> tuple[Overlay, list[str]]:
    """Return an overlay with the repairs of all repairable findings, and notes for the user."""
    overlay = Overlay(case.root)
    codes = {finding.code for finding in findings if finding.repairable}
    environment = case.environment
    notes: list[str] = []
    interpreter = environment.interpreter or case.replacement
    layout = environment.layout
    incomplete = {*missing_parts(case)} if "half-made" in codes else set()
    if interpreter is not None and (
        codes & REBASE_CODES or incomplete & {layout.config, layout.executable, layout.bin}
    ):
        rebase(overlay, environment, interpreter, session)
    for path in incomplete & {f"{layout.bin}/{name}" for name in layout.names} - {layout.executable}:
        overlay.link(path, os.path.basename(layout.executable))
    if layout.bin in incomplete:
        for path, content in activation_scripts(replace(environment, interpreter=interpreter), session).items():
            overlay.write(path, content)
    if layout.bin in incomplete or "record-missing" in codes:
        present = replace(environment, interpreter=interpreter)
        for path, (name, point) in missing_scripts(case).items():
            overlay.write(path, entry_point_script(name, point, present)[1], executable=True)
    if "moved" in codes:
        old_name = os.path.basename(case.old_roots[0])
        context = relocation_context(
            case.info, replace(environment, interpreter=interpreter), case.relocation, old_name, session
        )
        remaining = relocate_tree(overlay, context, files_of(case.tree))
        notes += (f"`{path}` still contains `{case.old_roots[0]}`" for path in remaining)
        lost = [
            root for root in case.old_roots if not os.path.isdir(root)
        ]  # those that exist have references of their own
        references = find_external_references(lost, [*lost, case.root], session.host) if lost else []
        notes += (f"{reference} still contains `{lost[0]}`" for reference in references)
    by_code: dict[str, list[str]] = {}
    for finding in findings:
        if finding.repairable:
            by_code.setdefault(finding.code, []).append(finding.path)
    for path in by_code.get("name-of-other-version", []):
        overlay.remove(path)
    scripts = [
        path
        for problem, paths in broken_scripts(case).items()
        if problem.code in codes and problem.repairable
        for path in paths
    ]
    retarget_scripts(overlay, environment, scripts, platform_of(case))
    for path in scripts:
        mode = overlay.mode(path)
        if not mode & stat.S_IXUSR:
            overlay.set_mode(path, mode | (mode & 0o444) >> 2)  # users who can read it can execute it
    for path in by_code.get("link-copied", []):
        overlay.replace_with_link(path, dict(copied_links(environment))[path])
    if "world-writable" in codes:
        for path in case.tree.world_writable:
            overlay.set_mode(path, overlay.mode(path) & ~stat.S_IWOTH)
    if "seed-broken" in codes or PIP in incomplete:
        broken = {*by_code.get("seed-broken", ())} | incomplete & {PIP}
        notes += repair_seeds(overlay, case, interpreter, broken, session)
    return overlay, notes


def repair_seeds(
    overlay: Overlay, case: Case, interpreter: Interpreter | None, broken: set[str], session: Session
) -> list[str]:
    """Reinstall each broken seed that is available; return a note for each one that is not.

    :raises StartupCodeRefused: one has start-up code that is refused.
    :param interpreter: the interpreter that the environment has after the repair.
    :param broken: the paths of the findings. One that belongs to no lost seed is about pip.
    """
    info = replace(case.info, environment=replace(case.environment, interpreter=interpreter))
    lost = {seed.requirement: (*seed.links, *seed.metadata) for seed in case.lost_seeds}
    if not broken <= {path for paths in lost.values() for path in paths}:
        lost.setdefault("pip", ())
    notes = []
    for requirement, remnants in lost.items():
        try:
            reinstall_seeds(overlay, info, (requirement,), session, remnants)
        except StartupCodeRefused:
            raise
        except SeedError as error:
            notes.append(f"`{requirement}` was not installed again: {error.message}; {SEED_HINT}")
    return notes


SEED_HINT = (
    "repeat this with access to the package index, "
    "or set `PIP_FIND_LINKS` to the path of a directory that contains its wheel"
)


def platform_of(case: Case) -> str:
    """Return `sys.platform` of the Python of an environment."""
    interpreter = case.environment.interpreter or case.replacement
    return interpreter.platform if interpreter else case.host.platform


def relocation_context(
    info: EnvironmentInfo, environment: Environment, relocation: Relocation, old_name: str, session: Session
) -> RelocationContext:
    """Return the context for replacing the embedded paths of an environment.

    :param environment: the environment at its new location; its prompt is ignored.
    :param old_name: the old name of its directory.
    """
    moved = with_location(replace(environment, prompt=info.environment.prompt), environment.location)
    derived = "prompt" not in info.settings
    name = os.path.basename(environment.location)
    if derived:
        moved = replace(moved, prompt=name)
    interpreter = environment.interpreter
    return RelocationContext(
        environment=moved,
        relocation=relocation,
        platform=interpreter.platform if interpreter else session.host.platform,
        shells=info.shells,
        generated=generated_scripts(info, moved, session),
        prompts=(old_name, name) if derived and old_name != name else None,
    )


def generated_scripts(info: EnvironmentInfo, environment: Environment, session: Session) -> dict[str, bytes]:
    """Return the activation scripts that cloche would write for an environment, by path; none if cloche did not create it."""
    if not os.path.isfile(os.path.join(info.environment.location, MANIFEST)):
        return {}
    return activation_scripts(environment, session)


def activation_scripts(environment: Environment, session: Session) -> dict[str, bytes]:
    """Return the scripts of all activators for an environment, by path; none if its interpreter is unknown."""
    if environment.interpreter is None:
        return {}
    try:
        interpreter = environment.interpreter
        chosen = choose_activators(EnvironmentSpec(), interpreter, session.registry, UNRECORDED)
        scripts, _, _ = collect_scripts(chosen, environment, interpreter)
    except ClocheError:
        return {}
    return {write.path: write.content for write in (script_operation(script, environment.layout) for script in scripts)}


def reinstall_seeds(
    overlay: Overlay,
    info: EnvironmentInfo,
    requirements: tuple[str, ...],
    session: Session,
    remnants: Iterable[str] = (),
) -> list[str]:
    """Replace installed seeds with new ones; return these as `NAME VERSION`. If a seed is not available, edit nothing.

    :param remnants: paths to remove that belong to these seeds, but to no installed distribution.
    :raises SeedError: a seed is not available, or has start-up code that is refused.
    """
    from cloche.model.operations import InstallTree, MakeDir, Write
    from cloche.model.plan import Wanted
    from cloche.store.installation import image_operations

    environment = info.environment
    assert environment.interpreter is not None
    wanted_seeds = Wanted(requirements, dependencies="omitted")
    images = session.images_for(wanted_seeds, environment.interpreter, startup_rule(info.settings, session))
    wanted = {image.distribution for image in images}
    for path in remnants:
        overlay.remove(path)
    for distribution in info.distributions:
        if distribution.key in wanted:
            for row in distribution.rows:
                if not row.path.startswith(("/", "../")):
                    overlay.remove(row.path)
            overlay.remove(distribution.metadata)
    for image in images:
        for site in site_directories(environment.layout):
            if os.path.isdir(overlay.on_disk(f"{site}/{image.distribution}")):
                overlay.remove(f"{site}/{image.distribution}")
        for operation in image_operations(image, environment):
            if isinstance(operation, Write):
                overlay.write(operation.path, operation.content, executable=operation.is_executable)
            elif isinstance(operation, (InstallTree, MakeDir)):
                overlay.add([operation])
    return [f"{image.distribution} {image.version}" for image in images]
