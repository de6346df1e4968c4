"""Pinned requirements files, as pip-tools, uv, pdm and poetry export them.

The format is pip's. Only lines that name exactly one version, or a URL, are accepted: everything else would need an index to
decide what to install. Requirements, specifiers and markers are parsed by `packaging`; the libraries that read whole files
drop hashes, or have not been released for years.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urlsplit

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import PackageArchive, PackageDirectory, PackageVcs
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from cloche.errors import UsageError
from cloche.model.value import Value, replace
from cloche.store.artifacts import Artifact
from cloche.store.locked_packages import (
    LockedPackage,
    absolute_path,
    direct_url,
    file_url,
    path_of_file_url,
    read_lock_text,
)
from cloche.store.locked_packages import fragment as fragment_of
from cloche.store.markers import marker_environment
from cloche.store.pins import Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.pins import Form

MAX_DEPTH = 50
"""How deeply files may be nested with `-r` and `-c`."""

NESTED = {"-r": "requirement", "--requirement": "requirement", "-c": "constraint", "--constraint": "constraint"}
"""The options that name another file."""

IGNORED = frozenset("--pre --prefer-binary --trusted-host --use-feature".split())
"""Options on lines of their own that do not change which files are installed. Only the user decides which server to trust."""

SETTINGS = {
    "-i": "index-url",
    "--index-url": "index-url",
    "--pypi-url": "index-url",
    "--extra-index-url": "extra-index-url",
    "-f": "find-links",
    "--find-links": "find-links",
    "--no-index": "no-index",
    "--only-binary": "only-binary",
    "--no-binary": "no-binary",
    "--require-hashes": "require-hashes",
}
"""Options on lines of their own that say where the files are, of which form, and that all must have hashes."""

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""A commit of Git or Mercurial, which cannot change; a tag or a branch can."""


PROJECT_FILES = ("pyproject.toml", "setup.cfg")
"""The files that may give the name of a project."""

URL_OR_PATH = re.compile(
    r"[A-Za-z0-9+]+://|file:|\.{1,2}(?:[/\\#\[]|$)|[/\\]|[A-Za-z]:[/\\]|[^;<>=!~ ]+\.(?:whl|zip|tar\.gz)(?:#|$)|[\w.-]+[/\\]"
)
"""The beginning of a line that has no name: a URL, a path, or the name of a file."""


class Line(Value):
    """One logical line of a requirements file: continuation lines are joined, and comments are removed."""

    text: str
    path: str
    number: int
    """The number of its first physical line."""

    @property
    def place(self) -> str:
        return f"`{self.path}`, line {self.number}"


class FileSettings:
    """The options on lines of their own that say where the pinned files are, and of which form. As in pip, they apply to all
    lines, also to those before them."""

    def __init__(self) -> None:
        self._index = ""
        self._more: list[str] = []
        self._links: list[str] = []
        self._has_index = True
        self.requires_hashes = False
        self._forms: dict[Form, set[str]] = {"wheel": set(), "source": set()}

    def add(self, line: Line, store: Store) -> None:
        """Add the option of a line.

        :raises UsageError: it has no value.
        """
        match = re.fullmatch(r"(--?[a-z-]+)(?:\s*=\s*|\s+)?(.*)", line.text)
        option, text = (match[1], expand_variables(match[2].strip("'\""), store)) if match else ("", "")
        setting = SETTINGS.get(option, "")
        if setting == "no-index":
            self._has_index = False
        elif setting == "require-hashes":
            self.requires_hashes = True
        elif not text:
            raise invalid_line(line, f"`{line.text}` has no value")
        elif setting == "index-url":
            self._index = as_url(text, line)
        elif setting == "extra-index-url":
            self._more.append(as_url(text, line))
        elif setting == "find-links":
            self._links.append(as_url(text, line))
        else:
            self._choose_form("wheel" if setting == "only-binary" else "source", text)

    def _choose_form(self, form: Form, text: str) -> None:
        """Add the names in the value of `--only-binary` or `--no-binary`; of contradictory ones, the last counts."""
        own, other = self._forms[form], self._forms["source" if form == "wheel" else "wheel"]
        for word in filter(None, text.split(",")):
            if word in (":all:", ":none:"):
                own.clear()
            if word == ":all:":
                other.clear()
            if word != ":none:":
                name = word if word == ":all:" else canonicalize_name(word)
                other.discard(name)
                own.add(name)

    def apply(self, package: LockedPackage) -> LockedPackage:
        """Return a pin with these settings. The user's own indexes are searched too if a hash decides."""
        is_replaced = not self._has_index or (self._index and not package.hashes)
        indexes = filter(None, (self._index, *self._more)) if self._has_index else ()
        places = Places(tuple(indexes), tuple(self._links), "ignored" if is_replaced else "searched")
        form: Form = "any"
        for name in (":all:", package.name):
            form = next((chosen for chosen, names in self._forms.items() if name in names), form)
        return replace(package, places=places, form=form)


