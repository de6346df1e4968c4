"""Walk through the places where interpreters may be, look at what is there, and choose; how they are asked is not here.

A request is answered by the first interpreter in finder order that satisfies it, a range by the newest one. Ordinary
interpreters (CPython, released) go before others that would satisfy the request too; see `_rank`.
"""

from __future__ import annotations

import os

from cloche.discovery import home
from cloche.discovery.cache import Answer, witnesses
from cloche.errors import InterpreterNotFound
from cloche.model import Candidate
from cloche.spec import ANY, InterpreterSpec
from cloche.value import TYPE_CHECKING, replace, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloche.discovery.cache import ProbeCache
    from cloche.discovery.probe import Ask
    from cloche.hookspecs import Finder
    from cloche.model import Host, Interpreter

BATCH = 4
"""Candidates that are looked at together, so that those which have to be started are started at the same time."""


@value
class Sighting:
    """One candidate, and what it turned out to be."""

    path: str
    """As the finder gave it."""
    found_by: str
    interpreter: Interpreter | None = None
    reason: str = ""
    """Why it was passed over, to be read after the path; empty if it would do."""
    is_chosen: bool = False


class Search:
    """One search: remembers what was seen, so that no file is looked at twice."""

    def __init__(self, host: Host, finders: Iterable[Finder], cache: ProbeCache, ask: Ask | None = None) -> None:
        self._host = host
        self._finders = finders
        self._cache = cache
        self._ask = ask
        self._known: dict[str, Answer] = {}
        self.places: list[str] = []
        """Names of the finders that were asked."""

    def find(self, spec: InterpreterSpec, first: Sequence[str] = ()) -> Sighting | None:
        """Return the interpreter that satisfies a request, None if there is none."""
        spare: list[Sighting] = []
        for sighting in self.sightings(spec, first):
            if sighting.reason or sighting.interpreter is None:
                continue
            if sighting.found_by == TRY_FIRST:
                return sighting
            if not spec.is_range and _rank(spec, sighting.interpreter) == 0:
                return sighting
            spare.append(sighting)
        return best(spec, spare)

    def sightings(
        self, spec: InterpreterSpec, first: Sequence[str] = (), *, at_once: int = BATCH
    ) -> Iterator[Sighting]:
        """Yield every candidate for a request in finder order, each file once, with what it is."""
        seen: set[object] = set()
        batch: list[Candidate] = []
        for candidate in self.candidates(spec, first):
            batch.append(candidate)
            if len(batch) >= at_once:
                yield from self._look(batch, spec, seen)
                batch = []
        yield from self._look(batch, spec, seen)

    def candidates(self, spec: InterpreterSpec, first: Sequence[str] = ()) -> Iterator[Candidate]:
        """Yield where an interpreter may be: the hinted ones, then what each finder gives."""
        for path in first:
            yield Candidate(located(path, self._host), TRY_FIRST)
        if spec.path:
            yield Candidate(located(spec.path, self._host), "the path itself")
            return
        for finder in self._finders:
            if spec.name and finder.name != "path":  # only PATH knows names
                continue
            if finder.name not in self.places:
                self.places.append(finder.name)
            try:
                yield from finder.candidates(spec, self._host)
            except Exception as error:  # a plugin's, or a directory nobody expected: the others can still find
                yield Candidate("", finder.name, f"the finder failed: {type(error).__name__}: {error}")

    def _look(self, candidates: list[Candidate], spec: InterpreterSpec, seen: set[object]) -> Iterator[Sighting]:
        """Find out what candidates are, those together that have to be started."""
        new: list[tuple[Candidate, str]] = []
        for candidate in candidates:
            path = "" if candidate.note else self._behind(candidate.path)
            identity = _identity(path or candidate.path)
            if identity not in seen:
                seen.add(identity)
                new.append((candidate, path))
        self._fetch([path for _, path in new if path])
        for candidate, path in new:
            if candidate.note:
                yield Sighting(candidate.path, candidate.found_by, reason=candidate.note)
                continue
            answer = self._known[path or candidate.path]
            found = answer.interpreter
            if found is not None and path:
                identity = _identity(found.executable)
                if identity in seen and identity != _identity(path):  # a wrapper of one that was seen
                    continue
                seen.add(identity)
            reason = (spec.refusal(found) or "") if found is not None else answer.reason
            yield Sighting(candidate.path, candidate.found_by, found, reason)

    def _behind(self, path: str) -> str:
        """Return the executable to ask about a path: itself, or the base of its environment; empty if there is none."""
        if problem := _problem(path):
            self._known[path] = Answer(reason=problem)
            return ""
        try:
            return home.base(path)
        except LookupError as error:
            self._known[path] = Answer(reason=str(error))
            return ""

    def _fetch(self, paths: list[str]) -> None:
        """Learn what base executables are: from before, from the cache, or by asking."""
        unknown: dict[str, list[str]] = {}
        for path in paths:
            if path in self._known:
                continue
            if (kept := self._cache.get(path)) is not None:
                self._known[path] = kept
            else:
                unknown[path] = witnesses(path)
        if not unknown:
            return
        ask = self._ask or _probe()
        for (path, before), answer in zip(unknown.items(), ask(list(unknown), self._host.environ), strict=True):
            self._known[path] = self._settle(path, answer, before, ask)

    def _settle(self, path: str, answer: Answer, before: list[str], ask: Ask) -> Answer:
        """Return the answer with the executable that environments should name, and keep it."""
        found = answer.interpreter
        if found is not None and not _is_same(found.executable, path):  # it started another one: a wrapper, a shim
            try:
                behind = home.base(found.executable)
            except LookupError as error:
                return Answer(reason=f"starts {found.executable}, which {error}")
            if behind != path and os.path.isfile(behind):
                before = witnesses(behind)
                path, answer = behind, self._cache.get(behind) or ask([behind], self._host.environ)[0]
                found = answer.interpreter
        if found is not None:
            answer = Answer(home.settled(replace(found, executable=path)))
        self._cache.put(path, answer, before)
        return answer


