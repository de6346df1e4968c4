"""The packer `zip`: a zip archive, with permissions and symbolic links as Info-ZIP stores them."""

from __future__ import annotations

import stat
import time
from typing import TYPE_CHECKING

from cloche.errors import ClocheError

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterable

    from cloche.model.archive import Member

TYPES = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "link": stat.S_IFLNK}

UNIX = 3
"""The system whose permissions a member has, in the format of zip."""

DIRECTORY = 0x10
"""The attribute of a directory in MS-DOS."""

LEVEL = 6


class ZipPacker:
    name = "zip"
    suffix = ".zip"

    def refusal(self) -> str | None:
        return None

    def write(self, members: Iterable[Member], path: str) -> None:
        import zipfile  # every packer is loaded, but few are used

        with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
            for member in members:
                header = header_of(member)
                if member.kind == "file":
                    with archive.open(header, "w") as file:
                        for piece in member.read():
                            file.write(piece)
                else:
                    archive.writestr(header, member.target.encode("utf-8", "surrogateescape"), zipfile.ZIP_STORED)


def header_of(member: Member) -> zipfile.ZipInfo:
    """Return the header of a member.

    :raises ClocheError: a zip archive cannot hold its name.
    """
    import zipfile

    try:
        member.path.encode()
    except UnicodeEncodeError:
        raise ClocheError(
            f"a zip archive cannot hold `{member.path}`: the name is not valid UTF-8",
            hint="choose another format, or leave the file out with `--exclude`",
        ) from None
    if "\\" in member.path:
        raise ClocheError(
            f"a zip archive cannot hold `{member.path}`: the name contains a backslash",
            hint="choose another format, or leave the file out with `--exclude`",
        )
    earliest, latest = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)
    date = time.gmtime(member.time)
    exact = (date.tm_year, date.tm_mon, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec)
    when = max(earliest, min(latest, exact))
    header = zipfile.ZipInfo(member.path + "/" * (member.kind == "directory"), when)
    header.create_system = UNIX
    header.compress_type = zipfile.ZIP_DEFLATED
    header.file_size = member.size
    header.external_attr = (TYPES[member.kind] | member.mode) << 16 | DIRECTORY * (member.kind == "directory")
    return header


packer = ZipPacker()
