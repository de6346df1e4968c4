"""Put an archive of `cloche pack` in place, all or nothing, after a check of every file. The archive is not trusted."""

from __future__ import annotations

import errno
import gzip
import os
import posixpath
import shutil
import stat
import sys
import tarfile
import tempfile
import zlib
from functools import partial
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from cloche.apply import DestinationChanged, apply
from cloche.errors import ClocheError, DestinationError, UsageError, reason_of
from cloche.fs import NEW_FILE
from cloche.fs.case import folded
from cloche.fs.manifests import FILES, parse_manifest
from cloche.lifecycle.examination import examine
from cloche.lifecycle.info import environment_info
from cloche.lifecycle.installed_startup_code import installed_startup_code, refuse_distributions
from cloche.lifecycle.relocation import is_within
from cloche.lifecycle.unsquashfs import extract_squashfs
from cloche.lifecycle.verify import verify_environment
from cloche.model.archive import Member
from cloche.planning import pyvenv_cfg
from cloche.planning.destination import absolute_path, inspect_destination
from cloche.store.archives import Archive, InvalidArchive
from cloche.store.startup_code import StartupCodeRefused, describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.model.aliases import Strategy
    from cloche.model.operations import Operation
    from cloche.session import Session

PIECE = 1 << 20
"""How many bytes are read at once."""

HARMLESS = 100 << 20
"""The number of bytes that any archive may unpack to."""

MAX_RATIO = 250
"""How many times its own size a larger archive may unpack to."""

MEMBER_SIZE = 4096
"""The bytes that a member counts for in addition to its content: it uses a block of the disk, even if it is empty."""

HEADERS_SIZE = 1 << 20
"""The most bytes between the contents of two members of a tar archive. `tarfile` keeps long names in memory."""

LONGEST_TARGET = 4096
"""The bytes of the longest target of a link on all systems."""

UNUSABLE_NAME_ERRORS = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)

LATEST = 1 << 40
"""The time in seconds that no member reaches; every system can represent earlier ones."""

SHOWN_NAME = 100
"""The characters of a name that are shown."""

SHOWN = 3
"""The number of differences that are named; the others are counted."""


def unpack(file: str, to: str, session: Session) -> tuple[str, int]:
    """Unpack an archive; return the path of the environment and its number of files.

    Warn about files that were modified before they were packed, and about a Python that does not start here.

    :raises DestinationError: the destination cannot be used.
    :raises ClocheError: the archive is not intact or not safe, or has start-up code that is refused; nothing was changed.
    """
    source = absolute_path(file, session.host)
    destination = inspect_destination(absolute_path(to, session.host), session.host)
    if destination.state not in ("absent", "empty"):
        raise DestinationError(
            f"`{destination.location}` already exists", hint="choose a path that does not exist, or an empty directory"
        )
    count = [0]

    def extract(root: str) -> Iterable[Operation]:
        count[0] = Extraction(source, root).run()
        refuse_unpacked(root, session)
        return ()

    def verify() -> None:
        session.progress(f"verifying `{destination.location}`")
        try:
            session.warn(concerns(destination.location, session))
        except DestinationError as error:
            raise ClocheError(
                f"`{source}` does not contain an environment", hint="use `tar` or `unzip` if that is what you expect"
            ) from error

    strategy: Strategy = "merge" if destination.immovable else "new"
    try:
        apply((), destination.target, strategy, verify, complete=extract)
    except DestinationChanged:
        raise DestinationError(
            f"another process has changed `{destination.location}`", hint="choose another path"
        ) from None
    return destination.location, count[0]


def refuse_unpacked(root: str, session: Session) -> None:
    """Refuse an unpacked environment in which code runs whenever Python starts, if the user's rule says so.

    :raises StartupCodeRefused: there is such code that the rule does not allow.
    """
    rule = session.startup_rule
    if rule is None or rule[0] != "refuse":
        return
    found = installed_startup_code(environment_info(root, session))
    refuse_distributions(found, rule[1])
    if unowned := [item.code for item in found if not item.distribution]:
        raise StartupCodeRefused(
            f"code that belongs to no package runs whenever Python starts: {describe(unowned[0])}",
            hint="if you trust the whole archive, allow it with `--startup-code list`",
        )


def concerns(location: str, session: Session) -> Iterator[str]:
    """Yield the warnings about an environment that is exactly what was packed."""
    verification = verify_environment(location, session, bytecode="skipped")
    examination = examine(verification.environment, session.host, seed=False)
    if examination.failure:
        yield f"the Python of `{location}` does not start on this machine: {examination.failure}"
    differences = verification.differences
    for difference in differences[:SHOWN]:
        yield f"before it was packed, `{difference.path}` {difference.message}"
    if len(differences) > SHOWN:
        yield f"{len(differences) - SHOWN} more differences; `cloche verify` lists them"


