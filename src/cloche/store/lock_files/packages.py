"""Packages that a lock file names, whatever its format, and the paths and URLs in it.

Everything in a lock file is untrusted. This module installs and downloads nothing.
"""

from __future__ import annotations

import json
import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.direct_url import ArchiveInfo, DirectUrl, DirInfo, VcsInfo
from packaging.pylock import PackageArchive, PackageDirectory, PackageVcs
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from cloche.errors import UsageError, reason_of
from cloche.fs import open_regular_file, read_bounded
from cloche.fs.signatures import signature_of
from cloche.model.value import Value
from cloche.store.fetch.pins import SearchScope
from cloche.store.lock_files.paths import LockFile, other_user

if TYPE_CHECKING:
    from typing import TypeAlias

    from cloche.store import Store
    from cloche.store.fetch.artifacts import Artifact
    from cloche.store.fetch.pins import Form

    Direct: TypeAlias = PackageVcs | PackageDirectory | PackageArchive
    """A source that a lock file names directly, without an index."""

MAX_LOCK_BYTES = 1 << 26
"""The maximum size of a lock file; 10,000 packages with 50 files each take half of it."""


MAX_DIGITS = 1000
"""The maximum length of a number in a lock file; Python converts no more than 4300 digits."""


class LockedPackage(Value):
    """A package of a lock file that an environment needs, and where it comes from."""

    name: str
    """Normalized (PEP 503)."""
    version: str
    """Empty if the lock file does not give it, for example for a directory."""
    artifact: Artifact | None = None
    """The file to install; None for a pin of a requirements file, or if it has to be built from `source`."""
    hashes: frozenset[tuple[str, str]] = frozenset()
    """For a pin: (algorithm, lower-case hexadecimal digest) of every file that is allowed; empty if any is."""
    scope: SearchScope = SearchScope()
    """For a pin: where the file says that it is."""
    form: Form = "any"
    """For a pin: whether it may be a wheel or a source distribution."""
    source: Direct | None = None
    """What to build it from: a directory, a version-control checkout or an archive. Paths in it are absolute."""
    metadata: tuple[tuple[str, str], ...] = ()
    """`direct_url.json` (PEP 610) or `provenance_url.json` (PEP 710), as (name, content)."""


def refuse_unreadable_lock(path: str) -> None:
    """Refuse a lock file that does not exist or cannot be read, before anything else is said about it.

    :raises UsageError: it cannot be read.
    """
    try:
        open_regular_file(path).close()
    except OSError as error:
        raise unreadable_lock(path, error) from None


def unreadable_lock(path: str, error: OSError, named_in: str = "") -> UsageError:
    origin = f", which `{named_in}` names," if named_in else ""
    return UsageError(
        f"the lock file `{path}`{origin} cannot be read: {reason_of(error)}",
        hint=f"correct the line in `{named_in}`"
        if named_in
        else "give the path of a `pylock.toml` or of a pinned requirements file",
    )


def read_lock_file(path: str, store: Store, named_in: str = "") -> tuple[LockFile, str]:
    """Return a lock file and its text, and record the file as an input.

    :param named_in: the file that refers to it, for messages.
    :raises UsageError: it cannot be read, is too large, changes while it is being read, is not UTF-8, or has a huge number.
    """
    store.inputs.path(path)
    origin = f", which `{named_in}` names," if named_in else ""
    try:
        with open_regular_file(path) as file:
            status = os.fstat(file.fileno())
            lock = LockFile(path, other_user(path, status, store))
            before = signature_of(status)
            content = read_bounded(file, MAX_LOCK_BYTES + 1)
            after = signature_of(os.fstat(file.fileno()))
    except OSError as error:
        raise unreadable_lock(path, error, named_in) from None
    if len(content) > MAX_LOCK_BYTES:
        raise UsageError(
            f"the lock file `{path}`{origin} is larger than {MAX_LOCK_BYTES >> 20} MiB",
            hint="check that it is the right file",
        )
    if before != after:
        raise UsageError(f"the lock file `{path}`{origin} changed while it was being read", hint="try again")
    if b"\0" in content and not content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise UsageError(
            f"the lock file `{path}`{origin} contains a null character (line {line})",
            hint="save it as UTF-8, or create it again",
        )
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"  # PowerShell 5 writes it
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"the lock file `{path}`{origin} is not valid UTF-8 (line {line})",
            hint="save it as UTF-8, or create it again",
        ) from None
    if number := re.search(f"[0-9]{{{MAX_DIGITS + 1}}}", text):
        line = text.count("\n", 0, number.start()) + 1
        raise UsageError(
            f"the lock file `{path}`{origin} contains a number with more than {MAX_DIGITS} digits (line {line})",
            hint="create it again",
        )
    return lock, text


def checked_file_name(name: str, distribution: str, path: str) -> str:
    """Return the file name of a wheel or source distribution of a distribution.

    :raises UsageError: it is not one.
    """
    try:
        found = parse_wheel_filename(name)[0] if name.endswith(".whl") else parse_sdist_filename(name)[0]
    except ValueError as error:
        raise UsageError(f"`{path}` is not a valid lock file: {fragment(error)}", hint="create it again") from None
    if found != distribution:
        raise UsageError(
            f"`{path}` is not a valid lock file: `{name}` is not a file of `{distribution}`", hint="create it again"
        )
    return name


def file_url(path: str) -> str:
    """Return the URL of an absolute path."""
    return Path(path).as_uri()


def provenance(artifact: Artifact) -> tuple[tuple[str, str], ...]:
    """Return the `provenance_url.json` of a file that has a URL (PEP 710), without credentials."""
    stripped = DirectUrl(url=artifact.url, archive_info=ArchiveInfo(hashes=artifact.hashes)).to_dict()["url"]
    content: dict[str, object] = {"url": stripped, "archive_info": {"hashes": dict(artifact.hashes)}}
    if artifact.index:
        content["index_url"] = DirectUrl(url=artifact.index, archive_info=ArchiveInfo()).to_dict()["url"]
    return (("provenance_url.json", json.dumps(content, sort_keys=True)),)


def direct_url(item: Direct) -> str:
    """Return the `direct_url.json` for a source that a lock file names directly (PEP 610), without credentials."""
    if isinstance(item, PackageDirectory):
        direct = DirectUrl(
            url=file_url(item.path),
            dir_info=DirInfo(editable=item.editable),
            subdirectory=item.subdirectory,
        )
    else:
        url = file_url(item.path) if item.path else item.url or ""
        if isinstance(item, PackageVcs):
            info = VcsInfo(vcs=item.type, commit_id=item.commit_id, requested_revision=item.requested_revision)
            direct = DirectUrl(url=url, vcs_info=info, subdirectory=item.subdirectory)
        else:
            direct = DirectUrl(url=url, archive_info=ArchiveInfo(hashes=item.hashes), subdirectory=item.subdirectory)
    return json.dumps(direct.to_dict(), sort_keys=True)


def fragment(error: object) -> str:
    """Return the text of an exception of a library as a fragment of ours: on one line, lower case, names in backticks."""
    first, *more = str(error).split("\n")
    if len(more) == 2 and not more[1].strip(" ~^"):  # `packaging` shows where the text that it parsed is wrong
        return f"{fragment(first)}, in `{more[0].strip()}`"
    text = re.sub(r"'([^']*)'", r"`\1`", " ".join(str(error).split()).rstrip("."))
    return text if text[:2].isupper() else text[:1].lower() + text[1:]
