"""Test that `doctor` reports one cause as one finding, and that the remedy that it prints works as it is printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.api import open_session
from cloche.lifecycle.doctor.case import ONLY_YOU
from cloche.lifecycle.doctor.diagnosis import CODES, diagnose, open_case
from tests.interpreters import pyenv
from tests.lifecycle.damage import DAMAGES, ELSEWHERE, Damage, Place
from tests.lifecycle.environments import create_with_cloche, populate, run
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloche.lifecycle.doctor.case import Finding
    from tests.lifecycle.templates import Templates
    from tests.run import Cloche


def parameters() -> list[object]:
    """Return every damage; only the first one for each code runs outside the nightly tests."""
    seen: set[str] = set()
    found: list[object] = []
    for damage in DAMAGES:
        marks = [pytest.mark.nightly] if damage.code in seen else []
        seen.add(damage.code)
        found.append(pytest.param(damage, marks=marks, id=f"{damage.code}: {damage.name}"))
    return found


def start(kind: str, place: Place) -> None:
    """Create the environment that is then damaged."""
    if kind == "portable":
        create_with_cloche("--creator", "portable", "-p", pyenv("3.12"), place.env)
    elif kind != "none":
        options = [] if kind == "pip" else ["--without-pip"]
        run(pyenv("3.12"), "-m", "venv", *options, place.env)
    if kind in ("packages", "pip"):
        populate(place.env, place.wheels, place.work / "projects")


@pytest.fixture
def place(cloche: Cloche, wheels: Path, templates: Templates, tmp_path: Path) -> Callable[[str], Place]:
    """Return a function that creates an environment to damage."""
    own_wheels = tmp_path / "wheels"
    shutil.copytree(wheels, own_wheels)

    def create(kind: str) -> Place:
        templates.copy_to(cloche.cwd, f"damage-{kind}", lambda work: start(kind, Place(work, wheels)))
        return Place(cloche.cwd, own_wheels)

    return create


@pytest.fixture
def type_command(cloche: Cloche, tmp_path: Path) -> Callable[[str, Place], None]:
    """Return a function that runs a printed command in a shell, from another directory and without an active environment."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "cloche").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cloche "$@"\n')
    (programs / "pip").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pip "$@"\n')
    for path in programs.iterdir():
        path.chmod(0o755)

    def type_(command: str, place: Place) -> None:
        environ = {
            **cloche.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(place.wheels),
        }
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=tmp_path / "home",
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        findings_remain = done.returncode == 1 and command.startswith("cloche doctor --fix")
        assert done.returncode == 0 or findings_remain, f"{command}\n{done.stdout}{done.stderr}"

    return type_


def diagnosed(root: Path, cloche: Cloche) -> list[Finding]:
    with open_session(environ=cloche.environ, cache=Path(cloche.environ["XDG_CACHE_HOME"]) / "cloche") as session:
        return diagnose(open_case(str(root), session))


def alternatives(remedy: str, root: Path) -> list[list[str]]:
    """Return the commands in a remedy, in order, for each of the possibilities that `or` separates."""
    found = []
    for part in re.split(r",? or (?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)", remedy):
        texts = re.findall(r"`([^`]*)`", part)
        commands = [text for text in texts if is_command(text, root)]
        found += [commands] if commands else []
    return found


def is_command(text: str, root: Path) -> bool:
    try:
        program, *arguments = shlex.split(text)
    except ValueError:  # not a command
        return False
    return bool(arguments) and program in ("cloche", "pip", "rm", "uv", f"{root}/bin/python")


def test_every_finding_has_a_case() -> None:
    assert {damage.code for damage in DAMAGES} | ELSEWHERE.keys() == CODES.keys()
    for code, module in ELSEWHERE.items():
        assert f'"{code}"' in Path(__file__).with_name(module).read_text(encoding="utf-8")


