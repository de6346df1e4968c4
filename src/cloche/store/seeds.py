"""The interface of the store for seeders, which pass wheels or requirements and receive images."""

from __future__ import annotations

import os

from cloche.errors import SeedError
from cloche.model.value import TYPE_CHECKING
from cloche.store.distributions import read_wheel
from cloche.store.images import ImageNotWritten, find_or_build_image
from cloche.store.images.lookup import find_image
from cloche.store.requirements import parse_requirements
from cloche.store.seed_sources import choose_distribution, choose_distributions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from cloche.model.aliases import Compile
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.distributions import Distribution
    from cloche.store.requirements import Requirement

    Stays: TypeAlias = Callable[[str, str, Wanted, Interpreter], bool]


class SeedStore:
    """The implementation of `cloche.plugins.hookspecs.SeedStore` for one run."""

    def __init__(self, store: Store, stays: Stays | None = None, policy: Compile = "auto") -> None:
        """Create the interface for one run.

        :param policy: when the wheels that a seeder passes are compiled to bytecode.
        :param stays: whether an existing environment keeps the distribution that it has instead of one of this name and
            version.
        """
        self._store = store
        self._stays = stays
        self._policy: Compile = policy

    def compiling(self, policy: Compile) -> SeedStore:
        """Return the same interface with another policy."""
        return SeedStore(self._store, self._stays, policy)

    def image_of(self, wheel: str, interpreter: Interpreter) -> Image:
        """Return the image of a wheel file; build it if the store does not have it.

        :raises SeedError: the wheel is damaged or unsafe, or the interpreter cannot compile it.
        """
        self._store.inputs.path(wheel)
        return find_or_build_image(read_wheel(wheel), interpreter, self._store, policy=self._policy)

    def images_for(self, wanted: Wanted, interpreter: Interpreter) -> list[Image]:
        """Return one image per requirement, each from the first source that has a compatible distribution.

        Their dependencies are included, unless the user does not want them.

        All distributions are chosen before the first one is unpacked. None is unpacked if the environment keeps all that
        it has.

        :raises SeedError: a distribution cannot be found, or is damaged.
        :raises UsageError: a requirement is not `NAME` or `NAME==VERSION`, or two versions of a distribution are requested.
        """
        requirements = parse_requirements(wanted.requirements)
        distributions = choose_distributions(requirements, interpreter, wanted, self._store)
        if any(distribution.requires for distribution in distributions):
            from cloche.store.dependencies import (  # loads `packaging`
                invalid_requirements,
                unmet_needs,
                with_dependencies,
            )

            if wanted.dependencies == "included":
                distributions = with_dependencies(distributions, interpreter, wanted, self._store)
            else:
                kept = self._kept(distributions, wanted, interpreter)
                needs = [need for need in unmet_needs(distributions, interpreter) if need.by.name not in kept]
                self._store.warnings += (f"not installed: {need}" for need in needs)
            self._store.warnings += invalid_requirements(distributions, interpreter)
        if distributions and len(self._kept(distributions, wanted, interpreter)) == len(distributions):
            return [find_image(distribution, interpreter, self._store) for distribution in distributions]
        images = [self._intact_image(distribution, requirements, wanted, interpreter) for distribution in distributions]
        if any(distribution.name in ("setuptools", "wheel") for distribution in distributions):
            from cloche.store.seed_start import refuse_broken_builders

            refuse_broken_builders(images, interpreter, self._store.host)
        for distribution in distributions:
            if distribution.name not in ("pip", "setuptools", "wheel"):
                from cloche.store.standard_library import shadowing_warnings

                self._store.warnings += shadowing_warnings(distribution, interpreter)
        return images

    def _kept(self, distributions: Sequence[Distribution], wanted: Wanted, interpreter: Interpreter) -> set[str]:
        """Return the names of the distributions that the environment already has and keeps."""
        stays = self._stays
        return {one.name for one in distributions if stays and stays(one.name, one.version, wanted, interpreter)}

    def locked_images(self, wanted: Wanted, interpreter: Interpreter) -> list[Image]:
        """Return one image for each package that the lock file names for an interpreter, and for each requirement.

        :raises UsageError: the lock file is not valid, or contradicts a requirement.
        :raises SeedError: a file cannot be found, does not match its hash, or is damaged.
        """
        from cloche.store.lock_files.images import locked_images

        return locked_images(wanted, interpreter, self._store)

    def _intact_image(
        self, distribution: Distribution, requirements: Sequence[Requirement], wanted: Wanted, interpreter: Interpreter
    ) -> Image:
        """Return the image of a distribution; if it is damaged, that of the next source, with a warning.

        :raises SeedError: it is damaged, and the user named its source, or no other source has one.
        """
        named = tuple(os.path.join(directory, "") for directory in wanted.find_links)
        damaged: list[str] = []
        while True:
            try:
                return find_or_build_image(distribution, interpreter, self._store, policy=wanted.compile)
            except ImageNotWritten:
                raise  # another source would need the same space
            except SeedError as error:
                requirement = next((item for item in requirements if item.name == distribution.name), None)
                if requirement is None or distribution.location.startswith(named):
                    raise
                damaged.append(distribution.location)
                try:
                    distribution = choose_distribution(requirement, interpreter, wanted, self._store, without=damaged)
                except SeedError:
                    raise error from None
                self._store.warnings.append(
                    f"{error.message}; {distribution.name} {distribution.version} from another source is used instead"
                )
