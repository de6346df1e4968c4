"""Find the distributions that are installed in an environment, from their metadata; nothing is imported.

The formats are `.dist-info` directories (PEP 376 and 627), and the `.egg-info` and `.egg-link` of setuptools.
"""

from __future__ import annotations

import json
import os
from functools import cached_property

from cloche.fs import list_names, read_regular_file
from cloche.fs.installed_records import Row, read_record
from cloche.model.metadata import normalize_name, parse_headers, parse_scripts
from cloche.model.value import TYPE_CHECKING, Value, replace
from cloche.store.startup_code import is_import_line, split_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping
    from typing import TypeAlias

    from cloche.model.distribution import EntryPoint
    from cloche.model.environment import Environment, Layout

    OnError: TypeAlias = Callable[[OSError], None]


def ignore(error: OSError) -> None:
    """Leave out what cannot be read."""


class InstalledDistribution(Value):
    """A distribution that is installed in an environment."""

    name: str
    """The name, as its metadata spells it."""
    version: str
    site: str
    """The directory it was found in, relative to the root."""
    metadata: str
    """Its `.dist-info`, `.egg-info` or `.egg-link`, relative to the root."""
    rows: tuple[Row, ...]
    """The rows of its RECORD, with paths relative to the root."""
    installer: str
    """The tool that installed it: `pip`, `uv`, `cloche`; empty if it is not recorded."""
    requested: bool
    """Whether the user asked for it by name; otherwise it was installed as a dependency (PEP 376)."""
    tags: tuple[str, ...]
    """The compatibility tags of its wheel, expanded: `py3-none-any` (PEP 425)."""
    requires: tuple[str, ...]
    """The requirements in `Requires-Dist`."""
    requires_python: str
    """The versions of Python that it accepts (PEP 345); empty if its metadata does not restrict them."""
    entry_points: tuple[EntryPoint, ...]
    origin: Mapping[str, object]
    """The content of `direct_url.json` (PEP 610); empty if it was installed from an index."""
    editable: str
    """The source directory of an editable install, absolute; empty if it is not editable."""

    @property
    def key(self) -> str:
        """The normalized name (PEP 503)."""
        return normalize_name(self.name)

    @cached_property
    def rows_outside(self) -> tuple[Row, ...]:
        """The rows of files that are not in its `site`, such as scripts: few, while the others are thousands."""
        inside = f"{self.site}/"
        return tuple(row for row in self.rows if not row.path.startswith(inside))

    @property
    def record(self) -> str:
        """The path of its RECORD, relative to the root."""
        return f"{self.metadata}/RECORD"


def site_directories(layout: Layout) -> list[str]:
    """Return `purelib` and `platlib`, relative to the root, without duplicates."""
    return list(dict.fromkeys((layout.purelib, layout.platlib)))


def site_files(environment: Environment, suffix: str) -> list[str]:
    """Return the paths of the files with a suffix, at the top level of `purelib` and `platlib`."""
    return [
        f"{site}/{name}"
        for site in site_directories(environment.layout)
        for name in list_names(os.path.join(environment.location, site))
        if name.endswith(suffix)
    ]


def installed_distributions(
    environment: Environment,
    without: Container[str] = (),
    on_error: OnError = ignore,
    known: Mapping[str, InstalledDistribution] | None = None,
) -> list[InstalledDistribution]:
    """Return the distributions in an environment, sorted by name; unreadable ones are left out.

    :param without: paths of metadata that is not read, relative to the root.
    :param on_error: called if a directory, a `METADATA` or a RECORD cannot be read; it may also not exist.
    :param known: distributions whose `.dist-info` was read and has not changed, by its path relative to the root.
    """
    found = [
        distribution
        for site in site_directories(environment.layout)
        for distribution in distributions_in(environment.location, site, without, on_error, known)
    ]
    return sorted(found, key=lambda distribution: (distribution.key, distribution.version, distribution.metadata))


def distributions_in(
    root: str,
    site: str,
    without: Container[str] = (),
    on_error: OnError = ignore,
    known: Mapping[str, InstalledDistribution] | None = None,
) -> Iterator[InstalledDistribution]:
    """Yield the distributions in one `site-packages`, given relative to the root."""
    directory = os.path.join(root, site)
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        on_error(error)
        return
    for name in names:
        path = f"{site}/{name}"
        if path in without:
            continue
        if known and path in known:
            yield known[path]
        elif name.endswith(".dist-info") and os.path.isdir(os.path.join(root, path)):
            yield from read_metadata(root, site, path, "METADATA", on_error=on_error)
        elif name.endswith(".egg-info"):
            yield from read_metadata(root, site, path, "PKG-INFO", on_error=on_error)
        elif name.endswith(".egg-link"):
            yield from read_egg_link(root, site, path)