def as_url(text: str, line: Line) -> str:
    """Return a URL, or a path relative to the file of the line, as a URL."""
    if re.match(r"[a-z]+:", text) and not re.match(r"[A-Za-z]:[/\\]", text):
        return text
    return file_url(absolute_path(text, os.path.dirname(line.path)))


def read_requirements(path: str, interpreter: Interpreter, store: Store) -> list[LockedPackage]:
    """Return the packages that a requirements file, and the files that it names, pin for an interpreter.

    :raises UsageError: a line is not valid or not pinned, or a package is pinned to two versions.
    """
    environment = {**marker_environment(interpreter), "extra": ""}
    settings = FileSettings()
    constraints: dict[str, tuple[Requirement, Line]] = {}
    pinned: dict[str, tuple[LockedPackage, Line]] = {}
    pending: list[tuple[str, list[str], Line]] = []
    for kind, line in read_lines(path, store, "requirement", ()):
        if kind == "setting":
            settings.add(line, store)
            continue
        text, options = split_options(line)
        if kind == "constraint":
            requirement = parse_requirement(text, line)
            if applies(requirement, environment, line):
                constraints[canonicalize_name(requirement.name)] = requirement, line
        else:
            pending.append((text, options, line))
    for text, options, line in pending:
        package = locked_package(text, options, line, environment, constraints, store)
        if package is None:
            continue
        if not (package.artifact or package.source):
            package = settings.apply(package)
        other = pinned.get(package.name)
        if other and replace(other[0], hashes=frozenset()) != replace(package, hashes=frozenset()):
            raise UsageError(
                f"{line.place}: `{package.name}` is already pinned differently in {other[1].place}",
                hint="keep only one of the lines",
            )
        if other:
            package = replace(package, hashes=package.hashes | other[0].hashes)
        pinned[package.name] = package, line
    for package, line in pinned.values() if settings.requires_hashes else ():
        if not is_protected(package):
            raise UsageError(
                f"{line.place}: `{package.name}` has no hash, but the file has `--require-hashes`",
                hint="create the file again with hashes for all packages",
            )
    pins = [(package, line) for package, line in pinned.values() if not (package.artifact or package.source)]
    is_hashed = any(package.hashes for package, _ in pins)
    for package, line in pins:
        if is_hashed and not package.hashes:
            raise UsageError(
                f"{line.place}: `{package.name}` has no hash, but other lines have one",
                hint="create the file again with hashes for all packages",
            )
    return [package for package, _ in pinned.values()]


def is_protected(package: LockedPackage) -> bool:
    """Return whether a hash or a commit decides what a package is."""
    if package.artifact:
        return bool(package.artifact.hashes)
    if isinstance(package.source, PackageArchive):
        return bool(package.source.hashes)
    return bool(package.hashes) or isinstance(package.source, PackageVcs)


def read_lines(path: str, store: Store, kind: str, within: tuple[str, ...]) -> Iterator[tuple[str, Line]]:
    """Yield the lines of a file and of the files that it names, each as a requirement, a constraint or a setting."""
    named_in = within[-1] if within else ""
    if path in within:
        raise UsageError(
            f"`{path}` includes itself, through `{named_in}`", hint="leave out one of the `-r` and `-c` lines"
        )
    if len(within) >= MAX_DEPTH:
        raise UsageError(f"`{path}` is nested too deeply", hint="name fewer files with `-r` and `-c`")
    for line in logical_lines(read_lock_text(path, store, named_in), path):
        option, name = split_nested(line)
        if option:
            nested = NESTED[option] if kind == "requirement" else "constraint"
            if "://" in name and not name.startswith("file:"):
                raise UsageError(f"{line.place}: `{name}` is a URL", hint="download the file, and name the copy")
            local = (
                path_of_file_url(name, path) if name.startswith("file:") else absolute_path(name, os.path.dirname(path))
            )
            yield from read_lines(local, store, nested, (*within, path))
        elif (option := line.text.split()[0].partition("=")[0]) not in IGNORED:
            yield "setting" if option in SETTINGS else kind, line


def logical_lines(text: str, path: str) -> Iterator[Line]:
    """Yield the lines of a file, as pip splits them: a backslash continues a line, ` #` begins a comment."""
    parts: list[str] = []
    start = 0
    for number, physical in enumerate(text.split("\n"), 1):
        physical = physical.rstrip("\r")
        if not parts:
            start = number
        is_comment = physical.lstrip().startswith("#")
        if physical.endswith("\\") and not is_comment:
            parts.append(physical[:-1])
            continue
        parts.append("" if is_comment else physical)
        joined = re.sub(r"(^|\s+)#.*$", "", " ".join(parts)).strip()
        parts = []
        if joined:
            yield Line(joined, path, start)
    if joined := " ".join(parts).strip():
        yield Line(joined, path, start)


