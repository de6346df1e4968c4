"""Direct references in requirements files: the packages that a URL, a path, or a commit pins (PEP 508)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urlsplit

from packaging.pylock import PackageArchive, PackageDirectory, PackageVcs
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

from cloche.errors import UsageError
from cloche.store.fetch.artifacts import MAX_FILE_NAME, Artifact, invalid_url
from cloche.store.lock_files.packages import LockedPackage, direct_url
from cloche.store.lock_files.paths import absolute_path, path_of_file_url, refuse_local_url
from cloche.store.lock_files.requirement_lines import invalid_line

if TYPE_CHECKING:
    from cloche.store.lock_files.requirement_lines import Line

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""A commit of Git or Mercurial, which cannot change; a tag or a branch can."""


HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
"""The hashes that the fragment of a URL may have, as in pip. A weak one does not protect a file, but is checked."""

PROJECT_FILES = ("pyproject.toml", "setup.cfg")
"""The files that may give the name of a project."""

FRAGMENT = re.compile(r"(?:egg|subdirectory|md5|sha\d+)=")
"""The beginning of a fragment of a URL, or of a path."""

URL_OR_PATH = re.compile(
    r"[A-Za-z0-9+]+://|file:|\.{1,2}(?:[/\\#\[]|$)|[/\\]|[A-Za-z]:[/\\]|[^;<>=!~ ]+\.(?:whl|zip|tar\.gz)(?:#|$)|[\w.-]+[/\\]"
)
"""The beginning of a line that has no name: a URL, a path, or the name of a file."""


def from_url(url: str, name: str, hashes: frozenset[tuple[str, str]], line: Line) -> LockedPackage:
    """Return the package that a URL or path pins; its fragment may have hashes, a name and a subdirectory.

    :raises UsageError: the URL does not name a package, or can change.
    """
    if invalid := invalid_url([url]):
        raise invalid_line(line, f"`{invalid}` is not a valid URL")
    address, fragment = urldefrag(url)
    if "://" not in url and not url.startswith("file:"):  # a path can contain `#`
        address, _, fragment = url.rpartition("#")
        if not FRAGMENT.match(fragment):
            address, fragment = url, ""
    given = dict(part.partition("=")[::2] for part in fragment.split("&") if "=" in part)
    hashes |= {(key, text.lower()) for key, text in given.items() if key in HASHES}
    name = name or canonicalize_name(given.get("egg", "").partition("[")[0])
    subdirectory = given.get("subdirectory") or None
    if "+" in address.partition(":")[0]:
        return from_version_control(address, name, subdirectory, line)
    is_url = "://" in address
    path = "" if is_url and not address.startswith("file:") else address
    if address.startswith("file:"):
        path = path_of_file_url(address, line.file)
    local = absolute_path(path, line.file) if path else ""
    file_name = os.path.basename(local) if local else unquote(urlsplit(address).path.rpartition("/")[2])
    mapping = dict(sorted(hashes))
    if len(file_name) > MAX_FILE_NAME:
        raise invalid_line(line, f"the name of its file has more than {MAX_FILE_NAME} characters")
    if file_name.endswith(".whl"):
        try:
            found, version, _, _ = parse_wheel_filename(file_name)
        except ValueError as error:
            raise invalid_line(line, error) from None
        if name and found != name:
            raise invalid_line(line, f"`{file_name}` is not a file of `{name}`")
        item = PackageArchive(url=None if local else address, path=local or None, hashes=mapping)
        return LockedPackage(
            found,
            str(version),
            Artifact(found, str(version), file_name, "" if local else address, local, hashes=mapping),
            metadata=(("direct_url.json", direct_url(item)),),
        )
    if not name:
        name = name_of_archive(file_name)
    if not name and local:
        local, _, _ = local.partition("[")
        name = project_name(local)
    if not name:
        raise invalid_line(line, f"`{url}` does not name a package; write `NAME @ {url}`")
    if local and os.path.isdir(local):
        if subdirectory:
            absolute_path(os.path.join(local, subdirectory), line.file)  # it may be a link
        directory = PackageDirectory(path=local, subdirectory=subdirectory)
        return LockedPackage(name, "", source=directory, metadata=(("direct_url.json", direct_url(directory)),))
    archive = PackageArchive(
        url=None if local else address, path=local or None, hashes=mapping, subdirectory=subdirectory
    )
    return LockedPackage(name, "", source=archive, metadata=(("direct_url.json", direct_url(archive)),))


