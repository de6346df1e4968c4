"""Manifests: the hashes of files, in the format of `sha256sum`, which can check them.

An environment has one of what cloche generated. Paths are relative to the root.
"""

from __future__ import annotations

import os

from cloche.cpython import import_sha256
from cloche.fs import open_regular_file, read_at_most
from cloche.model import PYVENV_CFG
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

sha256 = import_sha256()

MANIFEST = ".cloche-manifest"
"""The name of the manifest, in the root of the environment."""

RUNTIME_MANIFEST = ".cloche-runtime"
"""The same for the files of the interpreter in a portable environment, without bytecode."""

FILES = ".cloche-files"
"""The same for all files of a packed environment."""

OWN_FILES = frozenset((PYVENV_CFG, MANIFEST, RUNTIME_MANIFEST, FILES, ".gitignore", ".lock", "CACHEDIR.TAG"))
"""The files in the root of an environment that cloche itself writes; no creator and no wheel may contain one of them."""


MAX_BYTES = 1 << 26
"""The size up to which a manifest is read."""


def is_own_file(name: str) -> bool:
    """Return whether a name is one of `OWN_FILES`. Case does not matter, as on macOS and Windows."""
    return name.casefold() in _FOLDED


_FOLDED = frozenset(map(str.casefold, OWN_FILES))


def sha256_of(content: bytes) -> str:
    """Return the SHA-256 of `content` in hexadecimal."""
    return sha256(content).hexdigest()


def hash_file(path: str, algorithm: str = "sha256") -> str:
    """Return the hash of a regular file in hexadecimal; it is read in pieces.

    :raises OSError: the file cannot be read, or is not a regular file.
    :raises ValueError: the algorithm is unknown.
    """
    import hashlib

    hashed = hashlib.new(algorithm)
    with open_regular_file(path) as file:
        while piece := file.read(1 << 20):
            hashed.update(piece)
    return hashed.hexdigest()


def format_manifest(hashes: Mapping[str, str], from_other_tools: Collection[str] = ()) -> bytes:
    """Return the content of a manifest.

    :param hashes: SHA-256 in hexadecimal, by path.
    :param from_other_tools: the files that another tool wrote and that an upgrade kept. `sha256sum` ignores their mark.
    """
    lines = (f"{digest} {'*' if path in from_other_tools else ' '}{path}\n" for path, digest in sorted(hashes.items()))
    return "".join(lines).encode("utf-8", "surrogateescape")


def read_manifest(root: str, name: str = MANIFEST, on_error: Callable[[OSError], None] | None = None) -> str:
    """Return the text of a manifest, to parse or to write again; empty if it does not exist or cannot be read.

    :param root: the directory that it is in.
    :param on_error: called if it cannot be read; the error may also be that it does not exist.
    """
    return (read_at_most(os.path.join(root, name), MAX_BYTES, on_error) or b"").decode("utf-8", "surrogateescape")


def parse_manifest(text: str) -> dict[str, str]:
    """Return the hashes in a manifest by path; skip invalid lines."""
    lines = (line.rstrip("\r").partition(" ") for line in text.split("\n"))
    return {path[1:]: digest for digest, _, path in lines if path[:1] in (" ", "*") and path}


def files_from_other_tools(text: str) -> frozenset[str]:
    """Return the files in a manifest that a tool other than cloche wrote."""
    lines = (line.rstrip("\r").partition(" *") for line in text.split("\n") if " *" in line[:66])
    return frozenset(path for _, _, path in lines)


def was_edited(content: bytes, digest: str) -> bool:
    """Return whether the content of a file differs from its hash in the manifest."""
    return sha256_of(content) != digest


def update_manifest(text: str, changed: Mapping[str, bytes | None], before: Callable[[str], bytes | None]) -> bytes:
    """Return a manifest with the hashes of changed files updated.

    A file that the user had edited keeps its old hash, so that it still counts as edited.

    :param changed: the new content of each file by path; None for a removed file.
    :param before: returns the content that a file had before, None if it did not exist.
    """
    hashes = parse_manifest(text)
    if not (listed := changed.keys() & hashes.keys()):
        return text.encode("utf-8", "surrogateescape")
    for path in listed:
        content, old = changed[path], before(path)
        if content is None:
            del hashes[path]
        elif old is None or not was_edited(old, hashes[path]):
            hashes[path] = sha256_of(content)
    return format_manifest(hashes, files_from_other_tools(text))
