"""The seeder `lock`: installs exactly the packages that a lock file names for the interpreter."""

from __future__ import annotations

from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.plugins.hookspecs import SeedStore


class Lock:
    """Returns one image for each locked package, and for each package that is requested in addition."""

    name = "lock"

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Refuse Pythons for which wheels are no longer built."""
        return None if interpreter.version >= (3, 6) else f"needs Python 3.6 or later, got {interpreter.name}"

    def inputs(self, interpreter: Interpreter, wanted: Wanted, store: SeedStore) -> tuple[str, ...]:
        """Return the lock file; the store records the files that it names, and the wheels."""
        return (wanted.lock.path,) if wanted.lock else ()

    def images(self, interpreter: Interpreter, wanted: Wanted, store: SeedStore) -> list[Image]:
        """Return one image for each package.

        :raises cloche.errors.SeedError: a file cannot be found, does not match its hash, or is damaged.
        :raises cloche.errors.UsageError: there is no lock file, or it is not valid.
        """
        if wanted.lock is None:
            raise UsageError("the seeder `lock` needs a lock file", hint="name one with `--lock`")
        return store.locked_images(wanted, interpreter)


seeder = Lock()
