"""Artifacts: the wheels and source distributions that a lock file or an index names, and how their content is checked."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from cloche.errors import SeedError
from cloche.fs import list_names, open_regular_file
from cloche.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import BinaryIO


class Artifact(Value):
    """One file that a lock file names."""

    distribution: str
    """Normalized (PEP 503)."""
    version: str
    file_name: str
    """The file name of a wheel or source distribution, validated."""
    url: str = ""
    """Absolute URL; empty if only the index knows it."""
    path: str = ""
    """Absolute path of a local file; empty if it is remote."""
    size: int | None = None
    """In bytes; None if the lock file does not give it."""
    hashes: Mapping[str, str] = {}
    """Algorithm → lower-case hex digest; a requirements file without hashes has none."""
    index: str = ""
    """The index in the lock file; empty if it gives none."""

    @property
    def title(self) -> str:
        """The file and its distribution, for messages."""
        return f"`{self.file_name}` of {self.distribution} {self.version}".rstrip()


class OfferedFile(Value):
    """A file that an index offers."""

    name: str
    url: str
    """Absolute, without a fragment."""
    hashes: Mapping[str, str]
    """Those that the index names, by algorithm; lower-case hexadecimal."""
    requires_python: str = ""
    """The Pythons that it is for (PEP 345); empty if the index does not give them."""


WEAK = frozenset(("md5", "sha1", "shake_128", "shake_256"))
"""Algorithms that do not protect a file; those of variable length could be of any strength."""

PREFERRED = ("sha256", "sha512", "sha384")
"""The algorithms that most lock files use, the most common one first."""

MAX_FILE_NAME = 255
"""The maximum length of a file's name, as on most file systems. The tags in a longer one could be millions (PEP 425)."""

_CHUNK = 1 << 20


class Hasher(Protocol):
    """A hash object of `hashlib`."""

    @property
    def digest_size(self) -> int: ...

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def check_artifact(artifact: Artifact) -> None:
    """Check that an artifact has a plain file name, a URL that can be read, and hashes that protect it or none at all.

    PEP 751 requires one secure algorithm. Others are checked as well, and unknown ones are ignored.

    :raises SeedError: it does not; everything in a lock file is untrusted.
    """
    name = artifact.file_name
    if name in ("", ".", "..") or any(character in "/\\:" or not character.isprintable() for character in name):
        raise SeedError(f"`{name}` is not a valid file name in a lock file", hint="create the lock file again")
    if invalid := invalid_url([artifact.url, artifact.index]):
        raise SeedError(f"the lock file has an invalid URL for `{name}`: `{invalid}`", hint="create it again")
    scheme = urlsplit(artifact.url).scheme
    if artifact.url and scheme not in ("http", "https", "file"):
        raise SeedError(
            f"the URL of `{name}` in the lock file is not supported: it begins with `{scheme}:`",
            hint="name the file with an `https:` URL or a path",
        )
    check_hashes(name, artifact.hashes.items())


def invalid_url(urls: Iterable[str]) -> str:
    """Return the first URL that cannot be split into its parts, without credentials; empty if there is none."""
    for url in urls:
        try:
            urlsplit(url)
        except ValueError:  # brackets without an address in them, or characters that stand for others
            return re.sub("//[^/]*@", "//", url)
    return ""


def check_hashes(name: str, hashes: Collection[tuple[str, str]]) -> None:
    """Check that pairs of algorithm and digest are valid, and that one of them is secure unless there are none.

    :param name: what they belong to, for messages.
    :raises SeedError: they are not.
    """
    known = [(algorithm, digest) for algorithm, digest in hashes if _is_known(algorithm)]
    for algorithm, digest in known:
        if not re.fullmatch(f"[0-9a-f]{{{2 * new_hasher(algorithm).digest_size}}}", digest):
            raise SeedError(
                f"the lock file has an invalid {algorithm} of `{name}`: `{digest}`", hint="create the lock file again"
            )
    if hashes and all(algorithm in WEAK for algorithm, _ in known):
        raise SeedError(
            f"the lock file has no secure hash for `{name}`, only {', '.join(sorted({name for name, _ in hashes}))}",
            hint="create the lock file again with a tool that writes SHA-256 hashes",
        )


def is_secure(algorithm: str) -> bool:
    """Return whether a hash of this kind protects a file."""
    return algorithm in hashlib.algorithms_guaranteed - WEAK


def _is_known(algorithm: str) -> bool:
    return algorithm in hashlib.algorithms_guaranteed and not algorithm.startswith("shake")


def new_hasher(algorithm: str) -> Hasher:
    """Return a new hash object."""
    return hashlib.new(algorithm, usedforsecurity=False)