TRY_FIRST = "try-first-with"


def _probe() -> Ask:
    from cloche.discovery.probe import ask  # it loads `subprocess`, which a cached answer does not need

    return ask


def best(spec: InterpreterSpec, sightings: Sequence[Sighting]) -> Sighting | None:
    """Return the one to take among those that satisfy a request: the best rank, for a range the newest, the first."""

    def order(sighting: Sighting) -> tuple[object, ...]:
        assert sighting.interpreter is not None
        rank = _rank(spec, sighting.interpreter)
        return (rank, tuple(-part for part in _age(sighting.interpreter)) if spec.is_range else ())

    return min(sightings, key=order, default=None)


def _rank(spec: InterpreterSpec, interpreter: Interpreter) -> int:
    """How far an interpreter is from what people mean who did not say more: 0 for a released CPython.

    Another implementation, or a prerelease, is taken if nothing else satisfies the request.
    """
    unnamed = not spec.implementation and not spec.is_exact and interpreter.implementation != "cpython"
    unfinished = not spec.prerelease and not spec.is_exact and interpreter.version[3] != "final"
    return 2 * unnamed + unfinished


def _age(interpreter: Interpreter) -> tuple[int, ...]:
    major, minor, micro, level, serial = interpreter.version
    return (major, minor, micro, ("alpha", "beta", "candidate", "final").index(level), serial)


def located(path: str, host: Host) -> str:
    """Return the executable that a path from the command line means: itself, or the Python in that directory."""
    if path.startswith("~"):
        user_home = host.environ.get("HOME") or host.environ.get("USERPROFILE", "")
        path = user_home + path[1:] if path[1:2] in ("", "/", "\\") and user_home else os.path.expanduser(path)
    path = os.path.normpath(os.path.join(host.cwd or os.sep, path)) if not os.path.isabs(path) else path
    if os.path.isdir(path):
        for name in IN_A_DIRECTORY:
            if os.path.isfile(inside := os.path.join(path, *name.split("/"))):
                return inside
    if host.os_name == "nt" and not os.path.isfile(path) and os.path.isfile(f"{path}.exe"):
        return f"{path}.exe"
    return path


IN_A_DIRECTORY = (
    *("bin/python3", "bin/python", "bin/pypy3", "bin/pypy", "bin/graalpy"),
    *("Scripts/python.exe", "python.exe", "pypy3.exe", "pypy.exe", "bin/graalpy.exe"),
)
"""Where the executable is in the directory of an environment or an installation."""


def _problem(path: str) -> str:
    """Why it makes no sense to start a file, empty if it does."""
    if os.path.isdir(path):
        return "is a directory without a Python in it"
    if not os.path.isfile(path):
        return "is a link to nothing" if os.path.islink(path) else "is not there"
    return "" if os.access(path, os.X_OK) else "is not executable"


def _identity(path: str) -> object:
    try:
        status = os.stat(path)
    except OSError:
        return path
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return True  # Windows' app aliases cannot be looked at; there is no reason to doubt them


def not_found(specs: Sequence[InterpreterSpec], search: Search, first: Sequence[str] = ()) -> InterpreterNotFound:
    """Return the error that says what was found instead, and where."""
    asked = " or ".join(f"`{spec.text}`" for spec in specs)
    if len(specs) == 1 and specs[0].path:
        (sighting,) = list(search.sightings(specs[0]))[:1]
        return InterpreterNotFound(
            f"`{sighting.path}` {sighting.reason}", hint="`cloche pythons` lists the interpreters that can be found"
        )
    near: list[str] = []
    for sighting in search.sightings(ANY, first, at_once=64):
        if sighting.interpreter is not None:
            found = sighting.interpreter
            near.append(f"{found.name} ({found.executable}, {sighting.found_by})")
    nearest = f"there is {', '.join(near)}" if near else "there is none at all"
    return InterpreterNotFound(
        f"no interpreter satisfies {asked}",
        hint=f"{nearest}; looked at {', '.join(search.places)}; `cloche pythons --all` shows what was passed over",
    )