def cannot_read(path: str, error: OSError) -> UsageError:
    missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
    return UsageError(
        f"cannot read `{path}`: {reason_of(error)}",
        hint="check the path; `cloche pack ENV -o FILE` writes an archive" if missing else "check its permissions",
    )


def shortened(name: str) -> str:
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
                f"cannot read `{source}`: not a file or a directory", hint="save what a pipe delivers in a file"
            )
        self.limit = sys.maxsize if is_directory else max(HARMLESS, MAX_RATIO * status.st_size)

    def run(self) -> int:
        """Extract everything; return the number of files.

        :raises ClocheError: the archive is not intact or not safe.
        """
        scratch = tempfile.mkdtemp(prefix=".unpacking-", dir=self.root)
        try:
            for member in read_members(self.source, os.path.join(scratch, "tree"), self.limit):
                self.add(member)
        except (InvalidArchive, tarfile.TarError) as error:
            raise ClocheError(f"`{self.source}` is not intact: {error}", hint="get another copy of it") from error
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
        return ClocheError(f"`{self.source}` is not safe: `{shortened(member)}` {reason}", hint="nothing was unpacked")

    def add(self, member: Member) -> None:
        """Extract one member.

        :raises ClocheError: it is not safe.
        """
        path = member.path
        parts = path.split("/")
        if posixpath.isabs(path) or ".." in parts or "" in parts or "." in parts or "\0" in path or "\\" in path:
            raise self.refuse(path, "is not a path inside the environment")
        if not self.hashes and not self.links and self.directories.keys() == {""} and member.kind == "directory":
            self.prefix = path  # the top directory, unless the next member is beside it
        elif self.prefix and not path.startswith(f"{self.prefix}/") and len(self.directories) > 1:
            self.prefix = ""
        if path in self.hashes or path in self.links or path in self.directories:
            raise self.refuse(path, "appears twice")
        if posixpath.dirname(path) not in self.directories:
            raise self.refuse(path, "comes before its directory")
        self.count(path, MEMBER_SIZE)
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
            raise self.refuse(path, "has a name or a target that this system cannot use") from error

    def count(self, path: str, size: int) -> None:
        """Refuse a member if everything so far is larger than the archive may expand to."""
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
                self.count(member.path, len(piece))
                digest.update(piece)
            if digest.hexdigest() not in self.hashes_of_same_name(member.path):
                raise
            self.hashes[member.path] = digest.hexdigest()
            return
        with open(descriptor, "wb") as file:
            for piece in member.read():
                self.count(member.path, len(piece))
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
        if top + FILES not in self.hashes or top + pyvenv_cfg.NAME not in self.hashes:
            raise ClocheError(
                f"`{self.source}` does not end with a list of its files: a part is missing, or `cloche pack` did not write it",
                hint="get another copy of it",
            )
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
            spare = os.path.join(self.root, f"{FILES}.top")
            os.rename(inner, spare)
            for name in os.listdir(spare):
                os.rename(os.path.join(spare, name), os.path.join(self.root, name))
            os.rmdir(spare)
            self.directories = {
                path.removeprefix(top): member for path, member in self.directories.items() if path.startswith(top)
            }

    def check_links(self, top: str) -> None:
        """Refuse links that lead out of the environment, except those to a base interpreter that is outside.

        :raises ClocheError: a link is not safe.
        """
        with open(self.at(top + pyvenv_cfg.NAME), encoding="utf-8", errors="surrogateescape") as file:
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


def read_members(path: str, scratch: str, limit: int) -> Iterator[Member]:
    """Yield the members of an archive, whatever its name is.

    :param scratch: a directory for what cannot be read as a stream; it does not exist yet.
    :param limit: how many bytes may be written there.
    :raises UsageError: it is not an archive of a known format.
    """
    if os.path.isdir(path):
        yield from directory_members(path)
        return
    try:
        with open(path, "rb") as file:
            start = file.read(4)
            file.seek(0)
            if start == b"PK\3\4":
                yield from zip_members(file)
            elif start[:2] == b"\x1f\x8b":
                yield from tar_members(Decompressed(gzip.GzipFile(fileobj=file), (OSError, EOFError, zlib.error)))
            elif start == b"\x28\xb5\x2f\xfd":
                module = zstandard()
                yield from tar_members(Decompressed(module.ZstdFile(file), (EOFError, module.ZstdError)))
            elif start == b"hsqs":
                extract_squashfs(path, scratch, limit)
                yield from directory_members(scratch)
            else:
                raise UsageError(
                    f"`{path}` is not an archive of a known format",
                    hint="known formats are tar.gz, tar.zst, zip, squashfs and directories",
                )
    except OSError as error:
        if error.filename == path:
            raise cannot_read(path, error) from None
        raise


