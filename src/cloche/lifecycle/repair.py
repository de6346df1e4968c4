"""What mends an environment: each remedy edits one draft, and the draft becomes real all at once or not at all."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cloche.apply.staging import sweep
from cloche.errors import ClocheError
from cloche.lifecycle.checks.tree import leftovers, strays, world_writable
from cloche.lifecycle.diagnosis import diagnose, take_up
from cloche.lifecycle.embedded_paths import Writer, at, relocate, retargeted
from cloche.lifecycle.examination import examine
from cloche.lifecycle.installed import sites
from cloche.lifecycle.overlay import MANIFEST, Overlay
from cloche.lifecycle.rebase import rebase
from cloche.model.request import Request
from cloche.model.value import replace, value
from cloche.planning.plan_at import as_write, scripts_of
from cloche.planning.resolve import choose_activators

if TYPE_CHECKING:
    from cloche.lifecycle.case import Case, Finding
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.relocation import Relocation
    from cloche.model.environment import Environment
    from cloche.session import Session


@value
class Repaired:
    """What became of an environment."""

    findings: tuple[Finding, ...]
    """What was wrong before."""
    left: tuple[Finding, ...]
    """What is wrong now."""
    notes: tuple[str, ...] = ()
    """What nobody but its owner can decide: files that still name the old place."""

    @property
    def mended(self) -> tuple[Finding, ...]:
        still = {(finding.code, finding.path) for finding in self.left}
        return tuple(finding for finding in self.findings if (finding.code, finding.path) not in still)


def mend(case: Case, session: Session) -> Repaired:
    """Mend what can be mended, in one transaction, and look again.

    :raises ClocheError: the system refused; the environment is as it was.
    """
    findings = diagnose(case)
    standing = findings
    changed = leftovers(case.root)
    recover(case.root)
    if changed:
        case = take_up(case.root, session)
        standing = diagnose(case)
    draft, notes = drafted(case, standing, session)
    draft.seal()

    def verify() -> None:
        now = examine(replace(case.environment, interpreter=None), session.host, seed="no")
        if now.failure and not case.examined.failure:
            raise ClocheError(f"`{case.root}` would not work: {now.failure}", hint="it is as it was")

    draft.perform(verify, session.link_mode("auto"))
    after = take_up(case.root, session)
    return Repaired(tuple(findings), tuple(diagnose(after)), tuple(notes))


def recover(location: str) -> None:
    """Take back what a killed run had half done to an environment, and remove what it left.

    What lies beside it goes as well, whichever name it was for: a run that was to move it may have been for another.
    """
    for path in [*leftovers(location), *strays(os.path.dirname(location))]:
        sweep(path)


REBASED = frozenset(("base-gone", "base-replaced", "base-upgraded", "config-disagrees", "python-dead"))
"""What standing the environment on its interpreter anew mends, besides what of `half-made` is the Python's."""


def drafted(case: Case, findings: list[Finding], session: Session) -> tuple[Overlay, list[str]]:
    """Return a draft in which everything mendable is mended, and what has to be told."""
    draft = Overlay(case.root)
    codes = {finding.code for finding in findings if finding.mendable == "yes"}
    environment = case.environment
    notes: list[str] = []
    interpreter = environment.interpreter or case.replacement
    layout = environment.layout
    unmade = {finding.path for finding in findings if finding.code == "half-made" and finding.mendable == "yes"}
    if interpreter is not None and (codes & REBASED or unmade & {layout.config, layout.executable}):
        rebase(draft, environment, interpreter, session)
    if layout.bin in unmade:
        for path, content in activation_scripts(replace(environment, interpreter=interpreter), session).items():
            draft.write(path, content)
    if "moved" in codes:
        was = os.path.basename(case.old_roots[0])
        writer = writer_for(case.portrait, replace(environment, interpreter=interpreter), case.relocation, was, session)
        residue = relocate(draft, writer)
        notes += (f"`{path}` still names `{case.old_roots[0]}`" for path in residue)
    by_code: dict[str, list[str]] = {}
    for finding in findings:
        if finding.mendable == "yes":
            by_code.setdefault(finding.code, []).append(finding.path)
    for path in by_code.get("name-of-other-version", []):
        draft.drop(path)
    misled = [path for code in ("script-dead", "script-fixed", "script-foreign") for path in by_code.get(code, [])]
    retargeted(draft, environment, misled, platform(case))
    for path in misled:
        mode = draft.mode(path)
        if not mode & stat.S_IXUSR:
            draft.set_mode(path, mode | (mode & 0o444) >> 2)  # whoever may read it may execute it
    if "world-writable" in codes:
        for path in world_writable(case.root):
            draft.set_mode(path, draft.mode(path) & ~stat.S_IWOTH)
    if ("seed-broken" in codes or "pip" in unmade) and environment.interpreter is not None:
        reseed(draft, case.portrait, ("pip",), session)
    return draft, notes