def name_of_archive(file_name: str) -> str:
    """Return the name of the distribution in the file name of a source distribution; empty if it is not one."""
    try:
        return parse_sdist_filename(file_name)[0]
    except ValueError:
        return ""


def from_version_control(address: str, name: str, subdirectory: str | None, line: Line) -> LockedPackage:
    """Return the package that a URL such as `git+https://host/repository@COMMIT` pins.

    :raises UsageError: it does not name a package or a commit.
    """
    kind, _, rest = address.partition("+")
    url, at, commit = rest.rpartition("@")
    if not at or not COMMIT.fullmatch(commit):
        raise UsageError(
            f"{line.position}: `{address}` is not pinned to a commit", hint="add `@` and the full commit hash"
        )
    if not name:
        raise invalid_line(line, f"`{address}` does not name a package; write `NAME @ {address}`")
    refuse_local_url(url, line.file)
    source = PackageVcs(type=kind, url=url, commit_id=commit, requested_revision=commit, subdirectory=subdirectory)
    return LockedPackage(name, "", source=source, metadata=(("direct_url.json", direct_url(source)),))


def from_directory(path: str, line: Line) -> LockedPackage:
    """Return the package in a directory that is installed in editable mode (`-e DIRECTORY`).

    :raises UsageError: it is not a directory with a `pyproject.toml` that names the package.
    """
    named = re.fullmatch(r"([\w.-]+)\s*(?:\[[^]]*\]\s*)?@\s+(.+)", path)
    if named:
        path = f"{named[2]}#egg={named[1]}"
    if re.match(r"\w+\+|https?:", path):
        raise UsageError(
            f"{line.position}: an editable install from a URL is not supported",
            hint="write the requirement without `-e`",
        )
    path, _, given = path.partition("#egg=")
    local = (
        path_of_file_url(path, line.file)
        if path.startswith("file:")
        else absolute_path(path.partition("[")[0], line.file)
    )
    name = canonicalize_name(given.partition("[")[0].partition("&")[0]) or project_name(local)
    if not name and os.path.isdir(local):
        raise UsageError(
            f"{line.position}: no `pyproject.toml` or `setup.cfg` in `{path}` names a package",
            hint=f"write `-e {path}#egg=NAME`",
        )
    if not name:
        raise invalid_line(line, f"`{path}` is not a directory with a project")
    source = PackageDirectory(path=local, editable=True)
    return LockedPackage(name, "", source=source, metadata=(("direct_url.json", direct_url(source)),))


def project_name(directory: str) -> str:
    """Return the normalized name of the project in a directory; empty if neither `pyproject.toml` nor `setup.cfg` gives it.

    poetry 1 and setuptools do not need the name in the standard table. The build decides in the end.
    """
    from configparser import ConfigParser
    from configparser import Error as ConfigError

    from cloche.fs import read_at_most
    from cloche.fs.toml import parse_toml

    content, config = (read_at_most(os.path.join(directory, name), 1 << 22) or b"" for name in PROJECT_FILES)
    try:
        table: object = parse_toml(content.decode("utf-8"))
    except ValueError:
        table = {}
    match table:
        case {"project": {"name": str(name)}} | {"tool": {"poetry": {"name": str(name)}}}:
            return canonicalize_name(name)
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(config.decode("utf-8"))
    except (ConfigError, ValueError):
        return ""
    return canonicalize_name(parser.get("metadata", "name", fallback=""))
