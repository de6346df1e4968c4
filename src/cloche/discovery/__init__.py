"""Find the base interpreter that an environment is made for; what is chosen here is never itself an environment.

    request -> try-first-with -> finder -> finder -> ... -> first that satisfies (a range: newest that does)

Looking and asking are apart: finders read directories and give paths, one probe says what stands at a path.
"""

from __future__ import annotations

import os

from cloche.discovery import home
from cloche.discovery.cache import Answer, ProbeCache, witnesses
from cloche.value import TYPE_CHECKING, replace, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloche.discovery.probe import Ask
    from cloche.discovery.search import Sighting
    from cloche.hookspecs import Finder
    from cloche.model import Host, Interpreter

__all__ = ["Answer", "Found", "ProbeCache", "describe", "find", "running", "survey"]

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


def find(
    specs: Sequence[str],
    host: Host,
    finders: Iterable[Finder],
    cache: ProbeCache,
    try_first_with: Sequence[str] = (),
    *,
    because: str = "",
    ask: Ask | None = None,
) -> Found:
    """Return the interpreter for the first of `specs` that can be had; without any, the base of the running Python.

    :raises UsageError: a request makes no sense; none of them is then looked for.
    :raises InterpreterNotFound: none can be had; the hint has the nearest misses and where they are.
    """
    if not specs and not try_first_with:
        return Found(running(host, cache, ask), "current", "", because or RUNNING)
    from cloche.discovery.search import Search
    from cloche.spec import InterpreterSpec

    wanted = [InterpreterSpec.parse(text) for text in specs]
    search = Search(host, finders, cache, ask)
    for spec in wanted or [InterpreterSpec(path, path=path) for path in try_first_with]:
        if (seen := search.find(spec, try_first_with if wanted else ())) is not None and seen.interpreter is not None:
            return Found(seen.interpreter, seen.found_by, spec.text, because or f"`-p {spec.text}`")
    if not wanted:
        return Found(running(host, cache, ask), "current", "", because or RUNNING)
    from cloche.discovery.missing import not_found

    raise not_found(wanted, search, host, because)


def survey(
    spec: str | None, host: Host, finders: Iterable[Finder], cache: ProbeCache, *, ask: Ask | None = None
) -> list[Sighting]:
    """Return every candidate there is, in the order of the search, with the reason for each that was passed over.

    The one that `-p SPEC` would take is marked; without SPEC, the Python that runs cloche is.

    :raises UsageError: the request makes no sense.
    """
    from cloche.discovery.search import Search, best
    from cloche.spec import ANY, InterpreterSpec

    search = Search(host, finders, cache, ask)
    if spec is None:
        everything = list(search.sightings(ANY, at_once=ALL_AT_ONCE))
        chosen = next((one for one in everything if one.found_by == "current" and one.interpreter), None)
    else:
        wanted = InterpreterSpec.parse(spec)
        everything = list(search.sightings(wanted, at_once=ALL_AT_ONCE))
        chosen = best(wanted, [one for one in everything if one.interpreter is not None and not one.reason])
        known = {one.path for one in everything} | {one.interpreter.executable for one in everything if one.interpreter}
        for one in [] if wanted.is_exact else search.sightings(ANY, judge=wanted, at_once=ALL_AT_ONCE):
            if one.path not in known and (one.interpreter is None or one.interpreter.executable not in known):
                everything.append(one)
    return [replace(one, is_chosen=one is chosen) for one in everything]


def running(host: Host, cache: ProbeCache, ask: Ask | None = None) -> Interpreter:
    """Return the base of the Python that runs cloche, without starting it if it can be known.

    :raises InterpreterNotFound: its base is gone, or gives no answer.
    """
    from cloche.errors import InterpreterNotFound

    if not host.executable:
        raise InterpreterNotFound("the running Python does not know its own path", hint="choose one with `-p`")
    try:
        path = home.base(host.executable)
    except LookupError as error:
        raise InterpreterNotFound(f"`{host.executable}` {error}", hint="choose another one with `-p`") from None
    answer = describe(path, host, cache, ask)
    if answer.interpreter is None:
        raise InterpreterNotFound(f"`{path}` {answer.reason}", hint="choose another one with `-p`")
    return answer.interpreter


def describe(path: str, host: Host, cache: ProbeCache, ask: Ask | None = None) -> Answer:
    """Return what the executable at an absolute path is, or why it is no interpreter; never an environment's."""
    answer = cache.get(path)
    if answer is None:
        before = witnesses(path)
        answer = _ourselves(path, host) or _asked(path, host, ask)
        cache.put(path, answer, before)
    return answer


def _ourselves(path: str, host: Host) -> Answer | None:
    """Describe an executable from inside this process, if it is the one that runs here; None if it may not be."""
    import sys

    same = sys.executable == host.executable and not getattr(sys, "frozen", False)
    if not same or any(name.startswith(("PYTHONHOME", "PYTHONPLATLIBDIR", "_PYTHON")) for name in host.environ):
        return None  # what it says of itself would not be what it says when it is left alone
    try:
        if not os.path.samefile(path, sys.executable):  # a copied environment: its base may have been upgraded since
            return None
        from cloche.discovery import _probe, record

        interpreter = record.load(_probe.facts())
    except Exception:  # whatever it is that cannot be known from inside
        return None
    return Answer(home.settled(replace(interpreter, executable=path)))


def _asked(path: str, host: Host, ask: Ask | None) -> Answer:
    if ask is None:
        from cloche.discovery import probe

        ask = probe.ask
    answer = ask([path], host.environ)[0]
    return Answer(home.settled(replace(answer.interpreter, executable=path))) if answer.interpreter else answer
