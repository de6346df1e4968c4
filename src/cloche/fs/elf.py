"""ELF files: what an executable or a library needs from the system, and edits of the paths by which it finds libraries.

pyelftools finds the tables in a file. An edit keeps the size and the layout of the file, so that nothing else in it has
to change: a text is replaced by one that is not longer, and only if nothing else in the file refers to it.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection
from elftools.elf.segments import InterpSegment

from cloche.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloche.model.runtime import SearchTag

NULL, NEEDED, STRING_TABLE, STRING_SIZE, NAME, RPATH, RUNPATH = 0, 1, 5, 10, 14, 15, 29
"""Tags in the dynamic section (System V ABI, chapter 5)."""

MAGIC = b"\x7fELF"


class NotEditable(Exception):
    """An edit is not possible; the message is a fragment that follows the name of the file."""


class Dependencies(Value):
    """What the loader reads in an ELF file to find its libraries."""

    name: str
    """Its `DT_SONAME`; empty if it has none."""
    needed: tuple[str, ...]
    """The names of the libraries that it needs."""
    search_path: tuple[str, ...]
    """The directories in its `DT_RPATH` or `DT_RUNPATH`."""
    versions: tuple[str, ...]
    """The symbol versions that it needs: `GLIBC_2.34`."""
    loader: str
    """The program that loads it (`PT_INTERP`); empty for a library."""
    machine: str
    """Its instruction set, as pyelftools names it: `x64`, `AArch64`."""


def read_dependencies(content: bytes) -> Dependencies | None:
    """Return the dependencies of an ELF file; None if the content is not a dynamically linked ELF file."""
    if not content.startswith(MAGIC):
        return None
    try:
        return DynamicFile(content).dependencies
    except NotEditable:
        return None


class DynamicFile:
    """A dynamically linked ELF file in memory, and edits of its dynamic section."""

    def __init__(self, content: bytes) -> None:
        """Read a file.

        :raises NotEditable: the content is not a dynamically linked ELF file.
        """
        self.content = bytearray(content)
        try:
            self._file = ELFFile(io.BytesIO(content))
            self._word = ("<" if self._file.little_endian else ">") + ("Q" if self._file.elfclass == 64 else "I")
            dynamic = next(segment for segment in self._file.iter_segments() if isinstance(segment, DynamicSegment))
            entry = struct.Struct(self._word + self._word[1])
            self._entries: list[tuple[int, int, int]] = []
            """The position in the file, the tag and the value of each entry of the dynamic section."""
            for position in range(dynamic["p_offset"], dynamic["p_offset"] + dynamic["p_filesz"], entry.size):
                self._entries.append((position, *entry.unpack_from(content, position)))
            self._strings = self._file_offset(next(value for _, tag, value in self._entries if tag == STRING_TABLE))
        except (ELFError, StopIteration, struct.error, TypeError, ValueError, UnicodeDecodeError) as error:
            raise NotEditable("is not a dynamically linked ELF file") from error

    def _file_offset(self, address: int) -> int:
        """Return the position in the file of an address in memory."""
        for segment in self._file.iter_segments("PT_LOAD"):
            if segment["p_vaddr"] <= address < segment["p_vaddr"] + segment["p_filesz"]:
                return int(address - segment["p_vaddr"] + segment["p_offset"])
        raise ValueError(address)

    @property
    def dependencies(self) -> Dependencies:
        """What the loader reads in the file.

        :raises NotEditable: the file is damaged.
        """
        try:
            loaders = [
                segment.get_interp_name()
                for segment in self._file.iter_segments("PT_INTERP")
                if isinstance(segment, InterpSegment)
            ]
            paths = [path for text in self._texts(RPATH, RUNPATH) for path in text.split(":")]
            return Dependencies(
                name="".join(self._texts(NAME)),
                needed=tuple(self._texts(NEEDED)),
                search_path=tuple(paths),
                versions=tuple(
                    version.name
                    for section in self._file.iter_sections()
                    if isinstance(section, GNUVerNeedSection)
                    for _, versions in section.iter_versions()
                    for version in versions
                ),
                loader="".join(loaders),
                machine=self._file.get_machine_arch(),
            )
        except (ELFError, struct.error, TypeError, ValueError, UnicodeDecodeError, AttributeError) as error:
            raise NotEditable("is a damaged ELF file") from error

    def set_search_path(self, path: str, tag: SearchTag) -> bool:
        """Replace the search path of the file, as `tag`; return False if it has none.

        :raises NotEditable: the old path is shorter, or something else in the file uses the same text.
        """
        found = [entry for entry in self._entries if entry[1] in (RPATH, RUNPATH)]
        for position, _, offset in found:
            self._replace_text(offset, path)
            struct.pack_into(self._word, self.content, position, RPATH if tag == "rpath" else RUNPATH)
        return bool(found)

    def change_search_path(self, change: Callable[[str], str]) -> None:
        """Replace each directory in the search path of the file; the tag stays.

        :raises NotEditable: the new path is longer, or something else in the file uses the same text.
        """
        for _, tag, offset in self._entries:
            if tag in (RPATH, RUNPATH):
                old = self._text(offset).decode("utf-8", "surrogateescape")
                self._replace_text(offset, ":".join(map(change, old.split(":"))))

    def add_search_path(self, path: str, tag: SearchTag) -> None:
        """Give the file a search path if it has none.

        The entry goes into a free slot of the dynamic section, and its text into the unused bytes after the segment that
        has the other texts. Linkers leave room for both.

        :raises NotEditable: there is no room.
        """
        text = path.encode() + b"\0"
        unused = [position for position, kind, _ in self._entries if kind == NULL]
        table = next(value for _, kind, value in self._entries if kind == STRING_TABLE)
        segments = list(enumerate(self._file.iter_segments()))
        number, segment = next(
            (number, segment)
            for number, segment in segments
            if segment["p_type"] == "PT_LOAD" and 0 <= table - segment["p_vaddr"] < segment["p_filesz"]
        )
        end, address = segment["p_offset"] + segment["p_filesz"], segment["p_vaddr"] + segment["p_filesz"]
        others = [other for _, other in segments if other["p_type"] == "PT_LOAD" and other["p_vaddr"] > address]
        free = min((other["p_vaddr"] - other["p_vaddr"] % other["p_align"] - address for other in others), default=0)
        is_free = not any(self.content[end : end + len(text)]) and end + len(text) <= len(self.content)
        if len(unused) < 2 or len(text) > free or not is_free or segment["p_filesz"] != segment["p_memsz"]:
            raise NotEditable(f"has no room for the search path `{path}`")
        self.content[end : end + len(text)] = text
        header = self._file["e_phoff"] + number * self._file["e_phentsize"]
        sizes = struct.Struct(self._word + self._word[1])
        sizes.pack_into(
            self.content,
            header + (32 if self._file.elfclass == 64 else 16),
            *[end + len(text) - segment["p_offset"]] * 2,
        )
        sizes.pack_into(self.content, unused[0], RPATH if tag == "rpath" else RUNPATH, address - table)
        for position, kind, _ in self._entries:
            if kind == STRING_SIZE:
                sizes.pack_into(self.content, position, STRING_SIZE, address - table + len(text))

    def rename_library(self, old: str, new: str) -> None:
        """Replace the name of this library, or of one that it needs, with one that is not longer.

        :raises NotEditable: the new name is longer, or something else in the file uses the same text.
        """
        for _, tag, offset in self._entries:
            if tag in (NEEDED, NAME) and self._text(offset) == old.encode():
                self._replace_text(offset, new)

    def _texts(self, *tags: int) -> list[str]:
        return [
            self._text(offset).decode("utf-8", "surrogateescape") for _, tag, offset in self._entries if tag in tags
        ]

    def _text(self, offset: int) -> bytes:
        start = self._strings + offset
        return bytes(self.content[start : self.content.index(0, start)])

    def _replace_text(self, offset: int, text: str) -> None:
        old, new = self._text(offset), text.encode("utf-8", "surrogateescape")
        if old == new:
            return
        if len(new) > len(old):
            raise NotEditable(f"has no room for `{text}` in place of `{old.decode(errors='replace')}`")
        references = self._references()
        if references.count(offset) > 1 or any(offset < other <= offset + len(old) for other in references):
            raise NotEditable(f"uses the text `{old.decode(errors='replace')}` for something else too")
        start = self._strings + offset
        self.content[start : start + len(old)] = new.ljust(len(old), b"\0")

    def _references(self) -> list[int]:
        """Return the offsets in the string table that something in the file refers to."""
        offsets = [offset for _, tag, offset in self._entries if tag in (NEEDED, NAME, RPATH, RUNPATH)]
        for section in self._file.iter_sections():
            if section["sh_type"] == "SHT_DYNSYM":
                form = f"{self._word[0]}I{section['sh_entsize'] - 4}x"
                offsets += (offset for (offset,) in struct.iter_unpack(form, section.data()))
            elif isinstance(section, GNUVerNeedSection):
                for needed, versions in section.iter_versions():
                    offsets += (needed.entry.vn_file, *(version.entry.vna_name for version in versions))
            elif isinstance(section, GNUVerDefSection):
                offsets += (name.entry.vda_name for _, names in section.iter_versions() for name in names)
        return offsets
