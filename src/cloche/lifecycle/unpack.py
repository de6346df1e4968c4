"""Put an archive of `cloche pack` in place, all or nothing, after a check of every file. The archive is not trusted."""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import stat
import sys
import tempfile
from hashlib import sha256
from typing import TYPE_CHECKING

from cloche.apply import DestinationChanged, apply
from cloche.errors import ClocheError, DestinationError, UsageError, counted
from cloche.fs import NEW_FILE, contains_path, is_within
from cloche.fs.case import folded
from cloche.fs.manifests import FILES, parse_manifest
from cloche.fs.windows_names import unusable_name
from cloche.lifecycle.archive_members import LONGEST_TARGET, cannot_read, read_members
from cloche.lifecycle.examination import examine
from cloche.lifecycle.info import environment_info
from cloche.lifecycle.installed_startup_code import installed_startup_code, refuse_distributions
from cloche.lifecycle.verify import verify_environment
from cloche.model import PYVENV_CFG
from cloche.model.archive import LONGEST_NAME, MEMBER_SIZE, Member, largest_content
from cloche.planning import pyvenv_cfg
from cloche.planning.destination import absolute_path, inspect_destination
from cloche.store.archives import InvalidArchive
from cloche.store.startup_code import StartupCodeRefused, describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.model.aliases import StartupRule, Strategy
    from cloche.model.operations import Operation
    from cloche.session import Session

ROW_SIZE = 68
"""The bytes of a row in the list of files besides the path, with a line ending of two characters."""

LARGEST_CONFIGURATION = 1 << 20
"""The maximum size of `pyvenv.cfg`, in bytes."""

UNUSABLE_NAME_ERRORS = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)

IS_WINDOWS = os.name == "nt"

SHOWN_NAME = 100
"""The characters of a name that are shown."""

SHOWN = 3
"""The number of differences that are named; the others are counted."""


def unpack(file: str, to: str, session: Session, rule: StartupRule = ("list", ())) -> tuple[str, int]:
    """Unpack an archive; return the path of the environment and its number of files.

    Warn about files that were modified before they were packed, and about a Python that does not start here.

    :param rule: what happens to packages with startup code.
    :raises DestinationError: the destination cannot be used.
    :raises ClocheError: the archive is not intact or not safe, or has startup code that is refused; nothing was changed.
    """
    source = absolute_path(file, session.host)
    destination = inspect_destination(absolute_path(to, session.host), session.host)
    if destination.state not in ("absent", "empty"):
        raise DestinationError(
            f"`{destination.location}` already exists", hint="choose a path that does not exist, or an empty directory"
        )
    if os.path.isdir(source) and contains_path(source, destination.target):
        raise DestinationError(
            f"`{destination.location}` is inside `{source}`, which is to be unpacked",
            hint="choose a path outside of it",
        )
    count = 0

    def extract(root: str) -> Iterable[Operation]:
        nonlocal count
        count = Extraction(source, root).run()
        refuse_unpacked(root, rule, session)
        return ()

    def verify() -> None:
        session.progress(f"verifying `{destination.location}`")
        try:
            session.warn(unpack_warnings(destination.location, session))
        except DestinationError as error:
            raise ClocheError(
                f"`{source}` does not contain an environment", hint="to unpack any other archive, use `tar` or `unzip`"
            ) from error

    strategy: Strategy = "merge" if destination.immovable else "new"
    try:
        apply((), destination.target, strategy, verify, complete=extract)
    except DestinationChanged:
        raise DestinationError(
            f"another process has changed `{destination.location}`", hint="choose another path"
        ) from None
    return destination.location, count


def refuse_unpacked(root: str, rule: StartupRule, session: Session) -> None:
    """Refuse an unpacked environment in which code runs whenever Python starts, if the rule says so.

    :raises StartupCodeRefused: there is such code that the rule does not allow.
    """
    if rule[0] != "refuse":
        return
    found = installed_startup_code(environment_info(root, session))
    refuse_distributions(found, rule[1])
    if unowned := [item.code for item in found if not item.distribution]:
        raise StartupCodeRefused(
            f"code that belongs to no package runs whenever Python starts: {describe(unowned[0])}",
            hint="if you trust the whole archive, allow it with `--startup-code list`",
        )


