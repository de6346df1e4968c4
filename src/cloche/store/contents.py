"""The content of a distribution's files, compared with the hashes in its RECORD while it is being read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from typing import TYPE_CHECKING, Protocol

from cloche.fs import open_for_reading
from cloche.fs.records import digest_text
from cloche.store.distribution_checks import unusable_distribution
from cloche.store.distributions import open_archive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.errors import SeedError
    from cloche.store.archives import Archive
    from cloche.store.distributions import Distribution, File

PIECE = 1 << 20
"""The size of a piece of a file, in bytes."""


def contents_of(distribution: Distribution, archive: Archive | None = None) -> Iterator[FileContent]:
    """Yield the content of each file. It can be read until the next one is requested.

    :param archive: the open archive of a wheel; without it, a wheel is opened again.
    :raises SeedError: a file is missing, or the wheel cannot be opened.
    """
    with contextlib.ExitStack() as opened:
        members: DistributionFiles
        if distribution.kind == "wheel":
            members = ArchivedMembers(archive or opened.enter_context(open_archive(distribution.location)))
        else:
            members = InstalledMembers(distribution.location)
        for file in distribution.files:
            yield FileContent(distribution, file, members)


def verify_contents(distribution: Distribution) -> None:
    """Read every file.

    :raises SeedError: one is missing, cannot be read, or differs from its hash; the message names it.
    """
    for content in contents_of(distribution):
        for _ in content.pieces():
            pass


class FileContent:
    """The content of one file."""

    def __init__(self, distribution: Distribution, file: File, members: DistributionFiles) -> None:
        """Look the file up.

        :raises SeedError: it is missing.
        """
        self.distribution = distribution
        self.file = file
        self.sha256 = ""
        """The hash of the content in hexadecimal, when all of it has been read."""
        self._members = members
        try:
            self.size, self.is_executable = members.status(file.member)
        except (OSError, ValueError, KeyError) as error:
            raise self._unreadable(error) from error

    def read(self) -> bytes:
        """Return the content.

        :raises SeedError: the file cannot be read, or differs from its hash; the message names it.
        """
        try:
            content = self._members.read(self.file.member)
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error
        sha256 = hashlib.sha256(content)
        self._compare(
            (sha256 if self.file.algorithm == "sha256" else hashlib.new(self.file.algorithm, content)).digest()
        )
        self.sha256 = sha256.hexdigest()
        if self.distribution.kind == "of environment" and self.file.tree == "scripts":
            content = self._script_in_wheel(content)
            self.sha256 = hashlib.sha256(content).hexdigest()
        return content

    def pieces(self) -> Iterator[bytes]:
        """Yield the content of a file that is not a script, in pieces; only at the end is it known to be intact.

        :raises SeedError: the file cannot be read, or differs from its hash; the message names it.
        """
        algorithm = self.file.algorithm
        sha256 = hashlib.sha256()
        declared = sha256 if algorithm == "sha256" else hashlib.new(algorithm)
        try:
            for piece in self._members.pieces(self.file.member):
                sha256.update(piece)
                if declared is not sha256:
                    declared.update(piece)
                yield piece
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error
        self._compare(declared.digest())
        self.sha256 = sha256.hexdigest()

    def _compare(self, digest: bytes) -> None:
        if digest_text(digest) != self.file.digest:
            raise unusable_distribution(
                self.distribution.location, f"`{self.file.member}` does not match its hash in RECORD"
            )

    def _script_in_wheel(self, content: bytes) -> bytes:
        location, member, roots = self.distribution.location, self.file.member, self.distribution.roots
        path = os.path.relpath(os.path.normpath(os.path.join(location, member)), roots[0])
        try:
            return script_in_wheel(content, path, roots)
        except ValueError as error:
            raise unusable_distribution(location, f"`{member}` cannot be used: {error}") from error

    def _unreadable(self, error: Exception) -> SeedError:
        return unusable_distribution(self.distribution.location, f"`{self.file.member}` cannot be read ({error})")


def script_in_wheel(content: bytes, path: str, roots: Iterable[str]) -> bytes:
    """Return a script of an environment as its wheel has it: without the path of the environment's Python.

    :param path: that of the script, relative to the environment.
    :param roots: where the environment is, and where it was.
    :raises ValueError: its first line has an unknown form, so the line in the wheel cannot be determined.
    """
    line, newline, rest = content.partition(b"\n")
    pythons = tuple(b"#!" + os.fsencode(os.path.join(root, os.path.dirname(path), "py")) for root in roots)
    if line.startswith(pythons) and b" " not in line:
        return b"#!python" + newline + rest
    if line.startswith(b"#!") and b"/env " not in line:
        raise ValueError("its original first line in the wheel cannot be determined")
    return content


class DistributionFiles(Protocol):
    """The files of a wheel or of an installed distribution, by their names in it."""

    def status(self, name: str) -> tuple[int, bool]:
        """Return the size in bytes, and whether the file is executable.

        :raises KeyError: there is no such member.
        :raises OSError: the file cannot be opened, or is not a regular file.
        """

    def read(self, name: str) -> bytes:
        """Return the content.

        :raises OSError: the file cannot be read.
        :raises ValueError: the archive is damaged.
        """

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the content in pieces.

        :raises OSError: the file cannot be read.
        :raises ValueError: the archive is damaged.
        """


class ArchivedMembers:
    """The members of a wheel."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def status(self, name: str) -> tuple[int, bool]:
        return self._archive.size(name), bool(self._archive.mode(name) & 0o111)

    def read(self, name: str) -> bytes:
        return self._archive.read(name)

    def pieces(self, name: str) -> Iterator[bytes]:
        return self._archive.pieces(name)


class InstalledMembers:
    """The files of an installed distribution."""

    def __init__(self, site: str) -> None:
        self._site = site

    def status(self, name: str) -> tuple[int, bool]:
        found = os.stat(os.path.join(self._site, name))
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a regular file")
        return found.st_size, bool(found.st_mode & stat.S_IXUSR) and os.name != "nt"

    def read(self, name: str) -> bytes:
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        with open(open_for_reading(os.path.join(self._site, name)), "rb", buffering=0) as file:
            while piece := file.read(PIECE):
                yield piece
