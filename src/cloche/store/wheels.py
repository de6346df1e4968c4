"""Where seeds come from: which distribution, of all that can be had, is the one for an interpreter.

The first source that has something fitting wins, and every refusal is remembered for the error that says what was
tried. Nothing is unpacked here, and the network is the last resort.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from cloche.errors import SeedError, reason_of
from cloche.model.distribution import normalised
from cloche.model.value import replace, value
from cloche.store.distributions import Distribution, read_installed, read_wheel
from cloche.store.tags import misfit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloche.model.interpreter import Interpreter
    from cloche.model.request import Wanted
    from cloche.store import Store
    from cloche.store.requirements import Requirement

INDEX = "the index"
NAMED = "`--find-links`"
"""Names of sources, for people."""


@value
class Offer:
    """A distribution that a source has, before anybody has looked into it."""

    version: str
    location: str
    """The wheel, or the metadata directory of what is installed."""
    source: str = ""
    """Whose offer it is, for people: `the cache`."""


def choose(requirement: Requirement, interpreter: Interpreter, wanted: Wanted, store: Store) -> Distribution:
    """Return the distribution that serves; if it had to be downloaded, its wheel is in the store afterwards.

    What the user named and cannot be read is never passed over: another source may have another distribution of that name.

    :raises SeedError: no source has one; the message says what each of them had. Or see above.
    """
    tried: list[str] = []
    for sources in _sources(requirement, interpreter, wanted, store):
        offers: list[Offer] = []
        for source, ask in sources.items():
            try:
                found = _matching(requirement, ask())
            except SeedError as error:
                if source == NAMED:
                    raise
                tried.append(f"{source}: {error.message}")
                if source == INDEX and wanted.network == "newest":
                    store.warnings.append(f"took what was at hand for `{requirement}`, because {error.message}")
                continue
            if not found:
                tried.append(f"{source}: nothing")
            offers += (replace(offer, source=source) for offer in found)
        for offer in _newest_first(offers):
            try:
                distribution = _read(offer)
            except SeedError as error:
                if offer.source == NAMED:
                    raise
                tried.append(f"{offer.source}: {error.message}")
                continue
            reason = _mismatch(distribution, requirement, interpreter)
            if reason is None:
                return distribution
            tried.append(f"{offer.source}: {distribution.name} {distribution.version} {reason}")
    raise SeedError(
        f"no `{requirement}` for {interpreter.name}: {'; '.join(tried)}",
        hint=_remedy(requirement, wanted),
    )


def unmet(distributions: list[Distribution], interpreter: Interpreter) -> list[str]:
    """Return what distributions need that is not among them, as sentences: seeds are laid down without dependencies."""
    needs = [(one, need) for one in distributions for need in one.requires if "extra" not in need.partition(";")[2]]
    if not needs:
        return []
    from packaging import requirements

    there = {distribution.name for distribution in distributions}
    target = {
        "implementation_name": interpreter.implementation,
        "os_name": interpreter.os_name,
        "platform_machine": interpreter.machine,
        "platform_python_implementation": "PyPy" if interpreter.implementation == "pypy" else "CPython",
        "python_full_version": interpreter.version_text,
        "python_version": interpreter.python_version,
        "sys_platform": interpreter.platform,
    }
    missing = []
    for distribution, text in needs:
        try:
            need = requirements.Requirement(text)
        except requirements.InvalidRequirement:
            continue
        if normalised(need.name) not in there and (need.marker is None or need.marker.evaluate(target)):
            missing.append(f"{distribution.name} {distribution.version} needs `{need.name}`, which is not seeded")
    return missing


def _sources(
    requirement: Requirement, interpreter: Interpreter, wanted: Wanted, store: Store
) -> Iterator[dict[str, Callable[[], list[Offer]]]]:
    """Yield the sources in the order in which they are asked; of several at once the newest offer that fits wins."""
    name = requirement.name

    def find_links() -> list[Offer]:
        return [offer for place in wanted.find_links for offer in wheels_in(place, name)]

    def cached() -> list[Offer]:
        offers = (offer for place in store.readable_directories("wheels") for offer in wheels_in(place, name))
        return [offer for offer in offers if not os.path.islink(offer.location)]

    def ensurepip() -> list[Offer]:
        return next(filter(None, (wheels_in(place, name) for place in _ensurepip(interpreter))), [])

    def index() -> list[Offer]:
        from cloche.store.index import download

        wheel = download(requirement, interpreter, store)
        return [Offer(os.path.basename(wheel).split("-")[1], wheel)]

    if wanted.find_links:
        yield {NAMED: find_links}
    if wanted.network == "newest":
        yield {INDEX: index}
    beside = {"beside cloche": lambda: list(_beside(name, store.host.cwd))} if name == "pip" else {}
    yield {**beside, "the cache": cached, "its own ensurepip": ensurepip}
    if wanted.network == "last-resort":
        yield {INDEX: index}


def wheels_in(place: str, name: str) -> list[Offer]:
    """Return the wheels of one distribution in a directory; none if there is no such directory.

    :raises SeedError: the directory cannot be read.
    """
    try:
        files = sorted(os.listdir(place))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SeedError(f"`{place}` cannot be read ({reason_of(error)})", hint="look at its permissions") from error
    parts = ((file, file.removesuffix(".whl").split("-")) for file in files if file.endswith(".whl"))
    return [
        Offer(part[1], os.path.join(place, file))
        for file, part in parts
        if len(part) in (5, 6) and normalised(part[0]) == name
    ]


def _beside(name: str, cwd: str) -> Iterator[Offer]:
    """Yield what is installed where the Python that runs cloche looks for modules, the current directory left out.

    `python -m cloche` has that directory on `sys.path`, and nothing that lies there may get into an environment.
    """
    here = os.path.realpath(cwd) if cwd else ""
    for site in sys.path:
        if not os.path.isabs(site) or os.path.realpath(site) == here:
            continue
        try:
            entries = sorted(os.listdir(site))
        except OSError:  # a zip archive, or nothing at all
            continue
        for entry in entries:
            stem, dash, version = entry.removesuffix(".dist-info").partition("-")
            if entry.endswith(".dist-info") and dash and normalised(stem) == name:
                yield Offer(version, os.path.join(site, entry))


def _ensurepip(interpreter: Interpreter) -> Iterator[str]:
    """Yield the directories in which an interpreter keeps the wheels of its own `ensurepip`.

    Distributors that keep them elsewhere say so with `--with-wheel-pkg-dir` (since 3.10), which the build's variables
    remember; PyPy of Debian has the directory in its source only.
    """
    yield os.path.join(interpreter.stdlib, "ensurepip", "_bundled")
    try:
        files = [name for name in os.listdir(interpreter.stdlib) if name.startswith("_sysconfigdata")]
    except OSError:
        files = []
    for name in sorted(files):
        if name.endswith(".py"):
            with open(os.path.join(interpreter.stdlib, name), encoding="utf-8", errors="replace") as file:
                if match := re.search(r"""['"]WHEEL_PKG_DIR['"]: *['"](/[^'"]+)['"]""", file.read()):
                    yield match[1]
    if interpreter.stdlib.startswith("/usr/lib"):
        yield "/usr/share/python-wheels"


def _matching(requirement: Requirement, offers: list[Offer]) -> list[Offer]:
    """Return the offers whose version is asked for; those whose version is none are never."""
    if not requirement.version:
        return offers
    from packaging.version import InvalidVersion, Version

    pinned = Version(requirement.version)
    found = []
    for offer in offers:
        try:
            version = Version(offer.version.replace("_", "-"))
        except InvalidVersion:
            continue
        if pinned in (version, Version(version.public)):
            found.append(offer)
    return found


def _newest_first(offers: list[Offer]) -> list[Offer]:
    """Return offers sorted by version, those that are no releases last; of equal ones the first remains the first."""
    if all(offer.version.replace(".", "").isdecimal() for offer in offers):
        return sorted(offers, key=lambda offer: _release(offer.version), reverse=True)
    from packaging.version import InvalidVersion, Version  # 17 ms that few runs have to spend

    known = []
    for offer in offers:
        try:
            version = Version(offer.version.replace("_", "-"))
        except InvalidVersion:
            continue
        known.append((not version.is_prerelease, version, offer))
    return [offer for _, _, offer in sorted(known, key=lambda one: one[:2], reverse=True)]


def _release(version: str) -> tuple[int, ...]:
    """Return a version of nothing but numbers, comparable: 24.0 and 24 are the same."""
    numbers = [int(number) for number in version.split(".") if number]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _read(offer: Offer) -> Distribution:
    """Return what an offer contains.

    :raises SeedError: it cannot be used.
    """
    if offer.location.endswith(".whl"):
        return read_wheel(offer.location)
    site, dist_info = os.path.split(offer.location)
    distribution = read_installed(site, dist_info)
    vendored = os.path.join(site, "pip", "_vendor", "__init__.py")
    try:
        with open(vendored, encoding="utf-8") as file:
            if re.search(r"^DEBUNDLED = True", file.read(), re.MULTILINE):
                raise SeedError(f"`{site}` has a pip without the libraries it needs, as distributors make it")
    except OSError as error:
        raise SeedError(f"`{vendored}` cannot be read ({reason_of(error)})") from error
    return distribution


def _mismatch(distribution: Distribution, requirement: Requirement, interpreter: Interpreter) -> str | None:
    """Return why a distribution is not the one (`needs Python >=3.9`), None if it is."""
    if distribution.name != requirement.name:
        return f"is not `{requirement.name}`"
    return misfit(distribution, interpreter)


def _remedy(requirement: Requirement, wanted: Wanted) -> str:
    remedies = ["give a directory that has its wheel with `--find-links`", "leave seeds out with `--no-seed`"]
    if wanted.network == "never":
        remedies.insert(0, "allow the network with `--download`")
    if requirement.version:
        remedies.insert(0, "ask for another version")
    return ", or ".join(remedies)
