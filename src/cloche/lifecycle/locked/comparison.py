"""Compare an environment with the lock file that it was created from, as that file is now. Nothing is downloaded or built.

The digest in `pyvenv.cfg` covers the content of every image, which a lock file alone does not tell. Each package is
therefore compared on its own: its version, the source that its metadata records, and the wheel that its image in the cache
was made from.
"""

from __future__ import annotations

import json
import os
from functools import cached_property
from typing import TYPE_CHECKING

from cloche.errors import ClocheError
from cloche.lifecycle.installed import read_text
from cloche.lifecycle.installed_requirements import with_requirements
from cloche.lifecycle.recorded_command import recorded_lock
from cloche.model import PYVENV_CFG
from cloche.store.images.origins import wheels_of_images
from cloche.store.lock_files import locked_packages
from cloche.store.lock_files.images import allowed_hashes, is_locked_version
from cloche.store.requirements import parse_requirements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.lock_files.packages import LockedPackage

ORIGINS = ("direct_url.json", "provenance_url.json")
"""The files in which metadata records the source of a distribution (PEP 610 and PEP 710)."""


class LockComparison:
    """Collects how an environment differs from its lock file, and what cannot be compared."""

    def __init__(
        self,
        environment: Environment,
        settings: Mapping[str, str],
        image_of: Callable[[InstalledDistribution], Image | None],
        store: Store,
    ) -> None:
        """Prepare a comparison.

        :param image_of: returns the image that a distribution was installed from, if the cache has it.
        """
        self._environment = environment
        self._settings = settings
        self._image_of = image_of
        self._store = store
        self.unverified: list[str] = []

    def differences(self, distributions: Iterable[InstalledDistribution]) -> Iterator[tuple[str, str]]:
        """Yield a path and a difference for each package that is not the locked one, and for the lock file itself."""
        if "lock" not in self._settings:
            return
        wanted, interpreter = recorded_lock(self._settings), self._environment.interpreter
        if wanted is None or wanted.lock is None:
            self.unverified.append("the lock file: `pyvenv.cfg` does not record its path")
            return
        if not os.path.isfile(wanted.lock.path):
            self.unverified.append(f"the lock file: `{wanted.lock.path}` no longer exists")
            return
        if interpreter is None or not os.access(wanted.lock.path, os.R_OK):
            reason = "the base interpreter no longer exists" if interpreter is None else "permission denied"
            self.unverified.append(f"the lock file: {reason}")
            return
        try:
            packages = locked_packages(wanted.lock, interpreter, self._store)
        except ClocheError as error:
            yield PYVENV_CFG, f"the lock file no longer describes this environment: {error.message}"
            return
        installed = {distribution.key: distribution for distribution in distributions}
        for package in packages:
            found = installed.pop(package.name, None)
            if found is None:
                yield self._environment.layout.purelib, f"lacks {package.name} {package.version}".rstrip()
            elif problem := self._problem(found, package):
                yield found.metadata, problem
        yield from self._not_locked(installed, wanted)

    def _problem(self, found: InstalledDistribution, package: LockedPackage) -> str:
        """Return how an installed distribution differs from the locked package; empty if it does not, as far as is known."""
        if not is_locked_version(found.version, package):
            return f"is {found.version}, but {package.version} is locked"
        origins = {name: self._origin(found, name) for name in ORIGINS}
        locked = {name: json.loads(text) for name, text in package.metadata}
        allowed = {digest for algorithm, digest in allowed_hashes(package) if algorithm == "sha256"}
        recorded = hash_in_origin(origins["provenance_url.json"])
        if recorded and allowed and recorded not in allowed:
            return "was installed from a file that is not the locked one"
        if found.installer != "cloche":
            return f"was installed by {found.installer or 'another tool'}, and not from the lock file"
        if locked != {name: origin for name, origin in origins.items() if origin is not None}:
            return "was installed from a source other than the locked one"
        if locked or not allowed:
            return ""
        image = self._image_of(found)
        known = self._wheels.get(os.path.basename(image.root), frozenset()) if image else frozenset()
        if not known:
            self.unverified.append(f"the file that {found.name} {found.version} was installed from: nothing records it")
        return "was installed from a file that is not the locked one" if known and known.isdisjoint(allowed) else ""

    def _origin(self, found: InstalledDistribution, name: str) -> object:
        """Return the content of a file that records the source of a distribution; None if there is no valid one."""
        try:
            content: object = json.loads(read_text(os.path.join(self._environment.location, found.metadata, name)))
        except (ValueError, RecursionError):
            return None
        return content

    @cached_property
    def _wheels(self) -> Mapping[str, frozenset[str]]:
        return wheels_of_images(self._store)

    def _not_locked(self, others: Mapping[str, InstalledDistribution], wanted: Wanted) -> Iterator[tuple[str, str]]:
        """Yield the distributions that neither the lock file nor an additional seed brings."""
        interpreter = self._environment.interpreter
        assert interpreter is not None
        seeds = {requirement.name for requirement in parse_requirements(wanted.requirements)}
        needed = with_requirements(seeds, [*others.values()], interpreter)
        for key, other in others.items():
            if other.installer != "cloche" or key not in needed:
                by = f"; {other.installer} installed it" if other.installer not in ("", "cloche") else ""
                yield other.metadata, f"is not in the lock file{by}"


def hash_in_origin(origin: object) -> str:
    """Return the SHA-256 of the file in a `provenance_url.json`; empty if it has none."""
    match origin:
        case {"archive_info": {"hashes": {"sha256": str(digest)}}}:
            return digest
        case _:
            return ""
