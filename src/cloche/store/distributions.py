"""Distributions to unpack: a wheel file or an installed distribution, read and validated.

This module writes nothing and runs nothing. Everything in a wheel is untrusted: names, sizes, hashes and text.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
from typing import TYPE_CHECKING

from cloche.errors import reason_of
from cloche.fs import open_regular_file
from cloche.fs.records import digest_text, parse_rows
from cloche.model.metadata import normalize_name, parse_headers, parse_metadata_name
from cloche.model.value import Value, replace
from cloche.store.distribution_checks import (
    check_member,
    check_path,
    check_path_collisions,
    count_directories,
    unusable_distribution,
    valid_scripts,
)
from cloche.store.reserved_names import is_reserved_path, is_reserved_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.model.distribution import EntryPoint
    from cloche.store.archives import Archive

TREES = ("purelib", "platlib", "headers", "scripts", "data")
"""The parts of an environment that a wheel may install into, as named in its `.data` directory (PEP 427)."""

MAX_UNPACKED_SIZE = 1 << 33
"""The maximum size of an unpacked distribution in bytes; a larger one is treated as an attack. PyTorch has about 2 GB."""

MAX_SIZE_IN_MEMORY = 1 << 24
"""The size in bytes up to which a wheel is read at once, instead of with a few system calls for each of its files."""

HARMLESS_SIZE = 100 << 20
"""The size in bytes that any wheel may unpack to."""

MAX_RATIO = 250
"""How many times its own size a wheel may unpack to if that is more."""

DIRECTORY_SIZE = 4096
"""The disk space, in bytes, that a directory uses; in a wheel, it takes only two bytes."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._!+-]*[A-Za-z0-9])?")
_GENERATED = ("INSTALLER", "REQUESTED", "RECORD", "RECORD.jws", "RECORD.p7s", "direct_url.json")
"""Metadata files that every installer writes itself, and signatures of the RECORD that it replaces."""


class File(Value):
    """One file to unpack."""

    tree: str
    """One of `TREES`."""
    path: str
    """Relative to the tree, with `/`."""
    member: str
    """Its name in the wheel, or its path below site-packages."""
    algorithm: str
    digest: str
    """As RECORD has it: URL-safe base64 without padding."""


class Distribution(Value):
    """The metadata and the file list of a wheel or of an installed distribution."""

    name: str
    """Normalized (PEP 503): `pip`."""
    version: str
    location: str
    """Path of the wheel file, or of the site-packages directory."""
    kind: str
    """`wheel`, `installed` (beside cloche, or with an interpreter) or `of environment`."""
    dist_info: str
    """Name of its metadata directory: `pip-26.3.dist-info`."""
    root_tree: str
    """`purelib` or `platlib`: the tree for the files outside the `.data` directory."""
    tags: frozenset[str]
    """Its wheel tags (PEP 425): `py3-none-any`."""
    requires_python: str
    """`Requires-Python` (PEP 345); empty if the metadata has none."""
    requires: tuple[str, ...]
    """Its dependencies: the `Requires-Dist` lines of the metadata."""
    entry_points: tuple[EntryPoint, ...]
    files: tuple[File, ...]
    roots: tuple[str, ...] = ()
    """For a distribution of an environment with files outside site-packages: where the environment is, and where it was."""

    @property
    def digest(self) -> str:
        """A hash of the content, in hexadecimal; equal for a wheel and for the distribution installed from it.

        It differs for a distribution of an environment, so that its image is never used in place of that of a wheel. The
        hashes in RECORD say nothing about permissions, which a user may have changed.
        """
        rows = sorted(f"{file.tree}/{file.path},{file.algorithm}={file.digest}" for file in self.files)
        marks = [self.kind] if self.kind == "of environment" else []
        return hashlib.sha256("\n".join([*marks, self.name, self.version, *rows]).encode()).hexdigest()


def read_wheel(path: str) -> Distribution:
    """Read and validate the wheel at `path`.

    :raises SeedError: it is not a wheel, or has an entry that a wheel must not have; the message names it.
    """
    with open_wheel(path) as (distribution, _):
        return distribution


@contextlib.contextmanager
def open_wheel(path: str) -> Iterator[tuple[Distribution, Archive]]:
    """Open the wheel at `path`, and yield what `read_wheel` returns, and the archive for `contents_of`.

    :raises SeedError: it is not a wheel, or has an entry that a wheel must not have; the message names it.
    """
    with open_archive(path) as archive:
        yield _read_archive(path, archive), archive