def read_metadata(
    root: str, site: str, metadata: str, file: str, editable: str = "", on_error: OnError = ignore
) -> Iterator[InstalledDistribution]:
    """Yield the distribution that a metadata directory, or an `.egg-info` file, describes; nothing without a name.

    :param file: the file in the directory that has the headers.
    :param editable: the source directory, if it is known.
    """
    path = os.path.join(root, metadata)
    text = read_text(os.path.join(path, file) if os.path.isdir(path) else path, on_error)
    headers = parse_headers(text)
    name, version = (headers.get(field, [""])[0] for field in ("name", "version"))
    if not name:
        return
    origin = parse_direct_url(read_text(os.path.join(path, "direct_url.json")))
    wheel = parse_headers(read_text(os.path.join(path, "WHEEL")))
    yield InstalledDistribution(
        name=name,
        version=version,
        site=site,
        metadata=metadata,
        rows=tuple(read_record(read_text(os.path.join(path, "RECORD"), on_error), site, root)),
        installer=read_text(os.path.join(path, "INSTALLER")).strip(),
        requested=os.path.isfile(os.path.join(path, "REQUESTED")),
        tags=tuple(expand_tags(wheel.get("tag", []))),
        requires=tuple(headers.get("requires-dist", [])),
        requires_python=headers.get("requires-python", [""])[0],
        entry_points=tuple(parse_scripts(read_text(os.path.join(path, "entry_points.txt")))),
        origin=origin,
        editable=editable or editable_location(origin),
    )


def read_egg_link(root: str, site: str, path: str) -> Iterator[InstalledDistribution]:
    """Yield the distribution of an `.egg-link` (`setup.py develop`), which names a directory with an `.egg-info`."""
    project = read_text(os.path.join(root, path)).partition("\n")[0].strip()
    try:
        found = [name for name in sorted(os.listdir(project)) if name.endswith(".egg-info")] if project else []
    except OSError:
        found = []
    if found:
        for distribution in read_metadata(project, site, found[0], "PKG-INFO", project):
            yield replace(distribution, metadata=path, rows=())
    elif project:
        name = os.path.basename(path).removesuffix(".egg-link")
        yield InstalledDistribution(name, "", site, path, (), "", True, (), (), "", (), {}, project)


def expand_tags(tags: Iterable[str]) -> Iterator[str]:
    """Yield the tags with compressed sets of Python tags expanded: `py2.py3-none-any` is two tags (PEP 425)."""
    for tag in tags:
        python, _, rest = tag.strip().partition("-")
        yield from (f"{version}-{rest}" for version in python.split("."))


def parse_direct_url(text: str) -> Mapping[str, object]:
    """Return the content of a `direct_url.json`; empty if it is not valid."""
    try:
        content = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def editable_location(origin: Mapping[str, object]) -> str:
    """Return the source directory of an editable install (PEP 610, PEP 660); empty for any other."""
    dir_info = origin.get("dir_info")
    if not (isinstance(dir_info, dict) and dir_info.get("editable")):
        return ""
    return path_of_url(str(origin.get("url", "")))


def path_of_url(url: str) -> str:
    """Return the path of a `file:` URL; empty for any other URL."""
    if url[:5].lower() != "file:":
        return ""
    from urllib.parse import urlsplit  # few environments need it
    from urllib.request import url2pathname  # loads `ssl`

    parts = urlsplit(url)
    return url2pathname(parts.path)


def read_text(path: str, on_error: OnError = ignore) -> str:
    """Return the text of a file with its line endings unchanged; empty if it cannot be read."""
    try:
        return read_regular_file(path, follow=True).decode("utf-8", "surrogateescape")
    except OSError as error:
        on_error(error)
        return ""


def pip_arguments(distribution: InstalledDistribution) -> list[str]:
    """Return the arguments for pip to reinstall the same distribution; empty if its source is unknown."""
    if distribution.editable:
        return ["--editable", distribution.editable]
    url = str(distribution.origin.get("url", ""))
    if not url:
        return [f"{distribution.key}=={distribution.version}"] if distribution.version else []
    vcs, subdirectory = distribution.origin.get("vcs_info"), distribution.origin.get("subdirectory")
    if isinstance(vcs, dict):
        url = f"{vcs.get('vcs')}+{url}@{vcs.get('commit_id')}"
    return [f"{distribution.key} @ {url}" + (f"#subdirectory={subdirectory}" if subdirectory else "")]


def pth_lines(text: str, environment: Environment) -> list[str]:
    """Return the lines of a `.pth` file as `site` reads them: since Python 3.13, it also splits at other characters."""
    return split_lines(text, environment.interpreter.version if environment.interpreter else (3, 13))


def pth_entries(text: str, environment: Environment) -> Iterator[str]:
    """Yield the lines of a `.pth` file that `site` adds to the search path: absolute paths, and those relative to the file."""
    for line in pth_lines(text, environment):
        if line.strip() and not line.startswith("#") and not is_import_line(line):
            yield line.rstrip()
