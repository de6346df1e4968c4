"""The seeder `pip`: installs pip, or other requested packages, from the first source that has a suitable wheel."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.plugins.hookspecs import SeedStore


class Pip:
    """Returns the images of the requested distributions and, unless the user omits them, of their dependencies."""

    name = "pip"

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Refuse Pythons that pip has not supported for years."""
        return None if interpreter.version >= (3, 6) else f"needs Python 3.6 or later, got {interpreter.name}"

    def inputs(self, interpreter: Interpreter, wanted: Wanted, store: SeedStore) -> tuple[str, ...]:
        """Return nothing: the store records the files that it reads."""
        return ()

    def images(self, interpreter: Interpreter, wanted: Wanted, store: SeedStore) -> list[Image]:
        """Return one image per requirement, then those of the dependencies.

        :raises cloche.errors.SeedError: a distribution cannot be found, is damaged, or cannot be compiled.
        :raises cloche.errors.UsageError: a requirement is not `NAME` or `NAME==VERSION`, or two are for one distribution.
        """
        return store.images_for(wanted, interpreter)


seeder = Pip()
