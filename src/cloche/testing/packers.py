"""The contract of packers: the same members always give the same bytes, and nothing else is written."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

from cloche.model.archive import Member
from cloche.testing.checks import (
    Check,
    as_test,
    broken,
    call_without_side_effects,
    check_documented,
    check_name,
    check_sentence,
    not_applicable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloche.plugins.hookspecs import Packer
    from cloche.testing.checks import ContractTest

TIME = 1_000_000_000
CONTENTS = {"a/data": bytes(range(256)) * 1000, "a/empty": b"", "a/run": b"#!/bin/sh\n"}


def packer_contract(packer: Packer) -> ContractTest:
    """Return a test that a packer keeps its contract.

    :param packer: the packer object.
    """
    return as_test(packer_checks(packer))


def packer_checks(packer: Packer) -> list[Check]:
    """Return the checks of `packer_contract`."""
    return [
        Check("name", lambda _: check_named(packer)),
        Check("documentation", lambda _: check_documented("packer", packer)),
        Check("refusal", lambda _: check_refusal(packer)),
        Check("order", lambda directory: check_order(packer, directory)),
        Check("same-bytes", lambda directory: check_same_bytes(packer, directory)),
        Check("nothing-else", lambda directory: check_nothing_else(packer, directory)),
    ]


def check_named(packer: Packer) -> None:
    """Check that the packer has a name for `--format`, a suffix, and all methods that the core calls."""
    check_name("packer", getattr(packer, "name", None))
    suffix = getattr(packer, "suffix", None)
    if not isinstance(suffix, str) or (suffix and (suffix[0] != "." or "/" in suffix)):
        broken(f"the suffix of the packer is {suffix!r}; it must be empty, or begin with a dot")
    for method in ("refusal", "write"):
        if not callable(getattr(packer, method, None)):
            broken(f"the packer has no method `{method}`")


def check_refusal(packer: Packer) -> None:
    """Check that `refusal` returns None, or a sentence for users."""
    check_sentence("`refusal`", call_without_side_effects("`refusal`", packer.refusal))


def check_order(packer: Packer, directory: Path) -> None:
    """Check that `write` reads the content of each file once, before it takes the next member."""
    write(packer, directory / "archive")


def check_same_bytes(packer: Packer, directory: Path) -> None:
    """Check that `write` always writes the same bytes, whatever the directory, the variables and the umask."""
    digests = []
    for number, mask in enumerate((0o022, 0o077)):
        target = directory / str(number) / "archive"
        target.parent.mkdir()
        before, variable = os.umask(mask), os.environ.get("TZ")
        os.environ["TZ"] = ("UTC", "Asia/Tokyo")[number]
        try:
            write(packer, target)
        finally:
            os.umask(before)
            del os.environ["TZ"]
            if variable is not None:
                os.environ["TZ"] = variable
        digests.append(digest(target))
    if digests[0] != digests[1]:
        broken("`write` writes different bytes for the same members")


def check_nothing_else(packer: Packer, directory: Path) -> None:
    """Check that `write` creates what it was asked to create, and nothing beside it."""
    write(packer, directory / "archive")
    if (names := os.listdir(directory)) != ["archive"]:
        broken(f"`write` created {sorted(names)} instead of `archive`")


def write(packer: Packer, path: Path) -> None:
    """Write an archive with files, directories and a link."""
    if (refusal := packer.refusal()) is not None:
        not_applicable(f"the packer refuses this machine: {refusal}")
    packer.write(members(), str(path))


def members() -> Iterator[Member]:
    """Yield members; check that each is read before the next one is taken."""
    yield Member("a", "directory", 0o755, TIME)
    for path, content in CONTENTS.items():
        reads: list[str] = []

        def read(content: bytes = content, path: str = path, reads: list[str] = reads) -> Iterator[bytes]:
            reads.append(path)
            yield content[:1000]
            yield content[1000:]

        yield Member(path, "file", 0o755 if path == "a/run" else 0o644, TIME, len(content), reader=read)
        if reads != [path]:
            broken(f"`write` reads a file {len(reads)} times before it takes the next member; expected once")
    yield Member("a/to", "link", 0o777, TIME, target="data")
    yield Member("a/é", "directory", 0o755, TIME)
    yield Member("b" * 120, "directory", 0o755, TIME)
    yield Member("b" * 120 + "/" + "c" * 120, "directory", 0o755, TIME)


def digest(path: Path) -> str:
    """Return a hash of a file, or of a directory with the permissions and times of what is in it."""
    if path.is_file():
        return sha256(path.read_bytes()).hexdigest()
    lines = []
    for item in sorted(path.rglob("*")):
        status = item.lstat()
        content = os.readlink(item) if item.is_symlink() else digest(item) if item.is_file() else ""
        time = 0 if item.is_symlink() else int(status.st_mtime)
        mode = 0 if item.is_symlink() else status.st_mode
        lines.append(f"{item.relative_to(path)} {mode} {time} {content}")
    return sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
