"""What the wheel of a project in a directory depends on, where that can be told.

pip builds a project where it is, so its backend may read anything, and what decides the wheel is unknown in general. It is known
for backends that run no code of the project, read no version control, and get no other packages: such a wheel depends on the
project's files. If it is editable, it depends on modules only by their names.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

from cloche.fs import read_at_most
from cloche.fs.manifests import hash_file
from cloche.fs.trees import IGNORE_FILES, tree_content
from cloche.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloche.fs.inputs import Inputs
    from cloche.store.builds.sources import SourceCode


class Backend(Value):
    """What is known about a build backend."""

    requires: frozenset[str]
    """The distributions that it consists of, normalized (PEP 503)."""
    table: str
    """Its table below `tool` in `pyproject.toml`."""
    code_keys: frozenset[str] = frozenset()
    """Keys in this table, at any depth, that name code to run or to compile."""
    code_files: tuple[str, ...] = ()
    """Files in a project that it runs, or that may name code to run."""
    reads_repository: bool = False
    """Whether version control decides which files are in a wheel, unless it is editable."""


BACKENDS = {
    "flit_core.buildapi": Backend(frozenset({"flit-core"}), "flit"),
    "hatchling.build": Backend(
        frozenset({"hatchling"}), "hatch", frozenset({"hooks"}), ("hatch_build.py", "hatch.toml")
    ),
    "pdm.backend": Backend(
        frozenset({"pdm-backend"}), "pdm", frozenset({"custom-hook", "run-setup"}), ("pdm_build.py",)
    ),
    "poetry.core.masonry.api": Backend(
        frozenset({"poetry-core"}), "poetry", frozenset({"build"}), ("build.py",), reads_repository=True
    ),
    "setuptools.build_meta": Backend(
        frozenset({"setuptools", "wheel"}), "setuptools", frozenset({"cmdclass", "ext-modules"}), ("setup.py",)
    ),
    "uv_build": Backend(frozenset({"uv-build"}), "uv"),
}
"""The backends whose wheels depend on nothing but the project's files, by their names (PEP 517)."""

CONFIGURATION = ("pyproject.toml", "setup.cfg", "MANIFEST.in")
"""The files of a project that may name others."""

OUTSIDE = re.compile(rb"""(?<!\.)\.\.[/\\'"]|['"]~[/\\]|\{(home|root:)|['"](/|[A-Za-z]:)[^'"\n]*['"]\s*=""")
"""What a project contains that names a file outside: a relative path that leads out, a home directory, hatchling's field for
one or for a parent, or an absolute path as a key. As a value, it is mostly a pattern that begins at the project's root."""

LIMIT = 1 << 20
"""The size of the largest configuration file that is read, in bytes."""


class WheelInputs(Value):
    """What the wheel of a directory depends on, besides the interpreter and the environment variables."""

    only_names: bool
    """Whether modules count by name only, and hidden entries in the root not at all."""
    of_parents: tuple[str, ...]
    """Absolute paths of files in the directory's parents, whether they exist or not."""


def content_of_directory(source: SourceCode, project: Mapping[str, object], inputs: Inputs) -> str | None:
    """Return the hash of all files that the wheel of a directory depends on; None if it may depend on others.

    :param project: the content of its `pyproject.toml`.
    :param inputs: gets the files, or the directory as an input that is not declared.
    """
    if found := wheel_inputs(source, project):
        inputs.tree(source.path, only_names=found.only_names)
        for path in found.of_parents:
            inputs.path(path)
        try:
            content = tree_content(source.path, only_names=found.only_names)
            others = [hash_file(path) if os.path.isfile(path) else "" for path in found.of_parents]
        except OSError:  # a file that cannot be read, or a link that leads out
            pass
        else:
            return hashlib.sha256(repr((content, others)).encode("utf-8", "surrogateescape")).hexdigest()
    if (undeclared := f"the directory `{source.path}`") not in inputs.undeclared:
        inputs.undeclared.append(undeclared)
    return None


def wheel_inputs(source: SourceCode, project: Mapping[str, object]) -> WheelInputs | None:
    """Return what the wheel of a directory depends on; None if that cannot be told.

    :param project: the content of its `pyproject.toml`.
    """
    directory = os.path.join(source.path, source.subdirectory) if source.subdirectory else source.path
    backend = backend_alone(project)
    if backend is None or (backend.reads_repository and not source.editable):
        return None
    tables = project.get("tool")
    table = tables.get(backend.table) if isinstance(tables, dict) else None
    if has_key(table, backend.code_keys) or any(
        os.path.lexists(os.path.join(directory, name)) for name in backend.code_files
    ):
        return None
    texts = [read_at_most(os.path.join(directory, name), LIMIT) for name in CONFIGURATION]
    if any(OUTSIDE.search(text) for text in texts if text):
        return None
    match project, table:
        case {"project": {"version": str()}}, _:
            only_names = source.editable
        case {"project": {"dynamic": _}}, {"version": {"path": str(), **others}} if others.keys() <= {"pattern"}:
            only_names = False  # hatchling reads the version from the text of a module
        case _:
            return None
    return WheelInputs(only_names, tuple(files_of_parents(source.path)))


def backend_alone(project: Mapping[str, object]) -> Backend | None:
    """Return the backend of a project; None if it is not one of `BACKENDS`, or if the build requires something else.

    :param project: the content of its `pyproject.toml`.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    match project.get("build-system"):
        case {"build-backend": str(name), "requires": list(lines), **others} if "backend-path" not in others:
            backend = BACKENDS.get(name)
            try:
                required = {canonicalize_name(Requirement(line).name) for line in lines}
            except (InvalidRequirement, TypeError):
                return None
            return backend if backend and required <= backend.requires else None
        case _:
            return None


def has_key(value: object, keys: frozenset[str]) -> bool:
    """Return whether a value of TOML has one of these keys at any depth."""
    match value:
        case dict():
            return not keys.isdisjoint(value) or any(has_key(item, keys) for item in value.values())
        case list():
            return any(has_key(item, keys) for item in value)
        case _:
            return False


def files_of_parents(directory: str) -> Iterator[str]:
    """Yield the files in the parents of a project that decide which of its files are packaged.

    A parent counts up to the root of the Git repository that the project is in; without one, all do.
    """
    while (parent := os.path.dirname(directory)) != directory:
        if os.path.lexists(os.path.join(directory, ".git")):
            return
        directory = parent
        yield from (os.path.join(directory, name) for name in IGNORE_FILES)
