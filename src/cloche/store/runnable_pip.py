"""A pip that an interpreter can run, whichever pip is installed with cloche.

It is usually an image in the store. The pip beside cloche is run where it is if its bytecode is for that interpreter.
"""

from __future__ import annotations

import os
from importlib.util import MAGIC_NUMBER
from typing import TYPE_CHECKING

from cloche.errors import SeedError
from cloche.model.value import replace
from cloche.store.images import find_or_build_image
from cloche.store.requirements import Requirement
from cloche.store.seed_sources import choose_distribution

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.distributions import Distribution

OLDEST_PIP = "21.3"
"""The first pip that builds a directory in place; older ones copy it, with everything in it."""

RUNNER = "__pip-runner__.py"
"""A file in pip since 22.2, which runs it without the packages that are installed beside it."""


def runnable_pip(interpreter: Interpreter, wanted: Wanted, store: Store, *, compiled: bool = False) -> str:
    """Return the path of a pip that supports an interpreter, which runs it with `python -B PATH install …`.

    :param compiled: whether to compile it first, which pays off only if it is started several times.
    :raises SeedError: none is new enough, or it may not be downloaded.
    """
    from packaging.version import Version

    def choose(network: str) -> Distribution:
        return choose_distribution(Requirement("pip"), interpreter, replace(wanted, network=network), store)

    distribution = choose(wanted.network)
    if Version(distribution.version) < Version(OLDEST_PIP) and wanted.network != "never":
        distribution = choose("newest")
    if Version(distribution.version) < Version(OLDEST_PIP):
        raise SeedError(
            f"pip {distribution.version} is too old to install packages for {interpreter.name}: "
            f"pip {OLDEST_PIP} or later is needed",
            hint="leave out `--no-download`, or name a directory that has a newer pip with `--find-links`",
        )
    runner = os.path.join(distribution.location, "pip", RUNNER)
    if distribution.kind == "installed" and interpreter.magic == MAGIC_NUMBER.hex() and os.path.isfile(runner):
        return runner
    image = find_or_build_image(distribution, interpreter, store)
    if compiled and image.bytecode == "missing":
        store.mark_installed([image])
        runner = os.path.join(distribution.location, "pip", RUNNER)
    if distribution.kind == "installed" and interpreter.magic == MAGIC_NUMBER.hex() and os.path.isfile(runner):
        return runner
    image = find_or_build_image(distribution, interpreter, store)
    return os.path.join(image.root, distribution.root_tree, "pip")
