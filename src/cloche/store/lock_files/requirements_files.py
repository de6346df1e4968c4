"""Pinned requirements files, as pip-tools, uv, pdm and poetry export them.

The format is pip's. Only lines that name exactly one version, or a URL, are accepted: everything else would need an index to
decide what to install. Requirements, specifiers and markers are parsed by `packaging`; the libraries that read whole files
drop hashes, or have not been released for years.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import PackageArchive, PackageVcs
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cloche.errors import UsageError
from cloche.model.value import replace
from cloche.store.fetch.artifacts import invalid_url
from cloche.store.fetch.pins import SearchScope
from cloche.store.lock_files.direct_references import URL_OR_PATH, from_directory, from_url
from cloche.store.lock_files.packages import LockedPackage, file_url
from cloche.store.lock_files.paths import absolute_path, refuse_local_url
from cloche.store.lock_files.requirement_lines import SETTINGS, invalid_line, read_lines, split_options, unquoted
from cloche.store.markers import marker_environment

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.fetch.pins import Form
    from cloche.store.lock_files.requirement_lines import Line


EDITABLE = re.compile(r"(?:-e[\s=]*|--editable(?:\s*=\s*|\s+))(.+)")
"""A line that installs a directory in editable mode."""


class FileSettings:
    """The options on lines of their own that say where the pinned files are, and of which form. As in pip, they apply to all
    lines, including those before them."""

    def __init__(self) -> None:
        self._index = ""
        self._more: list[str] = []
        self._links: list[str] = []
        self._has_index = True
        self.requires_hashes = False
        self._forms: dict[Form, set[str]] = {"wheel": set(), "source": set()}

    def add(self, line: Line) -> None:
        """Add the option of a line.

        :raises UsageError: it has no value.
        """
        match = re.fullmatch(r"(--?[a-z-]+)(?:\s*=\s*|\s+)?(.*)", line.text)
        option, text = (match[1], match[2].strip("'\"")) if match else ("", "")
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
        scope = SearchScope(tuple(indexes), tuple(self._links), "ignored" if is_replaced else "searched")
        form: Form = "any"
        for name in (":all:", package.name):
            form = next((chosen for chosen, names in self._forms.items() if name in names), form)
        return replace(package, scope=scope, form=form)


def as_url(text: str, line: Line) -> str:
    """Return a URL, or a path relative to the file of the line, as a URL.

    :raises UsageError: the URL is not valid, or the file must not name the path.
    """
    if re.match(r"[a-z]+:", text) and not re.match(r"[A-Za-z]:[/\\]", text):
        if invalid := invalid_url([text]):
            raise invalid_line(line, f"`{invalid}` is not a valid URL")
        refuse_local_url(text, line.file)
        return text
    return file_url(absolute_path(text, line.file))


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
            settings.add(line)
            continue
        text, options = split_options(line)
        if kind == "constraint":
            requirement = parse_requirement(text, line)
            if applies(requirement.marker, environment, line):
                constraints[canonicalize_name(requirement.name)] = requirement, line
        else:
            pending.append((text, options, line))
    for text, options, line in pending:
        package = locked_package(text, options, line, environment, constraints)
        if package is None:
            continue
        if not (package.artifact or package.source):
            package = settings.apply(package)
        other = pinned.get(package.name)
        if other and replace(other[0], hashes=frozenset()) != replace(package, hashes=frozenset()):
            raise UsageError(
                f"{line.position}: `{package.name}` is already pinned differently in {other[1].position}",
                hint="keep only one of the lines",
            )
        if other:
            package = replace(package, hashes=package.hashes | other[0].hashes)
        pinned[package.name] = package, line
    refuse_missing_hashes(pinned.values(), settings)
    return [package for package, _ in pinned.values()]


def refuse_missing_hashes(pinned: Collection[tuple[LockedPackage, Line]], settings: FileSettings) -> None:
    """Refuse packages without a hash if the file requires hashes, or has some; see pip's hash-checking mode.

    :raises UsageError: one has no hash.
    """
    for package, line in pinned if settings.requires_hashes else ():
        if not is_protected(package):
            raise UsageError(
                f"{line.position}: `{package.name}` has no hash, but the file has `--require-hashes`",
                hint="create the file again with hashes for all packages",
            )
    pins = [(package, line) for package, line in pinned if not (package.artifact or package.source)]
    is_hashed = any(package.hashes for package, _ in pins)
    for package, line in pins:
        if is_hashed and not package.hashes:
            raise UsageError(
                f"{line.position}: `{package.name}` has no hash, but other lines have one",
                hint="create the file again with hashes for all packages",
            )


def is_protected(package: LockedPackage) -> bool:
    """Return whether a hash or a commit decides what a package is."""
    if package.artifact:
        return bool(package.artifact.hashes)
    if isinstance(package.source, PackageArchive):
        return bool(package.source.hashes)
    return bool(package.hashes) or isinstance(package.source, PackageVcs)


def parse_requirement(text: str, line: Line) -> Requirement:
    """Return the requirement of a line.

    :raises UsageError: it is not one.
    """
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise invalid_line(line, error) from None


def applies(marker: Marker | None, environment: Mapping[str, str], line: Line) -> bool:
    """Return whether the marker of a requirement is true.

    :raises UsageError: it cannot be evaluated.
    """
    try:
        return marker is None or marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise invalid_line(line, f"the marker cannot be evaluated: {error}") from None


def split_marker(text: str, line: Line) -> tuple[str, Marker | None]:
    """Return a URL or path without its marker, and the marker; white space separates it from the semicolon.

    :raises UsageError: the marker is not valid.
    """
    address, *markers = re.split(r"\s+;\s*|;\s+", text, maxsplit=1)
    try:
        return address, Marker(markers[0]) if markers else None
    except InvalidMarker as error:
        raise invalid_line(line, error) from None


def locked_package(
    text: str,
    options: list[str],
    line: Line,
    environment: Mapping[str, str],
    constraints: Mapping[str, tuple[Requirement, Line]],
) -> LockedPackage | None:
    """Return the package that a line pins; None if its marker is false.

    :raises UsageError: the line is not valid, or pins no version.
    """
    hashes = frozenset(
        (algorithm.lower(), digest.lower()) for algorithm, _, digest in (hashed.partition(":") for hashed in options)
    )
    if editable := EDITABLE.fullmatch(text):
        address, marker = split_marker(editable[1], line)
        return from_directory(unquoted(address), line) if applies(marker, environment, line) else None
    if text.startswith("-"):
        raise invalid_line(line, f"unknown option `{text.split()[0]}`")
    if " @ " not in text and URL_OR_PATH.match(text):
        address, marker = split_marker(text, line)
        return from_url(address, "", hashes, line) if applies(marker, environment, line) else None
    requirement = parse_requirement(text, line)
    if not applies(requirement.marker, environment, line):
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
            f"{line.position}: `{requirement.name}` is not pinned to one version (`{text}`)",
            hint="write `NAME==VERSION`, or let `uv pip compile`, `pip-compile` or `pip lock` create the file",
        )
    version = min(exact)
    if not specifier.contains(version, prereleases=True):
        if constraint is None:
            raise UsageError(
                f"{line.position} contradicts itself: no version satisfies `{specifier}`",
                hint="keep one of the versions",
            )
        raise UsageError(
            f"{line.position} and {constraint_line.position} contradict each other: no version satisfies `{specifier}`",
            hint="keep one of the versions",
        )
    return LockedPackage(name, version, hashes=hashes)
