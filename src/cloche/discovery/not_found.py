"""The error for a request that no interpreter satisfies.

The hint has several lines: a remedy, the closest matches, and where cloche searched.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.discovery.search import LISTING_BATCH_SIZE
from cloche.errors import InterpreterNotFound
from cloche.model.interpreter import path_module
from cloche.model.spec import ANY, range_contains
from cloche.model.value import replace
from cloche.shells import quote_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.discovery.search import Search, SearchResult
    from cloche.model.aliases import Version
    from cloche.model.spec import InterpreterSpec

MAX_CLOSEST_MATCHES = 3
"""How many of the closest matches to list."""

INSTALL_COMMANDS = (
    ("uv", "uv python install {}"),
    ("pyenv", "pyenv install {}"),
    ("mise", "mise install python@{}"),
    ("asdf", "asdf install python {}"),
    ("brew", "brew install python@{}"),
    ("conda", "conda install python={}"),
)
"""Version managers, each with its command that installs a version."""
FREE_THREADED_COMMANDS = 2
"""How many of `INSTALL_COMMANDS`, counted from the first, accept a free-threaded version as `3.14t`."""
FIRST_FREE_THREADED = (3, 13)
"""The first Python that has a free-threaded build (PEP 703)."""

LIST_HINT = "`cloche pythons` lists the interpreters that can be found"

OLDEST_SUPPORTED = (3, 6)
"""The oldest Python that cloche can create environments for."""
UNSUPPORTED_VERSIONS: tuple[Version, ...] = tuple(
    (major, minor, micro, "final", 0)
    for major, minor in ((2, 7), *((3, n) for n in range(6)))
    for micro in (0, 1, 10, 18)
)
"""Sample versions older than `OLDEST_SUPPORTED`, to test whether a range includes them."""


def interpreter_not_found(specs: Sequence[InterpreterSpec], search: Search, because: str) -> InterpreterNotFound:
    """Return the error for requests that nothing satisfies.

    :param because: where the requests come from, if not from the user: "`.python-version` in /home/me".
    """
    origin = f", which {because} asks for" if because else ""
    if len(specs) == 1 and specs[0].path:
        result = next(search.results(specs[0]))
        return InterpreterNotFound(f"`{result.path}` {result.reason}{origin}", hint=LIST_HINT)
    if len(specs) == 1 and specs[0].name:
        refused = [f"; `{result.path}` {result.reason}" for result in search.results(specs[0]) if result.reason]
        hint = f"{LIST_HINT}; for a file in the current directory, write `./{specs[0].name}`"
        if meant := installation_request(specs[0].name, search):
            hint = f"did you mean `{meant}`? Request a version of Python or a path, not the name of an installation"
        return InterpreterNotFound(f"no command `{specs[0].name}` found on PATH{''.join(refused)}", hint=hint)
    requested = " or ".join(f"`{spec.text}`" for spec in specs)
    if all(is_too_old(spec) for spec in specs):
        found = [
            f"; `{result.path}` is Python {result.too_old}"
            for spec in specs
            for result in too_old_matches(spec, search)
        ]
        return InterpreterNotFound(
            f"environments need Python 3.6 or later, but {requested} is older{origin}{''.join(found[:1])}"
        )
    list_command = f"`cloche pythons {quote_word(specs[0].text, os.name)} --all` shows why each interpreter was skipped"
    remedy = next(filter(None, (install_command(spec, search) for spec in specs)), "")
    inexact = [spec for spec in specs if not spec.is_exact]
    matches = closest_matches(inexact, search)
    heading = "closest matches:" if matches else nothing_works(search)
    lines = [
        f"try `{remedy}`; {list_command}" if remedy else list_command,
        *(missing_build for spec in inexact if (missing_build := missing_build_message(spec, search))),
        *(reason for spec in specs if spec.is_exact for reason in reasons_unusable(spec, search)),
        *([heading] if inexact else []),
        *(f"  {match}" for match in matches),
        f"searched: {', '.join(search.finder_names)}",
        *search.failed_finders.values(),
        *search.try_first_warnings,
    ]
    return InterpreterNotFound(f"no interpreter satisfies {requested}{origin}", hint="\n  ".join(lines))


def installation_request(name: str, search: Search) -> str:
    """Return the request for an installation with a name of pyenv, such as `pypy3.9-7.3.11`; empty if it is not one.

    It is the directory of that installation. If there is none, it is the part of the name that is a request.
    """
    from cloche.discovery.project import installation, loosened_pin, parse_request
    from cloche.fs.inputs import UNRECORDED

    directory, request = installation(name, search.host, UNRECORDED), parse_request(name)
    if directory and os.path.exists(os.path.join(directory, "bin", "python")):
        return directory
    return request if loosened_pin(name, request) else ""


def reasons_unusable(spec: InterpreterSpec, search: Search) -> list[str]:
    """Return the reasons why the file or command that a request names cannot be used."""
    refused = [f"`{result.path}` {result.reason}" for result in search.results(spec) if result.reason]
    return refused or [f"no command `{spec.name}` found on PATH"]


def is_too_old(spec: InterpreterSpec) -> bool:
    """Return whether only Pythons before 3.6 can satisfy a request."""
    if spec.release:
        return spec.release[:2] < OLDEST_SUPPORTED[: len(spec.release)]
    if not spec.range:
        return False
    newer: list[Version] = [(3, minor, micro, "final", 0) for minor in range(6, 30) for micro in (0, 1, 20)]
    return any(range_contains(spec.range, version) for version in UNSUPPORTED_VERSIONS) and not any(
        range_contains(spec.range, version) for version in newer
    )


def too_old_matches(spec: InterpreterSpec, search: Search) -> list[SearchResult]:
    """Return the Pythons on this machine that satisfy a request but are too old for environments."""

    def matches(result: SearchResult) -> bool:
        parts = [int(part) for part in result.too_old.split(".")]
        version: Version = (parts[0], parts[1], parts[2], "final", 0)
        return range_contains(spec.range, version) if spec.range else version[: len(spec.release)] == spec.release

    return [result for result in search.results(spec) if result.too_old and matches(result)]


def closest_matches(specs: Sequence[InterpreterSpec], search: Search) -> list[str]:
    """Return a line for each of the interpreters closest to the requests, with the difference."""
    found: dict[str, tuple[tuple[object, ...], str]] = {}
    for spec in specs:
        for result in search.results(ANY, judged_by=spec, batch_size=LISTING_BATCH_SIZE):
            if result.interpreter is not None:
                path = result.interpreter.executable
                match = (distance(result, spec), f"`{path}` {result.reason}")
                found[path] = min(found.get(path, match), match)
    return [text for _, text in sorted(found.values())[:MAX_CLOSEST_MATCHES]]


def nothing_works(search: Search) -> str:
    """Return why there are no closest matches: the reason that all candidates share, or the first few reasons."""
    failed = [result for result in search.results(ANY, batch_size=LISTING_BATCH_SIZE) if not result.interpreter]
    reasons = list(dict.fromkeys(result.reason for result in failed))
    if not reasons:
        return "no interpreters were found at all"
    if len(reasons) == 1:
        others = f"; the reason is the same for all {len(failed)} candidates" if len(failed) > 1 else ""
        return f"no interpreter works: `{failed[0].path}` {reasons[0]}{others}"
    return "\n  ".join(["no interpreter works:", *(f"  `{one.path}` {one.reason}" for one in failed[:3])])


def missing_build_message(spec: InterpreterSpec, search: Search) -> str:
    """Return a message if the right version was found but not the right build; otherwise empty."""
    build = [word for word, wanted in (("free-threaded", spec.free_threaded), ("debug", spec.debug)) if wanted]
    machine = (f"{spec.bits} bits" if spec.bits else "", spec.machine, spec.platform, spec.libc)
    target = ", ".join(part for part in machine if part)
    if not (build or target):
        return ""
    any_build = replace(spec, free_threaded=None, debug=None, bits=None, machine=None, platform=None, libc=None)
    interpreters = (result.interpreter for result in search.results(ANY, judged_by=spec, batch_size=LISTING_BATCH_SIZE))
    found = next((python for python in interpreters if python and any_build.accepts(python)), None)
    if found is None:
        return ""
    return f"found {found.name}, but no {' '.join([*build, 'build'])}{' for ' * bool(target)}{target}"


def distance(result: SearchResult, spec: InterpreterSpec) -> tuple[object, ...]:
    """Return a sort key: the requested implementation (or CPython) first, then the closest minor version, then the newest."""
    assert result.interpreter is not None
    version = result.interpreter.version
    wanted = spec.release or first_release(spec.range)
    minor = abs(100 * (version[0] - wanted[0]) + version[1] - wanted[1]) if len(wanted) > 1 else 0
    other_implementation = result.interpreter.implementation != (spec.implementation or "cpython")
    return (other_implementation, minor, [-number for number in version[:3]])


def first_release(range_text: str) -> tuple[int, ...]:
    """Return the first version in the text of a range, to measure distances from."""
    digits = range_text.lstrip("<>=!~ ").partition(",")[0].split(".")
    return tuple(int(part) for part in digits if part.isascii() and part.isdigit())


def install_command(spec: InterpreterSpec, search: Search) -> str:
    """Return the command of a version manager on PATH that could install a match; empty if there is none."""
    if len(spec.release) < 2 or spec.release[0] != 3 or spec.release[:2] < OLDEST_SUPPORTED:
        return ""
    if spec.release[1] > newest_minor():
        return ""
    if (spec.free_threaded and spec.release[:2] < FIRST_FREE_THREADED) or not is_ordinary_build(spec, search):
        return ""
    host = search.host
    version = ".".join(map(str, spec.release)) + "t" * bool(spec.free_threaded)
    entries = host.environ.get("PATH", "").split(path_module(host.os_name).pathsep)
    directories = [entry for entry in entries if os.path.isabs(entry)]
    suffix = ".exe" if host.os_name == "nt" else ""
    for command, remedy in INSTALL_COMMANDS[: FREE_THREADED_COMMANDS if spec.free_threaded else None]:
        programs = (os.path.join(directory, command + suffix) for directory in directories)
        if any(os.path.isfile(program) and search.can_run(program) for program in programs):
            return remedy.format(version)
    return ""


def newest_minor() -> int:
    """Return the newest minor version of Python 3 that can exist, as a prerelease: there is one each year (PEP 602)."""
    from time import localtime

    return localtime().tm_year - 2010  # 3.16 in 2026


def is_ordinary_build(spec: InterpreterSpec, search: Search) -> bool:
    """Return whether a request accepts what version managers install: a release of CPython, built for this machine.

    The first interpreter that the search finds shows which machine this is.
    """
    local = next(
        (result.interpreter for result in search.results(ANY, batch_size=LISTING_BATCH_SIZE) if result.interpreter),
        None,
    )
    if local is None:
        special = (spec.prerelease, spec.debug, spec.bits, spec.machine, spec.platform, spec.libc)
        return spec.implementation in (None, "cpython") and not any(special)
    major, minor, micro = (*spec.release, 0)[:3]
    release = replace(local, implementation="cpython", version=(major, minor, micro, "final", 0), debug=False)
    return spec.accepts(replace(release, free_threaded=bool(spec.free_threaded)))
