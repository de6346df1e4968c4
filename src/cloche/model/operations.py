"""What a plan consists of: values that say what is to be made; `cloche.apply.executor` is what performs them.

An operation names its place relative to the environment's root, with `/`.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    LinkMode: TypeAlias = Literal["auto", "clone", "hardlink", "copy", "symlink"]
    """How the files of an image reach an environment; `auto` is the first of clone, hardlink, copy that works."""


@value
class MakeDir:
    """Make a directory; its parent is made by an earlier operation or is the root. One that is there is kept."""

    path: str


@value
class Link:
    """Make a symbolic link; where the file system has none, copy what it would point to."""

    path: str
    target: str
    """As it will stand in the link: absolute, or relative to the link's directory."""
    copy: str = ""
    """Absolute path of the file to copy instead; empty: the file in the environment that `target` names."""


@value
class Copy:
    """Copy a file from outside the environment, its permission bits included."""

    path: str
    source: str
    """Absolute."""


@value
class Write:
    """Write a file whose content is known."""

    path: str
    content: bytes
    executable: str = "no"
    """`yes` for a file that is run: mode 0o777 less the umask, else 0o666 less the umask."""


@value
class Rewrite:
    """Write a file that will take the place of another one, whose permission bits and owner it gets."""

    path: str
    content: bytes
    old: str
    """Absolute path of the file that it takes after."""


@value
class CopyTree:
    """Fill the root with what a directory holds: links as links, permission bits and times kept."""

    source: str
    """Absolute."""
    without: tuple[str, ...] = ()
    """Paths in it to leave out; a directory with all that is in it."""
    link_mode: LinkMode = "copy"


@value
class InstallTree:
    """Lay the files of one image directory into a directory of the environment, as its manifest lists them."""

    path: str
    source: str
    """Absolute path of the tree in the store."""
    manifest: str
    """Absolute path of its manifest (see `read_file_list`)."""
    files: int
    size: int
    """Bytes of all files together."""


LayImage = InstallTree
"""The name of `InstallTree` in version 0.1, kept for plugins that use it."""


@value
class Run:
    """Run a program that makes part of the environment; `{root}` in an argument stands for the directory to fill."""

    arguments: tuple[str, ...]
    purpose: str
    """What it does, for people: "let the interpreter's own venv make the environment"."""


if TYPE_CHECKING:
    Operation: TypeAlias = MakeDir | Link | Copy | CopyTree | Write | Rewrite | InstallTree | Run