def split_nested(line: Line) -> tuple[str, str]:
    """Return the option and the file of a line that names another file; ("", "") for another line."""
    match = re.fullmatch(r"(-r|--requirement|-c|--constraint)(?:\s*=\s*|\s+)(.+)|(-r|-c)(\S+)", line.text)
    if match is None:
        return "", ""
    name = (match[2] or match[4]).strip()
    return match[1] or match[3], name[1:-1] if name[:1] in "'\"" and name[-1:] == name[:1] else name


def split_options(line: Line) -> tuple[str, list[str]]:
    """Return a requirement and the hashes of its line, each as `ALGORITHM:DIGEST`.

    :raises UsageError: another option is set.
    """
    words = line.text.replace("\t", " ").split(" ")
    end = next((number for number, word in enumerate(words) if word.startswith("-") and number), len(words))
    try:
        options = shlex.split(" ".join(words[end:]))
    except ValueError as error:
        raise invalid_line(line, error) from None
    hashes = []
    for option in (arguments := iter(options)):
        name, _, text = option.partition("=")
        if name == "--hash":
            hashes.append(text or next(arguments, ""))
        elif name in ("--config-settings", "--config-setting", "-C", "--global-option"):
            raise UsageError(
                f"{line.place}: `{name}` is not supported", hint="build the wheel yourself, and pin its file"
            )
        else:
            raise invalid_line(line, f"unknown option `{option}`")
    for text in hashes:
        algorithm, _, digest = text.partition(":")
        if algorithm.lower() not in ("sha256", "sha384", "sha512") or not re.fullmatch(r"[0-9a-fA-F]{64,128}", digest):
            raise invalid_line(line, f"`{text}` is not a SHA-256, SHA-384 or SHA-512 hash")
    return " ".join(words[:end]).strip(), hashes


def invalid_line(line: Line, reason: object) -> UsageError:
    return UsageError(
        f"{line.place} is not valid: {fragment_of(reason)}", hint="correct the line, or create the file again"
    )


def parse_requirement(text: str, line: Line) -> Requirement:
    """Return the requirement of a line.

    :raises UsageError: it is not one.
    """
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise invalid_line(line, error) from None


def applies(requirement: Requirement, environment: Mapping[str, str], line: Line) -> bool:
    """Return whether the marker of a requirement is true.

    :raises UsageError: it cannot be evaluated.
    """
    try:
        return requirement.marker is None or requirement.marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise invalid_line(line, f"the marker cannot be evaluated: {error}") from None


def locked_package(
    text: str,
    options: list[str],
    line: Line,
    environment: Mapping[str, str],
    constraints: Mapping[str, tuple[Requirement, Line]],
    store: Store,
) -> LockedPackage | None:
    """Return the package that a line pins; None if its marker is false.

    :raises UsageError: the line is not valid, or pins no version.
    """
    hashes = frozenset(
        (algorithm.lower(), digest.lower()) for algorithm, _, digest in (hashed.partition(":") for hashed in options)
    )
    if text.startswith(("-e ", "--editable ", "--editable=")):
        return from_directory(re.sub(r"^(-e|--editable)[ =]\s*", "", text), line)
    if text.startswith("-"):
        raise invalid_line(line, f"unknown option `{text.split()[0]}`")
    if " @ " not in text and URL_OR_PATH.match(text):
        return from_url(expand_variables(text, store), "", hashes, line)
    requirement = parse_requirement(expand_variables(text, store), line)
    if not applies(requirement, environment, line):
        return None
    name = canonicalize_name(requirement.name)
    if requirement.url:
        return from_url(requirement.url, name, hashes, line)
    specifier = requirement.specifier
    constraint, constraint_line = constraints.get(name, (None, line))
    if constraint is not None:
        specifier &= constraint.specifier
    exact = {
        clause.version for clause in specifier if clause.operator in ("==", "===") and not clause.version.endswith(".*")
    }
    if not exact:
        raise UsageError(
            f"{line.place}: `{requirement.name}` is not pinned to one version (`{text}`)",
            hint="write `NAME==VERSION`, or let `uv pip compile`, `pip-compile` or `pip lock` create the file",
        )
    version = min(exact)
    if not specifier.contains(version, prereleases=True):
        where = f" and {constraint_line.place}" if constraint is not None else ""
        raise UsageError(
            f"{line.place}{where} contradict each other: no version is `{specifier}`", hint="keep one of them"
        )
    return LockedPackage(name, version, hashes=hashes)


