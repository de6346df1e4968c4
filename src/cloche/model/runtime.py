"""The runtime of an interpreter: the files that a portable environment contains so that it does not need its base."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    SearchTag: TypeAlias = Literal["rpath", "runpath"]
    """`rpath` comes before `LD_LIBRARY_PATH`, even for the libraries of libraries; `runpath` comes after it."""

    AddSearchPath: TypeAlias = Literal["always", "never", "if renamed"]


GLIBC_LIBRARY = (
    r"(ld-linux[\w.-]*|ld64|linux-vdso|lib(c|m|dl|pthread|rt|util|resolv|anl|mvec|BrokenLocale|nss_\w+|thread_db))\.so[.\d]*"
    r"|libnsl\.so\.1"
)
"""A regular expression for the names of the libraries of glibc, which belong to the loader of a system. `libnsl.so.2` is
another project's."""


class BinaryEdits(Value):
    """Changes of an ELF file that keep its size."""

    search_path: str = ""
    """The search path for libraries that replaces its own: `$ORIGIN/../lib`; empty to keep its own."""
    search_tag: SearchTag = "runpath"
    add_search_path: AddSearchPath = "never"
    """Whether the search path is also set in a file that has none: `if renamed` if it needs a renamed library by name."""
    renamed_libraries: tuple[tuple[str, str], ...] = ()
    """(old, new) names of libraries, of equal length."""
    replaced_text: tuple[tuple[bytes, bytes], ...] = ()
    """(old, new) bytes, of equal length. The old ones must occur exactly once."""


class RuntimeFile(Value):
    """One file of a runtime: a copy of a file of the base interpreter, or generated content."""

    path: str
    """Relative to the root of the environment, with `/`."""
    source: str = ""
    """Absolute path of the file to copy; empty if `content` is the whole file."""
    content: bytes = b""
    executable: bool = False
    edits: BinaryEdits | None = None


class Runtime(Value):
    """The files of one interpreter. The store keeps them as an image, with the bytecode of every module."""

    name: str
    """The implementation: `cpython`."""
    version: str
    """`3.12.1`."""
    files: tuple[RuntimeFile, ...]
