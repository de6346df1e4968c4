"""Write zip archives byte by byte, with statements that contradict each other."""

from __future__ import annotations

import struct
import tarfile
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.distributions import record_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass
class Entry:
    """A member of an archive. Fields in `local` and `central` replace those of the local header and the directory."""

    name: str
    content: bytes = b""
    packed: bytes | None = None
    """The data in the archive; by default the content, uncompressed."""
    method: int = 0
    flags: int = 0
    mode: int = 0o100644
    before: bytes = b""
    """Bytes in front of the local header."""
    descriptor: bytes = b""
    local_extra: bytes = b""
    central_extra: bytes = b""
    comment: bytes = b""
    listed: bool = True
    """Whether the directory lists it."""
    local: Mapping[str, int | bytes] = field(default_factory=dict)
    central: Mapping[str, int | bytes] = field(default_factory=dict)


def deflated(content: bytes) -> bytes:
    """Return content compressed as in a zip archive."""
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(content) + compressor.flush()


def archive_bytes(
    entries: Iterable[Entry], *, prefix: bytes = b"", suffix: bytes = b"", end_64: bytes = b"", **end: int | bytes
) -> bytes:
    """Return an archive; fields in `end` replace those of the end record.

    :param end_64: bytes between the directory and the end record.
    """
    data, directory, listed = prefix, b"", 0
    for entry in entries:
        packed = entry.content if entry.packed is None else entry.packed
        name = entry.name.encode()
        data += entry.before
        shared: dict[str, int | bytes] = {
            "flags": entry.flags,
            "method": entry.method,
            "checksum": zlib.crc32(entry.content),
            "packed_size": len(packed),
            "size": len(entry.content),
            "name": name,
        }
        central = {**shared, "offset": len(data), **entry.central}
        local = {**shared, **entry.local}
        numbers = [local[key] for key in ("flags", "method")]
        sizes = [local[key] for key in ("checksum", "packed_size", "size")]
        lengths = len(local["name"]), len(entry.local_extra)  # type: ignore[arg-type]
        data += struct.pack("<4s5H3L2H", b"PK\3\4", 20, *numbers, 0, 33, *sizes, *lengths)
        data += local["name"] + entry.local_extra + packed + entry.descriptor  # type: ignore[operator]
        if entry.listed:
            listed += 1
            numbers = [central[key] for key in ("flags", "method")]
            sizes = [central[key] for key in ("checksum", "packed_size", "size")]
            lengths_3 = len(central["name"]), len(entry.central_extra), len(entry.comment)  # type: ignore[arg-type]
            directory += struct.pack(
                "<4s6H3L5H2L",
                *(b"PK\1\2", 0x314, 20, *numbers, 0, 33, *sizes, *lengths_3, central.get("disk", 0), 0),
                *(entry.mode << 16, central["offset"]),
            )
            directory += central["name"] + entry.central_extra + entry.comment  # type: ignore[operator]
    last = {"disk": 0, "here": listed, "count": listed, "size": len(directory), "start": len(data), "comment": b""}
    last |= end
    numbers = [last[key] for key in ("disk", "disk", "here", "count", "size", "start")]
    record = struct.pack("<4s4H2LH", b"PK\5\6", *numbers, len(last["comment"]))  # type: ignore[arg-type]
    return data + directory + end_64 + record + last["comment"] + suffix  # type: ignore[operator]


LATER = {"checksum": 0, "packed_size": 0, "size": 0}
"""Fields of a local header if the sizes are in a descriptor after the data."""


def descriptor(entry: Entry, layout: str, *signature: bytes) -> bytes:
    packed = entry.content if entry.packed is None else entry.packed
    return struct.pack(layout, *signature, zlib.crc32(entry.content), len(packed), len(entry.content))


def zip_64(*numbers: int) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def end_64(count: int, size: int, start: int, **numbers: int) -> bytes:
    """Return a zip64 end record with its locator."""
    last = {"length": 44, "disk": 0, "offset": start + size, "here": count, **numbers}
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", last["length"], 45, 45, last["disk"], 0, last["here"], count, size, start
    )
    return record + struct.pack("<4sLQL", b"PK\6\7", 0, last["offset"], 1)


def tar_and_zip() -> bytes:
    """Return a zip archive whose first bytes are the header of a tar archive too."""
    header = bytearray(tarfile.TarInfo("PK\3\4").tobuf(tarfile.USTAR_FORMAT))
    name = "a" * 70
    before = archive_bytes([Entry(name, flags=8, local=LATER)])[:100]
    header[:100] = before
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    entry = Entry(name, bytes(header[100:]) + bytes(1024), flags=8, local=LATER)
    return archive_bytes([replace(entry, descriptor=descriptor(entry, "<4s3L", b"PK\7\10"))])


UNICODE_PATH = struct.pack("<2HBL", 0x7075, 5 + len("evil.py"), 1, zlib.crc32(b"a.py")) + b"evil.py"


def wheel_entries(files: Mapping[str, bytes] | None = None, entry_points: str = "") -> list[Entry]:
    """Return the members of the wheel `spam-1.0`, with a RECORD that lists them."""
    contents = {
        **({"spam.py": b"print('spam')\n"} if files is None else files),
        "spam-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: spam\nVersion: 1.0\n",
        "spam-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({"spam-1.0.dist-info/entry_points.txt": entry_points.encode()} if entry_points else {}),
    }
    rows = [f"{name},{record_hash(content)},{len(content)}\n" for name, content in contents.items()]
    contents["spam-1.0.dist-info/RECORD"] = "".join([*rows, "spam-1.0.dist-info/RECORD,,\n"]).encode()
    return [Entry(name, content) for name, content in contents.items()]


def write_wheel(directory: Path, content: bytes) -> str:
    """Write the wheel `spam-1.0` and return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "spam-1.0-py3-none-any.whl"
    path.write_bytes(content)
    return str(path)
