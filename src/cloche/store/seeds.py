"""The interface of the store for seeders, which pass wheels or requirements and receive images."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING
from cloche.store.distributions import read_wheel
from cloche.store.images import find_or_build_image
from cloche.store.requirements import parse_requirements
from cloche.store.wheels import choose_distribution, missing_dependencies

if TYPE_CHECKING:
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store


class SeedStore:
    """The implementation of `cloche.plugins.hookspecs.SeedStore` for one run."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def image_of(self, wheel: str, interpreter: Interpreter) -> Image:
        """Return the image of a wheel file; build it if the store does not have it.

        :raises SeedError: the wheel is damaged or unsafe, or the interpreter cannot compile it.
        """
        self._store.inputs.path(wheel)
        return find_or_build_image(read_wheel(wheel), interpreter, self._store)

    def images_for(self, wanted: Wanted, interpreter: Interpreter) -> list[Image]:
        """Return one image per requirement, each from the first source that has a compatible distribution.

        All distributions are chosen before the first one is unpacked.

        :raises SeedError: a distribution cannot be found, or is damaged.
        :raises UsageError: a requirement is not `NAME` or `NAME==VERSION`, or two versions of a distribution are requested.
        """
        requirements = parse_requirements(wanted.requirements)
        distributions = [
            choose_distribution(requirement, interpreter, wanted, self._store) for requirement in requirements
        ]
        self._store.warnings += missing_dependencies(distributions, interpreter)
        return [find_or_build_image(distribution, interpreter, self._store) for distribution in distributions]
