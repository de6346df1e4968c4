"""What `--clear` replaces: the environment in a directory, and nothing else. Nothing is changed here.

With `--force`, everything in the directory is replaced, unless the directory holds something that people do not expect to
lose: a version-control directory, a project, the user's home or the current directory; or unless it belongs to the system
or is an installation of Python.
"""

from __future__ import annotations

import os
import re

from cloche.apply.staging import is_staging_inside
from cloche.errors import DestinationError
from cloche.fs import contains_path, lines_of, open_regular_file, read_bounded
from cloche.fs.installed_records import read_record
from cloche.fs.manifests import MANIFEST, OWN_FILES, RUNTIME_MANIFEST, parse_manifest, read_manifest
from cloche.model.interpreter import path_module
from cloche.model.value import TYPE_CHECKING, Value
from cloche.planning.destination import contains_current_directory, refuse_unreadable
from cloche.planning.pyvenv_cfg import ADDED_KEY
from cloche.store.reserved_names import VERSION_CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.model.aliases import OnExisting
    from cloche.model.interpreter import Host, Interpreter
    from cloche.planning.destination import Destination

PROJECT_FILES = frozenset(
    """
    .pre-commit-config.yaml build.gradle cargo.toml cmakelists.txt composer.json conda.yaml dockerfile environment.yml
    gemfile go.mod hatch.toml justfile makefile manage.py meson.build mix.exs noxfile.py package.json pdm.lock pdm.toml
    pipfile pipfile.lock pixi.toml poetry.lock pom.xml pylock.toml pyproject.toml requirements.in requirements.txt
    setup.cfg setup.py tox.ini tox.toml uv.lock uv.toml
    """.split()
)
"""Files that mark the root of a project, in lower case."""

INSTALLED = frozenset(("site-packages", "dist-packages", "node_modules"))
"""Directories of installed packages, which may contain files of projects, but can be installed again."""

OWN_DIRECTORIES = {
    "nt": frozenset(("include", "lib", "scripts")),
    "posix": frozenset(("bin", "include", "lib", "lib64")),
}
"""The directories of an environment, in lower case, by `os.name`."""

OTHER_FILES = (OWN_FILES | {"pip-selfcheck.json"}) - {".gitignore"}
"""The other entries of an environment, whichever tool wrote them; a `.gitignore` may also be the user's."""

EXECUTABLE = re.compile(
    r"(?:python|pypy|graalpy)w?[\d.]*(?:t?d?|w)(?:\.exe)?|(?:de)?activate(?:\.\w+|_this\.py)?", re.IGNORECASE
)
"""The names in `bin` of Python and of the activation scripts, whichever tool wrote them."""


SYSTEM_DIRECTORIES = frozenset(
    """
    applications bin boot dev etc home lib lib32 lib64 libx32 library media mnt opt perflogs private proc programdata
    program+files program+files+(x86) root run sbin srv sys system tmp users usr var volumes windows
    """.replace("+", "\0").split()
)
"""The directories of the system at the top of its file system, in lower case, with NUL for a space."""

PARTS_OF_SYSTEM = frozenset("boot dev etc home proc sys usr users var windows".split())
"""Those of them in which every directory belongs to the system, too, or is the home of a user."""


class Replacement(Value):
    """The part of an existing directory that is replaced."""

    removed: tuple[str, ...] = ()
    """The paths to remove, relative to the directory; empty if `keeps_others` is False."""
    keeps_others: bool = False
    """Whether the directory has other files, which stay."""
    added_to_directory: bool = False
    """Whether it is the directory of a project, or the environment was added to it."""