def expand_variables(text: str, store: Store) -> str:
    """Return a text with each `${NAME}` replaced by that environment variable, if it is set."""
    environ = store.host.environ
    return re.sub(r"\$\{([A-Z0-9_]+)\}", lambda match: store.inputs.variable(environ, match[1]) or match[0], text)


def from_url(url: str, name: str, hashes: frozenset[tuple[str, str]], line: Line) -> LockedPackage:
    """Return the package that a URL or path pins; its fragment may have hashes, a name and a subdirectory.

    :raises UsageError: the URL does not name a package, or can change.
    """
    base = os.path.dirname(line.path)
    address, fragment = urldefrag(url)
    given = dict(part.partition("=")[::2] for part in fragment.split("&") if "=" in part)
    hashes |= {(key, text.lower()) for key, text in given.items() if key in ("sha256", "sha384", "sha512")}
    name = name or canonicalize_name(given.get("egg", "").partition("[")[0])
    subdirectory = given.get("subdirectory") or None
    if "+" in address.partition(":")[0]:
        return from_version_control(address, name, subdirectory, line)
    is_url = "://" in address
    path = "" if is_url and not address.startswith("file:") else address
    if address.startswith("file:"):
        path = path_of_file_url(address, line.path)
    local = absolute_path(path, base) if path else ""
    file_name = os.path.basename(local) if local else unquote(urlsplit(address).path.rpartition("/")[2])
    mapping = dict(sorted(hashes))
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
            metadata=(("direct_url.json", direct_url(base, item)),),
        )
    if not name and local:
        local, _, _ = local.partition("[")
        name = project_name(local)
    if not name:
        raise invalid_line(line, f"`{url}` does not name a package; write `NAME @ {url}`")
    if local and os.path.isdir(local):
        directory = PackageDirectory(path=local, subdirectory=subdirectory)
        return LockedPackage(
            name, "", source=directory, base=base, metadata=(("direct_url.json", direct_url(base, directory)),)
        )
    archive = PackageArchive(
        url=None if local else address, path=local or None, hashes=mapping, subdirectory=subdirectory
    )
    return LockedPackage(
        name, "", source=archive, base=base, metadata=(("direct_url.json", direct_url(base, archive)),)
    )


def from_version_control(address: str, name: str, subdirectory: str | None, line: Line) -> LockedPackage:
    """Return the package that a URL such as `git+https://host/repository@COMMIT` pins.

    :raises UsageError: it does not name a package or a commit.
    """
    kind, _, rest = address.partition("+")
    url, at, commit = rest.rpartition("@")
    if not at or not COMMIT.fullmatch(commit):
        raise UsageError(
            f"{line.place}: `{address}` is not pinned to a commit", hint="add `@` and the full commit hash"
        )
    if not name:
        raise invalid_line(line, f"`{address}` does not name a package; write `NAME @ {address}`")
    source = PackageVcs(type=kind, url=url, commit_id=commit, requested_revision=commit, subdirectory=subdirectory)
    base = os.path.dirname(line.path)
    return LockedPackage(name, "", source=source, base=base, metadata=(("direct_url.json", direct_url(base, source)),))


def from_directory(path: str, line: Line) -> LockedPackage:
    """Return the package in a directory that is installed in editable mode (`-e DIRECTORY`).

    :raises UsageError: it is not a directory with a `pyproject.toml` that names the package.
    """
    if re.match(r"\w+\+|https?:", path):
        raise UsageError(
            f"{line.place}: an editable install from a URL is not supported", hint="write the requirement without `-e`"
        )
    base = os.path.dirname(line.path)
    path, _, given = path.partition("#egg=")
    local = (
        path_of_file_url(path, line.path) if path.startswith("file:") else absolute_path(path.partition("[")[0], base)
    )
    name = canonicalize_name(given.partition("[")[0].partition("&")[0]) or project_name(local)
    if not name and os.path.isdir(local):
        raise UsageError(
            f"{line.place}: no `pyproject.toml` or `setup.cfg` in `{path}` names a package",
            hint=f"write `-e {path}#egg=NAME`",
        )
    if not name:
        raise invalid_line(line, f"`{path}` is not a directory with a project")
    source = PackageDirectory(path=local, editable=True)
    return LockedPackage(name, "", source=source, base=base, metadata=(("direct_url.json", direct_url(base, source)),))


def project_name(directory: str) -> str:
    """Return the normalized name of the project in a directory; empty if neither `pyproject.toml` nor `setup.cfg` gives it.

    poetry 1 and setuptools do not need the name in the standard table. The build decides in the end.
    """
    import sys
    from configparser import ConfigParser
    from configparser import Error as ConfigError

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    from cloche.fs import read_at_most

    content, config = (read_at_most(os.path.join(directory, name), 1 << 22) or b"" for name in PROJECT_FILES)
    try:
        table: object = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
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
