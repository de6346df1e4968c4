"""The packer `tar.gz`: a tar archive, compressed with gzip on all processors.

As in `pigz`, threads compress blocks of a fixed size. Each starts with the end of the previous block as its dictionary, so
that the size hardly grows, and the result is one ordinary gzip stream, the same for any number of processors.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from typing import TYPE_CHECKING

from cloche.builtin.packers.tar_stream import tar_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from cloche.model.archive import Member

HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
"""The header of RFC 1952, without a time, a name or an operating system."""

BLOCK = 1 << 18
"""The size of the blocks, in bytes."""

WINDOW = 1 << 15
"""How far back deflate refers to earlier bytes."""

LEVEL = 6


class GzipPacker:
    name = "tar.gz"
    suffix = ".tar.gz"

    def refusal(self) -> str | None:
        return None

    def write(self, members: Iterable[Member], path: str) -> None:
        with open(path, "xb") as file:
            file.writelines(compressed(tar_stream(members)))


def compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a gzip stream."""
    from concurrent.futures import Future, ThreadPoolExecutor  # every packer is loaded, but few are used

    processors = os.cpu_count() or 1
    is_limited = False
    checksum = size = 0
    previous = b""
    waiting: deque[Future[bytes]] = deque()
    executor = ThreadPoolExecutor(processors)

    def start(block: bytes, dictionary: bytes) -> Future[bytes]:
        nonlocal is_limited
        if not is_limited:
            try:
                return executor.submit(deflate, block, dictionary)
            except RuntimeError:  # no more threads can be started
                is_limited = True
        done: Future[bytes] = Future()
        done.set_result(deflate(block, dictionary))
        return done

    try:
        yield HEADER
        for block in blocks(chunks):
            checksum = zlib.crc32(block, checksum)
            size += len(block)
            waiting.append(start(block, previous[-WINDOW:]))
            previous = block
            if len(waiting) > 4 * processors:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
    yield b"\x03\0" + struct.pack("<2L", checksum, size & 0xFFFFFFFF)  # an empty last block


def blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in blocks of a fixed size; the last one may be shorter."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        end = len(rest) - len(rest) % BLOCK
        for start in range(0, end, BLOCK):
            yield rest[start : start + BLOCK]
        rest = rest[end:]
    if rest:
        yield rest


def deflate(block: bytes, dictionary: bytes) -> bytes:
    """Return a block in deflate's format, which ends at a byte boundary and is not the last one."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, 0, dictionary)
    return compressor.compress(block) + compressor.flush(zlib.Z_SYNC_FLUSH)


packer = GzipPacker()
