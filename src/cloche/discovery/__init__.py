"""Find the base interpreter to create an environment from; the result is never itself an environment.

    request -> try-first-with -> finder -> finder -> ... -> first match (for a range: newest match)

Searching and probing are separate: finders read directories and yield paths; the probe describes the file at a path.
"""

from __future__ import annotations

from cloche.discovery.describe import running_base
from cloche.fs.inputs import UNRECORDED
from cloche.model.value import TYPE_CHECKING, Value, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloche.discovery.cache import ProbeCache
    from cloche.discovery.search import Search, SearchResult
    from cloche.errors import InterpreterNotFound
    from cloche.fs.inputs import Inputs
    from cloche.model.interpreter import Host, Interpreter
    from cloche.plugins.hookspecs import Finder

RUNNING_PYTHON = "the Python that runs cloche"


class FoundInterpreter(Value):
    """The chosen interpreter."""

    interpreter: Interpreter
    found_by: str
    """The name of the finder (`current` for the running Python), `try-first-with`, or `the path itself`."""
    spec: str
    """The request that it satisfies; empty if there was none."""
    because: str
    """The reason for the choice, as shown to the user: "`-p 3.12`"."""
    warnings: tuple[str, ...] = ()
    """One message for each `--try-first-with` path that is not a usable interpreter, and for each finder that failed."""


class InterpreterListing(Value):
    """Every candidate on this machine, and the interpreter that would be chosen."""

    results: tuple[SearchResult, ...]
    """In search order; those that do not satisfy the request have a `reason`."""
    found: FoundInterpreter | None
    error: InterpreterNotFound | None = None
    """Why no interpreter would be chosen."""


def find_interpreter(
    specs: Sequence[str],
    host: Host,
    finders: Iterable[Finder],
    cache: ProbeCache,
    try_first_with: Sequence[str] = (),
    *,
    because: str = "",
    inputs: Inputs = UNRECORDED,
) -> FoundInterpreter:
    """Return the interpreter for the first of `specs` that has a match; without specs, the base of the running Python.

    :raises UsageError: a spec cannot be parsed; no search is started in that case.
    :raises InterpreterNotFound: no spec has a match; the hint lists the closest ones.
    """
    if not specs and not try_first_with:
        return FoundInterpreter(running_base(host, cache, inputs), "current", "", because or RUNNING_PYTHON)
    from cloche.discovery.search import Search

    search = Search(host, finders, cache)
    return replace(_choose(specs, search, try_first_with, because, inputs), warnings=search.warnings)


def _choose(
    specs: Sequence[str], search: Search, try_first_with: Sequence[str], because: str, inputs: Inputs = UNRECORDED
) -> FoundInterpreter:
    from cloche.model.spec import InterpreterSpec

    wanted = [InterpreterSpec.parse(text) for text in specs]
    for spec in wanted:
        if (match := search.find(spec, try_first_with)) is not None and match.interpreter is not None:
            return FoundInterpreter(match.interpreter, match.found_by, spec.text, because or f"`-p {spec.text}`")
    if wanted:
        from cloche.discovery.not_found import interpreter_not_found

        raise interpreter_not_found(wanted, search, because)
    for path in try_first_with:  # without a spec, any working interpreter is a match
        if (result := search.inspect(path)).interpreter is not None:
            return FoundInterpreter(result.interpreter, result.found_by, "", because or f"`--{result.found_by} {path}`")
    return FoundInterpreter(running_base(search.host, search.cache, inputs), "current", "", because or RUNNING_PYTHON)


def list_interpreters(
    spec: str | None,
    host: Host,
    finders: Iterable[Finder],
    cache: ProbeCache,
    try_first_with: Sequence[str] = (),
    *,
    otherwise: Sequence[str] = (),
    because: str = "",
) -> InterpreterListing:
    """Return every candidate, and the one that `find_interpreter` would choose.

    :param otherwise: the specs to choose by if `spec` is None.
    :raises UsageError: a spec cannot be parsed.
    """
    from cloche.discovery.search import LISTING_BATCH_SIZE, Search
    from cloche.errors import InterpreterNotFound
    from cloche.model.spec import ANY, InterpreterSpec

    search = Search(host, finders, cache)
    wanted = ANY if spec is None else InterpreterSpec.parse(spec)
    results = list(search.results(wanted, try_first_with, judged_by=wanted, batch_size=LISTING_BATCH_SIZE))
    known = {result.path for result in results}
    known |= {result.interpreter.executable for result in results if result.interpreter}
    if spec is not None and not wanted.is_exact:  # add the candidates that finders leave out because they cannot match
        others = search.results(ANY, judged_by=wanted, batch_size=LISTING_BATCH_SIZE)
        results += (
            other
            for other in others
            if known.isdisjoint((other.path, other.interpreter and other.interpreter.executable))
        )
    try:
        found = _choose(otherwise if spec is None else (spec,), search, try_first_with, because)
        found = replace(found, warnings=search.warnings)
    except InterpreterNotFound as error:
        return InterpreterListing(tuple(results), None, error)
    return InterpreterListing(
        tuple(replace(result, is_chosen=result.interpreter == found.interpreter) for result in results),
        found,
    )
