"""A distribution to be unpacked: a wheel file, or one that is installed; what it contains, and if that can be true.

It reads and judges; it writes nothing and runs nothing. Everything in a wheel is untrusted: names, sizes, hashes, text.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import stat
import unicodedata
from typing import TYPE_CHECKING

from cloche.errors import SeedError
from cloche.fs.checksums import parse_rows
from cloche.fs.files import open_quietly
from cloche.model.distribution import EntryPoint, normalised
from cloche.model.value import value

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable, Iterable, Iterator

TREES = ("purelib", "platlib", "headers", "scripts", "data")
"""Where a wheel may put files, as its `.data` directory names them (binary distribution format)."""

LARGEST = 1 << 30
"""Bytes a distribution may have unpacked; more is taken for an attack."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._!+-]*[A-Za-z0-9])?")
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_GENERATED = ("INSTALLER", "REQUESTED", "RECORD", "RECORD.jws", "RECORD.p7s", "direct_url.json")
"""Files of the metadata directory that whoever installs writes anew, or that sign the RECORD that is written anew."""


@value
class File:
    """One file that is to be unpacked."""

    tree: str
    """One of `TREES`."""
    path: str
    """Relative to the tree, with `/`."""
    member: str
    """Its name in the wheel, or its path below site-packages."""
    algorithm: str
    digest: str
    """As RECORD has it: URL-safe base64 without padding."""


@value
class Distribution:
    """What a wheel or an installed distribution says of itself."""

    name: str
    """Normalised (PEP 503): `pip`."""
    version: str
    location: str
    """The wheel file, or the directory into which it is installed."""
    kind: str
    """`wheel` or `installed`."""
    dist_info: str
    root_tree: str
    """`purelib` or `platlib`: where what lies outside the `.data` directory goes."""
    tags: frozenset[str]
    """What it runs on: `py3-none-any`."""
    requires_python: str
    """As its metadata has it (PEP 345); empty if it does not say."""
    requires: tuple[str, ...]
    """The other distributions it needs, as its metadata has them."""
    entry_points: tuple[EntryPoint, ...]
    files: tuple[File, ...]

    @property
    def digest(self) -> str:
        """A name for its content in hexadecimal; the same for a wheel and for what was installed from it."""
        rows = sorted(f"{file.tree}/{file.path},{file.algorithm}={file.digest}" for file in self.files)
        return hashlib.sha256("\n".join([self.name, self.version, *rows]).encode()).hexdigest()

    def contents(self) -> Iterator[tuple[File, bytes, bool]]:
        """Yield each file, what it holds, and whether it is to be executable; every hash is checked.

        :raises SeedError: a file is damaged or missing; the message names it.
        """
        with _reader(self) as read:
            for file in self.files:
                try:
                    content, executable = read(file.member)
                except Exception as error:  # a damaged archive makes zipfile raise nearly anything
                    raise _bad(self.location, f"`{file.member}` cannot be read ({error})") from error
                if _digest(file.algorithm, content) != file.digest:
                    raise _bad(self.location, f"`{file.member}` is not what its RECORD says")
                yield file, content, executable


def read_wheel(path: str) -> Distribution:
    """Return what the wheel at `path` contains.

    :raises SeedError: it is no wheel, or has an entry that no wheel may have; the message names it.
    """
    with _archive(path) as archive:
        for info in archive.infolist():
            _check_member(path, info)
        members = [info.filename for info in archive.infolist() if not info.is_dir()]
        if sum(info.file_size for info in archive.infolist()) > LARGEST:
            raise _bad(path, f"it holds more than {LARGEST} bytes")
        dist_info = _only_dist_info(path, members)

        def text(name: str, missing: str | None = None) -> str:
            if f"{dist_info}/{name}" not in members and missing is not None:
                return missing
            try:
                return archive.read(f"{dist_info}/{name}").decode("utf-8")
            except Exception as error:  # a damaged archive makes zipfile raise nearly anything
                raise _bad(path, f"`{dist_info}/{name}` cannot be read ({error})") from error

        return _describe(
            path,
            "wheel",
            dist_info,
            metadata=text("METADATA"),
            wheel=text("WHEEL"),
            entry_points=text("entry_points.txt", ""),
            rows=_record_rows(path, text("RECORD")),
            members=members,
        )


