"""Seeds that an existing environment already has: which ones a refresh keeps, replaces or completes.

What the user installed stays, unless this run asks for another version. Files that a seed lost are restored. Only a refresh
of an existing environment loads this module.
"""

from __future__ import annotations

import os

from cloche.fs import read_regular_file
from cloche.fs.installed_records import read_record, update_record
from cloche.model.metadata import normalize_name, parse_metadata_name, parse_scripts
from cloche.model.operations import MakeDir, Remove, Write
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from cloche.fs.installed_records import Row
    from cloche.model.distribution import EntryPoint, Image
    from cloche.model.environment import Environment
    from cloche.model.operations import Operation
    from cloche.model.plan import Wanted


class InstalledSeed(Value):
    """A distribution with the name of a seed, in an existing environment."""

    version: str
    site: str
    """The directory for packages that it is in, relative to the root."""
    dist_info: str
    """Name of its metadata directory."""
    record: str
    """The text of its RECORD; empty if that cannot be read."""
    paths: tuple[str, ...]
    """The files that its RECORD lists and that are in the environment, relative to the root."""
    missing: tuple[str, ...]
    """Those that do not exist, or are empty although they should not be, without bytecode."""


class SeedChanges(Value):
    """What a refresh does with the seeds."""

    images: tuple[Image, ...]
    """The images to install."""
    operations: tuple[Operation, ...]
    """Removals, and scripts to restore."""
    notes: tuple[str, ...]


def plan_seeds(
    root: str, images: Sequence[Image], wanted: Wanted | None, environment: Environment, own_paths: Collection[str]
) -> SeedChanges:
    """Decide what to do with the seeds of an existing environment.

    :param root: where the environment is; its `location` may be a symbolic link to that directory.
    :param own_paths: files of the environment itself, which no RECORD may remove.
    """
    chosen: list[Image] = []
    operations: list[Operation] = []
    notes: list[str] = []
    for image in images:
        found = list(installed_seeds(root, image.distribution, environment))
        if not found:
            chosen.append(image)
            continue
        installed = found[0]
        scripts = dict(restorable_scripts(root, installed, environment))
        lost = lost_files(installed, scripts)
        follows = bool(chosen) and not is_named(image, wanted)  # a dependency of a seed that this run installs
        if installed.version != image.version and (follows or is_requested(image.distribution, wanted)):
            notes.append(f"{image.distribution} {image.version} replaces {installed.version}")
        elif installed.version == image.version and lost:
            notes.append(
                f"{image.distribution} {image.version} is installed again, because `{lost[0]}` is missing or damaged"
            )
        else:
            operations += restore(installed, scripts)
            if installed.version != image.version:
                notes.append(kept_note(image, installed, lost))
            continue
        chosen.append(image)
        for seed in found:
            operations += (Remove(path) for path in removable_paths(root, seed, own_paths))
    return SeedChanges(tuple(chosen), tuple(operations), tuple(notes))


def is_kept(root: str, name: str, version: str, wanted: Wanted, environment: Environment) -> bool:
    """Return whether a refresh that installs no other seed keeps the installed distribution instead of this version."""
    installed = next(installed_seeds(root, name, environment), None)
    if installed is None:
        return False
    if installed.version != version:
        return not is_requested(name, wanted)
    return not lost_files(installed, dict(restorable_scripts(root, installed, environment)))


def lost_files(installed: InstalledSeed, scripts: Collection[str]) -> list[str]:
    """Return the missing files of a distribution that only its image has.

    :param scripts: the missing scripts that an entry point describes.
    """
    return [path for path in installed.missing if path not in scripts]


def kept_note(image: Image, installed: InstalledSeed, lost: Sequence[str]) -> str:
    """Return the note about a seed of another version that is kept."""
    note = f"{image.distribution} {installed.version} is already installed; {image.version} was not installed"
    return f"{note}, although `{lost[0]}` is missing or damaged: name a version to install it again" if lost else note


def is_named(image: Image, wanted: Wanted | None) -> bool:
    """Return whether a seed was asked for by name, and is not only a dependency of one."""
    return wanted is not None and image.distribution in requested_versions(wanted)


def is_requested(name: str, wanted: Wanted | None) -> bool:
    """Return whether the user asked for the chosen version of a seed: by its number, or for the newest one."""
    if wanted is None:
        return False
    return wanted.network == "newest" or bool(requested_versions(wanted).get(name))


def requested_versions(wanted: Wanted) -> dict[str, str]:
    """Return the versions that the user asked for, by name; empty for any version."""
    parts = (requirement.partition("==") for requirement in wanted.requirements)
    return {normalize_name(name.strip()): version for name, _, version in parts}


