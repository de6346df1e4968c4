"""An overlay: pending edits of the tree of an environment. The tree does not change until they are applied.

A repair, a move or an upgrade reads and writes through one overlay, so each edit sees the earlier edits of the same
file. `Overlay.operations` has the result.
"""

from __future__ import annotations

import os
import stat

from cloche.apply import apply
from cloche.fs import read_at_most, read_regular_file
from cloche.fs.installed_records import update_record
from cloche.fs.locks import DirectoryLock
from cloche.fs.manifests import MANIFEST, update_manifest
from cloche.lifecycle.tool_edits import as_it_is, installed_form
from cloche.model.operations import Copy, InstallTree, Link, MakeDir, Remove, Rewrite, SetMode, Write
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Protocol

    from cloche.fs.locks import Identity
    from cloche.model.aliases import LinkMode
    from cloche.model.operations import Operation

    class Files(Protocol):
        """The files of an environment, for functions that only read them. The methods are described in `Overlay`."""

        def on_disk(self, path: str) -> str: ...
        def content(self, path: str) -> bytes | None: ...
        def beginning(self, path: str) -> bytes: ...
        def text(self, path: str) -> str: ...
        def target(self, path: str) -> str | None: ...


HEADER_BYTES = 8192
"""How many bytes decide which program runs a script: more than the longest path of a program."""


