"""Say that no interpreter satisfies a request: what there is instead, where cloche looked, and what would help.

The hint has a line for each, so that it can be read in a terminal.
"""

from __future__ import annotations

import os
from shlex import quote
from typing import TYPE_CHECKING

from cloche.errors import InterpreterNotFound
from cloche.model.spec import ANY, range_contains
from cloche.model.value import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.discovery.search import Search, Sighting
    from cloche.model.interpreter import Version
    from cloche.model.spec import InterpreterSpec

NEAREST = 3
"""Misses that are listed."""

REMEDIES = (
    ("uv", "uv python install {}"),
    ("pyenv", "pyenv install {}"),
    ("mise", "mise install python@{}"),
    ("asdf", "asdf install python {}"),
    ("brew", "brew install python@{}"),
    ("conda", "conda install python={}"),
)
"""Commands that could provide what is missing, if they are there."""
KNOWING_FREE_THREADED = 2
"""How many of them, from the first, write a free-threaded version as `3.14t`."""
FREE_THREADED = (3, 13)
"""The first Python that has a free-threaded build (PEP 703)."""

LIST = "`cloche pythons` lists the interpreters that can be found"

OLDEST = (3, 6)
"""The first Python that environments can be made for."""
OLDER: tuple[Version, ...] = tuple(
    (major, minor, micro, "final", 0)
    for major, minor in ((2, 7), *((3, n) for n in range(6)))
    for micro in (0, 1, 10, 18)
)
"""Versions before that, to see whether a range means them."""


def not_found(specs: Sequence[InterpreterSpec], search: Search, because: str = "") -> InterpreterNotFound:
    """Return the error for requests that nothing satisfies; `because` says who asks, if it is not the user."""
    origin = f", which is asked for by {because}" if because else ""
    if len(specs) == 1 and specs[0].path:
        sighting = next(search.sightings(specs[0]))
        return InterpreterNotFound(f"`{sighting.path}` {sighting.reason}{origin}", hint=LIST)
    if len(specs) == 1 and specs[0].name:
        refused = [f"; `{one.path}` {one.reason}" for one in search.sightings(specs[0]) if one.reason]
        hint = f"{LIST}; the current directory is never looked at: write `./{specs[0].name}` for a file that is there"
        return InterpreterNotFound(f"no interpreter on PATH is called `{specs[0].name}`{''.join(refused)}", hint=hint)
    asked = " or ".join(f"`{spec.text}`" for spec in specs)
    if all(is_too_old(spec) for spec in specs):
        found = [f"; `{one.path}` is Python {one.too_old}" for spec in specs for one in old_ones(spec, search)]
        return InterpreterNotFound(
            f"environments need Python 3.6 or later, and {asked} is older{origin}{''.join(found[:1])}"
        )
    everything = f"`cloche pythons {quote(specs[0].text)} --all` shows everything, and why it was passed over"
    remedy = next(filter(None, (remedy_for(spec, search) for spec in specs)), "")
    kinds = [spec for spec in specs if not spec.is_exact]
    misses = nearest(kinds, search)
    heading = "the nearest:" if misses else "there is no interpreter at all"
    told = [
        f"`{remedy}` could help; {everything}" if remedy else everything,
        *(missing for spec in kinds if (missing := missing_build(spec, search))),
        *(why for spec in specs if spec.is_exact for why in unusable(spec, search)),
        *([heading] if kinds else []),
        *(f"  {miss}" for miss in misses),
        f"looked at: {', '.join(search.places)}",
        *(f"finder `{name}` failed: {why}" for name, why in search.failed.items()),
        *search.unfit_hints,
    ]
    return InterpreterNotFound(f"no interpreter satisfies {asked}{origin}", hint="\n  ".join(told))


def unusable(spec: InterpreterSpec, search: Search) -> list[str]:
    """Return why the file or the command that is named will not do."""
    refused = [f"`{one.path}` {one.reason}" for one in search.sightings(spec) if one.reason]
    return refused or [f"no interpreter on PATH is called `{spec.name}`"]


def is_too_old(spec: InterpreterSpec) -> bool:
    """Whether a request can only be satisfied by Pythons before 3.6."""
    if spec.release:
        return spec.release[:2] < OLDEST[: len(spec.release)]
    if not spec.range:
        return False
    newer: list[Version] = [(3, minor, micro, "final", 0) for minor in range(6, 30) for micro in (0, 1, 20)]
    return any(range_contains(spec.range, one) for one in OLDER) and not any(
        range_contains(spec.range, one) for one in newer
    )


