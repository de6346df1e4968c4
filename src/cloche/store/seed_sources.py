"""The sources of seeds, and the choice of a distribution for each seed.

The first source with a compatible distribution wins. If no source has one, the error lists what was tried. This module
unpacks nothing. By default, it uses the network only if every other source fails.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from cloche.errors import SeedError, reason_of
from cloche.fs import read_at_most
from cloche.fs.inputs import UNRECORDED
from cloche.model.metadata import normalize_name, parse_metadata_name
from cloche.model.value import Value, replace
from cloche.store.distributions import Distribution, read_installed, read_wheel
from cloche.store.tags import incompatibility

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloche.fs.inputs import Inputs
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.requirements import Requirement

MAX_SYSCONFIG_BYTES = 1 << 22
"""The maximum number of bytes to read of a `_sysconfigdata*.py`, which usually has 50 kB."""

WORKING_WITH_3_12 = {"pip": (23, 1), "setuptools": (66, 1)}
"""The first versions that work with Python 3.12 and later. Older ones use `pkgutil.ImpImporter`, but allow any Python.

This matters for distributions that nobody chose for this Python: those beside cloche, and those in the cache.
"""

INDEX = "the index"
FIND_LINKS = "`--find-links`"
BESIDE = "the pip installed with cloche"
CACHE = "the cache"
"""Names of sources in messages."""


class SeedCandidate(Value):
    """A distribution that a source offers, known only by its file name."""

    version: str
    location: str
    """Path of the wheel, or of the metadata directory of an installed distribution."""
    source: str = ""
    """The name of the source in messages: `the cache`."""


def choose_distributions(
    requirements: Sequence[Requirement], interpreter: Interpreter, wanted: Wanted, store: Store
) -> list[Distribution]:
    """Return the distribution to seed for each requirement; pip downloads all that are missing in one call.

    If that call fails, each one is downloaded on its own, so that the error is about the one that is not available.

    :raises SeedError: as for `choose_distribution`.
    """
    found: dict[str, Distribution] = {}
    if len(requirements) > 1 and wanted.network == "last-resort":
        for requirement in requirements:
            with suppress(SeedError):
                local = replace(wanted, network="never")
                found[str(requirement)] = choose_distribution(requirement, interpreter, local, store)
    missing = [requirement for requirement in requirements if str(requirement) not in found]
    downloaded: dict[str, str] = {}
    may_download = wanted.network == "last-resort" or (wanted.network == "newest" and not wanted.find_links)
    if len(missing) > 1 and may_download:
        from cloche.store.pip_downloads import download_wheels

        store.inputs.undeclared.append(INDEX)
        with suppress(SeedError):
            downloaded = download_wheels(missing, interpreter, store)
    return [
        found.get(str(requirement))
        or choose_distribution(requirement, interpreter, wanted, store, downloaded=downloaded.get(requirement.name, ""))
        for requirement in requirements
    ]


def choose_distribution(
    requirement: Requirement,
    interpreter: Interpreter,
    wanted: Wanted,
    store: Store,
    without: Sequence[str] = (),
    downloaded: str = "",
) -> Distribution:
    """Return the distribution to seed; a downloaded wheel is in the store afterwards.

    A wheel from `--find-links` that cannot be read is an error. The next source is not tried, because it may have a
    different distribution of that name.

    :param without: locations of distributions that turned out to be damaged.
    :param downloaded: the wheel that the index has, if it is known; otherwise pip downloads it.
    :raises SeedError: no source has a compatible distribution (the message lists the reasons), or a wheel from
        `--find-links` cannot be read.
    """
    tried: list[str] = []
    unreachable = ""
    for sources in _sources(requirement, interpreter, wanted, store, downloaded):
        candidates: list[SeedCandidate] = []
        for source, list_candidates in sources.items():
            try:
                found = _with_requested_version(requirement, list_candidates())
            except SeedError as error:
                if source == FIND_LINKS:
                    raise
                tried.append(f"{source}: {error.message}")
                if source == INDEX and wanted.network == "newest":
                    unreachable = error.message
                continue
            if not found:
                tried.append(f"{source}: nothing found")
            candidates += (replace(candidate, source=source) for candidate in found)
        for candidate in _newest_first(candidates):
            try:
                store.inputs.path(candidate.location)
                distribution = _read_candidate(candidate)
            except SeedError as error:
                if candidate.source == FIND_LINKS:
                    raise
                tried.append(f"{candidate.source}: {error.message}")
                continue
            if distribution.location in without:
                tried.append(f"{candidate.source}: {distribution.name} {distribution.version} is damaged")
                continue
            reason = _mismatch(distribution, candidate.version, requirement, interpreter)
            if reason is None and candidate.source in (BESIDE, CACHE) and not requirement.version:
                reason = _failure(distribution, interpreter)
            if reason is None:
                if unreachable:
                    store.warnings.append(f"using a local `{requirement}`: {unreachable}")
                return distribution
            tried.append(f"{candidate.source}: {distribution.name} {distribution.version} {reason}")
    raise SeedError(
        f"no `{requirement}` found for {interpreter.name}: {'; '.join(tried)}",
        hint=_hint(requirement, wanted),
    )


def _sources(
    requirement: Requirement, interpreter: Interpreter, wanted: Wanted, store: Store, downloaded: str
) -> Iterator[dict[str, Callable[[], list[SeedCandidate]]]]:
    """Yield groups of sources, in the order to try them; within a group, the newest compatible candidate wins."""
    name = requirement.name

    def find_links() -> list[SeedCandidate]:
        return [
            wheel for directory in wanted.find_links for wheel in wheels_in_directory(directory, name, store.inputs)
        ]

    def cached() -> list[SeedCandidate]:
        if store.root:
            store.inputs.path(os.path.join(store.root, "wheels"))  # even if it does not exist yet
        directories = store.readable_directories("wheels")
        wheels = [wheel for directory in directories for wheel in wheels_in_directory(directory, name, store.inputs)]
        return [wheel for wheel in wheels if not os.path.islink(wheel.location)]

    def ensurepip() -> list[SeedCandidate]:
        directories = _ensurepip_directories(interpreter, store.inputs)
        return next(filter(None, (wheels_in_directory(directory, name, store.inputs) for directory in directories)), [])

    def index() -> list[SeedCandidate]:
        from cloche.store.pip_downloads import download_wheels

        store.inputs.undeclared.append(INDEX)
        wheel = downloaded or download_wheels([requirement], interpreter, store)[requirement.name]
        return [SeedCandidate(os.path.basename(wheel).split("-")[1], wheel)]

    if wanted.find_links:
        yield {FIND_LINKS: find_links}
    if wanted.network == "newest":
        yield {INDEX: index}
    beside = (
        {BESIDE: lambda: list(_installed_beside_cloche(name, store.host.cwd, store.inputs))} if name == "pip" else {}
    )
    yield {**beside, CACHE: cached, "the ensurepip of this Python": ensurepip}
    if wanted.network == "last-resort":
        yield {INDEX: index}


def wheels_in_directory(directory: str, name: str, inputs: Inputs = UNRECORDED) -> list[SeedCandidate]:
    """Return the wheels of one distribution in a directory; an empty list if the directory does not exist.

    :raises SeedError: the directory cannot be read.
    """
    inputs.path(directory)
    try:
        files = sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    except OSError as error:
        is_file = isinstance(error, NotADirectoryError)
        raise SeedError(
            f"`{directory}` cannot be read ({reason_of(error)})",
            hint="name the directory that contains the wheels" if is_file else "check its permissions",
        ) from error
    parts = ((file, file.removesuffix(".whl").split("-")) for file in files if file.endswith(".whl"))
    return [
        SeedCandidate(part[1], os.path.join(directory, file))
        for file, part in parts
        if len(part) in (5, 6) and normalize_name(part[0]) == name
    ]


def _installed_beside_cloche(name: str, cwd: str, inputs: Inputs) -> Iterator[SeedCandidate]:
    """Yield the installed distributions called `name` on the `sys.path` of the Python that runs cloche.

    The current directory is skipped: `python -m cloche` adds it to `sys.path`, but it is not trusted.
    """
    here = os.path.realpath(cwd) if cwd else ""
    path: list[object] = [*sys.path]
    for site in path:
        if not isinstance(site, str) or not os.path.isabs(site):
            continue
        if os.path.realpath(site) == here:
            inputs.current_directory()
            continue
        inputs.path(site)
        try:
            entries = sorted(os.listdir(site))
        except OSError:  # a zip archive, or a directory that does not exist
            continue
        for entry in entries:
            distribution, version = parse_metadata_name(entry)
            if entry.endswith(".dist-info") and version and distribution == name:
                yield SeedCandidate(version, os.path.join(site, entry))


def _ensurepip_directories(interpreter: Interpreter, inputs: Inputs) -> Iterator[str]:
    """Yield the directories that may hold the wheels of an interpreter's own `ensurepip`.

    Linux distributions move them with the configure option `--with-wheel-pkg-dir` (since 3.10), which is recorded in the
    build variables of `sysconfig`. Debian's PyPy only has the directory in its source code.
    """
    yield os.path.join(interpreter.stdlib, "ensurepip", "_bundled")
    inputs.path(interpreter.stdlib)
    try:
        files = [name for name in os.listdir(interpreter.stdlib) if name.startswith("_sysconfigdata")]
    except OSError:
        files = []
    for name in sorted(files):
        if name.endswith(".py"):
            path = os.path.join(interpreter.stdlib, name)
            inputs.path(path)
            content = read_at_most(path, MAX_SYSCONFIG_BYTES) or b""  # unreadable: no directory is known
            if match := re.search(rb"""['"]WHEEL_PKG_DIR['"]: *['"](/[^'"]+)['"]""", content):
                yield os.fsdecode(match[1])
    if interpreter.stdlib.startswith("/usr/lib"):
        yield "/usr/share/python-wheels"


def _with_requested_version(requirement: Requirement, candidates: list[SeedCandidate]) -> list[SeedCandidate]:
    """Return the candidates of the requested version; those whose version is not valid (PEP 440) never match."""
    if not requirement.version and not requirement.specifier:
        return candidates
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    pinned = Version(requirement.version) if requirement.version else None
    accepted = SpecifierSet(requirement.specifier)
    found = []
    for candidate in candidates:
        try:
            version = Version(candidate.version.replace("_", "-"))
        except ValueError:
            continue
        if pinned in (version, Version(version.public)) if pinned else accepted.contains(version):
            found.append(candidate)
    return found


def _newest_first(candidates: list[SeedCandidate]) -> list[SeedCandidate]:
    """Return candidates sorted by version, prereleases last; candidates of the same version keep their order."""
    if all(candidate.version.replace(".", "").isdecimal() for candidate in candidates):
        return sorted(candidates, key=lambda candidate: _release_key(candidate.version), reverse=True)
    from packaging.version import Version  # takes 17 ms, but few runs need it

    known = []
    for candidate in candidates:
        try:
            version = Version(candidate.version.replace("_", "-"))
        except ValueError:
            continue
        known.append((not version.is_prerelease, version, candidate))
    return [candidate for _, _, candidate in sorted(known, key=lambda entry: entry[:2], reverse=True)]


def _release_key(version: str) -> tuple[int, ...]:
    """Return a sort key for a version that consists of numbers: 24.0 and 24 are equal."""
    numbers = [int(number) for number in version.split(".") if number]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _read_candidate(candidate: SeedCandidate) -> Distribution:
    """Return the distribution of a candidate.

    :raises SeedError: the candidate cannot be used.
    """
    if candidate.location.endswith(".whl"):
        return read_wheel(candidate.location)
    site, dist_info = os.path.split(candidate.location)
    distribution = read_installed(site, dist_info)
    vendored = os.path.join(site, "pip", "_vendor", "__init__.py")
    try:
        with open(vendored, encoding="utf-8") as file:
            if re.search(r"^DEBUNDLED = True", file.read(), re.MULTILINE):
                raise SeedError(
                    f"the pip in `{site}` has no bundled libraries, because a Linux distribution removed them"
                )
    except (OSError, ValueError) as error:
        raise SeedError(f"`{vendored}` cannot be read ({reason_of(error)})") from error
    return distribution


def _mismatch(
    distribution: Distribution, version: str, requirement: Requirement, interpreter: Interpreter
) -> str | None:
    """Return why a distribution does not meet a requirement (`needs Python >=3.9`); None if it does.

    :param version: the one in its file name, by which it was chosen.
    """
    if distribution.name != requirement.name:
        return f"is not `{requirement.name}`"
    if not _is_same_version(distribution.version, version.replace("_", "-")):
        return f"has `{version}` in its file name"
    return incompatibility(distribution, interpreter)


def _is_same_version(first: str, second: str) -> bool:
    if first == second:
        return True
    from packaging.version import InvalidVersion, Version  # few distributions need it

    try:
        return Version(first) == Version(second)
    except InvalidVersion:
        return first.replace("_", "-") == second


def _failure(distribution: Distribution, interpreter: Interpreter) -> str | None:
    """Return why a distribution fails on an interpreter that its metadata allows; None if it works, as far as is known."""
    minimum = WORKING_WITH_3_12.get(distribution.name, ())
    release = tuple(int(part) for part in re.findall(r"\d+", distribution.version)[:2])
    return "does not work with Python 3.12" if interpreter.version[:2] >= (3, 12) and release < minimum else None


def _hint(requirement: Requirement, wanted: Wanted) -> str:
    remedies = ["name a directory that has its wheel with `--find-links`", "create the environment with `--no-seed`"]
    if wanted.network == "never":
        remedies.insert(0, "leave out `--no-download`")
    if requirement.version:
        remedies.insert(0, "request another version")
    return ", or ".join(remedies)