class Overlay:
    """The future tree of an environment. Paths are relative to the root, with `/`."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._contents: dict[str, bytes] = {}
        self._links: dict[str, str] = {}
        self._removed: set[str] = set()
        self._more: list[Operation] = []
        self._modes: dict[str, int] = {}
        self._executable: set[str] = set()

    def on_disk(self, path: str) -> str:
        """Return the absolute path of an entry as it is now."""
        return f"{self.root}/{path}" if os.sep == "/" else os.path.join(self.root, *path.split("/"))

    def content(self, path: str) -> bytes | None:
        """Return the future content of a file; None if there will be no file."""
        if path in self._contents:
            return self._contents[path]
        if path in self._removed or path in self._links or self._is_removed_with_parent(path):
            return None
        try:
            return read_regular_file(self.on_disk(path), follow=True)
        except OSError:
            return None

    def beginning(self, path: str) -> bytes:
        """Return the first 8 KiB of the future content of a file; nothing if there will be no file."""
        if path in self._contents or path in self._removed or path in self._links or self._is_removed_with_parent(path):
            return (self.content(path) or b"")[:HEADER_BYTES]
        return read_at_most(self.on_disk(path), HEADER_BYTES) or b""

    def text(self, path: str) -> str:
        """Return the future text of a file, empty if there will be none; bytes that are not UTF-8 survive a round trip."""
        return (self.content(path) or b"").decode("utf-8", "surrogateescape")

    def write(self, path: str, content: bytes, *, executable: bool = False) -> None:
        """Write a file. An existing file keeps its permissions; if it has this content already, nothing changes."""
        if content != self.content(path):
            self._forget(path)
            self._contents[path] = content
            if executable:
                self._executable.add(path)

    def write_text(self, path: str, text: str) -> None:
        self.write(path, text.encode("utf-8", "surrogateescape"))

    def link(self, path: str, target: str) -> None:
        """Create a symbolic link."""
        if self.target(path) != target:
            self._forget(path)
            self._links[path] = target

    def replace_with_link(self, path: str, target: str) -> None:
        """Replace a directory and everything in it with a symbolic link."""
        self.remove(path)
        self._links[path] = target

    def target(self, path: str) -> str | None:
        """Return what the link at a path will point to; None if there will be no link."""
        if path in self._links:
            return self._links[path]
        if path in self._removed or path in self._contents or self._is_removed_with_parent(path):
            return None
        try:
            return os.readlink(self.on_disk(path))
        except OSError:
            return None

    def remove(self, path: str) -> None:
        """Remove a file, a link, or a directory with its content."""
        self._forget(path)
        for other in [*self._contents, *self._links]:
            if other.startswith(f"{path}/"):
                self._forget(other)
        if os.path.lexists(self.on_disk(path)):
            self._removed.add(path)

    def add(self, operations: Iterable[Operation]) -> None:
        """Add other operations: to install an image, or to copy a file from outside."""
        self._more += operations

    def set_mode(self, path: str, mode: int) -> None:
        """Change the permission bits of an existing file or directory."""
        self._modes[path] = mode

    def mode(self, path: str) -> int:
        """Return the future permission bits of a file or directory."""
        return self._modes.get(path) or stat.S_IMODE(os.lstat(self.on_disk(path)).st_mode)

    def _forget(self, path: str) -> None:
        self._contents.pop(path, None)
        self._links.pop(path, None)
        self._removed.discard(path)

    @property
    def changed(self) -> list[str]:
        """Return every path whose entry will be different."""
        more = [
            operation.path
            for operation in self._more
            if hasattr(operation, "path") and not isinstance(operation, MakeDir)
        ]
        return sorted({*self._contents, *self._links, *self._removed, *self._modes, *more})

    def _will_be_absent(self, path: str) -> bool:
        return path not in self._contents and (
            path in self._removed or path in self._links or self._is_removed_with_parent(path)
        )

    def _is_removed_with_parent(self, path: str) -> bool:
        if not self._removed:
            return False
        parts = path.split("/")
        return any("/".join(parts[:count]) in self._removed for count in range(1, len(parts)))

    @property
    def operations(self) -> list[Operation]:
        """The operations that turn the tree on disk into the future tree."""
        edits: list[Operation] = []
        for path, content in sorted(self._contents.items()):
            existing = self.on_disk(path)
            if os.path.isfile(existing) and not os.path.islink(existing):
                edits.append(Rewrite(path, content, existing))
            else:
                edits.append(Write(path, content, "yes" if path in self._executable else "no"))
        edits += (Link(path, target) for path, target in sorted(self._links.items()))
        removed = (Remove(path) for path in sorted(self._removed) if not self._is_removed_with_parent(path))
        modes = [SetMode(path, mode) for path, mode in sorted(self._modes.items()) if not self._will_be_absent(path)]
        edits += (Copy(change.path, self.on_disk(change.path)) for change in modes if self._is_shared(change.path))
        return [*removed, *parent_directories((*edits, *self._more)), *edits, *self._more, *modes]

    def _is_shared(self, path: str) -> bool:
        """Return whether other environments or a store share an unchanged file, and so its permissions, by hard links."""
        if path in self._contents or path in self._links:
            return False
        status = os.lstat(self.on_disk(path))
        return stat.S_ISREG(status.st_mode) and status.st_nlink > 1

    def update_checksums(self, location: str = "") -> None:
        """Update every RECORD, and the manifest of an environment that cloche created, to match the other edits.

        A hash is updated only if it matched before, so that a modified file still counts as modified. Environments inside
        this one are updated as well.

        :param location: where the environment is going to be, if that is not its root.
        """
        now = Overlay(self.root).content

        def form(path: str, digest: str) -> Callable[[bytes], bytes] | None:
            content = now(path)
            return as_it_is if content is None else installed_form(content, digest)

        for inner in ["", *self._environments_inside()]:
            prefix = f"{inner}/" if inner else ""
            contents = self._changed_contents()
            for record in [f"{prefix}{path}" for path in record_files(self.on_disk(inner) if inner else self.root)]:
                if text := self.text(record):
                    changed = {path: content for path, content in contents.items() if path != record}
                    site = record.rsplit("/", 2)[0]
                    if (updated := update_record(text, site, changed, form, self.root, location)) != text:
                        self.write_text(record, updated)
            if manifest := self.text(f"{prefix}{MANIFEST}"):
                inside = {
                    path.removeprefix(prefix): content
                    for path, content in self._changed_contents().items()
                    if path.startswith(prefix)
                }
                before = Overlay(self.on_disk(inner) if inner else self.root).content
                self.write(f"{prefix}{MANIFEST}", update_manifest(manifest, inside, before))

    def _changed_contents(self) -> dict[str, bytes | None]:
        """Return the future content of each changed file; None if it is removed, and no image is installed with it."""
        trees = [operation for operation in self._more if isinstance(operation, InstallTree)]
        removed = (path for path in self._removed if not any(installs(tree, path) for tree in trees))
        return {path: self.content(path) for path in (*self._contents, *removed)}

    def _environments_inside(self) -> list[str]:
        """Return the environments below the root that contain a changed file."""
        parents = {
            path[:index]
            for path in (*self._contents, *self._removed)
            for index, character in enumerate(path)
            if character == "/"
        }
        return sorted(parent for parent in parents if os.path.isfile(self.on_disk(f"{parent}/pyvenv.cfg")))

    def apply(
        self, verify: Callable[[], None] | None = None, link_mode: LinkMode = "auto", expected: Identity | None = None
    ) -> list[str]:
        """Apply the edits to the environment in one transaction; return warnings about what could not be removed.

        :param verify: checks the result; if it raises, every edit is undone.
        :param expected: the identity of the directory that the edits are for, see `DirectoryLock`.
        :raises ClocheError: an operation or `verify` failed; the environment is unchanged.
        """
        if not self.changed:
            return []
        with DirectoryLock(self.root, expected):
            return apply(self.operations, self.root, "merge", verify, link_mode=link_mode)


def installs(tree: InstallTree, path: str) -> bool:
    """Return whether an operation installs a file at a path."""
    prefix = "" if tree.path == "." else f"{tree.path}/"
    inside = path.removeprefix(prefix)
    return path.startswith(prefix) and inside not in tree.without and os.path.lexists(os.path.join(tree.source, inside))


def parent_directories(operations: Iterable[Operation]) -> list[MakeDir]:
    """Return the operations that create the parent directories for other operations, outermost first."""
    needed: set[str] = set()
    for operation in operations:
        parts = getattr(operation, "path", "").split("/")
        if isinstance(operation, InstallTree):
            parts.append("")
        needed |= {"/".join(parts[:count]) for count in range(1, len(parts))}
    return [MakeDir(path) for path in sorted(needed - {""})]


def record_files(root: str) -> Iterator[str]:
    """Yield the path of every RECORD in an environment, relative to its root and spelled as on disk."""
    for top in sorted(os.listdir(root)):
        parent = os.path.join(root, top)
        if top.lower() not in ("lib", "lib64") or os.path.islink(parent):
            continue
        for directory, names, _ in os.walk(parent):
            if os.path.basename(directory) not in ("site-packages", "dist-packages"):
                continue
            for name in sorted(names):
                if name.endswith(".dist-info") and os.path.isfile(os.path.join(directory, name, "RECORD")):
                    yield os.path.relpath(os.path.join(directory, name, "RECORD"), root).replace(os.sep, "/")
            names.clear()
