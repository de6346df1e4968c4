"""Walk through the places where interpreters may be, look at what is there, and choose; how they are asked is not here.

A request is answered by the first interpreter in finder order that satisfies it, a range by the newest one. Ordinary
interpreters (CPython, released) go before others that would satisfy the request too; see `rank`.
"""

from __future__ import annotations

import os
from time import monotonic

from cloche.discovery import home
from cloche.discovery.cache import Answer, witnesses
from cloche.model.interpreter import Candidate
from cloche.model.spec import ANY
from cloche.model.value import TYPE_CHECKING, replace, value
from cloche.plugins.guard import cause

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloche.discovery.cache import ProbeCache
    from cloche.discovery.probe import Ask
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.spec import InterpreterSpec
    from cloche.plugins.hookspecs import Finder

BATCH = 4
"""Candidates that are looked at together, so that those which have to be started are started at the same time."""
PATH_ITSELF = "the path itself"
PATIENCE = 10.0
"""Seconds of asking after which nobody else is asked in a search."""
IN_A_DIRECTORY = (
    *("bin/python3", "bin/python", "bin/pypy3", "bin/pypy", "bin/graalpy"),
    *("Scripts/python.exe", "python.exe", "pypy3.exe", "pypy.exe", "bin/graalpy.exe"),
)
"""Where the executable is in the directory of an environment or an installation."""

TRY_FIRST = "try-first-with"
"""How candidates that the user named with this option were found."""


@value
class Sighting:
    """One candidate, and what it turned out to be."""

    path: str
    """As the finder gave it."""
    found_by: str
    interpreter: Interpreter | None = None
    reason: str = ""
    """Why it was passed over, to be read after the path; empty if it satisfies the request."""
    too_old: str = ""
    """Its version, if it is a Python that is too old for environments: `2.7.18`."""
    is_chosen: bool = False


