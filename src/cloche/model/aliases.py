"""Names for the types of arguments and fields that are not classes.

This module imports `typing`, so the others import it only for type checkers.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OnExisting: TypeAlias = Literal["keep", "replace", "replace-anything"]
"""What to do with an existing destination: `keep` and refresh it, `replace` the environment but no other files, or
`replace-anything`: everything in the directory, unless it contains a project."""

SitePackages: TypeAlias = Literal["isolated", "system"]
"""Whether the environment sees the packages of its base interpreter."""

Network: TypeAlias = Literal["never", "last-resort", "newest"]
"""When seeds may be downloaded: never, only if no local wheel fits, or always, to get the newest version."""

Dependencies: TypeAlias = Literal["included", "omitted"]
"""Whether the packages that the seeds depend on are installed too."""

DefaultGroups: TypeAlias = Literal["included", "excluded"]
"""Whether the dependency groups that a lock file names as its default groups are installed."""

ExtraPackages: TypeAlias = Literal["removed", "kept"]
"""What happens to installed packages that a lock file does not name."""

Builds: TypeAlias = Literal["allowed", "refused"]
"""Whether packages may be built from source."""

StartupPolicy: TypeAlias = Literal["allow", "list", "refuse"]
"""What happens to packages with code that runs whenever Python starts: `allow` installs them, `list` also lists their code
in the output of the command, and `refuse` refuses them."""

StartupRule: TypeAlias = tuple[StartupPolicy, tuple[str, ...]]
"""A policy, and the normalized names of the packages that may have startup code although others are refused."""

Compile: TypeAlias = Literal["auto", "now", "never"]
"""When packages are compiled to bytecode: `auto` when a second environment gets them, so that a single environment does
not pay for it, or before the first one if that is portable; `now` before the first one; `never`, so that Python compiles
each module when it is imported."""

Consult: TypeAlias = Literal["nothing", "project"]
"""What determines the Python without a request for one: nothing (the running Python is used) or the project's files."""

Strategy: TypeAlias = Literal["new", "exchange", "merge", "merge-emptied", "nothing"]
"""How a staging tree gets to its destination.

`new` renames it to a destination that is absent or empty, `exchange` exchanges it with the existing directory, `merge`
adds it to that directory entry by entry, and `merge-emptied` does the same after emptying the directory. With `nothing`,
the destination already is what the plan describes.
"""

LinkMode: TypeAlias = Literal["auto", "clone", "hardlink", "copy", "symlink"]
"""How the files of an image get into an environment; `auto` is the first of clone, hardlink and copy that works."""

Placement: TypeAlias = Literal["fixed", "relocatable"]
"""Whether the scripts in an environment contain its absolute path (`fixed`) or find it when they run (`relocatable`)."""

Naming: TypeAlias = Literal["chosen", "directory"]
"""Where the prompt comes from: the user chose it, or it is the name of the root directory."""

Bytecode: TypeAlias = Literal["complete", "missing"]
"""Whether an image has the bytecode of all its modules. If it is `missing`, Python compiles modules on import, and the
store compiles the image before the next environment gets it."""

Access: TypeAlias = Literal["read-write", "read-only", "none"]
"""How to use the cache: `read-only` reads it and writes nothing to it; `none` ignores it. Files that such a run needs are
created in a private temporary directory, which is removed at the end."""

OptionKind: TypeAlias = Literal["text", "flag", "list", "words", "count"]
"""The kind of value of an option: `text` is one value, the last one wins; `flag` takes no value; `list` may be repeated;
`words` is one comma-separated value; `count` is the number of times that it is given."""

MemberKind: TypeAlias = Literal["file", "directory", "link"]
"""What a member of an archive is."""

Version: TypeAlias = tuple[int, int, int, str, int]
"""`sys.version_info` as a plain tuple: `(3, 12, 1, "final", 0)`."""

StrPath: TypeAlias = str | os.PathLike[str]
"""A path as a string or a path object."""


class ReportProgress(Protocol):
    """Called before a step that may take seconds, and while a longer one goes on."""

    def __call__(self, text: str, /, **amounts: float) -> object:
        """Report the progress.

        :param text: what happens, for people: `downloading 3 of 36 files`.
        :param amounts: the same for programs, if it is measured: `files=3, total_files=36`.
        """


class Choices(TypedDict, total=False):
    """The keyword arguments of `cloche.create`, for a function that passes them on: `**choices: Unpack[cloche.Choices]`."""

    python: StrPath | Sequence[StrPath] | None
    try_first_with: Sequence[StrPath]
    no_finders: Sequence[str]
    creator: str | None
    seeder: str | None
    seeds: Sequence[str] | None
    lock: StrPath | None
    extras: Sequence[str]
    groups: Sequence[str]
    default_groups: DefaultGroups
    builds: Builds
    compile: Compile
    extra_packages: ExtraPackages
    find_links: Sequence[StrPath]
    network: Network
    dependencies: Dependencies
    activators: Sequence[str] | None
    existing: OnExisting
    site_packages: SitePackages
    startup_code: StartupPolicy | Sequence[str]
    prompt: str | None
    link_mode: LinkMode
    vcs_ignore: bool
    relocatable: bool
    pyvenv_cfg: Mapping[str, str] | None
    options: Mapping[str, object] | None
    environ: Mapping[str, str] | None
    cache: StrPath | None
    access: Access
