"""The store as a seeder sees it: wheels and requirements go in, images come out."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING
from cloche.store.distributions import read_wheel
from cloche.store.images import obtain
from cloche.store.requirements import parse_all
from cloche.store.wheels import choose, unmet

if TYPE_CHECKING:
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.model.request import Wanted
    from cloche.store import Store


class SeedStore:
    """Implements `cloche.plugins.hookspecs.SeedStore` on the store of one run."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def image_of(self, wheel: str, interpreter: Interpreter) -> Image:
        """Return the image of a wheel file, built now unless the store has it.

        :raises SeedError: the wheel is damaged or hostile, or the interpreter cannot compile it.
        """
        self._store.inputs.path(wheel)
        return obtain(read_wheel(wheel), interpreter, self._store)

    def images_for(self, wanted: Wanted, interpreter: Interpreter) -> list[Image]:
        """Return one image per requirement, each from the nearest source that has it.

        Every distribution is chosen before the first is unpacked.

        :raises SeedError: one cannot be found, is damaged, or cannot be compiled.
        :raises UsageError: a requirement is not `NAME` or `NAME==VERSION`, or two versions of one are wanted.
        """
        requirements = parse_all(wanted.requirements)
        distributions = [choose(requirement, interpreter, wanted, self._store) for requirement in requirements]
        self._store.warnings += unmet(distributions, interpreter)
        return [obtain(distribution, interpreter, self._store) for distribution in distributions]
