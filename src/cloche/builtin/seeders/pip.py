"""The seeder `pip`: pip itself, or whatever else is wanted, from the nearest source that has it for the target."""

from __future__ import annotations

from cloche.value import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.model import Image, Interpreter, Wanted
    from cloche.store import Store


class Pip:
    """Gives one image per distribution that is wanted; what one needs and does not get is told, and not looked for."""

    name = "pip"

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Refuse Pythons for which no wheel has been made for years."""
        return None if interpreter.version >= (3, 6) else f"needs Python 3.6 or later, got {interpreter.name}"

    def images(self, interpreter: Interpreter, wanted: Wanted, store: Store) -> list[Image]:
        """Return the images, every distribution chosen before the first is unpacked.

        :raises cloche.errors.SeedError: one cannot be had, is damaged, or cannot be compiled.
        :raises cloche.errors.UsageError: what is wanted is not `NAME` or `NAME==VERSION`, or is two versions of one.
        """
        from cloche.store.images import obtain
        from cloche.store.requirements import parse_all
        from cloche.store.wheels import choose, unmet

        requirements = parse_all(wanted.requirements)
        distributions = [choose(requirement, interpreter, wanted, store) for requirement in requirements]
        store.warnings += unmet(distributions, interpreter)
        return [obtain(distribution, interpreter, store) for distribution in distributions]


seeder = Pip()