def zstandard() -> Any:
    """Return the module that decompresses Zstandard: `compression.zstd` or `backports.zstd`.

    :raises ClocheError: neither is installed.
    """
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            pass
    raise ClocheError(
        "Zstandard archives need Python 3.14, or the package backports.zstd",
        hint="install backports.zstd in cloche's environment",
    )


class SupportsRead(Protocol):
    """A file that can only be read."""

    def read(self, size: int, /) -> bytes: ...


class Decompressed:
    """A compressed file, read as a stream. If it is damaged, reading raises `InvalidArchive`."""

    def __init__(self, file: SupportsRead, errors: tuple[type[Exception], ...]) -> None:
        """Read from `file`, which raises one of `errors` if it is damaged."""
        self._file = file
        self._errors = errors
        self.limit = sys.maxsize
        """How many more bytes may be read."""

    def read(self, size: int) -> bytes:
        try:
            content = self._file.read(size)
        except self._errors as error:
            raise InvalidArchive(str(error)) from error
        self.limit -= len(content)
        if self.limit < 0:
            raise InvalidArchive("it has a name or an attribute of an unreasonable size")
        return content


def tar_members(stream: Decompressed) -> Iterator[Member]:
    """Yield the members of a tar archive, and read it to its end, where its checksum is."""
    stream.limit = HEADERS_SIZE
    with tarfile.open(fileobj=cast("BinaryIO", stream), mode="r|", errorlevel=2) as archive:
        while (header := archive.next()) is not None:
            stream.limit = sys.maxsize
            if not 0 <= header.mtime < LATEST:  # False for NaN
                raise InvalidArchive(f"the time of `{header.name}` is out of range")
            mode, time = header.mode, int(header.mtime)
            if header.isdir():
                yield Member(header.name, "directory", mode, time)
            elif header.issym():
                yield Member(header.name, "link", mode, time, target=header.linkname)
            elif header.isreg() and not header.issparse():
                opened = archive.extractfile(header)
                assert opened is not None
                yield Member(
                    header.name, "file", mode, time, header.size, reader=partial(pieces_of, cast("BinaryIO", opened))
                )
            else:
                raise InvalidArchive(f"`{header.name}` is not a file, a directory or a link")
            stream.limit = HEADERS_SIZE
        stream.limit = sys.maxsize
        rest = cast("BinaryIO", archive.fileobj)
        while padding := rest.read(PIECE):
            if padding.strip(b"\0"):
                raise InvalidArchive("it continues after its end")


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def zip_members(file: BinaryIO) -> Iterator[Member]:
    """Yield the members of a zip archive."""
    archive = Archive(file)
    for found in archive.members:
        kind = stat.S_IFMT(found.mode)
        name = found.name.rstrip("/")
        if found.is_directory:
            yield Member(name, "directory", 0o755, 315532800)
        elif kind == stat.S_IFLNK:
            if found.size > LONGEST_TARGET:
                raise InvalidArchive(f"`{name}` is a link to a path of {found.size} bytes")
            yield Member(name, "link", 0o777, 0, target=os.fsdecode(archive.read(found.name)))
        elif kind in (0, stat.S_IFREG):
            yield Member(name, "file", found.mode, 315532800, found.size, reader=partial(archive.pieces, name))
        else:
            raise InvalidArchive(f"`{name}` is not a file, a directory or a link")


def directory_members(root: str) -> Iterator[Member]:
    """Yield what is in a directory."""
    stack = [""]
    while stack:
        below = stack.pop()
        with os.scandir(os.path.join(root, below)) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            status = entry.stat(follow_symlinks=False)
            time = int(status.st_mtime)
            if stat.S_ISLNK(status.st_mode):
                yield Member(path, "link", 0o777, time, target=os.readlink(entry.path))
            elif stat.S_ISDIR(status.st_mode):
                yield Member(path, "directory", 0o755, time)
                stack.append(path)
            elif stat.S_ISREG(status.st_mode):
                with open(entry.path, "rb") as file:
                    yield Member(path, "file", status.st_mode, time, status.st_size, reader=partial(pieces_of, file))
            else:
                raise InvalidArchive(f"`{path}` is not a file, a directory or a link")
