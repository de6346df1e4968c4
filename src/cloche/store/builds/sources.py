"""Sources: what a lock file names to build a wheel from. It is untrusted, so it is checked before pip gets it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from cloche.errors import SeedError, reason_of
from cloche.fs.manifests import hash_file
from cloche.model.value import Value

VERSION_CONTROL = {
    "git": re.compile("[0-9a-f]{40}|[0-9a-f]{64}"),
    "hg": re.compile("[0-9a-f]{40}"),
    "svn": re.compile("[0-9]+"),
    "bzr": re.compile("[0-9]+"),
}
"""The version control systems that pip supports, and the form of a commit that cannot move."""


class SourceCode(Value):
    """The source code of a distribution."""

    distribution: str
    """Normalized (PEP 503)."""
    version: str = ""
    """Empty if the lock file does not give it."""
    path: str = ""
    """Absolute path of a source distribution or another archive, checked against its hashes, or of a directory."""
    url: str = ""
    """URL of a repository, if the source is a commit."""
    vcs: str = ""
    """A key of `VERSION_CONTROL`; empty for files and directories."""
    commit: str = ""
    """The full commit ID."""
    subdirectory: str = ""
    """The directory of the project inside the source, relative; empty for the source itself."""
    editable: bool = False
    """Whether a directory is installed so that changes in it take effect."""

    @property
    def title(self) -> str:
        return f"{self.distribution} {self.version}".rstrip()


def check_source(source: SourceCode) -> None:
    """Check what comes from a lock file, which is untrusted.

    :raises SeedError: the source cannot be built, or must not be read.
    """
    parts = source.subdirectory.replace("\\", "/").split("/") if source.subdirectory else []
    if any(part in ("", "..") or not {":", "&", "#"}.isdisjoint(part) for part in parts):
        raise unusable(source, f"its subdirectory `{source.subdirectory}` is not a relative path inside the source")
    if source.vcs:
        pattern = VERSION_CONTROL.get(source.vcs)
        if pattern is None:
            raise unusable(source, f"the version control system `{source.vcs}` is not supported")
        if not pattern.fullmatch(source.commit):
            raise unusable(source, f"`{source.commit}` is not a full commit ID of {source.vcs}")
        try:
            scheme = urlsplit(repository_url(source)).scheme
        except ValueError:
            scheme = "invalid"
        if scheme not in ("https", "http", "ssh", "file", "git", "svn", "svn+ssh"):
            raise unusable(source, f"the URL of its repository is not supported: it begins with `{scheme}:`")
    elif source.editable and not os.path.isdir(source.path):
        raise unusable(source, f"`{source.path}` is not a directory, so it cannot be installed as editable")
    elif not os.path.isabs(source.path):
        raise unusable(source, "the lock file gives no file, directory or commit for it")


def repository_url(source: SourceCode) -> str:
    """Return the URL of a repository, which may also be a local path, or Git's short form for SSH: `git@host:path`."""
    if os.path.isabs(source.url):
        return Path(source.url).as_uri()
    if re.fullmatch(r"[\w.-]+@[\w.-]+:(?!/)[^\s]+", source.url):
        return "ssh://" + source.url.replace(":", "/", 1)
    return source.url.partition("#")[0]


def pip_argument(source: SourceCode) -> str:
    """Return the source as an argument of pip; pip checks the hash of an archive again before it unpacks it."""
    fragments = [f"subdirectory={source.subdirectory}"] if source.subdirectory else []  # pip does not unquote it
    if source.vcs:
        address = f"{source.vcs}+{repository_url(source)}@{source.commit}"
    elif os.path.isdir(source.path):
        return Path(source.path, source.subdirectory).as_uri()  # pip would take a part of some paths for a marker
    else:
        address = Path(source.path).as_uri()
        fragments.insert(0, f"sha256={archive_hash(source.path)}")
    return "#".join(filter(None, (address, "&".join(fragments))))


def archive_hash(path: str) -> str:
    """Return the SHA-256 of an archive in hexadecimal.

    :raises SeedError: it cannot be read.
    """
    try:
        return hash_file(path)
    except OSError as error:
        raise SeedError(
            f"`{path}` cannot be read ({reason_of(error)})", hint="check that it exists and that you may read it"
        ) from error


def unusable(source: SourceCode, reason: str) -> SeedError:
    """Return the error for a source that cannot be built."""
    return SeedError(f"{source.title} cannot be built: {reason}")