def plan_replacement(
    destination: Destination, existing: OnExisting, interpreter: Interpreter, host: Host, action: str = "`--clear`"
) -> Replacement:
    """Return the part of an existing directory that is replaced; the directory is not empty.

    :param action: what replaces it, for messages.
    :raises DestinationError: it has no environment, or something would be deleted that must not be.
    """
    location, target = destination.location, destination.target
    refuse_running_cloche(location, host, action)
    refuse_base_interpreter(location, interpreter, action)
    if existing == "replace-anything":
        refuse_to_empty(destination, host)
        return Replacement()
    if destination.state == "directory":
        raise DestinationError(
            f"`{location}` is not an environment, so there is nothing for `--clear` to replace",
            hint="without `--clear`, cloche adds an environment and leaves the existing files unchanged",
        )
    added_to_directory = ADDED_KEY in destination.settings or bool(markers_in(target))
    owned = owned_files(target) if added_to_directory else with_whole_directories(target, owned_entries(target, host))
    removed = tuple(removable(target, owned))
    refuse_current_directory(destination, removed, host, action)
    others = [name for name in names_in(target) if name not in removed and not is_staging_inside(name)]
    return Replacement(removed, keeps_others=True, added_to_directory=added_to_directory) if others else Replacement()


def refuse_to_empty(destination: Destination, host: Host) -> None:
    """Refuse to delete everything in a directory that holds something that people do not expect to lose.

    :raises DestinationError: it does.
    """
    is_environment = destination.state == "environment"
    user_home = host.environ.get("HOME") or host.environ.get("USERPROFILE", "")
    if is_system_directory(os.path.realpath(destination.target), host.os_name):
        raise DestinationError(
            f"`{destination.location}` is a system directory, and `--clear --force` would empty it",
            hint="choose another destination",
        )
    if not is_environment and (library := standard_library_in(destination.target)):
        raise DestinationError(
            f"`{destination.location}` is an installation of Python (`{library}`), and `--clear --force` would delete it",
            hint="choose another destination",
        )
    found = ""
    if user_home and contains_path(destination.target, user_home):
        found = "your home directory"
    elif contains_current_directory(destination.target, host):
        found = "the current directory"
    elif path := find_marker(
        destination.target, skipped=OWN_DIRECTORIES[host.os_name] if is_environment else frozenset()
    ):
        found = f"`{path}`"
    if found:
        without = "`--clear` alone replaces the environment and keeps all other files"
        raise DestinationError(
            f"`{destination.location}` contains {found}, and `--clear --force` would delete it",
            hint=without if is_environment else "choose another destination",
        )


def is_system_directory(path: str, os_name: str) -> bool:
    """Return whether a directory belongs to the system: `/`, `/etc`, `/usr/bin`, `/usr/local/lib`, the home of a user."""
    names = path_module(os_name).splitdrive(path)[1].replace("\\", "/").lower().replace(" ", "\0").split("/")
    match [name for name in names if name]:
        case []:
            return True
        case [name]:
            return name in SYSTEM_DIRECTORIES
        case [top, _]:
            return top in PARTS_OF_SYSTEM
        case ["usr", "local", name]:
            return name in SYSTEM_DIRECTORIES
        case _:
            return False


def standard_library_in(root: str) -> str:
    """Return the path of a standard library in a directory, relative to it; empty if it has none."""
    for library in ("lib", "lib64", "Lib"):
        for below in ("", *(name for name in names_in(os.path.join(root, library)) if EXECUTABLE.fullmatch(name))):
            path = "/".join(filter(None, (library, below)))
            if os.path.isfile(os.path.join(root, path, "os.py")):
                return path
    return ""


def refuse_current_directory(destination: Destination, removed: Iterable[str], host: Host, action: str) -> None:
    """Refuse to delete the current directory; the root of the environment itself stays.

    :raises DestinationError: it is inside a part of the environment.
    """
    for path in removed:
        if contains_current_directory(os.path.join(destination.target, path), host):
            raise DestinationError(
                f"the current directory is inside `{os.path.join(destination.location, path)}`, and {action} would"
                " delete it",
                hint="change to another directory, and run the command there",
            )


def markers_in(directory: str) -> list[str]:
    """Return the names in a directory that show that it is under version control, or the root of a project."""
    return [name for name in names_in(directory) if name.lower() in VERSION_CONTROL | PROJECT_FILES]