def installed_seeds(root: str, name: str, environment: Environment) -> Iterator[InstalledSeed]:
    """Yield the distributions of a name in an environment; more than one if an installer was interrupted."""
    for site in dict.fromkeys((environment.layout.purelib, environment.layout.platlib)):
        try:
            entries = sorted(os.listdir(os.path.join(root, site)))
        except OSError:
            continue
        for entry in entries:
            distribution, version = parse_metadata_name(entry)
            if entry.endswith(".dist-info") and version and distribution == name:
                yield read_seed(root, site, entry, version)


def read_seed(root: str, site: str, dist_info: str, version: str) -> InstalledSeed:
    """Return an installed distribution, compared with its files."""
    try:
        record = read_regular_file(os.path.join(root, site, dist_info, "RECORD")).decode("utf-8", "surrogateescape")
    except OSError:
        record = ""
    rows = [row for row in read_record(record, site) if not row.path.startswith(("/", "../")) and row.path[1:2] != ":"]
    paths = [row.path for row in rows]
    # virtualenv lists `__pycache__` directories too, and creates them only with bytecode.
    missing = [row.path for row in rows if not row.path.endswith((".pyc", "/__pycache__")) and is_lost(root, row)]
    if not record:
        missing = [f"{site}/{dist_info}/RECORD"]
    return InstalledSeed(version, site, dist_info, record, tuple(paths), tuple(missing))


def is_lost(root: str, row: Row) -> bool:
    """Return whether a file of a distribution has to be written again; a full disk leaves empty files behind."""
    try:
        return os.stat(os.path.join(root, row.path)).st_size == 0 and row.size not in ("", "0")
    except OSError:
        return True


def is_executable(root: str, path: str) -> bool:
    """Return whether the mode of a file makes it executable for any user."""
    try:
        return bool(os.stat(os.path.join(root, path)).st_mode & 0o111)
    except OSError:
        return False


def restorable_scripts(root: str, installed: InstalledSeed, environment: Environment) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each script that an entry point describes and that is missing or cannot be executed."""
    prefix = f"{environment.layout.bin}/"
    broken = {path for path in installed.paths if path.startswith(prefix) and not is_executable(root, path)}
    broken.update(path for path in installed.missing if path.startswith(prefix))
    if not broken or environment.interpreter is None:
        return
    from cloche.store.installation import entry_point_script, script_names

    points = tuple(read_scripts(root, installed))
    for name, point in script_names(points, environment.interpreter.python_version).items():
        file, content = entry_point_script(name, point, environment)
        if prefix + file in broken:
            yield prefix + file, content


def read_scripts(root: str, installed: InstalledSeed) -> Iterator[EntryPoint]:
    """Yield the valid scripts that a distribution declares."""
    path = os.path.join(root, installed.site, installed.dist_info, "entry_points.txt")
    try:
        text = read_regular_file(path).decode("utf-8")
    except (OSError, ValueError):
        return
    yield from (point for point in parse_scripts(text) if point.names_object())


def restore(installed: InstalledSeed, scripts: dict[str, bytes]) -> Iterator[MakeDir | Write]:
    """Yield the operations that write scripts again, and their hashes into the RECORD."""
    if scripts:
        yield from (Write(path, content, executable="yes") for path, content in scripts.items())
        record = update_record(installed.record, installed.site, dict(scripts), lambda *_: lambda content: content)
        metadata = f"{installed.site}/{installed.dist_info}"
        yield MakeDir(metadata)
        yield Write(f"{metadata}/RECORD", record.encode("utf-8", "surrogateescape"))


def removable_paths(root: str, installed: InstalledSeed, own_paths: Collection[str]) -> Iterator[str]:
    """Yield the files of a distribution; a directory that contains nothing else counts as one path.

    What a RECORD lists outside the directories for packages and programs stays, and so do files of the environment.
    """
    metadata, site = f"{installed.site}/{installed.dist_info}", f"{installed.site}/"
    files = [path for path in installed.paths if path not in own_paths and is_file(os.path.join(root, path))]
    inside = [path.removeprefix(site) for path in files if path.startswith(site)]
    packages = {site + path.partition("/")[0] for path in inside if "/" in path}
    whole = {metadata} | {package for package in packages if is_owned(root, package, frozenset(files))}
    yield from sorted(whole)
    for path in files:
        if not any(path.startswith(f"{directory}/") for directory in whole):
            yield path


def is_file(path: str) -> bool:
    """Return whether a path is a file or a link, but not a directory."""
    return os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path))


def is_owned(root: str, directory: str, files: Collection[str]) -> bool:
    """Return whether everything in a directory is among these files, or is bytecode."""
    with os.scandir(os.path.join(root, directory)) as entries:
        for entry in entries:
            path = f"{directory}/{entry.name}"
            if entry.name == "__pycache__":
                continue
            if not (is_owned(root, path, files) if entry.is_dir(follow_symlinks=False) else path in files):
                return False
    return True