def platform(case: Case) -> str:
    interpreter = case.environment.interpreter or case.replacement
    return interpreter.platform if interpreter else case.host.platform


def writer_for(
    portrait: EnvironmentInfo, environment: Environment, relocation: Relocation, was: str, session: Session
) -> Writer:
    """Return what it takes to write an environment's own places for where it is to be.

    :param environment: as it is to be, but for its prompt.
    :param was: the name of the directory that it had.
    """
    moved = at(replace(environment, prompt=portrait.environment.prompt), environment.location)
    derived = "prompt" not in portrait.settings
    name = os.path.basename(environment.location)
    if derived:
        moved = replace(moved, prompt=name)
    interpreter = environment.interpreter
    return Writer(
        environment=moved,
        relocation=relocation,
        platform=interpreter.platform if interpreter else session.host.platform,
        shells=portrait.shells,
        generated=generated(portrait, moved, session),
        prompts=(was, name) if derived and was != name else None,
    )


def generated(portrait: EnvironmentInfo, environment: Environment, session: Session) -> dict[str, bytes]:
    """Return the activation scripts that cloche would write for an environment, if it made this one."""
    if not os.path.isfile(os.path.join(portrait.environment.location, MANIFEST)):
        return {}
    return activation_scripts(environment, session)


def activation_scripts(environment: Environment, session: Session) -> dict[str, bytes]:
    """Return the scripts of all activators that suit an environment, by path; none if its interpreter is not known."""
    if environment.interpreter is None:
        return {}
    try:
        request = Request(destination=environment.location)
        chosen, _ = choose_activators(request, environment.interpreter, session.registry)
        scripts, _, _ = scripts_of(chosen, environment)
    except ClocheError:
        return {}
    return {write.path: write.content for write in (as_write(script, environment.layout) for script in scripts)}


def reseed(draft: Overlay, portrait: EnvironmentInfo, requirements: tuple[str, ...], session: Session) -> list[str]:
    """Have seeds laid down anew in place of what is there; return what they are.

    :raises SeedError: one cannot be had.
    """
    from cloche.model.operations import InstallTree, MakeDir, Write
    from cloche.model.request import Wanted
    from cloche.planning.resolve import choose_images
    from cloche.store.installation import operations

    environment = portrait.environment
    assert environment.interpreter is not None
    request = Request(destination=environment.location, wanted=Wanted(requirements))
    _, images = choose_images(request, environment.interpreter, session.registry, session.seed_store)
    wanted = {image.distribution for image in images}
    for one in portrait.distributions:
        if one.key in wanted:
            for row in one.rows:
                if not row.path.startswith(("/", "../")):
                    draft.drop(row.path)
            draft.drop(one.metadata)
    for image in images:
        for site in sites(environment.layout):
            if os.path.isdir(draft.on_disk(f"{site}/{image.distribution}")):
                draft.drop(f"{site}/{image.distribution}")
        for operation in operations(image, environment):
            if isinstance(operation, Write):
                draft.write(operation.path, operation.content, operation.executable)
            elif isinstance(operation, (InstallTree, MakeDir)):
                draft.add([operation])
    return [f"{image.distribution} {image.version}" for image in images]