def find_marker(root: str, skipped: frozenset[str]) -> str:
    """Return the path of the first marker below a directory, relative to it; empty if there is none.

    :param skipped: names of directories in the root to leave out, in lower case.
    """
    for directory, names, _ in os.walk(root, onerror=refuse_unreadable):
        if found := markers_in(directory):
            return os.path.relpath(os.path.join(directory, found[0]), root)
        excluded = INSTALLED | skipped if directory == root else INSTALLED
        names[:] = [name for name in names if name.lower() not in excluded]
    return ""


def owned_entries(root: str, host: Host) -> Iterator[str]:
    """Yield what belongs to the environment in a directory that is used for nothing else: its directories as a whole."""
    directories = OWN_DIRECTORIES[host.os_name]
    for name in names_in(root):
        is_directory = (name.lower() if host.os_name == "nt" else name) in directories
        if is_directory or name in OTHER_FILES or (name == ".gitignore" and ignores_everything(root)):
            yield name
    yield from recorded_files(root)
    yield from runtime_files(root)


def owned_files(root: str) -> Iterator[str]:
    """Yield what belongs to the environment in a directory that is also used for something else, say a project.

    The directories `bin` and `lib` may contain files of the project.
    """
    yield from (name for name in OTHER_FILES if os.path.lexists(os.path.join(root, name)))
    if os.path.islink(os.path.join(root, "lib64")):
        yield "lib64"
    for name in ("bin", "Scripts"):
        for entry in names_in(os.path.join(root, name)):
            if EXECUTABLE.fullmatch(entry) or runs_in(root, f"{name}/{entry}"):
                yield f"{name}/{entry}"
    for site in existing_site_directories(root):
        parent = os.path.dirname(site)
        is_alone = "/" in parent and names_in(os.path.join(root, parent)) == [os.path.basename(site)]
        yield parent if is_alone else site
    yield from (path for path in listed_in(root, MANIFEST) if path != ".gitignore")
    yield from recorded_files(root)
    runtime = [*runtime_files(root)]
    yield from runtime
    yield from whole_directories(root, {*runtime, *existing_site_directories(root)})


def listed_in(root: str, manifest: str) -> Iterable[str]:
    """Return the paths that a manifest lists; none if it does not exist.

    :raises DestinationError: it cannot be read, so it is not known what would be deleted.
    """
    return parse_manifest(read_manifest(root, manifest, refuse_unreadable))


def runtime_files(root: str) -> Iterator[str]:
    """Yield the files of the interpreter in a portable environment, with the bytecode of its modules and its links."""
    listed = frozenset(listed_in(root, RUNTIME_MANIFEST))
    yield from listed
    for directory in sorted({os.path.dirname(path) for path in listed}):
        for name in names_in(os.path.join(root, directory, "__pycache__")):
            if f"{directory}/{name.partition('.')[0]}.py" in listed:
                yield f"{directory}/__pycache__/{name}"
        for name in names_in(os.path.join(root, directory)):
            link = os.path.join(root, directory, name)
            if os.path.islink(link) and f"{directory}/{os.readlink(link)}" in listed:
                yield f"{directory}/{name}"


def whole_directories(root: str, chosen: set[str]) -> Iterator[str]:
    """Yield the directories below the top ones that contain nothing but some of these files and directories."""
    whole: set[str] = set()
    for top in {path.partition("/")[0] for path in chosen if "/" in path}:
        for directory, _, _ in os.walk(os.path.join(root, top), topdown=False, onerror=refuse_unreadable):
            path = os.path.relpath(directory, root).replace("\\", "/")
            content = {f"{path}/{name}" for name in names_in(directory)}
            if path != top and content and content <= chosen | whole:
                whole.add(path)
    yield from whole


def ignores_everything(root: str) -> bool:
    """Return whether `.gitignore` was written for the environment: its only pattern is `*`."""
    lines = content_of(os.path.join(root, ".gitignore"), 4096).split(b"\n")
    return [line.strip() for line in lines if line.strip() and not line.startswith(b"#")] == [b"*"]


def runs_in(root: str, path: str) -> bool:
    """Return whether a script starts with the Python of the environment."""
    line = content_of(os.path.join(root, path), 1 << 20).partition(b"\n")[0]
    return line.startswith(b"#!") and os.fsencode(os.path.join(root, "bin", "")) in line


