"""What a plan consists of: values that say what to create or change. `cloche.apply` carries them out, all or nothing.

An operation names its path relative to the environment's root, with `/`.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    LinkMode: TypeAlias = Literal["auto", "clone", "hardlink", "copy", "symlink"]
    """How the files of an image reach an environment; `auto` is the first of clone, hardlink, copy that works."""


@value
class MakeDir:
    """Create a directory. Its parent is the root or is created by an earlier operation. An existing one is kept."""

    path: str


@value
class Link:
    """Create a symbolic link. Where the file system has none, copy what it would point to."""

    path: str
    target: str
    """The text of the link: an absolute path, or one relative to the link's directory."""
    copy: str = ""
    """Absolute path of the file to copy instead. If empty, it is the file in the environment that `target` names."""


@value
class Copy:
    """Copy a file from outside the environment, with its permission bits."""

    path: str
    source: str
    """Absolute."""


@value
class Write:
    """Write a file whose content is known."""

    path: str
    content: bytes
    executable: str = "no"
    """`yes` for a file that is run: its mode is 0o777 less the umask, otherwise 0o666 less the umask."""


@value
class Rewrite:
    """Write a file that replaces another one, with the permission bits and the owner of that file."""

    path: str
    content: bytes
    old: str
    """Absolute path of the file that is replaced."""


@value
class CopyTree:
    """Fill the root with the content of a directory; links stay links, permission bits and times are kept."""

    source: str
    """Absolute."""
    without: tuple[str, ...] = ()
    """Paths in it to leave out; a directory with everything in it."""
    link_mode: LinkMode = "copy"


@value
class InstallTree:
    """Install the files of one directory of an image into a directory of the environment."""

    path: str
    source: str
    """Absolute path of the directory in the store."""
    file_list: str
    """Absolute path of the file that lists its files (see `cloche.apply.file_list`)."""
    files: int
    size: int
    """Bytes of all files together."""

    @property
    def manifest(self) -> str:
        """The name of `file_list` in version 0.1, kept for plugins that use it."""
        return self.file_list


LayImage = InstallTree
"""The name of `InstallTree` in version 0.1, kept for plugins that use it."""


@value
class Remove:
    """Remove what is at a path, a directory with everything in it. It is no error if nothing is there."""

    path: str


@value
class SetMode:
    """Change the permission bits of a file or a directory; not of a file of an image, which environments share."""

    path: str
    """`.` for the root."""
    mode: int


@value
class Run:
    """Run a program that creates part of the environment; `{root}` in an argument stands for the directory to fill."""

    arguments: tuple[str, ...]
    purpose: str
    """What it does, for people: "let the interpreter's own venv make the environment"."""


if TYPE_CHECKING:
    Operation: TypeAlias = MakeDir | Link | Copy | CopyTree | Write | Rewrite | InstallTree | Remove | SetMode | Run
