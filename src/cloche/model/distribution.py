"""Distributions: their scripts, their startup code, and their images. `cloche.model.metadata` parses what describes them."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from cloche.model.aliases import Bytecode


METADATA_SUFFIXES = (".dist-info", ".egg-info", ".egg-link")
"""The suffixes of the metadata of an installed distribution."""


class EntryPoint(Value):
    """A script that a wheel declares as `console_scripts` or `gui_scripts` (entry points specification)."""

    name: str
    module: str
    attribute: str
    kind: str = "console"
    """`console` or `gui`."""

    def names_object(self) -> bool:
        """Return whether module and attribute are dotted names, so that the script can import them."""
        return all(part.isidentifier() for part in (*self.module.split("."), *self.attribute.split(".")))


class StartupCode(Value):
    """Code in a distribution that runs whenever the environment's Python starts."""

    path: str
    """The file: relative to `site-packages`, or to the root for a file that a wheel puts there by its `data` directory."""
    line: int
    """The number of the line, from 1; 0 if the whole file runs."""
    text: str
    """The line, shortened; empty if the whole file runs."""


class Image(Value):
    """An unpacked wheel in the store, ready to install into environments of one ABI; it never changes."""

    distribution: str
    """Normalized name: `pip`."""
    version: str
    """As in its metadata: `26.3`."""
    root: str
    """Its directory in the store; empty if an existing environment does not need the image."""
    entry_points: tuple[EntryPoint, ...]
    """The scripts that it declares."""
    dist_info: str
    """Name of the metadata directory: `pip-26.3.dist-info`."""
    files: int
    """Number of files to install."""
    size: int
    """Total size of these files in bytes."""
    bytecode: Bytecode = "complete"
    metadata: tuple[tuple[str, str], ...] = ()
    """Files to add to the metadata directory, as (name, content): where a locked distribution comes from."""
    left_out: tuple[str, ...] = ()
    """Files not to install because another distribution installs them, as `purelib/PATH` or `scripts/NAME`."""
    startup_code: tuple[StartupCode, ...] = ()
    """What runs whenever the environment's Python starts."""
