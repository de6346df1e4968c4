"""Find plugins by the entry points of group `cloche`, without importing them.

Reading the files `entry_points.txt` in the directories of `sys.path` takes 2 ms; `importlib.metadata` takes 35 ms.
"""

from __future__ import annotations

import os

from cloche.fs import open_for_reading
from cloche.fs.inputs import UNRECORDED
from cloche.model.metadata import normalize_name, parse_entry_points, parse_metadata_name
from cloche.model.value import TYPE_CHECKING
from cloche.plugins import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.fs.inputs import Inputs


COMMAND_HOOK = b"cloche_commands"
"""The text in the module of a plugin that offers commands."""


class InstalledPlugins:
    """The plugins of the distributions in the directories of a path, such as `sys.path`.

    Each directory is listed once. Entries that are not strings are skipped, as the import system does.
    """

    def __init__(self, path: Iterable[object], inputs: Inputs = UNRECORDED) -> None:
        self._inputs = inputs
        self._names: dict[str, frozenset[str]] = {}
        for directory in (entry for entry in path if isinstance(entry, str)):
            inputs.path(directory or ".")
            self._names[directory] = name_set(directory)

    def sources(self) -> list[Source]:
        """Return the entry points of group `cloche` that are not shadowed, sorted by distribution and name."""
        return [source for source, shadowed_by in self.scan() if not shadowed_by]

    def scan(self) -> list[tuple[Source, str]]:
        """Return the entry points of group `cloche`, each with the directory that shadows it, or an empty string.

        If a distribution is installed twice, the first on the path is used, even if it has fewer entry points.
        """
        first: dict[str, tuple[str, str]] = {}
        found: list[tuple[Source, str]] = []
        for directory, names in self._names.items():
            for metadata in sorted(name for name in names if name.endswith((".dist-info", ".egg-info"))):
                distribution, version = parse_metadata_name(metadata)
                winner = first.setdefault(distribution, (directory, metadata))
                path = os.path.join(directory, metadata, "entry_points.txt")
                self._inputs.path(path)
                try:
                    text = read_bytes(path)
                except OSError:
                    continue
                if b"[cloche]" in text:
                    shadowed_by = "" if winner == (directory, metadata) else winner[0]
                    found += [
                        (Source(name, reference, distribution, version), shadowed_by)
                        for group, name, reference in parse_entry_points(text.decode("utf-8", "replace"))
                        if group == "cloche"
                    ]
        if any(os.path.isfile(entry) for entry in self._names):
            others = sources_from_importlib(list(self._names))
            found += [(source, "") for source in others if source.distribution not in first]
        return sorted(found, key=lambda item: (item[0].distribution, item[0].name, item[1]))

    def mentions(self, source: Source, text: bytes) -> bool:
        """Return whether a plugin's module contains this text; True if the module cannot be read (in a zip archive)."""
        module = source.implementation.partition(":")[0].replace(".", "/")
        for directory, names in self._names.items():
            for path in (f"{module}/__init__.py", f"{module}.py"):
                if path.partition("/")[0] in names:
                    try:
                        return text in read_bytes(os.path.join(directory, path))
                    except OSError:
                        continue
        return True


def find_sources(path: Iterable[str]) -> list[Source]:
    """Return the entry points of group `cloche` in these directories, sorted by distribution and name."""
    return InstalledPlugins(path).sources()


def command_sources(name: str, path: Iterable[str]) -> list[Source]:
    """Return the plugins that may offer a command of this name.

    They are those with an entry point of the command's name, if their module mentions the hook. If there is none, the
    result also contains every other plugin whose module mentions the hook. So no other plugin is imported to find out
    whether a word is a command or a directory.
    """
    installed = InstalledPlugins(path)
    sources = installed.sources()
    same_name = [source for source in sources if source.name == name]
    if any(installed.mentions(source, COMMAND_HOOK) for source in same_name):
        return same_name
    return [source for source in sources if source in same_name or installed.mentions(source, COMMAND_HOOK)]


def name_set(directory: str) -> frozenset[str]:
    """Return the names of the entries of a directory; empty if it cannot be read."""
    try:
        return frozenset(os.listdir(directory or "."))
    except (OSError, ValueError):
        return frozenset()


def read_bytes(path: str) -> bytes:
    """Return the content of a file, with fewer system calls than `open` makes.

    :raises OSError: the file cannot be read.
    """
    descriptor = open_for_reading(path)
    try:
        pieces = []
        while piece := os.read(descriptor, 1 << 16):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def sources_from_importlib(path: list[str]) -> Iterator[Source]:
    """Yield the entry points that `importlib.metadata` finds in a path, including those in zip archives."""
    from importlib.metadata import distributions

    seen: set[str] = set()
    for distribution in distributions(path=path):
        if (name := normalize_name(distribution.metadata["Name"])) not in seen:
            seen.add(name)
            for point in distribution.entry_points.select(group="cloche"):
                yield Source(point.name, point.value, name, distribution.version)