def old_ones(spec: InterpreterSpec, search: Search) -> list[Sighting]:
    """Return the Pythons that were asked for and are too old."""

    def meant(one: Sighting) -> bool:
        parts = [int(part) for part in one.too_old.split(".")]
        version: Version = (parts[0], parts[1], parts[2], "final", 0)
        return range_contains(spec.range, version) if spec.range else version[: len(spec.release)] == spec.release

    return [one for one in search.sightings(spec) if one.too_old and meant(one)]


def nearest(specs: Sequence[InterpreterSpec], search: Search) -> list[str]:
    """Return the nearest misses of requests that name no place, a line for each, with what is wrong with it."""
    found: dict[str, tuple[tuple[object, ...], str]] = {}
    for spec in specs:
        for one in search.sightings(ANY, judge=spec, at_once=64):
            if one.interpreter is not None:
                path = one.interpreter.executable
                miss = (distance(one, spec), f"`{path}` {one.reason}")
                found[path] = min(found.get(path, miss), miss)
    return [text for _, text in sorted(found.values())[:NEAREST]]


def missing_build(spec: InterpreterSpec, search: Search) -> str:
    """Say which build is missing of a version that is there; empty where it is not the build."""
    words = [word for word, asked in (("free-threaded", spec.free_threaded), ("debug", spec.debug)) if asked]
    places = (f"{spec.bits} bits" if spec.bits else "", spec.machine, spec.platform, spec.libc)
    target = ", ".join(place for place in places if place)
    if not (words or target):
        return ""
    any_build = replace(spec, free_threaded=None, debug=None, bits=None, machine=None, platform=None, libc=None)
    builds = (one.interpreter for one in search.sightings(ANY, judge=spec, at_once=64))
    there = next((one for one in builds if one and any_build.accepts(one)), None)
    if there is None:
        return ""
    return (
        f"there is a {there.name}; what is missing is a {' '.join([*words, 'build'])}{' for ' * bool(target)}{target}"
    )


def distance(sighting: Sighting, spec: InterpreterSpec) -> tuple[object, ...]:
    """Order misses: the right version in the wrong build first, then the nearest minor version, then the newer."""
    assert sighting.interpreter is not None
    version = sighting.interpreter.version
    wanted = spec.release or first_release(spec.range)
    minor = abs(100 * (version[0] - wanted[0]) + version[1] - wanted[1]) if len(wanted) > 1 else 0
    foreign = sighting.interpreter.implementation != (spec.implementation or "cpython")
    return (foreign, minor, [-number for number in version[:3]])


def first_release(range_text: str) -> tuple[int, ...]:
    """Return the first version that a range names: what is near it is near the range."""
    digits = range_text.lstrip("<>=!~ ").partition(",")[0].split(".")
    return tuple(int(part) for part in digits if part.isascii() and part.isdigit())


def remedy_for(spec: InterpreterSpec, search: Search) -> str:
    """Return a command that could install what is missing, by a manager that is on PATH; empty if there is none."""
    if len(spec.release) < 2 or spec.release[0] != 3 or spec.release[:2] < OLDEST:
        return ""
    if (spec.free_threaded and spec.release[:2] < FREE_THREADED) or not is_usual(spec, search):
        return ""
    host = search.host
    version = ".".join(map(str, spec.release)) + "t" * bool(spec.free_threaded)
    directories = host.environ.get("PATH", "").split(";" if host.os_name == "nt" else ":")
    suffix = ".exe" if host.os_name == "nt" else ""
    for command, remedy in REMEDIES[: KNOWING_FREE_THREADED if spec.free_threaded else None]:
        if any(os.path.isfile(os.path.join(place, command + suffix)) for place in directories if os.path.isabs(place)):
            return remedy.format(version)
    return ""


def is_usual(spec: InterpreterSpec, search: Search) -> bool:
    """Whether a request is satisfied by what managers install: a release of CPython, built for this machine.

    What the machine is, the first interpreter tells that was found.
    """
    here = next((one.interpreter for one in search.sightings(ANY, at_once=64) if one.interpreter), None)
    if here is None:
        special = (spec.prerelease, spec.debug, spec.bits, spec.machine, spec.platform, spec.libc)
        return spec.implementation in (None, "cpython") and not any(special)
    major, minor, micro = (*spec.release, 0)[:3]
    release = replace(here, implementation="cpython", version=(major, minor, micro, "final", 0), debug=False)
    return spec.accepts(replace(release, free_threaded=bool(spec.free_threaded)))
