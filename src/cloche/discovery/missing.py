"""Say that no interpreter satisfies a request: what there is instead, where cloche looked, and what would help."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.errors import InterpreterNotFound
from cloche.spec import ANY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.discovery.search import Search, Sighting
    from cloche.model import Host
    from cloche.spec import InterpreterSpec

NEAREST = 4
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


def not_found(specs: Sequence[InterpreterSpec], search: Search, host: Host, because: str = "") -> InterpreterNotFound:
    """Return the error for requests that nothing satisfies; `because` says who asks, if it is not the user."""
    if len(specs) == 1 and specs[0].path:
        sighting = next(search.sightings(specs[0]))
        return InterpreterNotFound(f"`{sighting.path}` {sighting.reason}", hint=LIST)
    if len(specs) == 1 and specs[0].name:
        refused = [f"; `{one.path}` {one.reason}" for one in search.sightings(specs[0]) if one.reason]
        hint = f"{LIST}; the current directory is never looked at: write `./{specs[0].name}` for a file that is there"
        return InterpreterNotFound(f"no interpreter on PATH is called `{specs[0].name}`{''.join(refused)}", hint=hint)
    asked = " or ".join(f"`{spec.text}`" for spec in specs)
    near = [one for spec in specs for one in search.sightings(ANY, judge=spec, at_once=64) if one.interpreter]
    near.sort(key=lambda one: _distance(one, specs))
    listed = list(dict.fromkeys(f"`{one.interpreter.executable}` {one.reason}" for one in near if one.interpreter))
    told = [f"the nearest: {', '.join(listed[:NEAREST])}" if listed else "there is no interpreter at all"]
    told.append(f"cloche looked at {', '.join(search.places)}")
    if remedy := _remedy(specs[0], host):
        told.append(f"`{remedy}` could help")
    told.append("`cloche pythons --all` shows everything and why it was passed over")
    origin = f", which is asked for by {because}" if because else ""
    return InterpreterNotFound(f"no interpreter satisfies {asked}{origin}", hint="; ".join(told))


LIST = "`cloche pythons` lists the interpreters that can be found"


def _distance(sighting: Sighting, specs: Sequence[InterpreterSpec]) -> tuple[object, ...]:
    """Order misses: the right version in the wrong build first, then the nearest minor version, then the newer."""
    assert sighting.interpreter is not None
    version = sighting.interpreter.version
    wanted = next((spec.release for spec in specs if spec.release), ())
    kinds = {spec.implementation or "cpython" for spec in specs}
    minor = abs(version[1] - wanted[1]) if len(wanted) > 1 else 0
    return (sighting.interpreter.implementation not in kinds, minor, [-number for number in version[:3]])


def _remedy(spec: InterpreterSpec, host: Host) -> str:
    """Return a command that could install what is missing, by a manager that is on PATH; empty if there is none."""
    if len(spec.release) < 2 or spec.implementation not in (None, "cpython") or spec.release[0] != 3 or spec.debug:
        return ""
    version = ".".join(map(str, spec.release)) + "t" * bool(spec.free_threaded)
    directories = host.environ.get("PATH", "").split(";" if host.os_name == "nt" else ":")
    suffix = ".exe" if host.os_name == "nt" else ""
    for command, remedy in REMEDIES[: KNOWING_FREE_THREADED if spec.free_threaded else None]:
        if any(os.path.isfile(os.path.join(place, command + suffix)) for place in directories if os.path.isabs(place)):
            return remedy.format(version)
    return ""
