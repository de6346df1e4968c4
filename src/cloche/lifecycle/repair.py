"""Repair an environment: every repair edits one overlay, which is then applied, all or nothing."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cloche.apply.staging import recover_environment, staging_directories
from cloche.errors import ClocheError
from cloche.fs.checksums import MANIFEST
from cloche.lifecycle.checks.tree import world_writable
from cloche.lifecycle.diagnosis import diagnose, take_up
from cloche.lifecycle.embedded_paths import Writer, at, relocate, retargeted
from cloche.lifecycle.examination import examine
from cloche.lifecycle.installed import sites
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.rebase import rebase
from cloche.model.request import EnvironmentSpec
from cloche.model.value import replace, value
from cloche.planning.activation import collect_scripts, script_operation
from cloche.planning.resolve import choose_activators

if TYPE_CHECKING:
    from cloche.lifecycle.case import Case, Finding
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.relocation import Relocation
    from cloche.model.environment import Environment
    from cloche.session import Session


@value
class Repaired:
    """The result of a repair."""

    findings: tuple[Finding, ...]
    """What was wrong before."""
    left: tuple[Finding, ...]
    """What is wrong now."""
    notes: tuple[str, ...] = ()
    """What only the user can decide: files that still name the old path."""

    @property
    def repaired(self) -> tuple[Finding, ...]:
        still = {(finding.code, finding.path) for finding in self.left}
        return tuple(finding for finding in self.findings if (finding.code, finding.path) not in still)


def repair_environment(case: Case, session: Session) -> Repaired:
    """Repair what can be repaired, in one transaction, and examine the environment again.

    :raises ClocheError: the system refused; the environment is as it was.
    """
    findings = diagnose(case)
    standing = findings
    left_behind = staging_directories(case.root)
    recover_environment(case.root)
    if left_behind:
        case = take_up(case.root, session)
        standing = diagnose(case)
    overlay, notes = repairs(case, standing, session)
    overlay.update_checksums()

    def verify() -> None:
        now = examine(replace(case.environment, interpreter=None), session.host, seed="no")
        if now.failure and not case.examined.failure:
            raise ClocheError(f"`{case.root}` would not work: {now.failure}", hint="it is as it was")

    overlay.apply(verify, session.link_mode("auto"))
    after = take_up(case.root, session)
    return Repaired(tuple(findings), tuple(diagnose(after)), tuple(notes))


REBASED = frozenset(("base-gone", "base-replaced", "base-upgraded", "config-disagrees", "python-dead"))
"""Findings that a rebase onto the environment's own interpreter repairs; also those of `half-made` that concern the Python."""


def repairs(case: Case, findings: list[Finding], session: Session) -> tuple[Overlay, list[str]]:
    """Return an overlay with every repair, and notes for the user."""
    overlay = Overlay(case.root)
    codes = {finding.code for finding in findings if finding.repairable == "yes"}
    environment = case.environment
    notes: list[str] = []
    interpreter = environment.interpreter or case.replacement
    layout = environment.layout
    unmade = {finding.path for finding in findings if finding.code == "half-made" and finding.repairable == "yes"}
    if interpreter is not None and (codes & REBASED or unmade & {layout.config, layout.executable}):
        rebase(overlay, environment, interpreter, session)
    if layout.bin in unmade:
        for path, content in activation_scripts(replace(environment, interpreter=interpreter), session).items():
            overlay.write(path, content)
    if "moved" in codes:
        was = os.path.basename(case.old_roots[0])
        writer = writer_for(case.info, replace(environment, interpreter=interpreter), case.relocation, was, session)
        residue = relocate(overlay, writer)
        notes += (f"`{path}` still names `{case.old_roots[0]}`" for path in residue)
    by_code: dict[str, list[str]] = {}
    for finding in findings:
        if finding.repairable == "yes":
            by_code.setdefault(finding.code, []).append(finding.path)
    for path in by_code.get("name-of-other-version", []):
        overlay.remove(path)
    misled = [path for code in ("script-dead", "script-fixed", "script-foreign") for path in by_code.get(code, [])]
    retargeted(overlay, environment, misled, platform_of(case))
    for path in misled:
        mode = overlay.mode(path)
        if not mode & stat.S_IXUSR:
            overlay.set_mode(path, mode | (mode & 0o444) >> 2)  # who may read it may run it
    if "world-writable" in codes:
        for path in world_writable(case.root):
            overlay.set_mode(path, overlay.mode(path) & ~stat.S_IWOTH)
    if ("seed-broken" in codes or "pip" in unmade) and environment.interpreter is not None:
        reinstall_seeds(overlay, case.info, ("pip",), session)
    return overlay, notes


def platform_of(case: Case) -> str:
    interpreter = case.environment.interpreter or case.replacement
    return interpreter.platform if interpreter else case.host.platform


def writer_for(
    info: EnvironmentInfo, environment: Environment, relocation: Relocation, was: str, session: Session
) -> Writer:
    """Return what is needed to write the paths that are embedded in an environment as they will be.

    :param environment: as it will be, except for its prompt.
    :param was: the old name of its directory.
    """
    moved = at(replace(environment, prompt=info.environment.prompt), environment.location)
    derived = "prompt" not in info.settings
    name = os.path.basename(environment.location)
    if derived:
        moved = replace(moved, prompt=name)
    interpreter = environment.interpreter
    return Writer(
        environment=moved,
        relocation=relocation,
        platform=interpreter.platform if interpreter else session.host.platform,
        shells=info.shells,
        generated=generated_scripts(info, moved, session),
        prompts=(was, name) if derived and was != name else None,
    )


def generated_scripts(info: EnvironmentInfo, environment: Environment, session: Session) -> dict[str, bytes]:
    """Return the activation scripts that cloche would write for an environment, if cloche created it."""
    if not os.path.isfile(os.path.join(info.environment.location, MANIFEST)):
        return {}
    return activation_scripts(environment, session)


def activation_scripts(environment: Environment, session: Session) -> dict[str, bytes]:
    """Return the scripts of all activators that accept an environment, by path; none if its interpreter is unknown."""
    if environment.interpreter is None:
        return {}
    try:
        chosen = choose_activators(EnvironmentSpec(), session.registry)
        scripts, _, _ = collect_scripts(chosen, environment, environment.interpreter)
    except ClocheError:
        return {}
    return {write.path: write.content for write in (script_operation(script, environment.layout) for script in scripts)}


def reinstall_seeds(
    overlay: Overlay, info: EnvironmentInfo, requirements: tuple[str, ...], session: Session
) -> list[str]:
    """Install seeds again in the place of what is there; return them as `NAME VERSION`.

    :raises SeedError: one is not available.
    """
    from cloche.model.operations import InstallTree, MakeDir, Write
    from cloche.model.request import Wanted
    from cloche.store.installation import image_operations

    environment = info.environment
    assert environment.interpreter is not None
    images = session.images_for(Wanted(requirements), environment.interpreter)
    wanted = {image.distribution for image in images}
    for one in info.distributions:
        if one.key in wanted:
            for row in one.rows:
                if not row.path.startswith(("/", "../")):
                    overlay.remove(row.path)
            overlay.remove(one.metadata)
    for image in images:
        for site in sites(environment.layout):
            if os.path.isdir(overlay.on_disk(f"{site}/{image.distribution}")):
                overlay.remove(f"{site}/{image.distribution}")
        for operation in image_operations(image, environment):
            if isinstance(operation, Write):
                overlay.write(operation.path, operation.content, operation.executable)
            elif isinstance(operation, (InstallTree, MakeDir)):
                overlay.add([operation])
    return [f"{image.distribution} {image.version}" for image in images]