def read_installed(site: str, dist_info: str) -> Distribution:
    """Return what the distribution with metadata directory `dist_info` in site-packages `site` was installed from.

    :raises SeedError: its RECORD does not tell, or it was changed by whoever packaged it.
    """

    def text(name: str, missing: str | None = None) -> str:
        try:
            with open(os.path.join(site, dist_info, name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError as error:
            if missing is not None:
                return missing
            raise _bad(site, f"`{dist_info}/{name}` is missing") from error
        except (OSError, ValueError) as error:
            raise _bad(site, f"`{dist_info}/{name}` cannot be read ({error})") from error

    entry_points = text("entry_points.txt", "")
    scripts = {entry.name for entry in _entry_points(site, entry_points)}
    rows = []
    marker = dist_info.replace(".dist-info", ".virtualenv")  # it lists that, and directories of byte-code
    for name, algorithm, digest in _record_rows(site, text("RECORD")):
        if (
            name.endswith((".pyc", "/__pycache__"))
            or name == marker
            or (name.startswith(f"{dist_info}/") and name.rpartition("/")[2] in _GENERATED)
        ):
            continue
        if name.startswith(("/", "..")):
            if _is_script(os.path.basename(name), scripts):
                continue
            raise _bad(site, f"it has installed `{name}` outside site-packages")
        rows.append((name, algorithm, digest))
    return _describe(
        site,
        "installed",
        dist_info,
        metadata=text("METADATA"),
        wheel=text("WHEEL"),
        entry_points=entry_points,
        rows=rows,
        members=[name for name, _, _ in rows],
    )


def _describe(
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
    headers = _headers(metadata)
    about = _headers(wheel)
    name, version = normalised(_one(headers, "name")), _one(headers, "version")
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise _bad(location, f"`{name}` `{version}` is no name and version")
    stem, _, stem_version = dist_info.removesuffix(".dist-info").partition("-")
    if normalised(stem) != name or stem_version.replace("_", "-") != version.replace("_", "-"):
        raise _bad(location, f"its metadata says `{name}` {version}, and its directory `{dist_info}`")
    if _one(about, "wheel-version").partition(".")[0] != "1":
        raise _bad(location, f"it has wheel version `{_one(about, 'wheel-version')}`")
    root_tree = "purelib" if _one(about, "root-is-purelib").lower() == "true" else "platlib"
    return Distribution(
        name=name,
        version=version,
        location=location,
        kind=kind,
        dist_info=dist_info,
        root_tree=root_tree,
        tags=frozenset(about.get("tag", [])),
        requires_python=_one(headers, "requires-python"),
        requires=tuple(headers.get("requires-dist", [])),
        entry_points=_entry_points(location, entry_points),
        files=_files(location, dist_info, root_tree, rows, members),
    )


def _files(
    location: str, dist_info: str, root_tree: str, rows: Iterable[tuple[str, str, str]], members: list[str]
) -> tuple[File, ...]:
    """Return the files that are to be unpacked: those that RECORD lists, which must be those that are there."""
    data = f"{dist_info.removesuffix('.dist-info')}.data/"
    listed: dict[str, File] = {}
    for name, algorithm, digest in rows:
        _check_path(location, name)
        if name.startswith(f"{dist_info}/") and name.partition("/")[2] in _GENERATED:
            continue
        if algorithm not in ("sha256", "sha384", "sha512") or not digest:
            raise _bad(location, f"RECORD has no hash of `{name}`, or a weak one")
        tree, path = root_tree, name
        if name.startswith(data):
            tree, _, path = name.removeprefix(data).partition("/")
            if tree not in TREES or not path:
                raise _bad(location, f"`{name}` belongs nowhere")
        listed[name] = File(tree, path, name, algorithm, digest)
    unlisted = [name for name in members if name not in listed]
    for name in unlisted:
        if not (name.startswith(f"{dist_info}/") and name.partition("/")[2] in _GENERATED):
            raise _bad(location, f"RECORD does not list `{name}`")
    if missing := listed.keys() - set(members):
        raise _bad(location, f"`{min(missing)}` is missing")
    _check_collisions(location, listed.values())
    return tuple(listed.values())


def _check_member(location: str, info: zipfile.ZipInfo) -> None:
    """Refuse an archive's entry that is not a plain file with a harmless name."""
    _check_path(location, info.orig_filename.removesuffix("/"))  # zipfile itself cuts `filename` at a NUL
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _bad(location, f"`{info.filename}` is not a file")
    if info.flag_bits & 0x1:
        raise _bad(location, f"`{info.filename}` is encrypted")


def _check_path(location: str, name: str) -> None:
    """Refuse a name that would be another path somewhere, or that no line of a RECORD or manifest can hold."""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise _bad(location, f"`{_shown(name)}` leads out of its directory")
    if any(ord(character) < 32 or character in "\\:\x7f\x85\u2028\u2029" for character in name):
        raise _bad(location, f"`{_shown(name)}` has a character that no file in a wheel may have")
    if any(part.endswith((" ", ".")) for part in parts):
        raise _bad(location, f"`{_shown(name)}` is another name on Windows")


def _check_collisions(location: str, files: Iterable[File]) -> None:
    """Refuse two files in one place, where case and the form of accents may not count, and a file that is a directory.

    `purelib` and `platlib` are one place nearly everywhere.
    """
    seen: dict[str, str] = {}
    for file in files:
        place = "lib" if file.tree.endswith("lib") else file.tree
        key = unicodedata.normalize("NFC", f"{place}/{file.path}").casefold()
        if key in seen:
            raise _bad(location, f"`{seen[key]}` and `{file.member}` are one file on some systems")
        seen[key] = file.member
    for key, name in seen.items():
        parent = key.rpartition("/")[0]
        while parent:
            if parent in seen:
                raise _bad(location, f"`{seen[parent]}` is a file and the directory of `{name}`")
            parent = parent.rpartition("/")[0]


def _only_dist_info(location: str, members: Iterable[str]) -> str:
    found = {top for top, slash, _ in (name.partition("/") for name in members) if slash and top.endswith(".dist-info")}
    if len(found) != 1:
        raise _bad(location, f"it has {len(found)} metadata directories where a wheel has one")
    return found.pop()


def _record_rows(location: str, text: str) -> list[tuple[str, str, str]]:
    """Return the rows of a RECORD (PEP 376, PEP 427) as name, hash algorithm and hash."""
    import csv

    rows = []
    try:
        for name, hashed, _ in parse_rows(text, strict=True):
            algorithm, _, digest = hashed.partition("=")
            rows.append((name.replace("\\", "/") if os.name == "nt" else name, algorithm, digest))
    except (csv.Error, ValueError) as error:
        raise _bad(location, f"its RECORD is not one ({error})") from error
    if len({name for name, _, _ in rows}) != len(rows):
        raise _bad(location, "its RECORD lists a file twice")
    return rows


def _headers(text: str) -> dict[str, list[str]]:
    """Return the header fields of a METADATA or WHEEL file by lower-case name (of RFC 822, as much as these use)."""
    fields: dict[str, list[str]] = {}
    last: list[str] = []
    for line in text.splitlines():
        if not line:
            break
        if line[0] in " \t":
            if last:
                last[-1] += f"\n{line.strip()}"
            continue
        name, _, content = line.partition(":")
        last = fields.setdefault(name.strip().lower(), [])
        last.append(content.strip())
    return fields


def _one(headers: dict[str, list[str]], name: str) -> str:
    return headers.get(name, [""])[0]


def _entry_points(location: str, text: str) -> tuple[EntryPoint, ...]:
    """Return the scripts that an `entry_points.txt` declares (entry points specification)."""
    kinds = {"[console_scripts]": "console", "[gui_scripts]": "gui"}
    kind, found = "", []
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("["):
            kind = kinds.get(line, "")
        elif kind and line and line[0] not in "#;":
            name, _, reference = (part.strip() for part in line.partition("="))
            module, _, attribute = (part.strip() for part in reference.partition("[")[0].partition(":"))
            usable = not re.search(r"[\\/:\x00-\x1f\x7f]", name) and name not in ("", ".", "..")
            if not usable or not _DOTTED.fullmatch(module) or not _DOTTED.fullmatch(attribute):
                raise _bad(location, f"its entry point `{_shown(line)}` is none")
            found.append(EntryPoint(name, module, attribute, kind))
    names = [entry.name.casefold() for entry in found]
    if len(set(names)) != len(names):
        raise _bad(location, "it declares a script twice")
    return tuple(found)


def _is_script(name: str, declared: set[str]) -> bool:
    """Whether a file name is that of a script that an installer makes for a declared one, as `pip3.12` for `pip`."""
    stem = name.removesuffix(".exe").removesuffix("-script.py").removesuffix("-script.pyw")
    return stem in declared or re.sub(r"-?\d+(\.\d+)?$", "", stem) in declared


@contextlib.contextmanager
def _reader(distribution: Distribution) -> Iterator[Callable[[str], tuple[bytes, bool]]]:
    """Give a function that reads a member and tells whether it is executable."""
    if distribution.kind == "installed":

        def read_file(member: str) -> tuple[bytes, bool]:
            descriptor = open_quietly(os.path.join(distribution.location, member))
            with open(descriptor, "rb", buffering=0) as file:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise OSError("not a file")
                return file.read(), bool(found.st_mode & stat.S_IXUSR) and os.name != "nt"

        yield read_file
        return
    with _archive(distribution.location) as archive:

        def read_member(member: str) -> tuple[bytes, bool]:
            info = archive.getinfo(member)
            return archive.read(info), bool((info.external_attr >> 16) & 0o111)

        yield read_member


@contextlib.contextmanager
def _archive(path: str) -> Iterator[zipfile.ZipFile]:
    import zipfile

    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(open(path, "rb", opener=lambda name, _: open_quietly(name)))
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("not a file")
            archive = opened.enter_context(zipfile.ZipFile(file))
        except Exception as error:  # a damaged archive makes zipfile raise nearly anything
            raise _bad(path, f"it cannot be opened ({error})") from error
        names = [info.filename for info in archive.infolist()]
        if len(set(names)) != len(names):
            raise _bad(path, f"`{_shown(max(names, key=names.count))}` is in it twice")
        yield archive


def _digest(algorithm: str, content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).decode().rstrip("=")


def _shown(text: str) -> str:
    """Return untrusted text as one line that says what it is."""
    return text.encode("unicode_escape", "backslashreplace").decode()[:200]


def _bad(location: str, reason: str) -> SeedError:
    plain = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in reason[:500])
    return SeedError(
        f"`{location}` is not used: {plain}",
        hint="remove it or install it again, and name another version with `--pip` or `--seed` if that does not help",
    )