def existing_site_directories(root: str) -> Iterator[str]:
    """Yield the directories for packages that exist: `lib/python3.12/site-packages`, `Lib/site-packages`."""
    for library in ("lib", "lib64", "Lib"):
        if os.path.islink(os.path.join(root, library)):
            continue
        for below in ("", *(name for name in names_in(os.path.join(root, library)) if EXECUTABLE.fullmatch(name))):
            path = "/".join(filter(None, (library, below, "site-packages")))
            if os.path.isdir(os.path.join(root, path)):
                yield path


def recorded_files(root: str) -> Iterator[str]:
    """Yield the installed files outside of the directories for packages, from the RECORD of each package."""
    for site in existing_site_directories(root):
        for name in names_in(os.path.join(root, site)):
            if name.endswith(".dist-info"):
                text = content_of(os.path.join(root, site, name, "RECORD"), 1 << 26).decode("utf-8", "replace")
                if '"' not in text:  # most rows are relative to `site`, and need not be parsed
                    text = "".join(line for line in lines_of(text) if line[0] in "./\\" or line[1:2] == ":")
                yield from (row.path for row in read_record(text, site, root) if not row.path.startswith(f"{site}/"))


def names_in(directory: str) -> list[str]:
    """Return the names in a directory, sorted; none if there is no such directory.

    :raises DestinationError: it cannot be read, so it is not known what would be deleted.
    """
    try:
        return sorted(os.listdir(directory))
    except OSError as error:
        refuse_unreadable(error)
        return []


def content_of(path: str, limit: int) -> bytes:
    """Return at most `limit` bytes of a file; none if there is no such regular file.

    :raises DestinationError: it cannot be read, so it is not known what would be deleted.
    """
    try:
        with open_regular_file(path) as file:
            return read_bounded(file, limit)
    except OSError as error:
        refuse_unreadable(error)
        return b""


def removable(root: str, paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths that exist in a directory, without those below another one or behind a link, which stay."""
    chosen = {path for path in paths if not (os.path.isabs(path) or ".." in path.split("/"))}
    for path in sorted(chosen):
        names = path.split("/")
        parents = ["/".join(names[:count]) for count in range(1, len(names))]
        is_direct = not any(os.path.islink(os.path.join(root, parent)) for parent in parents)
        if is_direct and chosen.isdisjoint(parents) and os.path.lexists(os.path.join(root, path)):
            yield path


def with_whole_directories(root: str, paths: Iterable[str]) -> Iterator[str]:
    """Yield paths, and each directory at the top (`share`) that contains nothing but some of them."""
    chosen = set(paths)
    yield from chosen
    for top in {path.partition("/")[0] for path in chosen if "/" in path}:
        files = [
            os.path.relpath(os.path.join(directory, name), root).replace("\\", "/")
            for directory, names, names_of_files in os.walk(os.path.join(root, top), onerror=refuse_unreadable)
            for name in (*names_of_files, *(name for name in names if os.path.islink(os.path.join(directory, name))))
        ]
        if chosen.issuperset(files):
            yield top


def refuse_running_cloche(location: str, host: Host, action: str) -> None:
    """Refuse to replace a directory that contains the running cloche, or the Python that runs it.

    :param action: what would delete it: "`--clear`".
    :raises DestinationError: the directory contains either of them.
    """
    if any(
        contains_path(location, path) for path in (os.path.dirname(host.executable), os.path.dirname(__file__)) if path
    ):
        raise DestinationError(
            f"this cloche runs from `{location}`, and {action} would delete it",
            hint="run a cloche that is installed elsewhere",
        )


def refuse_base_interpreter(location: str, interpreter: Interpreter, action: str) -> None:
    """Refuse to replace a directory that contains the base interpreter of the new environment.

    :param action: what would delete it.
    :raises DestinationError: the directory contains it.
    """
    if contains_path(location, interpreter.executable):
        raise DestinationError(
            f"`{location}` contains the base interpreter of the new environment, and {action} would delete it",
            hint="choose another destination, or another Python with `-p`",
        )