def unpack_warnings(location: str, session: Session) -> Iterator[str]:
    """Yield the warnings about an environment that is exactly what was packed."""
    verification = verify_environment(location, session, bytecode="skipped")
    examination = examine(verification.environment, session.host, seed=False)
    if examination.failure:
        yield f"the Python of `{location}` does not start on this machine: {examination.failure}"
    differences = verification.differences
    for difference in differences[:SHOWN]:
        yield f"in the archive, `{difference.path}` {difference.message}"
    if len(differences) > SHOWN:
        yield f"{counted(len(differences) - SHOWN, 'more difference')}; `cloche verify` lists them"


def shortened_name(name: str) -> str:
    """Return an untrusted name, or its beginning."""
    return name if len(name) <= SHOWN_NAME else f"{name[:SHOWN_NAME]}…"


class Extraction:
    """Extracts one archive into an empty directory."""

    def __init__(self, source: str, root: str) -> None:
        self.source = source
        self.root = root
        self.hashes: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.directories: dict[str, Member] = {"": Member("", "directory", 0o755, 0)}
        self.prefix = ""
        self.size = 0
        try:
            status = os.stat(source)
        except OSError as error:
            raise cannot_read(source, error) from None
        is_directory = stat.S_ISDIR(status.st_mode)
        if not is_directory and not stat.S_ISREG(status.st_mode):
            raise UsageError(
                f"cannot read `{source}`: not a file or a directory",
                hint="if it comes from a pipe, save it to a file first",
            )
        self.limit = sys.maxsize if is_directory else largest_content(status.st_size)

    def run(self) -> int:
        """Extract everything; return the number of files.

        :raises ClocheError: the archive is not intact or not safe.
        """
        scratch = tempfile.mkdtemp(prefix=".unpacking-", dir=self.root)
        try:
            for member in read_members(self.source, os.path.join(scratch, "tree"), self.limit):
                self.add(member)
        except InvalidArchive as error:
            raise ClocheError(f"`{self.source}` is not intact: it {error}", hint="get another copy of it") from error
        finally:
            shutil.rmtree(scratch)
        self.verify()
        for path, member in reversed(self.directories.items()):
            if path:
                os.utime(self.at(path), (member.time, member.time))
        return len(self.hashes)

    def at(self, path: str) -> str:
        return os.path.join(self.root, *path.split("/"))

    def refuse(self, member: str, reason: str) -> ClocheError:
        return ClocheError(
            f"`{self.source}` is not safe: `{shortened_name(member)}` {reason}",
            hint="get the archive again, from a source that you trust",
        )

    def add(self, member: Member) -> None:
        """Extract one member.

        :raises ClocheError: it is not safe.
        """
        path = member.path
        parts = path.split("/")
        if posixpath.isabs(path) or ".." in parts or "" in parts or "." in parts or "\0" in path or "\\" in path:
            raise self.refuse(path, "is not a path inside the environment")
        if IS_WINDOWS and unusable_name(path):
            raise self.refuse(path, "has a name that this system cannot use")
        if not self.hashes and not self.links and self.directories.keys() == {""} and member.kind == "directory":
            self.prefix = path  # the top directory, unless the next member is beside it
        elif self.prefix and not path.startswith(f"{self.prefix}/") and len(self.directories) > 1:
            self.prefix = ""
        if path in self.hashes or path in self.links or path in self.directories:
            raise self.refuse(path, "appears twice")
        if posixpath.dirname(path) not in self.directories:
            raise self.refuse(path, "comes before its directory")
        self.count(path, MEMBER_SIZE + member.size)
        try:
            if member.kind == "directory":
                self.directories[path] = member
                os.mkdir(self.at(path))
            elif member.kind == "link":
                if "\0" in member.target or not member.target:
                    raise self.refuse(path, "is a link to an empty path, or to one with a NUL character")
                self.links[path] = member.target
                os.symlink(member.target, self.at(path))
            else:
                self.write(member)
        except FileExistsError as error:
            raise self.refuse(path, "has the name of another member, because the file system ignores case") from error
        except OSError as error:
            if error.errno not in UNUSABLE_NAME_ERRORS:
                raise
            longest_name = max(len(os.fsencode(part)) for part in parts)
            if (
                error.errno == errno.ENAMETOOLONG
                and longest_name <= LONGEST_NAME
                and len(member.target) < LONGEST_TARGET
            ):
                raise DestinationError(
                    f"the path of `{shortened_name(path)}` would be too long",
                    hint="choose a shorter path for the environment",
                ) from error
            raise self.refuse(path, "has a name or a target that this system cannot use") from error

    def count(self, path: str, size: int) -> None:
        """Refuse a member if everything so far is larger than the archive may expand to.

        Its size is known before it is written, and `read_members` never yields more than that.
        """
        self.size += size
        if self.size > self.limit:
            raise self.refuse(path, "expands to an unreasonable size")

    def write(self, member: Member) -> None:
        """Write a file. On a file system that ignores case, it may exist under another spelling with the same content.

        :raises FileExistsError: it exists with other content.
        """
        digest = sha256()
        try:
            descriptor = os.open(self.at(member.path), NEW_FILE)
        except FileExistsError:
            for piece in member.read():
                digest.update(piece)
            if digest.hexdigest() not in self.hashes_of_same_name(member.path):
                raise
            self.hashes[member.path] = digest.hexdigest()
            return
        with open(descriptor, "wb") as file:
            for piece in member.read():
                digest.update(piece)
                file.write(piece)
        os.chmod(self.at(member.path), 0o755 if member.mode & 0o100 else 0o644)
        os.utime(self.at(member.path), (member.time, member.time))
        self.hashes[member.path] = digest.hexdigest()

    def hashes_of_same_name(self, path: str) -> set[str]:
        """Return the hashes of the extracted files whose names differ from a path only in case."""
        return {digest for other, digest in self.hashes.items() if folded(other) == folded(path)}

    def verify(self) -> None:
        """Compare all files with the list in the archive, check the links, and remove the top directory.

        :raises ClocheError: something differs, or a link leads out of the environment.
        """
        top = f"{self.prefix}/" if f"{self.prefix}/{FILES}" in self.hashes else ""
        if top + FILES not in self.hashes or top + PYVENV_CFG not in self.hashes:
            raise ClocheError(
                f"`{self.source}` does not end with a list of its files: a part is missing, or `cloche pack` did not write it",
                hint="get another copy of it",
            )
        self.refuse_large(top + FILES, sum(len(os.fsencode(path)) + ROW_SIZE for path in self.hashes))
        self.refuse_large(top + PYVENV_CFG, LARGEST_CONFIGURATION)
        with open(self.at(top + FILES), encoding="utf-8", errors="surrogateescape", newline="") as file:
            listed = {top + path: digest for path, digest in parse_manifest(file.read()).items()}
        del self.hashes[top + FILES]
        different = sorted(
            path for path in listed.keys() | self.hashes.keys() if listed.get(path) != self.hashes.get(path)
        )
        if different:
            raise ClocheError(
                f"`{different[0]}` in `{self.source}` differs from what was packed", hint="get another copy of it"
            )
        self.check_links(top)
        if top:
            inner = self.at(self.prefix)
            temporary = tempfile.mkdtemp(prefix=".unpacking-", dir=self.root)
            spare = os.path.join(temporary, "top")  # it may contain something with its own name
            os.rename(inner, spare)
            for name in os.listdir(spare):
                os.rename(os.path.join(spare, name), os.path.join(self.root, name))
            shutil.rmtree(temporary)
            self.directories = {
                path.removeprefix(top): member for path, member in self.directories.items() if path.startswith(top)
            }

    def refuse_large(self, path: str, limit: int) -> None:
        """Refuse a file that cannot be what its name says, because of its size; others are read in pieces."""
        if (size := os.path.getsize(self.at(path))) > limit:
            raise self.refuse(path, f"has an unreasonable size: {size} bytes")

    def check_links(self, top: str) -> None:
        """Refuse links that lead out of the environment, except those to a base interpreter that is outside.

        :raises ClocheError: a link is not safe.
        """
        with open(self.at(top + PYVENV_CFG), encoding="utf-8", errors="surrogateescape") as file:
            has_base = not pyvenv_cfg.is_portable(pyvenv_cfg.parse_settings(file.read()))
        root = os.path.realpath(self.at(top.rstrip("/")) if top else self.root)
        for path, target in self.links.items():
            name = path.removeprefix(top)
            if has_base and posixpath.isabs(target) and name.startswith(("bin/python", "bin/pypy")):
                continue
            lexical = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
            if (
                posixpath.isabs(target)
                or lexical == ".."
                or lexical.startswith("../")
                or not is_within(os.path.realpath(self.at(path)), root)
            ):
                if has_base and name.startswith(("bin/python", "bin/pypy")):
                    continue
                raise self.refuse(path, f"is a link to `{target}`, outside the environment")