def _read_archive(path: str, archive: Archive) -> Distribution:
    for member in archive.members:
        check_member(path, member)
    members = [member.name for member in archive.members if not member.is_directory]
    limit = min(MAX_UNPACKED_SIZE, max(HARMLESS_SIZE, MAX_RATIO * archive.file_size))
    if (size := sum(member.size for member in archive.members)) > limit:
        raise unusable_distribution(path, f"it unpacks to {size} bytes, more than the {limit} that cloche allows")
    if (most := limit // DIRECTORY_SIZE) < count_directories(members, most):
        raise unusable_distribution(path, f"it has more than {most} directories")
    dist_info = _find_dist_info(path, members)

    def read_text(name: str, missing: str | None = None) -> str:
        if f"{dist_info}/{name}" not in members and missing is not None:
            return missing
        try:
            return archive.read(f"{dist_info}/{name}").decode("utf-8")
        except KeyError:
            raise unusable_distribution(path, f"`{dist_info}/{name}` is missing") from None
        except (OSError, ValueError) as error:
            raise unusable_distribution(path, f"`{dist_info}/{name}` cannot be read ({error})") from error

    return _build_distribution(
        path,
        "wheel",
        dist_info,
        metadata=read_text("METADATA"),
        wheel=read_text("WHEEL"),
        entry_points=read_text("entry_points.txt", ""),
        rows=_parse_record(path, read_text("RECORD")),
        members=members,
    )


def read_installed(site: str, dist_info: str, roots: tuple[str, ...] = ()) -> Distribution:
    """Read an installed distribution, given the site-packages directory and the name of its metadata directory.

    The result equals what `read_wheel` returns for the wheel that it was installed from, apart from its kind.

    :param roots: where the environment is, and where it was, if it is one of the user's; else the distribution may not have
        installed files outside site-packages.
    :raises SeedError: its RECORD is missing or incomplete, its metadata differs from it, or it installed a file at a place
        that a wheel cannot name.
    """
    read: dict[str, bytes] = {}
    root = roots[0] if roots else ""

    def read_text(name: str, missing: str | None = None) -> str:
        try:
            with open_regular_file(os.path.join(site, dist_info, name)) as file:
                read[f"{dist_info}/{name}"] = content = file.read()
            return content.decode("utf-8")
        except FileNotFoundError as error:
            if missing is not None:
                return missing
            raise unusable_distribution(site, f"`{dist_info}/{name}` is missing") from error
        except (OSError, ValueError) as error:
            raise unusable_distribution(site, f"`{dist_info}/{name}` cannot be read ({error})") from error

    entry_points = read_text("entry_points.txt", "")
    scripts = {entry.name for entry in valid_scripts(site, entry_points)}
    rows = []
    members = {}
    marker = dist_info.replace(".dist-info", ".virtualenv")  # virtualenv adds it, and `__pycache__`, to RECORD
    for name, algorithm, digest in _parse_record(site, read_text("RECORD")):
        if (
            name.endswith((".pyc", "/__pycache__"))
            or name == marker
            or (name.startswith(f"{dist_info}/") and name.rpartition("/")[2] in _GENERATED)
        ):
            continue
        if name.startswith(("/", "..")):
            directory, _, base = name.rpartition("/")
            if _is_script(base, scripts) and (not root or directory.endswith(("/bin", "/Scripts"))):
                continue
            in_wheel = _name_in_wheel(site, dist_info, name, root) if root else ""
            if not in_wheel:
                raise unusable_distribution(site, f"it installed `{name}` outside site-packages")
            members[in_wheel] = name
            name = in_wheel
        rows.append((name, algorithm, digest))
    distribution = _build_distribution(
        site,
        "of environment" if root else "installed",
        dist_info,
        metadata=read_text("METADATA"),
        wheel=read_text("WHEEL"),
        entry_points=entry_points,
        rows=rows,
        members=[name for name, _, _ in rows],
    )
    recorded = {file.member: file for file in distribution.files}
    files = tuple(replace(file, member=members.get(file.member, file.member)) for file in distribution.files)
    distribution = replace(distribution, files=files, roots=roots) if members else distribution
    for name, content in read.items() if root else ():
        if name == f"{dist_info}/RECORD":
            continue
        if (file := recorded.get(name)) is None:
            raise unusable_distribution(site, f"RECORD does not list `{name}`")
        if digest_text(hashlib.new(file.algorithm, content).digest()) != file.digest:
            raise unusable_distribution(site, f"`{name}` does not match its hash in RECORD")
    return distribution


def _name_in_wheel(site: str, dist_info: str, name: str, root: str) -> str:
    """Return the name that a wheel has for a file that it installs outside site-packages; empty if there is none.

    :param name: the path in RECORD, relative to site-packages.
    """
    if name.startswith("/") or os.name == "nt":
        return ""
    path = os.path.relpath(os.path.normpath(os.path.join(site, name)), root)
    top, _, inside = path.partition("/")
    if top in ("..", "include", "lib", "lib64"):
        return ""
    data = f"{dist_info.removesuffix('.dist-info')}.data"
    return f"{data}/scripts/{inside}" if top == "bin" else f"{data}/data/{path}"


def _build_distribution(
    location: str,
    kind: str,
    dist_info: str,
    *,
    metadata: str,
    wheel: str,
    entry_points: str,
    rows: Iterable[tuple[str, str, str]],
    members: list[str],
) -> Distribution:
    headers = parse_headers(metadata)
    about = parse_headers(wheel)
    for key in ("name", "version"):
        if len({*headers.get(key, ())}) > 1:
            raise unusable_distribution(location, f"its metadata has several lines `{key.capitalize()}`")
    name, version = normalize_name(_first_value(headers, "name")), _first_value(headers, "version")
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise unusable_distribution(location, f"`{name}` `{version}` is not a valid name and version")
    stem, stem_version = parse_metadata_name(dist_info)
    if stem != name or stem_version.replace("_", "-") != version.replace("_", "-"):
        raise unusable_distribution(
            location, f"its metadata says `{name}` {version}, but its directory is `{dist_info}`"
        )
    if _first_value(about, "wheel-version").partition(".")[0] != "1":
        raise unusable_distribution(
            location, f"wheel version `{_first_value(about, 'wheel-version')}` is not supported"
        )
    root_tree = "purelib" if _first_value(about, "root-is-purelib").lower() == "true" else "platlib"
    return Distribution(
        name=name,
        version=version,
        location=location,
        kind=kind,
        dist_info=dist_info,
        root_tree=root_tree,
        tags=frozenset(about.get("tag", [])),
        requires_python=_first_value(headers, "requires-python"),
        requires=tuple(headers.get("requires-dist", [])),
        entry_points=valid_scripts(location, entry_points),
        files=_listed_files(location, dist_info, root_tree, rows, members),
    )


def _listed_files(
    location: str, dist_info: str, root_tree: str, rows: Iterable[tuple[str, str, str]], members: list[str]
) -> tuple[File, ...]:
    """Return the files to unpack; RECORD must list exactly the files that exist."""
    data = f"{dist_info.removesuffix('.dist-info')}.data/"
    listed: dict[str, File] = {}
    for name, algorithm, digest in rows:
        check_path(location, name)
        if name.startswith(f"{dist_info}/") and name.partition("/")[2] in _GENERATED:
            continue
        if algorithm not in ("sha256", "sha384", "sha512") or not digest:
            raise unusable_distribution(location, f"RECORD has no hash for `{name}`, or only a weak one")
        tree, path = root_tree, name
        if name.startswith(data):
            tree, _, path = name.removeprefix(data).partition("/")
            if tree not in TREES or not path:
                raise unusable_distribution(location, f"`{name}` is not in a known part of the `.data` directory")
        if (tree == "scripts" and is_reserved_program(path.partition("/")[0])) or (
            tree == "data" and is_reserved_path(path)
        ):
            raise unusable_distribution(location, f"`{name}` would replace a file of the environment itself")
        listed[name] = File(tree, path, name, algorithm, digest)
    unlisted = [name for name in members if name not in listed]
    for name in unlisted:
        if not (name.startswith(f"{dist_info}/") and name.partition("/")[2] in _GENERATED):
            raise unusable_distribution(location, f"RECORD does not list `{name}`")
    if missing := listed.keys() - set(members):
        raise unusable_distribution(location, f"`{min(missing)}` is missing")
    written = [(root_tree, f"{dist_info}/{name}", f"{dist_info}/{name}") for name in _GENERATED]
    check_path_collisions(location, [*((file.tree, file.path, file.member) for file in listed.values()), *written])
    return tuple(listed.values())


def _find_dist_info(location: str, members: Iterable[str]) -> str:
    found = {top for top, slash, _ in (name.partition("/") for name in members) if slash and top.endswith(".dist-info")}
    if len(found) != 1:
        raise unusable_distribution(location, f"it has {len(found)} metadata directories instead of one")
    return found.pop()


def _parse_record(location: str, text: str) -> list[tuple[str, str, str]]:
    """Return the rows of a RECORD (PEP 376, PEP 427), each as name, hash algorithm and hash."""
    rows = []
    try:
        for name, hashed, _ in parse_rows(text, strict=True):
            algorithm, _, digest = hashed.partition("=")
            rows.append((name.replace("\\", "/") if os.name == "nt" else name, algorithm, digest))
    except ValueError as error:
        raise unusable_distribution(location, f"its RECORD is not valid ({error})") from error
    if len({name for name, _, _ in rows}) != len(rows):
        raise unusable_distribution(location, "its RECORD lists a file twice")
    return rows


def _first_value(headers: dict[str, list[str]], name: str) -> str:
    return headers.get(name, [""])[0]


def _is_script(name: str, declared: set[str]) -> bool:
    """Return whether an installer creates a script of this name for one of the declared ones: `pip3.12` for `pip`."""
    stem = name.removesuffix(".exe").removesuffix("-script.py").removesuffix("-script.pyw")
    return stem in declared or re.sub(r"-?\d+(\.\d+)?$", "", stem) in declared


@contextlib.contextmanager
def open_archive(path: str) -> Iterator[Archive]:
    from cloche.store.archives import Archive, InvalidArchive

    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(open_regular_file(path))
            if os.fstat(file.fileno()).st_size <= MAX_SIZE_IN_MEMORY:
                file = io.BytesIO(file.read())
            archive = Archive(file)
        except InvalidArchive as error:
            raise unusable_distribution(path, f"it {error}") from None
        except OSError as error:
            raise unusable_distribution(path, f"it cannot be opened ({reason_of(error)})") from error
        yield archive
