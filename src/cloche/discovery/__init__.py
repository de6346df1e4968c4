"""Find the base interpreter that an environment is made for; what is chosen here is never itself an environment.

    request -> try-first-with -> finder -> finder -> ... -> first that satisfies (a range: newest that does)

Looking and asking are apart: finders read directories and give paths, one probe says what stands at a path.
"""

from __future__ import annotations

from cloche.discovery.describe import running
from cloche.fs.inputs import UNRECORDED
from cloche.model.value import TYPE_CHECKING, replace, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloche.discovery.cache import ProbeCache
    from cloche.discovery.probe import Ask
    from cloche.discovery.search import Search, Sighting
    from cloche.errors import InterpreterNotFound
    from cloche.fs.inputs import Inputs
    from cloche.model.interpreter import Host, Interpreter
    from cloche.plugins.hookspecs import Finder

RUNNING = "the Python that runs cloche"
ALL_AT_ONCE = 64
"""Candidates that are looked at together where all of them will be."""


@value
class Found:
    """The interpreter that was chosen."""

    interpreter: Interpreter
    found_by: str
    """Name of the finder, `try-first-with`, or `the path itself`."""
    spec: str
    """What was asked for and is satisfied; empty if nothing was asked."""
    because: str
    """What decided on it, for people: "`-p 3.12`"."""
    warnings: tuple[str, ...] = ()
    """Which hints are no interpreters, and why: they were passed over, and the user thinks otherwise."""


@value
class Survey:
    """Everything that there is, and what would be taken of it."""

    seen: tuple[Sighting, ...]
    """In the order of the search; a reason stands with each that does not satisfy the request."""
    found: Found | None
    problem: InterpreterNotFound | None = None
    """Why nothing would be taken."""


def find(
    specs: Sequence[str],
    host: Host,
    finders: Iterable[Finder],
    cache: ProbeCache,
    try_first_with: Sequence[str] = (),
    *,
    because: str = "",
    ask: Ask | None = None,
    inputs: Inputs = UNRECORDED,
) -> Found:
    """Return the interpreter for the first of `specs` that can be had; without any, the base of the running Python.

    :raises UsageError: a request makes no sense; none of them is then looked for.
    :raises InterpreterNotFound: none can be had; the hint has the nearest misses and where they are.
    """
    if not specs and not try_first_with:
        return Found(running(host, cache, ask, inputs), "current", "", because or RUNNING)
    from cloche.discovery.search import Search

    search = Search(host, finders, cache, ask)
    return replace(_choose(specs, search, try_first_with, because, inputs), warnings=search.unfit_hints)


def _choose(
    specs: Sequence[str], search: Search, try_first_with: Sequence[str], because: str, inputs: Inputs = UNRECORDED
) -> Found:
    from cloche.model.spec import InterpreterSpec

    wanted = [InterpreterSpec.parse(text) for text in specs]
    for spec in wanted:
        if (seen := search.find(spec, try_first_with)) is not None and seen.interpreter is not None:
            return Found(seen.interpreter, seen.found_by, spec.text, because or f"`-p {spec.text}`")
    if wanted:
        from cloche.discovery.missing import not_found

        raise not_found(wanted, search, because)
    for path in try_first_with:  # with nothing to satisfy: the first that is an interpreter at all
        if (seen := search.hinted(path)).interpreter is not None:
            return Found(seen.interpreter, seen.found_by, "", because or f"`--{seen.found_by} {path}`")
    return Found(running(search.host, search.cache, search.ask, inputs), "current", "", because or RUNNING)


def survey(
    spec: str | None,
    host: Host,
    finders: Iterable[Finder],
    cache: ProbeCache,
    try_first_with: Sequence[str] = (),
    *,
    otherwise: Sequence[str] = (),
    because: str = "",
    ask: Ask | None = None,
) -> Survey:
    """Look at every candidate there is, and say which one `find` takes.

    :param otherwise: what `find` is asked for if there is no `spec`.
    :raises UsageError: a request makes no sense.
    """
    from cloche.discovery.search import Search
    from cloche.errors import InterpreterNotFound
    from cloche.model.spec import ANY, InterpreterSpec

    search = Search(host, finders, cache, ask)
    judge = ANY if spec is None else InterpreterSpec.parse(spec)
    seen = list(search.sightings(judge, try_first_with, judge=judge, at_once=ALL_AT_ONCE))
    known = {one.path for one in seen} | {one.interpreter.executable for one in seen if one.interpreter}
    if spec is not None and not judge.is_exact:  # finders leave out what they know to be something else
        others = search.sightings(ANY, judge=judge, at_once=ALL_AT_ONCE)
        seen += (one for one in others if known.isdisjoint((one.path, one.interpreter and one.interpreter.executable)))
    try:
        found = _choose(otherwise if spec is None else (spec,), search, try_first_with, because)
        found = replace(found, warnings=search.unfit_hints)
    except InterpreterNotFound as problem:
        return Survey(tuple(seen), None, problem)
    return Survey(
        tuple(replace(one, is_chosen=one.interpreter == found.interpreter) for one in seen),
        found,
    )
