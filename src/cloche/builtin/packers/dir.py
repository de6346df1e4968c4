"""The packer `dir`: a directory, for tools that make an archive of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.model.archive import Member


class DirectoryPacker:
    name = "dir"
    suffix = ""

    def refusal(self) -> str | None:
        return None

    def write(self, members: Iterable[Member], path: str) -> None:
        os.mkdir(path)
        directories = []
        for member in members:
            target = os.path.join(path, *member.path.split("/"))
            if member.kind == "directory":
                os.mkdir(target)
                directories.append((target, member))
                continue
            if member.kind == "link":
                os.symlink(member.target, target)
                continue
            with open(target, "xb") as file:
                file.writelines(member.read())
            os.chmod(target, member.mode)
            os.utime(target, (member.time, member.time))
        for target, member in reversed(directories):  # creating an entry changes the time
            os.chmod(target, member.mode)
            os.utime(target, (member.time, member.time))
        os.chmod(path, 0o755)


packer = DirectoryPacker()