class Search:
    """One search: remembers what it saw, so that no file is looked at twice."""

    def __init__(self, host: Host, finders: Iterable[Finder], cache: ProbeCache, ask: Ask | None = None) -> None:
        self.host = host
        self._finders: list[Finder] = []
        self._more = iter(finders)
        self.cache = cache
        self.ask = ask
        self.failed: dict[str, str] = {}
        """What went wrong in the finders that could not be asked, by their names."""
        self._unfit: dict[str, str] = {}
        self._known: dict[str, Answer] = {}
        self._spent = 0.0

    @property
    def places(self) -> list[str]:
        """Names of the finders that were asked or would be, in order."""
        return [finder.name for finder in self._each()]

    @property
    def unfit_hints(self) -> tuple[str, ...]:
        """What there is to say of the hints that were looked at and are no interpreters."""
        return tuple(f"`--{TRY_FIRST}` was passed over: `{path}` {reason}" for path, reason in self._unfit.items())

    def _each(self) -> Iterator[Finder]:
        """Yield the finders; those that are not reached need not even be loaded."""
        yield from tuple(self._finders)
        for finder in self._more:
            self._finders.append(finder)
            yield finder

    def find(self, spec: InterpreterSpec, first: Sequence[str] = ()) -> Sighting | None:
        """Return the interpreter that satisfies a request, None if there is none."""
        spare: list[Sighting] = []
        for sighting in self.sightings(spec, first):
            if sighting.reason or sighting.interpreter is None:
                continue
            if sighting.found_by == TRY_FIRST or (not spec.is_range and rank(spec, sighting.interpreter) == 0):
                return sighting
            spare.append(sighting)
        return best(spec, spare)

    def hinted(self, path: str) -> Sighting:
        """Return what a hint is, whatever is asked for."""
        hint = Candidate(located(path, self.host), TRY_FIRST)
        return next(self._look([hint], ANY, None, set(), set()))

    def sightings(
        self,
        spec: InterpreterSpec,
        first: Sequence[str] = (),
        *,
        judge: InterpreterSpec | None = None,
        at_once: int = BATCH,
    ) -> Iterator[Sighting]:
        """Yield every candidate for a request in finder order, each file once, with what it is.

        With `judge`, the candidates are those for `spec`, and `judge` says what they are good for: they are shown,
        and every one is asked, also where its installation says that it will not do.
        """
        looked_at: set[object] = set()
        shown: set[object] = set()
        batch: list[Candidate] = []
        for candidate in self._candidates(spec, first):
            batch.append(candidate)
            if len(batch) >= at_once:
                yield from self._look(batch, spec, judge, looked_at, shown)
                batch = []
        yield from self._look(batch, spec, judge, looked_at, shown)

    def _candidates(self, spec: InterpreterSpec, first: Sequence[str]) -> Iterator[Candidate]:
        """Yield where an interpreter may be: the hinted ones, then what each finder gives."""
        if spec.path:
            yield Candidate(located(spec.path, self.host), PATH_ITSELF)
            return
        for path in first:
            yield Candidate(located(path, self.host), TRY_FIRST)
        for finder in self._each():
            if spec.name and finder.name != "path":  # only PATH knows names
                continue
            try:
                for given in finder.candidates(spec, self.host):
                    yield _sound(given)
            except (KeyboardInterrupt, GeneratorExit):  # whoever asks has enough
                raise
            except BaseException as error:  # a plugin's, or a directory nobody expected: others can find
                self.failed[finder.name] = cause(error)
                yield Candidate("", finder.name, f"the finder failed: {cause(error)}")

    def _look(
        self,
        candidates: list[Candidate],
        spec: InterpreterSpec,
        judge: InterpreterSpec | None,
        looked_at: set[object],
        shown: set[object],
    ) -> Iterator[Sighting]:
        """Find out what candidates are, those together that have to be started."""
        new: list[tuple[Candidate, str]] = []
        for candidate in candidates:
            path = "" if candidate.note else self._behind(candidate.path)
            identity = _identity(path or candidate.path or candidate.found_by)
            if identity not in looked_at:
                looked_at.add(identity)
                new.append((candidate, path))
        declined = self._fetch([path for _, path in new if path], None if judge else spec)
        for candidate, path in new:
            if candidate.note or path in declined:
                yield Sighting(candidate.path, candidate.found_by, reason=candidate.note or declined[path])
                continue
            answer = self._known[path or candidate.path]
            found = answer.interpreter
            if found is None:
                if candidate.found_by == TRY_FIRST:
                    self._unfit[candidate.path] = answer.reason
                yield Sighting(candidate.path, candidate.found_by, reason=answer.reason, too_old=answer.too_old)
                continue
            identity = _identity(found.executable)
            if identity in shown:  # what starts it, a wrapper, was found before
                continue
            shown.add(identity)
            yield Sighting(candidate.path, candidate.found_by, found, (judge or spec).refusal(found) or "")

    def _behind(self, path: str) -> str:
        """Return the executable to ask about a path: itself, or the base of its environment; empty if there is none."""
        problem = _problem(path)
        if not problem:
            try:
                return home.base(path)
            except LookupError as error:
                problem = str(error)
        self._known[path] = Answer(reason=problem)
        return ""

    def _fetch(self, paths: list[str], spec: InterpreterSpec | None) -> dict[str, str]:
        """Learn what executables are: from before, from the cache, or by asking, as long as there is time.

        Return those that need not be asked, since their installation says that they do not satisfy `spec`, with the
        reason.
        """
        declined: dict[str, str] = {}
        unknown: dict[str, list[str]] = {}
        for path in paths:
            if path in self._known:
                continue
            if (kept := self.cache.get(path)) is not None:
                self._known[path] = kept
            elif spec is not None and (refusal := _declined(path, spec)):
                declined[path] = refusal
            elif self._spent > PATIENCE:
                self._known[path] = Answer(reason="was not asked: others took all the time there is")
            else:
                unknown[path] = witnesses(path)
        if unknown:
            ask = self.ask or _probe()
            self.cache.progress("asking an interpreter" if len(unknown) == 1 else f"asking {len(unknown)} interpreters")
            started = monotonic()
            for (path, before), answer in zip(unknown.items(), ask(list(unknown), self.host.environ), strict=True):
                self._known[path] = self._settle(path, answer, before, ask)
            self._spent += monotonic() - started
        return declined

    def _settle(self, path: str, answer: Answer, before: list[str], ask: Ask) -> Answer:
        """Return the answer with the executable that environments should name, and keep it."""
        found = answer.interpreter
        if found is not None and not _is_same(found.executable, path):  # it started another one: a wrapper, a shim
            try:
                path = home.base(found.executable)
            except LookupError as error:
                return Answer(reason=f"starts `{found.executable}`, which {error}")
            before = witnesses(path)
            answer = self.cache.get(path) or ask([path], self.host.environ)[0]
            found = answer.interpreter
            if found is not None and not _is_same(found.executable, path):
                return Answer(reason=f"starts `{path}`, which starts `{found.executable}`, and so on")
        if found is not None:
            answer = Answer(home.settled(replace(found, executable=path)))
        self.cache.put(path, answer, before)
        return answer


