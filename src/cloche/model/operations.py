"""The operations of a plan: what to create or change. `cloche.apply` performs them, all or nothing.

The path of an operation is relative to the environment's root and uses `/` on every platform.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from typing import TypeAlias

    from cloche.model.aliases import LinkMode


class MakeDir(Value):
    """Create a directory. Its parent is the root or is created by an earlier operation. An existing one is kept."""

    path: str


class Link(Value):
    """Create a symbolic link. If the file system does not support it, copy the file that the link would point to."""

    path: str
    target: str
    """The text of the link: an absolute path, or one relative to the link's directory."""
    copy: str = ""
    """Absolute path of the file to copy instead; empty for the file in the environment that `target` refers to."""


class Copy(Value):
    """Copy a file from outside the environment, with its permission bits."""

    path: str
    source: str
    """Absolute path of the file."""
    link_mode: LinkMode = "copy"
    """Whether a hard link, for example, will do; then a later change of the content would change both."""


class Write(Value):
    """Write a file with this content."""

    path: str
    content: bytes
    executable: str = "no"
    """`yes` or `no`. The mode is 0o777 for an executable file and 0o666 for any other, less the umask."""

    @property
    def is_executable(self) -> bool:
        """Whether `executable` is `yes`. The field is a string because version 0.1 published it as one."""
        return self.executable == "yes"


class Rewrite(Value):
    """Write a file that replaces an existing one, and keep the permission bits and the owner."""

    path: str
    content: bytes
    old: str
    """Absolute path of the existing file."""


class CopyTree(Value):
    """Copy the content of a directory into the root. Links are copied as links, and files that are links to each other stay so.

    Permission bits, times, owners, groups and extended attributes are kept, as far as the system allows.
    """

    source: str
    """Absolute path of the directory."""
    without: tuple[str, ...] = ()
    """Paths in it to leave out, relative to it; a directory is left out with everything in it."""
    link_mode: LinkMode = "copy"


class InstallTree(Value):
    """Install the files of one directory of an image into a directory of the environment."""

    path: str
    source: str
    """Absolute path of the directory in the store."""
    file_list: str
    """Absolute path of its file list (see `cloche.apply.file_list`)."""
    files: int
    """Number of files."""
    size: int
    """Total size of the files in bytes."""
    without: tuple[str, ...] = ()
    """Files to leave out, relative to the directory: another distribution installs them."""

    @property
    def manifest(self) -> str:
        """The name of `file_list` in version 0.1, kept for plugins that use it."""
        return self.file_list


LayImage = InstallTree
"""The name of `InstallTree` in version 0.1, kept for plugins that use it."""


class Remove(Value):
    """Remove a file, or a directory with everything in it. A path that does not exist is ignored."""

    path: str


class SetMode(Value):
    """Change the permission bits of a file or directory. Files of images cannot be changed: environments share them."""

    path: str
    """`.` for the root."""
    mode: int


class Run(Value):
    """Run a program that creates part of the environment; `{root}` in an argument is replaced by the root directory."""

    arguments: tuple[str, ...]
    """The program and its arguments."""
    purpose: str
    """What it does, for display: "create the environment with the `venv` of CPython 3.12.1"."""


Operation: TypeAlias = MakeDir | Link | Copy | CopyTree | Write | Rewrite | InstallTree | Remove | SetMode | Run
"""Any operation."""
