"""The seeder `pip`: pip itself, or whatever else is wanted, from the nearest source that has it for the target."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.model.request import Wanted
    from cloche.plugins.hookspecs import SeedStore


class Pip:
    """Returns one image per wanted distribution. Requirements of these are reported if missing, not installed."""

    name = "pip"

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Refuse Pythons for which no wheel has been made for years."""
        return None if interpreter.version >= (3, 6) else f"needs Python 3.6 or later, got {interpreter.name}"

    def inputs(self, interpreter: Interpreter, wanted: Wanted, store: SeedStore) -> tuple[str, ...]:
        """Return nothing: the store records what it reads."""
        return ()

    def images(self, interpreter: Interpreter, wanted: Wanted, store: SeedStore) -> list[Image]:
        """Return the images.

        :raises cloche.errors.SeedError: one cannot be found, is damaged, or cannot be compiled.
        :raises cloche.errors.UsageError: what is wanted is not `NAME` or `NAME==VERSION`, or is two versions of one.
        """
        return store.images_for(wanted, interpreter)


seeder = Pip()
