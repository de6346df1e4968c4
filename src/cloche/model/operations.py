"""Operations: the steps of a plan, as values. `cloche.apply.executor` performs them.

The `path` of an operation is relative to the environment's root and uses `/`.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    LinkMode: TypeAlias = Literal["auto", "clone", "hardlink", "copy", "symlink"]
    """How to get the files of an image into an environment; `auto` uses the first of clone, hardlink and copy that works."""


@value
class MakeDir:
    """Create a directory, unless it exists. Its parent is the root, or created by an earlier operation."""

    path: str


@value
class Link:
    """Create a symbolic link; if the file system does not support links, copy the file that it would point to."""

    path: str
    target: str
    """The text of the link: absolute, or relative to the link's directory."""
    copy: str = ""
    """Absolute path of the file to copy instead; if empty, the file in the environment that `target` names."""


@value
class Copy:
    """Copy a file from outside the environment, with its permission bits."""

    path: str
    source: str
    """Absolute path."""


@value
class Write:
    """Write a file with the given content."""

    path: str
    content: bytes
    executable: str = "no"
    """`yes` or `no`: the permissions are 0o777 or 0o666, minus the umask."""


@value
class Rewrite:
    """Write a file that replaces another one, and gets its permission bits and owner."""

    path: str
    content: bytes
    old: str
    """Absolute path of the file to replace."""


@value
class CopyTree:
    """Copy the content of a directory into the root, with links, permission bits and times."""

    source: str
    """Absolute path."""
    without: tuple[str, ...] = ()
    """Paths to leave out, relative to `source`; a directory is left out with its content."""
    link_mode: LinkMode = "copy"


@value
class InstallTree:
    """Install one tree of an image into a directory of the environment: the files in its file list."""

    path: str
    source: str
    """Absolute path of the tree in the store."""
    file_list: str
    """Absolute path of the tree's file list, which `cloche.apply.file_list` reads."""
    files: int
    """Number of files."""
    size: int
    """Total size of the files in bytes."""

    @property
    def manifest(self) -> str:
        """The former name of `file_list`, kept for plugins that use it."""
        return self.file_list


LayImage = InstallTree
"""The name of `InstallTree` in version 0.1, kept for plugins that use it."""


@value
class Run:
    """Run a program that creates part of the environment; `{root}` in an argument is replaced by the directory to fill."""

    arguments: tuple[str, ...]
    purpose: str
    """What it does, for messages: "create the environment with the interpreter's own venv"."""


if TYPE_CHECKING:
    Operation: TypeAlias = MakeDir | Link | Copy | CopyTree | Write | Rewrite | InstallTree | Run
