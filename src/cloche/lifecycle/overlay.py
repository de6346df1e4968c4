"""What the files of an environment are to become: a layer over the tree on disk, which nothing here changes.

Whatever mends, moves or upgrades an environment reads and writes through one draft, so that two remedies for the same
file add up. In the end the draft is operations, which one transaction performs.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import os
import shutil
import stat

from cloche.apply.executor import perform
from cloche.apply.transaction import Transaction
from cloche.errors import ClocheError, reason_of
from cloche.fs.locks import DirectoryLock
from cloche.lifecycle.plain import open_plain
from cloche.lifecycle.record import digest, from_site, written_row
from cloche.model.operations import InstallTree, Link, MakeDir, Rewrite, Write
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cloche.model.operations import LinkMode, Operation

MANIFEST = ".cloche-manifest"


class Overlay:
    """An environment's tree as it is to be. Paths are relative to the root, with `/`."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._contents: dict[str, bytes] = {}
        self._links: dict[str, str] = {}
        self._dropped: set[str] = set()
        self._more: list[Operation] = []
        self._modes: dict[str, int] = {}
        self._executable: set[str] = set()

    def on_disk(self, path: str) -> str:
        """Return where a path stands now, absolute."""
        return os.path.join(self.root, *path.split("/"))

    def content(self, path: str) -> bytes | None:
        """Return what a file is to hold; None where there is to be no file."""
        if path in self._contents:
            return self._contents[path]
        if path in self._dropped or path in self._links or self._goes_with_parent(path):
            return None
        try:
            with open_plain(self.on_disk(path)) as file:
                return file.read()
        except OSError:
            return None

    def text(self, path: str) -> str:
        """Return a file's text; bytes that are no UTF-8 survive a round trip. Empty where there is no file."""
        return (self.content(path) or b"").decode("utf-8", "surrogateescape")

    def write(self, path: str, content: bytes, executable: str = "no") -> None:
        """Have a file hold `content`; one that is there keeps its permissions, and is left alone if it does already."""
        if content != self.content(path):
            self._forget(path)
            self._contents[path] = content
            if executable == "yes":
                self._executable.add(path)

    def write_text(self, path: str, text: str) -> None:
        self.write(path, text.encode("utf-8", "surrogateescape"))

    def link(self, path: str, target: str) -> None:
        """Have a symbolic link stand at a path."""
        if self.target(path) != target:
            self._forget(path)
            self._links[path] = target

    def target(self, path: str) -> str | None:
        """Return what the link at a path points to; None where there is to be no link."""
        if path in self._links:
            return self._links[path]
        if path in self._dropped or path in self._contents or self._goes_with_parent(path):
            return None
        try:
            return os.readlink(self.on_disk(path))
        except OSError:
            return None

    def drop(self, path: str) -> None:
        """Have nothing stand at a path; a directory goes with all that is in it."""
        self._forget(path)
        for one in [*self._contents, *self._links]:
            if one.startswith(f"{path}/"):
                self._forget(one)
        if os.path.lexists(self.on_disk(path)):
            self._dropped.add(path)

    def add(self, operations: Iterable[Operation]) -> None:
        """Have operations performed besides: an image laid, a file copied from outside."""
        self._more += operations

    def set_mode(self, path: str, mode: int) -> None:
        """Have a file or directory that is there get other permission bits."""
        self._modes[path] = mode

    def mode(self, path: str) -> int:
        """Return the permission bits that a file or directory is to have."""
        return self._modes.get(path) or stat.S_IMODE(os.lstat(self.on_disk(path)).st_mode)

    def _forget(self, path: str) -> None:
        self._contents.pop(path, None)
        self._links.pop(path, None)
        self._dropped.discard(path)

    @property
    def changed(self) -> list[str]:
        """Return every path that is to become another."""
        more = [one.path for one in self._more if hasattr(one, "path") and not isinstance(one, MakeDir)]
        return sorted({*self._contents, *self._links, *self._dropped, *self._modes, *more})

    @property
    def dropped(self) -> tuple[str, ...]:
        return tuple(sorted(path for path in self._dropped if not self._goes_with_parent(path)))

    def _goes_with_parent(self, path: str) -> bool:
        parts = path.split("/")
        return any("/".join(parts[:count]) in self._dropped for count in range(1, len(parts)))

    @property
    def operations(self) -> list[Operation]:
        """The operations that make the new entries, in an empty directory, their parents first."""
        made: list[Operation] = []
        for path, content in sorted(self._contents.items()):
            there = self.on_disk(path)
            if os.path.isfile(there) and not os.path.islink(there):
                made.append(Rewrite(path, content, there))
            else:
                made.append(Write(path, content, "yes" if path in self._executable else "no"))
        made += (Link(path, target) for path, target in sorted(self._links.items()))
        return [*parents((*made, *self._more)), *made, *self._more]

    def seal(self) -> None:
        """Bring the lists of files up to date with what they list: every RECORD, and the manifest of a cloche's own.

        Rows keep their order; a file that a list does not have is not added to it.
        """
        changed = {*self._contents, *self._dropped}
        for path in list(records(self.root)):
            if self.content(path) is not None:
                self._seal_record(path, changed)
        if manifest := self.text(MANIFEST):
            self.write_text(MANIFEST, "".join(self._manifest_lines(manifest, changed)))

    def _seal_record(self, record: str, changed: set[str]) -> None:
        site = record.rsplit("/", 2)[0]
        text = self.text(record)
        lines = []
        for line in text.splitlines(keepends=True):
            row = next(csv.reader([line.rstrip("\r\n")]), [])
            path = from_site(site, row[0]) if row else ""
            if path in changed and path != record:
                content = self.content(path)
                if content is None and not path.endswith(".pyc"):
                    continue
                if content is not None and len(row) > 1 and row[1]:
                    line = written_row([row[0], digest(content), str(len(content))]) + line[len(line.rstrip("\r\n")) :]
            lines.append(line)
        self.write_text(record, "".join(lines))

    def _manifest_lines(self, text: str, changed: set[str]) -> Iterator[str]:
        """Yield the lines of the manifest; a file that somebody has edited keeps its own, or it would pass for ours."""
        before = Overlay(self.root)
        for line in text.splitlines(keepends=True):
            hashed, _, path = line.rstrip("\n").partition("  ")
            if path not in changed:
                yield line
            elif (content := self.content(path)) is not None:
                old = before.content(path)
                is_edited = old is not None and hashlib.sha256(old).hexdigest() != hashed
                yield line if is_edited else f"{hashlib.sha256(content).hexdigest()}  {path}\n"

    def perform(self, verify: Callable[[], None] = lambda: None, link_mode: LinkMode = "auto") -> None:
        """Make the environment what the draft says, all or nothing.

        :param verify: looks at the result, and raises what takes everything back.
        :raises ClocheError: the system refused something, or `verify` did; the environment is as it was.
        """
        if not self.changed:
            return
        with DirectoryLock(self.root), Transaction(self.root, "merge") as transaction:
            before: dict[str, int] = {}
            try:
                with transaction.disturbed():
                    perform(self.operations, transaction.ground, link_mode)
                for path, mode in sorted(self._modes.items()):
                    if path not in self._contents:
                        before[path] = stat.S_IMODE(os.lstat(self.on_disk(path)).st_mode)
                        os.chmod(self.on_disk(path), mode)
                    else:
                        os.chmod(os.path.join(transaction.ground.root, path), mode)
                transaction.commit(self.dropped)
                try:
                    with transaction.disturbed():
                        verify()
                except BaseException:
                    transaction.revert()
                    raise
            except BaseException as error:
                for path, mode in before.items():
                    os.chmod(self.on_disk(path), mode)
                if isinstance(error, OSError):
                    raise failure(self.root, error) from error
                raise

    def overwrite(self) -> None:
        """Make the files on disk what the draft says, one by one: for a tree that nobody sees yet.

        :raises OSError: the system refused something.
        """
        for path in self.dropped:
            there = self.on_disk(path)
            if os.path.isdir(there) and not os.path.islink(there):
                shutil.rmtree(there)
            else:
                os.unlink(there)
        for path, content in self._contents.items():
            there = self.on_disk(path)
            mode = stat.S_IMODE(os.stat(there).st_mode) if os.path.isfile(there) else 0o644
            with open(f"{there}.new", "wb") as file:
                file.write(content)
            os.chmod(f"{there}.new", mode)
            os.replace(f"{there}.new", there)
        for path, target in self._links.items():
            there = self.on_disk(path)
            if os.path.lexists(there):
                os.unlink(there)
            os.symlink(target, there)


def failure(root: str, error: OSError) -> ClocheError:
    """Return what a failing system call means for the environment."""
    reason = reason_of(error)
    name = error.filename2 or error.filename
    shown = f" (`{name}`)" if isinstance(name, str) else ""
    hint = "make room, and try again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "nothing was changed"
    return ClocheError(f"cannot change `{root}`: {reason}{shown}", hint=hint)


def parents(operations: Iterable[Operation]) -> list[MakeDir]:
    """Return the directories that operations need, outermost first."""
    needed: set[str] = set()
    for operation in operations:
        parts = getattr(operation, "path", "").split("/")
        if isinstance(operation, InstallTree):
            parts.append("")
        needed |= {"/".join(parts[:count]) for count in range(1, len(parts))}
    return [MakeDir(path) for path in sorted(needed - {""})]


def records(root: str) -> Iterator[str]:
    """Yield every RECORD below a root, relative to it, with its directories as they are spelled on disk."""
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