@pytest.mark.parametrize("damage", parameters())
def test_a_printed_remedy_makes_the_environment_healthy(
    damage: Damage, cloche: Cloche, place: Callable[[str], Place], type_command: Callable[[str, Place], None]
) -> None:
    where = place(damage.start)
    damage.happen(where)
    root = where.work / damage.moves_to
    [finding] = diagnosed(root, cloche)
    assert finding.code == damage.code, finding
    fix = f"`cloche doctor --fix {root}`"
    assert (fix in finding.remedy) is (finding.repairable) or finding.remedy.startswith(ONLY_YOU)
    possibilities = alternatives(finding.remedy, root)
    if damage.decide is not None:
        assert finding.remedy.startswith(ONLY_YOU)
        damage.decide(where)
        assert diagnosed(root, cloche) == []
        return
    assert possibilities, finding.remedy
    original = where.work.with_name("original")
    subprocess.run(["cp", "-a", where.work, original], check=True)
    for commands in possibilities:
        shutil.rmtree(where.work)
        subprocess.run(["cp", "-a", original, where.work], check=True)
        for command in commands:
            type_command(command, where)
        assert diagnosed(root, cloche) == [], commands
        if finding.repairable:
            before = snapshot(root)
            type_command(fix.strip("`"), where)
            assert snapshot(root) == before, "a second repair changes something"


# Several causes

MOVED = Damage(
    "moved",
    "to a quoted path",
    "packages",
    lambda place: place.env.rename(place.work / "it's new"),
    moves_to="it's new",
)

EDITED = Damage(
    "record-altered", "a script", "packages", lambda place: (place.env / "bin" / "by_finder").write_text("#!/bin/sh\n")
)

COMBINED = {
    "base-gone: no other of its version, record-missing: a package": "pip cannot run",
    "base-gone: no other of its version, half-made: site-packages": "there is no Python to rebuild it for",
    "prefix-wrong: wrapper, script-foreign: of a base, record-missing: one": "pip would change the base",
    "base-gone: with all traces, moved: to a quoted path": "all scripts are lost with the Python",
    "python-dead: startup code, metadata-broken: no name": "pip does not start",
    "editable-dead: finder, record-altered: a script": "there is nothing to install it from",
    "seed-broken: a file, record-missing: one": "pip does not run until it is repaired",
    "half-made: python, half-made: activation, moved: to a quoted path": "all can be repaired",
    "base-upgraded: patch, record-missing: RECORD, script-dead: Python": "all can be repaired",
}
"""Cases of damage that occur together, and what makes that special."""


def combinations() -> list[object]:
    """Return each combination; only the first one runs outside the nightly tests."""
    known = {f"{damage.code}: {damage.name}": damage for damage in (*DAMAGES, EDITED, MOVED)}
    return [
        pytest.param([known[name] for name in names.split(", ")], id=names, marks=[pytest.mark.nightly] * bool(number))
        for number, names in enumerate(COMBINED)
    ]


@pytest.mark.parametrize("damages", combinations())
def test_remedies_work_in_the_order_in_which_they_are_printed(
    damages: list[Damage], cloche: Cloche, place: Callable[[str], Place], type_command: Callable[[str, Place], None]
) -> None:
    """After that, only the user can decide what is left, if anything is; and nothing is printed that cannot work yet."""
    kinds = ("empty", "packages", "pip")
    where = place(max((damage.start for damage in damages), key=kinds.index))
    for damage in damages:
        damage.happen(where)
    root = where.work / damages[-1].moves_to
    known = {damage.code for damage in damages}
    for _ in range(len(damages) + 1):
        findings = diagnosed(root, cloche)
        assert known >= {finding.code for finding in findings}, findings
        remedies = [finding.remedy for finding in findings if not finding.remedy.startswith(ONLY_YOU)]
        if not remedies:
            break
        for command in alternatives(remedies[0], root)[0]:
            type_command(command, where)
    assert remedies == []
    assert {finding.code for finding in findings} == {damage.code for damage in damages if is_left_to_user(damage)}


def is_left_to_user(damage: Damage) -> bool:
    """Return whether only the user can decide about a damage that is combined with others above."""
    return f"{damage.code}: {damage.name}" in {
        "base-gone: no other of its version",
        "base-gone: with all traces",
        "editable-dead: finder",
        "prefix-wrong: wrapper",
        "python-dead: startup code",
    }