def best(spec: InterpreterSpec, sightings: Sequence[Sighting]) -> Sighting | None:
    """Return the one to take among those that satisfy a request: the best rank, for a range the newest, the first."""

    def order(sighting: Sighting) -> tuple[object, ...]:
        assert sighting.interpreter is not None
        newest = tuple(-part for part in _age(sighting.interpreter)) if spec.is_range else ()
        return (rank(spec, sighting.interpreter), newest)

    return min(sightings, key=order, default=None)


def rank(spec: InterpreterSpec, interpreter: Interpreter) -> int:
    """Return how far an interpreter is from what people mean who did not say more: 0 for a released CPython.

    Another implementation, a prerelease or a special build is taken if nothing ordinary satisfies the request.
    """
    if spec.is_exact:
        return 0
    foreign = not spec.implementation and interpreter.implementation != "cpython"
    unfinished = not spec.prerelease and interpreter.version[3] != "final"
    special = interpreter.free_threaded is not bool(spec.free_threaded) or interpreter.debug is not bool(spec.debug)
    return 4 * foreign + 2 * unfinished + special


def _age(interpreter: Interpreter) -> tuple[int, ...]:
    major, minor, micro, level, serial = interpreter.version
    return (major, minor, micro, ("alpha", "beta", "candidate", "final").index(level), serial)


def located(path: str, host: Host) -> str:
    """Return the executable that a path from the command line means: itself, or the Python in that directory."""
    if path.startswith("~"):
        user_home = host.environ.get("HOME") or host.environ.get("USERPROFILE", "")
        path = user_home + path[1:] if path[1:2] in ("", "/", "\\") and user_home else os.path.expanduser(path)
    if not os.path.isabs(path) and host.cwd:
        path = os.path.normpath(os.path.join(host.cwd, path))
    if os.path.isdir(path):
        for name in (*IN_A_DIRECTORY, *(f"bin/{name}" for name in _numbered(os.path.join(path, "bin")))):
            if os.path.isfile(inside := os.path.join(path, *name.split("/"))):
                return inside
    if host.os_name == "nt" and not os.path.isfile(path) and os.path.isfile(f"{path}.exe"):
        return f"{path}.exe"
    return path


def _numbered(directory: str) -> list[str]:
    """Return the `python3.N` in a directory, newest first: `make altinstall` makes no other name."""
    try:
        names = [name for name in os.listdir(directory) if name.startswith(("python3.", "pypy3."))]
    except OSError:
        return []
    numbers = {name: name.partition(".")[2].rstrip("td") for name in names}
    return sorted((name for name, number in numbers.items() if number.isdigit()), key=lambda name: -int(numbers[name]))


def _sound(given: object) -> Candidate:
    """:raises TypeError: what a finder gives is no candidate."""
    if isinstance(given, Candidate) and isinstance(given.path, str):
        return given
    raise TypeError(f"{given!r} is no `cloche.Candidate`")


def _problem(path: str) -> str:
    """Return why it makes no sense to start a file, empty if it does."""
    if not os.path.isabs(path):  # a variable of a tool may say so; what is in the current directory is never started
        return "is not an absolute path"
    if os.path.isdir(path):
        return "is a directory without a Python in it"
    if not os.path.isfile(path):
        return "is a link to nothing" if os.path.islink(path) else "is not there"
    return "" if os.access(path, os.X_OK) else "is not executable"


def _declined(path: str, spec: InterpreterSpec) -> str:
    """Return why an installation says that it does not satisfy a request, empty if it does not say so."""
    from cloche.discovery.build_details import declared

    told = declared(path)
    if told is None:
        return ""
    refusal = spec.refusal_of_build(
        told.implementation, told.version, free_threaded=told.free_threaded, debug=told.debug
    )
    return refusal or ""


def _probe() -> Ask:
    from cloche.discovery.probe import ask  # it loads `subprocess`, which a cached answer does not need

    return ask


def _identity(path: str) -> object:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # there is none, or no file can be named so
        return path
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return True  # the aliases of the Microsoft Store cannot be looked at; there is no reason to doubt them
