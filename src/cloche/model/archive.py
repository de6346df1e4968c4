"""The members of an archive, which a packer writes."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloche.model.aliases import MemberKind


SAME_TIME = 946684800
"""The modification time of files that have to be the same everywhere: the first second of the year 2000."""


LONGEST_NAME = 255
"""The maximum length of a name, in bytes, on all common file systems."""

HARMLESS = 100 << 20
"""The number of bytes that any archive may unpack to."""

MAX_RATIO = 250
"""How many times its own size a larger archive may unpack to."""

MEMBER_SIZE = 4096
"""The bytes that a member counts for in addition to its content: it uses a block of the disk, even if it is empty."""


def largest_content(size: int) -> int:
    """Return how many bytes an archive of this size, in bytes, may unpack to."""
    return max(HARMLESS, MAX_RATIO * size)


class Member(Value):
    """A file, directory or symbolic link in an archive."""

    path: str
    """Relative, with `/`. A byte that is not UTF-8 is a surrogate (PEP 383)."""
    kind: MemberKind
    """What it is."""
    mode: int
    """The permission bits."""
    time: int
    """The modification time, in seconds since 1970."""
    size: int = 0
    """The size of a file, in bytes."""
    target: str = ""
    """The target of a link, relative to its directory."""
    reader: Callable[[], Iterator[bytes]] | None = None
    """Returns the content of a file in pieces; None for a directory or a link."""

    def read(self) -> Iterator[bytes]:
        """Return the content of a file in pieces. Call it once, before the next member is taken."""
        return self.reader() if self.reader is not None else iter(())