def hashers_for(artifact: Artifact) -> dict[str, Hasher]:
    """Return a new hash object for each known algorithm of an artifact; for SHA-256 if it has none."""
    return {name: new_hasher(name) for name in list(filter(_is_known, artifact.hashes)) or ["sha256"]}


def hash_mismatch(artifact: Artifact, digests: Mapping[str, str]) -> str | None:
    """Return how the hashes of a file differ from the hashes of an artifact; None if all are equal."""
    for algorithm, actual in digests.items():
        expected = artifact.hashes.get(algorithm, actual)
        if actual != expected:
            return f"its {algorithm} is {actual}, expected {expected}"
    return None


def file_mismatch(artifact: Artifact, path: str) -> str | None:
    """Return why the file at `path` is not the artifact; None if all its hashes and its size are right.

    :raises OSError: it cannot be read, or is not a regular file.
    """
    digests, size = file_digests(hashers_for(artifact), path)
    if problem := hash_mismatch(artifact, digests):
        return problem
    return None if artifact.size in (None, size) else f"it has {size} bytes, expected {artifact.size}"


def file_digests(hashers: Mapping[str, Hasher], path: str) -> tuple[dict[str, str], int]:
    """Return the hashes of a file by algorithm, computed with these hash objects, and its size in bytes.

    :raises OSError: it cannot be read, or is not a regular file.
    """
    with open_regular_file(path) as file:
        return open_file_digests(hashers, file)


def open_file_digests(hashers: Mapping[str, Hasher], file: BinaryIO) -> tuple[dict[str, str], int]:
    """Return what `file_digests` returns, for an open file.

    :raises OSError: it cannot be read.
    """
    size = file.seek(0)
    while chunk := file.read(_CHUNK):
        size += len(chunk)
        for hasher in hashers.values():
            hasher.update(chunk)
    return {name: hasher.hexdigest() for name, hasher in hashers.items()}, size


def wrong_file(artifact: Artifact, source: str, problem: str) -> SeedError:
    """Return the error for a file that has other hashes than the lock file names."""
    return SeedError(
        f"{source} is not the {artifact.title} in the lock file: {problem}",
        hint="do not use the file unless you know why it changed; if you do, create the lock file again",
    )


def obtain_error(subject: str, reason: str) -> SeedError:
    """Return the error for a file that cannot be obtained, with the hint that its reason suggests."""
    hint = "check the network, or name a directory that has the file with `--find-links`"
    if re.search(r": 407\b", reason):
        hint = "add your credentials to the URL of the proxy: `http://USER:PASSWORD@HOST:PORT`"
    elif re.search(r": (401|403)\b", reason):
        hint = "add your credentials to `~/.netrc`, or to the URL of the index in pip's settings"
    elif "`PySocks`" in reason:
        hint = "install `PySocks` for the Python that runs cloche, or choose an HTTP proxy"
    elif "` has another hash" in reason:
        hint = "do not use the files unless you know why they changed; if you do, create the lock file again"
    elif re.search(r"` (is for|is not a|needs Python) ", reason):
        hint = "choose another Python with `-p`, or lock the project for this one"
    elif "invalid path" in reason:
        hint = "correct the path in pip's setting `cert` or `client-cert`, or in the variable `REQUESTS_CA_BUNDLE`"
    elif "certificate" in reason:
        hint = "name the certificates of your organization with pip's setting `cert`: `pip config set global.cert FILE`"
    return SeedError(f"cannot obtain {subject}: {reason}", hint=hint)


def storage_name(artifact: Artifact) -> str:
    """Return the name of the directory in the store for an artifact with hashes: `sha256-…`."""
    secure = _secure_algorithms(artifact)
    algorithm = next((name for name in PREFERRED if name in secure), None) or min(secure)
    return f"{algorithm}-{artifact.hashes[algorithm]}"


def damaged_artifacts(directory: str) -> list[str]:
    """Return the paths of the files in a directory of the store that do not have the hash in the name of the directory."""
    algorithm, _, expected = os.path.basename(directory).partition("-")
    if not _is_known(algorithm):
        return []
    damaged = []
    for name in list_names(directory):
        path = os.path.join(directory, name)
        try:
            digests, _ = file_digests({algorithm: new_hasher(algorithm)}, path)
        except FileNotFoundError:
            continue  # another process removed it
        except OSError:
            digests = {}
        if digests.get(algorithm) != expected:
            damaged.append(path)
    return damaged


def _secure_algorithms(artifact: Artifact) -> set[str]:
    return set(filter(is_secure, artifact.hashes))
