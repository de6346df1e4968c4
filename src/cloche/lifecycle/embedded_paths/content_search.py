"""Search the contents of files: an environment has thousands of them, of which few contain its path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.fs import open_for_reading, open_regular_file

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXT_LIMIT = 8 << 20
"""The size in bytes up to which files are read, and may be changed; larger files are only searched."""


class ContentSearch:
    """A search for byte strings in one file after the other. All of them are read into the same buffer."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        self.needles = frozenset(needles)
        self._common = common_part(self.needles)
        self._shortest = min(map(len, self.needles), default=0)
        self._buffer = bytearray(TEXT_LIMIT)

    def is_in(self, content: bytes | bytearray, length: int | None = None) -> bool:
        """Return whether content, or its first `length` bytes, contains one of the byte strings."""
        end = len(content) if length is None else length
        return content.find(self._common, 0, end) >= 0 and any(
            content.find(needle, 0, end) >= 0 for needle in self.needles
        )

    def is_in_file(self, path: str, size: int) -> bool:
        """Return whether a regular file contains one of the byte strings; False if it cannot be read.

        :param size: its size in bytes.
        """
        if size < self._shortest:  # many are empty
            return False
        if size > TEXT_LIMIT:
            return file_contains(path, {self._common}) and file_contains(path, self.needles)
        try:
            descriptor = open_for_reading(path)
        except OSError:
            return False
        try:
            return self.is_in(self._buffer, read_into(descriptor, self._buffer, size))
        except OSError:
            return False
        finally:
            os.close(descriptor)


def read_into(descriptor: int, buffer: bytearray, size: int) -> int:
    """Read the beginning of an open file into a buffer until it is full or the file ends; return the number of bytes.

    :param size: the expected number; after as many, the end of the file is not checked for.
    """
    if not hasattr(os, "readv"):  # Windows
        content = os.read(descriptor, min(size + 1, len(buffer)))
        buffer[: len(content)] = content
        return len(content)
    length = os.readv(descriptor, [buffer])
    if length < size:
        with memoryview(buffer) as view:
            while length < size and (count := os.readv(descriptor, [view[length:]])):
                length += count
    return length


def common_part(needles: Iterable[bytes]) -> bytes:
    """Return the beginning that some byte strings share: content without it, as most is, contains none of them."""
    found = frozenset(needles)
    first, last = (
        min(found, default=b""),
        max(found, default=b""),
    )  # every string between them begins with what they share
    count = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:count]


def file_contains(path: str, needles: Iterable[bytes]) -> bool:
    """Return whether a large file contains any of some byte strings."""
    import mmap

    try:
        with open_regular_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(needle) >= 0 for needle in needles)
    except (OSError, ValueError):
        return False
