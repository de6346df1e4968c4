"""Editable installs in an archive: what an ordinary install of their source would be."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from cloche.apply.file_list import read_file_list
from cloche.fs import lines_of
from cloche.lifecycle.pack.entries import Entry, entry_status, read_whole
from cloche.model.operations import InstallTree, Write
from cloche.model.plan import Wanted
from cloche.model.value import replace
from cloche.store.builds import build_wheels
from cloche.store.builds.sources import SourceCode
from cloche.store.distributions import read_wheel
from cloche.store.images import find_or_build_image
from cloche.store.installation import image_operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.environment import Environment
    from cloche.session import Session

EASY_INSTALL = "easy-install.pth"
"""The list of directories to which `setup.py develop` adds the source of a package."""


def with_ordinary_installs(
    entries: Sequence[Entry], editable: Sequence[InstalledDistribution], environment: Environment, session: Session
) -> list[Entry]:
    """Return entries in which each editable install is replaced by the files of a wheel that is built from its source.

    :raises SeedError: a wheel cannot be built.
    """
    if not editable or environment.interpreter is None:
        return list(entries)
    sources = [SourceCode(found.key, path=found.editable) for found in editable]
    wheels = build_wheels(sources, environment.interpreter, Wanted(), session.store)
    replaced = {row.path for found in editable for row in found.rows} | {found.metadata for found in editable}
    metadata = tuple(f"{found.metadata}/" for found in editable)
    found = {
        entry.path: without_sources(entry, editable)
        for entry in entries
        if entry.path not in replaced and not entry.path.startswith(metadata)
    }
    for wheel in wheels:
        image = find_or_build_image(read_wheel(wheel), environment.interpreter, session.store)
        for entry in installed_entries(image_operations(image, environment)):
            found[entry.path] = entry
    return sorted((*parents(found), *found.values()), key=lambda entry: entry.path)


def without_sources(entry: Entry, editable: Iterable[InstalledDistribution]) -> Entry:
    """Return a file that lists source directories without the directories of these distributions; any other entry unchanged."""
    if posixpath.basename(entry.path) != EASY_INSTALL or entry.kind != "file":
        return entry
    sources = {found.editable for found in editable}
    old = read_whole(entry.source).decode("utf-8", "surrogateescape")
    new = "".join(line for line in lines_of(old) if line.strip() not in sources)
    content = new.encode("utf-8", "surrogateescape")
    return replace(entry, content=content, size=len(content))


def installed_entries(operations: Iterable[object]) -> Iterator[Entry]:
    """Yield the files that the operations of an image create, without bytecode."""
    for operation in operations:
        if isinstance(operation, Write):
            mode = 0o755 if operation.is_executable else 0o644
            yield Entry(operation.path, "file", mode=mode, content=operation.content, size=len(operation.content))
        elif isinstance(operation, InstallTree):
            for path in read_file_list(operation.file_list).paths:
                if not path.endswith(".pyc") and path not in operation.without:
                    source = f"{operation.source}/{path}"
                    status = entry_status(source)
                    mode = 0o755 if status.st_mode & 0o100 else 0o644
                    target = posixpath.normpath(f"{operation.path}/{path}")
                    yield Entry(target, "file", source, mode=mode, size=status.st_size)


def parents(found: dict[str, Entry]) -> Iterator[Entry]:
    """Yield the directories that entries need and that are not among them."""
    needed: set[str] = set()
    for path in found:
        while (path := posixpath.dirname(path)) and path not in needed and path not in found:
            needed.add(path)
    for path in needed:
        yield Entry(path, "directory", mode=0o755)
