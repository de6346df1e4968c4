"""Search: collect the candidates of all finders, probe them, and choose the best match.

The best match is the first one in finder order, or for a range the newest one. Released builds of CPython are preferred
to other interpreters that satisfy the request; see `rank`.
"""

from __future__ import annotations

import os
from time import monotonic, perf_counter

from cloche.discovery import base_interpreter
from cloche.discovery.cache import ProbeResult, executable_fingerprint
from cloche.discovery.describe import probe
from cloche.discovery.shims import find_shim
from cloche.fs import is_unreadable
from cloche.model.candidate import Candidate
from cloche.model.spec import ANY
from cloche.model.value import TYPE_CHECKING, Value, replace
from cloche.plugins import LazyFinder, describe_exception, record_failure, record_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloche.discovery.cache import ProbeCache
    from cloche.discovery.shims import Shim
    from cloche.discovery.version_manager import Answer
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.spec import InterpreterSpec
    from cloche.plugins.hookspecs import Finder

BATCH_SIZE = 4
"""How many candidates are examined together, so that uncached ones are probed in parallel."""
LISTING_BATCH_SIZE = 64
"""The batch size for a listing, which probes every candidate."""
PATH_ITSELF = "the path itself"
PROBE_BUDGET = 10.0
"""Seconds of probing per search; after that, only cached candidates are considered."""
TRY_FIRST = "try-first-with"
"""`found_by` of the candidates that the user named with this option."""


class SearchResult(Value):
    """One candidate, with its interpreter or the reason why it was skipped."""

    path: str
    """The path as the finder yielded it."""
    found_by: str
    interpreter: Interpreter | None = None
    reason: str = ""
    """Why it was skipped, phrased to follow the path; empty if it satisfies the request."""
    too_old: str = ""
    """The version of a Python that is too old for environments: `2.7.18`."""
    is_chosen: bool = False


