"""The files that an upgrade to another Python copies into the new environment, and where each of them goes."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from typing import TYPE_CHECKING

from cloche.fs import copied_mode, is_within, open_regular_file, read_at_most
from cloche.fs.records import digest_of, format_row
from cloche.lifecycle.embedded_paths.shebangs import parse_header, script_with_program
from cloche.lifecycle.overlay import parent_directories
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.tool_edits import as_it_is, installed_form
from cloche.lifecycle.tree import is_same_content
from cloche.model.operations import Copy, Link, Rewrite, SetMode
from cloche.model.value import Value, replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.tree import Tree
    from cloche.lifecycle.upgrade.inventory import Inventory
    from cloche.model.environment import Layout
    from cloche.model.operations import Operation


class PathMapping(Value):
    """The mapping of paths in the old environment to paths in the new one."""

    old: Layout
    new: Layout
    old_version: str
    """`3.11`; empty if it is unknown."""
    new_version: str

    def path(self, path: str, site: str = "") -> str:
        """Return the new path of a file; `site` is the `site-packages` of its distribution."""
        for link, target in self.new.links:
            if path.startswith(f"{link}/"):  # from a copy that was made in place of the link
                path = target + path[len(link) :]
        for before, after in (
            (site, self.new.purelib),
            (self.old.platlib, self.new.platlib),
            (self.old.purelib, self.new.purelib),
        ):
            if before and is_within(path, before):
                return after + path[len(before) :]
        if other := re.match(r"lib/(?:python|pypy)\d[\d.]*t?/site-packages(?=/)", path):
            return self.new.purelib + path[other.end() :]
        if headers := re.match(r"include/site/python\d[\d.]*t?(?=/)", path):
            return f"include/site/python{self.new_version}{path[headers.end() :]}"
        directory, _, name = path.rpartition("/")
        if directory == self.old.bin and self.old_version and name.endswith(self.old_version):
            return f"{self.new.bin}/{name.removesuffix(self.old_version)}{self.new_version}"
        return f"{self.new.bin}{path[len(self.old.bin) :]}" if is_within(path, self.old.bin) else path

    def target(self, path: str, target: str) -> str:
        """Return the new target of the symbolic link at a path; an absolute target is unchanged."""
        if posixpath.isabs(target):
            return target
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if (moved := self.path(inside)) == inside and self.path(path) == path:
            return target
        return posixpath.relpath(moved, posixpath.dirname(self.path(path)) or ".")


def carry_operations(
    distributions: Iterable[InstalledDistribution],
    inventory: Inventory,
    info: EnvironmentInfo,
    mapping: PathMapping,
    platform: str,
) -> list[Operation]:
    """Return the operations that copy these distributions, loose and kept files, with updated RECORDs."""
    root = info.environment.location
    operations: list[Operation] = []
    modes: list[Operation] = []
    shared: dict[str, str] = {}
    """The file that each path gets; several distributions may list one file."""
    for distribution in distributions:
        record: list[str] = []
        site = mapping.path(distribution.site, distribution.site)
        record_path = mapping.path(distribution.record, distribution.site)
        own_row = format_row(recorded_as(record_path, site))
        for row in distribution.rows:
            if row.path.endswith((".pyc", "/__pycache__")):
                continue
            if row.path == distribution.record:
                record.append(own_row)
                continue
            destination = mapping.path(row.path, distribution.site)
            source = os.path.join(root, row.path)
            operation = carry_file(source, destination, mapping, info, platform)
            is_linked = isinstance(operation, Copy) and operation.source == source  # not what a link leads to
            if is_linked and is_never_written(row.path, distribution.metadata, info.tree):
                operation = replace(operation, link_mode="hardlink")
            if destination not in shared or not is_same_content(shared[destination], source):
                operations.append(operation)
            shared.setdefault(destination, source)
            digest, size = row.digest, row.size
            if row.digest and isinstance(operation, Rewrite):
                with open_regular_file(operation.old) as file:
                    form = installed_form(file.read(), row.digest) or as_it_is
                content = form(operation.content)
                digest, size = digest_of(content), str(len(content))
            record.append(format_row(recorded_as(destination, site), digest, size))
        if own_row not in record:
            record.append(own_row)
        operations.append(Rewrite(record_path, "".join(record).encode(), os.path.join(root, distribution.record)))
    for path in (*inventory.loose, *inventory.kept):
        source = os.path.join(root, path)
        script = read_at_most(source, 1 << 20) if path in inventory.kept else None
        if script and mapping.old.purelib.encode() in script:
            changed = script.replace(mapping.old.purelib.encode(), mapping.new.purelib.encode())
            operations.append(Rewrite(mapping.path(path), changed, source))
        elif os.path.islink(source):
            operations.append(Link(mapping.path(path), mapping.target(path, os.readlink(source))))
        else:
            operations.append(carry_file(source, mapping.path(path), mapping, info, platform))
            mode = stat.S_IMODE(os.stat(source).st_mode)
            if mode != copied_mode(mode):
                modes.append(SetMode(mapping.path(path), mode))
    return [*parent_directories(operations), *operations, *modes]


CODE = (".py", ".pyi", ".so", ".pyd", ".dll", ".dylib")
"""The suffixes of files that contain code."""


def is_never_written(path: str, metadata: str, tree: Tree) -> bool:
    """Return whether programs replace a file, if at all: code, metadata, and read-only files.

    The old environment and its staged successor may share such a file. Other files may be written to when packages are
    imported to verify the new environment. If it then does not work, or in a dry run, the old one must be as it was.
    """
    status = tree.status(path)
    is_read_only = status is not None and not status.st_mode & 0o222
    return is_read_only or path.endswith(CODE) or path.startswith(f"{metadata}/")


def recorded_as(path: str, site: str) -> str:
    """Return a path as a RECORD in a `site-packages` names it; both are relative to the root."""
    return path[len(site) + 1 :] if path.startswith(f"{site}/") else posixpath.relpath(path, site)


def carry_file(source: str, destination: str, mapping: PathMapping, info: EnvironmentInfo, platform: str) -> Operation:
    """Return the operation that copies one file; `Rewrite` if it is a script whose first line has to name the new Python."""
    if is_within(destination, mapping.new.bin):
        with open_regular_file(source) as file:
            content = file.read()
        header = parse_header(content)
        name = posixpath.basename(header.program) if header else ""
        if header and PYTHON_NAME.fullmatch(name) and name not in mapping.new.names:
            program = info.environment.path_to(mapping.new.executable)
            changed = script_with_program(header, program, platform)
            if changed is not None and changed != content:
                return Rewrite(destination, changed, source)
    return Copy(destination, os.path.realpath(source) if os.path.islink(source) else source)
