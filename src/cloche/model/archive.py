"""The members of an archive, which a packer writes."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal, TypeAlias

    Kind: TypeAlias = Literal["file", "directory", "link"]


def no_content() -> Iterator[bytes]:
    """Return the content of a directory or a link."""
    return iter(())


@value
class Member:
    """A file, directory or symbolic link in an archive."""

    path: str
    """Relative, with `/`. A byte that is not UTF-8 is a surrogate (PEP 383)."""
    kind: Kind
    mode: int
    """The permission bits."""
    time: int
    """The modification time, in seconds since 1970."""
    size: int = 0
    """The size of a file, in bytes."""
    target: str = ""
    """The target of a link, relative to its directory."""
    read: Callable[[], Iterator[bytes]] = no_content
    """Returns the content of a file in pieces. Call it once, before the next member is taken."""