class Search:
    """One search. It keeps all probe results, so that no file is probed twice."""

    def __init__(self, host: Host, finders: Iterable[Finder], cache: ProbeCache) -> None:
        self.host = host
        self._finders: list[Finder] = []
        self._remaining = iter(finders)
        self.cache = cache
        self.failed_finders: dict[str, str] = {}
        """A message for each finder that failed, by finder name."""
        self._timed_finders: set[str] = set()
        self._unusable_try_first: dict[str, str] = {}
        self._probed: dict[str, ProbeResult] = {}
        self._shims: dict[str, Shim | None] = {}
        self._answers: dict[tuple[str, ...], Answer] = {}
        """The answers of version managers, by command."""
        self._probe_seconds = 0.0

    @property
    def finder_names(self) -> list[str]:
        """The names of the finders that search on this system, in search order."""
        platform = self.host.platform
        return [
            finder.name
            for finder in self._iterate_finders()
            if not isinstance(finder, LazyFinder) or finder.searches_on(platform)
        ]

    @property
    def try_first_warnings(self) -> tuple[str, ...]:
        """One message for each `--try-first-with` path that was examined and is not a usable interpreter."""
        unusable = self._unusable_try_first.items()
        return tuple(f"`--{TRY_FIRST}` was ignored: `{path}` {reason}" for path, reason in unusable)

    @property
    def warnings(self) -> tuple[str, ...]:
        """`try_first_warnings`, and one message for each finder that failed."""
        return (*self.try_first_warnings, *self.failed_finders.values())

    def _iterate_finders(self) -> Iterator[Finder]:
        """Yield the finders, each loaded only when it is reached."""
        yield from tuple(self._finders)
        for finder in self._remaining:
            self._finders.append(finder)
            yield finder

    def find(self, spec: InterpreterSpec, first: Sequence[str] = ()) -> SearchResult | None:
        """Return the best match for a request, None if nothing matches."""
        alternatives: list[SearchResult] = []
        for result in self.results(spec, first):
            if result.reason or result.interpreter is None:
                continue
            if result.found_by == TRY_FIRST or (not spec.is_range and rank(spec, result.interpreter) == 0):
                return result
            alternatives.append(result)
        return best_match(spec, alternatives)

    def inspect(self, path: str) -> SearchResult:
        """Return the result for a `--try-first-with` path, regardless of any request."""
        return next(self._examine([self._named_candidate(path, TRY_FIRST)], ANY, None, set(), set()))

    def can_run(self, program: str) -> bool:
        """Return whether a program on PATH can be run: it is not a shim, or the active version of its manager provides it."""
        ((candidate, _),) = self._resolve_shims([Candidate(program, "path")])
        return not candidate.note

    def results(
        self,
        spec: InterpreterSpec,
        first: Sequence[str] = (),
        *,
        judged_by: InterpreterSpec | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> Iterator[SearchResult]:
        """Yield a result for every candidate for `spec` in finder order, each file once.

        :param first: the `--try-first-with` paths.
        :param judged_by: the request to check the candidates against instead of `spec`. Every candidate is then probed,
            even if its `build-details.json` rules it out, so that it can be listed.
        :param batch_size: how many candidates to examine together.
        """
        examined: set[object] = set()
        reported: set[object] = set()
        batch: list[Candidate] = []
        batch_has_shims = False
        for candidate in self._candidates(spec, first):
            is_shim = self._shim_at(candidate) is not None
            if is_shim and batch and not batch_has_shims:  # ask a version manager only if it is necessary
                yield from self._examine(batch, spec, judged_by, examined, reported)
                batch = []
            batch_has_shims = is_shim or (batch_has_shims and bool(batch))
            batch.append(candidate)
            if len(batch) >= batch_size:
                yield from self._examine(batch, spec, judged_by, examined, reported)
                batch = []
        yield from self._examine(batch, spec, judged_by, examined, reported)

    def _candidates(self, spec: InterpreterSpec, first: Sequence[str]) -> Iterator[Candidate]:
        """Yield the candidates: the `--try-first-with` paths, then what each finder yields."""
        if spec.path:
            yield self._named_candidate(spec.path, PATH_ITSELF)
            return
        for path in first:
            yield self._named_candidate(path, TRY_FIRST)
        for finder in self._iterate_finders():
            if spec.name and finder.name != "path":  # only commands on PATH have arbitrary names
                continue
            try:
                for item in self._ask(finder, spec):
                    candidate = _checked_candidate(item)
                    is_skipped = spec.is_system and self._shim_at(candidate)
                    yield replace(candidate, note="is a shim") if is_skipped else candidate
            except (KeyboardInterrupt, GeneratorExit):  # the search is over
                raise
            except BaseException as error:  # a finder that fails must not stop the others
                if finder.name not in self.failed_finders:
                    record_failure(error)
                problem = f"failed: {describe_exception(error)}"
                origin = f" of plugin {finder.source}" if isinstance(finder, LazyFinder) else ""
                self.failed_finders[finder.name] = f"finder `{finder.name}`{origin} {problem}"
                yield Candidate("", finder.name, f"the finder {problem}")

    def _named_candidate(self, path: str, found_by: str) -> Candidate:
        """Return the candidate for a path that the user named."""
        from cloche.discovery.named_path import executable_at

        return Candidate(executable_at(path, self.host), found_by)

    def _ask(self, finder: Finder, spec: InterpreterSpec) -> Iterator[object]:
        """Yield what a finder yields, and record the first time that the finder of a plugin is slow.

        The time that the search spends on the candidates in between does not count.
        """
        seconds, started = 0.0, perf_counter()
        try:
            found = finder.candidates(spec, self.host)
            if not is_iterable(found):
                raise TypeError(f"`candidates` returned {found!r}: expected an iterable of `cloche.Candidate`")
            for item in found:
                seconds += perf_counter() - started
                yield item
                started = perf_counter()
            seconds += perf_counter() - started
        finally:
            if finder.name not in self._timed_finders and isinstance(finder, LazyFinder):
                self._timed_finders.add(finder.name)
                record_seconds(seconds, f"finder `{finder.name}`", finder.source)

    def _examine(
        self,
        candidates: list[Candidate],
        spec: InterpreterSpec,
        judged_by: InterpreterSpec | None,
        examined: set[object],
        reported: set[object],
    ) -> Iterator[SearchResult]:
        """Yield a result for each candidate; probe the uncached ones in parallel.

        `examined` and `reported` hold the files that earlier batches have examined and reported.
        """
        new: list[tuple[Candidate, str, str]] = []
        for candidate, started in self._resolve_shims(candidates):
            path = "" if candidate.note else self._base_executable(started)
            identity = _file_identity(path or candidate.path or candidate.found_by)
            if identity not in examined:
                examined.add(identity)
                new.append((candidate, started, path))
        ruled_out = self._probe_unknown([path for *_, path in new if path], None if judged_by else spec)
        for candidate, started, path in new:
            if candidate.note or path in ruled_out:
                yield SearchResult(candidate.path, candidate.found_by, reason=candidate.note or ruled_out[path])
                continue
            probed = self._probed[path or started]
            found = probed.interpreter
            if found is not None and (problem := base_interpreter.find_base_problem(found)):
                probed, found = ProbeResult(reason=problem), None
            if found is None:
                if candidate.found_by == TRY_FIRST:
                    self._unusable_try_first[candidate.path] = probed.reason
                yield SearchResult(candidate.path, candidate.found_by, reason=probed.reason, too_old=probed.too_old)
                continue
            identity = _file_identity(found.executable)
            if identity in reported:  # the candidate is a wrapper of an interpreter that was already reported
                continue
            reported.add(identity)
            yield SearchResult(candidate.path, candidate.found_by, found, (judged_by or spec).refusal(found) or "")

    def _shim_at(self, candidate: Candidate) -> Shim | None:
        """Return the shim that a candidate is; None if it is another file, or is skipped."""
        if candidate.note:
            return None
        if candidate.path not in self._shims:
            self._shims[candidate.path] = find_shim(candidate.path, self.host)
        return self._shims[candidate.path]

    def _resolve_shims(self, candidates: list[Candidate]) -> Iterator[tuple[Candidate, str]]:
        """Yield each candidate with the executable that it starts: itself, or the answer of its version manager.

        A shim that starts nothing gets a note with the reason.
        """
        shims = [self._shim_at(candidate) for candidate in candidates]
        new = {shim.command for shim in shims if shim and shim.command} - self._answers.keys()
        if new:
            from cloche.discovery.version_manager import ask

            commands = sorted(new)
            self._answers.update(zip(commands, ask(commands, self.host), strict=True))
        for candidate, shim in zip(candidates, shims, strict=True):
            if shim is None:
                yield candidate, candidate.path
                continue
            target, reason = "", f"is a shim of {shim.manager}, which is not installed"
            if shim.command:
                from cloche.discovery.version_manager import target_of

                target, reason = target_of(candidate.path, shim, self._answers[shim.command], self.host)
            yield (replace(candidate, note=reason) if reason else candidate), target

    def _base_executable(self, path: str) -> str:
        """Return the executable to probe: the path itself, or the base of its environment; empty if it is unusable."""
        reason = _reason_not_runnable(path)
        if not reason:
            try:
                return base_interpreter.resolve_base(path)
            except LookupError as error:
                reason = str(error)
        self._probed[path] = ProbeResult(reason=reason)
        return ""

    def _probe_unknown(self, paths: list[str], spec: InterpreterSpec | None) -> dict[str, str]:
        """Store a result for each path in `_probed`: from the cache, else from the probe while the time budget lasts.

        With `spec`, return the paths that were not probed because their `build-details.json` rules them out, each with
        the reason.
        """
        ruled_out: dict[str, str] = {}
        unknown: dict[str, list[str]] = {}
        for path in paths:
            if path in self._probed:
                continue
            if (cached := self.cache.get(path)) is not None:
                self._probed[path] = cached
            elif spec is not None and (refusal := _refusal_from_build_details(path, spec)):
                ruled_out[path] = refusal
            elif self._probe_seconds > PROBE_BUDGET:
                self._probed[path] = ProbeResult(reason="was not checked because the time limit was reached")
            else:
                unknown[path] = executable_fingerprint(path)
        if unknown:
            counted = "an interpreter" if len(unknown) == 1 else f"{len(unknown)} interpreters"
            self.cache.progress(f"checking {counted}")
            started = monotonic()
            for (path, before), probed in zip(unknown.items(), probe([*unknown], self.host, self.cache), strict=True):
                self._probed[path] = self._accept(path, probed, before)
            self._probe_seconds += monotonic() - started
        return ruled_out

    def _accept(self, path: str, probed: ProbeResult, before: list[str]) -> ProbeResult:
        """Cache a probe result and return it, with the executable path that environments should refer to."""
        found = probed.interpreter
        if found is not None and not _is_same(found.executable, path):  # a wrapper or shim that starts another one
            started = found
            try:
                path = base_interpreter.resolve_base(started.executable)
            except LookupError as error:
                return ProbeResult(reason=f"starts `{started.executable}`, which {error}")
            before = executable_fingerprint(path)
            probed = self.cache.get(path) or probe([path], self.host, self.cache)[0]
            found = probed.interpreter
            if problem := base_interpreter.find_path_problem(started, found, path):
                return ProbeResult(reason=f"starts {started.name}, which {problem}")
            if found is not None and not _is_same(found.executable, path):
                return ProbeResult(reason=f"starts `{path}`, which in turn starts `{found.executable}`")
        if found is not None:
            probed = ProbeResult(base_interpreter.with_stable_executable(replace(found, executable=path)))
        self.cache.put(path, probed, before)
        return probed


def best_match(spec: InterpreterSpec, results: Sequence[SearchResult]) -> SearchResult | None:
    """Return the first result with the best rank, for a range the newest of these; None if there are no results."""

    def order(result: SearchResult) -> tuple[object, ...]:
        assert result.interpreter is not None
        newest = tuple(-part for part in _version_order(result.interpreter)) if spec.is_range else ()
        return (rank(spec, result.interpreter), newest)

    return min(results, key=order, default=None)


def rank(spec: InterpreterSpec, interpreter: Interpreter) -> int:
    """Return the rank of an interpreter; lower is better, and 0 is a released CPython or exactly what the spec names.

    Another implementation, a prerelease or a special build is chosen only if nothing else satisfies the request.
    """
    if spec.is_exact:
        return 0
    other_implementation = not spec.implementation and interpreter.implementation != "cpython"
    prerelease = not spec.prerelease and interpreter.version[3] != "final"
    special = interpreter.free_threaded is not bool(spec.free_threaded) or interpreter.debug is not bool(spec.debug)
    return 4 * other_implementation + 2 * prerelease + special


def _version_order(interpreter: Interpreter) -> tuple[int, ...]:
    major, minor, micro, level, serial = interpreter.version
    return (major, minor, micro, ("alpha", "beta", "candidate", "final").index(level), serial)


def is_iterable(found: object) -> bool:
    return hasattr(found, "__iter__") and not isinstance(found, str)


def _checked_candidate(item: object) -> Candidate:
    """Return an item that a finder yielded.

    :raises TypeError: it is not a candidate.
    """
    if isinstance(item, Candidate) and isinstance(item.path, str):
        return item
    raise TypeError(f"`candidates` yielded {item!r}: expected a `cloche.Candidate`")


def _reason_not_runnable(path: str) -> str:
    """Return why a file cannot be started, empty if it can."""
    if not os.path.isabs(path):  # possibly from an environment variable: never run files of the current directory
        return "is not an absolute path"
    if is_unreadable(path):
        return "cannot be read: permission denied"
    if os.path.isdir(path):
        return "is a directory that contains no Python"
    if os.path.exists(path) and not os.path.isfile(path):
        return "is not a regular file"
    if not os.path.isfile(path):
        return "is a broken link" if os.path.islink(path) else "does not exist"
    if os.access(path, os.X_OK):
        return ""
    from cloche.fs import forbids_execution

    if forbids_execution(os.path.realpath(path)):
        return "is on a file system mounted with `noexec`"
    return f"is not executable (its mode is {os.stat(path).st_mode & 0o777:03o})"


def _refusal_from_build_details(path: str, spec: InterpreterSpec) -> str:
    """Return why an installation cannot satisfy a request according to its metadata, empty if it may."""
    from cloche.discovery.build_details import read_build_details

    details = read_build_details(path)
    if details is None:
        return ""
    refusal = spec.refusal_of_build(
        details.implementation, details.version, free_threaded=details.free_threaded, debug=details.debug
    )
    return refusal or ""


def _file_identity(path: str) -> object:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # it does not exist, or its name is invalid
        return path
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return os.name == "nt"  # Microsoft Store aliases cannot be examined: trust what the interpreter reported
