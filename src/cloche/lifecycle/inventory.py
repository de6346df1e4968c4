"""Decide what an upgrade to another Python does with each installed distribution and loose file.

Files that the other Python can use are copied; other distributions are reinstalled by pip, or lost. Nothing here changes
a file: the results are operations, and arguments for pip.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from cloche.fs import list_names, open_regular_file
from cloche.fs.checksums import MANIFEST, RUNTIME_MANIFEST, digest_of, format_row, is_modified, parse_manifest
from cloche.lifecycle.embedded_paths import generated_file_states, walk_files
from cloche.lifecycle.installed import distributions_in, read_text, site_directories
from cloche.lifecycle.overlay import Overlay, parent_directories
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.relocation import is_within
from cloche.lifecycle.shebangs import parse_header, script_with_program
from cloche.model.operations import Copy, Link, Rewrite
from cloche.model.value import value
from cloche.planning.clearing import refuse_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.environment import Environment, Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation
    from cloche.shells import ShellFamily


@value
class Loss:
    """A distribution or a file that the new environment will not have."""

    item: str
    """`NAME VERSION`, or a path."""
    reason: str


@value
class Inventory:
    """What an upgrade does with everything that is installed."""

    carried: tuple[InstalledDistribution, ...]
    """Distributions that are carried over: their files are copied, without pip or a network."""
    reinstalled: tuple[InstalledDistribution, ...]
    """Distributions that pip reinstalls, in the same version and from the same source."""
    loose: tuple[str, ...]
    """Files outside packages, relative to the root, which are copied."""
    edited: tuple[str, ...]
    """Activation scripts of cloche that were edited: they are copied and replace the new ones."""
    losses: tuple[Loss, ...]


def all_distributions(info: EnvironmentInfo) -> list[InstalledDistribution]:
    """Return the distributions in every `site-packages` of an environment, sorted by name.

    If a name occurs more than once, the distribution that the environment's Python imports is returned.
    """
    root, own = info.environment.location, site_directories(info.environment.layout)
    found = {distribution.key: distribution for distribution in info.distributions}
    for name in list_names(os.path.join(root, "lib")):
        site = f"lib/{name}/site-packages"
        if site not in own and re.fullmatch(r"(python|pypy)\d[\d.]*t?", name):
            for distribution in distributions_in(root, site):
                found.setdefault(distribution.key, distribution)
    return [found[key] for key in sorted(found)]


def take_inventory(info: EnvironmentInfo, target: Interpreter, seeds: Iterable[str] = ()) -> Inventory:
    """Decide what happens to each distribution, except for `seeds`, which the new environment is created with."""
    root = info.environment.location
    carried, reinstalled, losses = [], [], []
    seeded = frozenset(seeds)
    everything = all_distributions(info)
    for distribution in everything:
        if distribution.key in seeded:
            continue
        if reason := refusal_reason(distribution, target):
            losses.append(Loss(f"{distribution.name} {distribution.version}", reason))
        elif can_be_copied(distribution, info, target) and is_intact(distribution, root):
            carried.append(distribution)
        elif pip_arguments(distribution):
            reinstalled.append(distribution)
        else:
            losses.append(
                Loss(f"{distribution.name} {distribution.version}", "its version or its source is not recorded")
            )
    loose = list(loose_files(root, info.environment.layout, info.shells, everything))
    kept = [path for path in loose if not path.endswith((".so", ".pyd", ".dylib"))]
    losses += (Loss(path, "it is an extension module outside of packages") for path in sorted({*loose} - {*kept}))
    return Inventory(
        tuple(carried),
        tuple(reinstalled),
        tuple(kept),
        tuple(edited_scripts(info.environment, info.shells)),
        tuple(losses),
    )


def refusal_reason(distribution: InstalledDistribution, target: Interpreter) -> str:
    """Return why a distribution does not accept a Python (PEP 345); empty if it does."""
    try:
        accepts = not distribution.requires_python or SpecifierSet(distribution.requires_python).contains(
            target.version_text, prereleases=True
        )
    except InvalidSpecifier:
        return ""
    return "" if accepts else f"it requires Python {distribution.requires_python}"


def can_be_copied(distribution: InstalledDistribution, info: EnvironmentInfo, target: Interpreter) -> bool:
    """Return whether another Python can use the installed files of a distribution, according to its tags (PEP 425)."""
    base = info.base
    same_machine = base is not None and (base.platform, base.machine, base.bits) == (
        target.platform,
        target.machine,
        target.bits,
    )
    return bool(distribution.tags) and any(
        is_compatible_tag(tag, target) and (same_machine or tag.endswith("-any"))
        for tag in distribution.tags
        if tag.count("-") == 2
    )


def is_compatible_tag(tag: str, target: Interpreter) -> bool:
    """Return whether a Python accepts the Python and ABI tags of a wheel; the platform is not checked."""
    python, abi, _ = tag.split("-")
    if abi == "none":
        return python == "py3"
    stable = re.fullmatch(r"cp3(\d+)", python)
    return (
        abi == "abi3"
        and stable is not None
        and target.implementation == "cpython"
        and not target.free_threaded
        and (3, int(stable[1])) <= target.version[:2]
    )


def is_intact(distribution: InstalledDistribution, root: str) -> bool:
    """Return whether every file of a distribution exists and is unmodified."""
    rows = [row for row in distribution.rows if not row.path.endswith((".pyc", "/__pycache__", "/RECORD"))]
    return bool(rows) and not any(
        row.path.startswith(("/", "../"))
        or not os.path.lexists(os.path.join(root, row.path))
        or (row.digest.startswith("sha256=") and is_modified(os.path.join(root, row.path), row.digest))
        for row in rows
    )


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


STARTUP_FILES = ("_virtualenv.py", "_virtualenv.pth", "distutils-precedence.pth")
"""Files that creators and setuptools write beside packages, for one version of Python."""


def loose_files(
    root: str, layout: Layout, shells: Mapping[str, ShellFamily], everything: Iterable[InstalledDistribution]
) -> Iterator[str]:
    """Yield the paths of files that neither one of these packages nor the creator of the environment wrote.

    :param shells: the shells of activation scripts, by file name in lower case.
    :raises DestinationError: a directory cannot be read; the files in it would be lost.
    """
    everything = list(everything)
    owned = {row.path for distribution in everything for row in distribution.rows}
    metadata = tuple(f"{distribution.metadata}/" for distribution in everything)
    names = {f"{layout.bin}/{point.name}" for distribution in everything for point in distribution.entry_points}
    generated = {
        layout.config,
        MANIFEST,
        ".gitignore",
        "CACHEDIR.TAG",
        ".lock",
        *(distribution.metadata for distribution in everything),
    }
    generated |= parse_manifest(read_text(os.path.join(root, MANIFEST))).keys()
    runtime = parse_manifest(read_text(os.path.join(root, RUNTIME_MANIFEST))).keys()
    known = owned | generated | names | {RUNTIME_MANIFEST, *runtime}
    for file in walk_files(root, refuse_unreadable):
        directory, _, name = file.path.rpartition("/")
        in_bin = directory == layout.bin
        if (
            file.kind == "other"
            or file.path in known
            or file.path.startswith(metadata)
            or file.path.endswith(".pyc")
            or (in_bin and (PYTHON_NAME.fullmatch(name) or name.lower() in shells))
            or (file.kind == "link" and target_inside(root, file.path) in runtime)
            or (file.kind == "link" and file.path in ("lib64", "local", *(path for path, _ in layout.links)))
            or (name in STARTUP_FILES and posixpath.basename(directory) == "site-packages")
        ):
            continue
        yield file.path


def target_inside(root: str, path: str) -> str:
    """Return the path that a relative link leads to, relative to the root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), os.readlink(os.path.join(root, path))))


def edited_scripts(environment: Environment, shells: Mapping[str, ShellFamily]) -> list[str]:
    """Return the activation scripts of cloche that were edited.

    Scripts that contain the old library directory are left out, because they would not work. For environments of other
    creators the original content is unknown.
    """
    overlay = Overlay(environment.location)
    return [
        path
        for path, state in generated_file_states(overlay).items()
        if state == "edited"
        and posixpath.basename(path).lower() in shells
        and environment.layout.purelib not in overlay.text(path)
    ]


# Operations


@value
class PathMapping:
    """The mapping of paths in the old environment to paths in the new one."""

    old: Layout
    new: Layout
    old_version: str
    """`3.11`; empty if it is unknown."""
    new_version: str

    def path(self, path: str, site: str = "") -> str:
        """Return the new path of a file; `site` is the `site-packages` of its distribution."""
        for before, after in (
            (site, self.new.purelib),
            (self.old.platlib, self.new.platlib),
            (self.old.purelib, self.new.purelib),
        ):
            if before and is_within(path, before):
                return after + path[len(before) :]
        if other := re.match(r"lib/(?:python|pypy)\d[\d.]*t?/site-packages(?=/)", path):
            return self.new.purelib + path[other.end() :]
        if headers := re.match(r"include/site/python\d[\d.]*t?(?=/)", path):
            return f"include/site/python{self.new_version}{path[headers.end() :]}"
        directory, _, name = path.rpartition("/")
        if directory == self.old.bin and self.old_version and name.endswith(self.old_version):
            return f"{self.new.bin}/{name.removesuffix(self.old_version)}{self.new_version}"
        return f"{self.new.bin}{path[len(self.old.bin) :]}" if is_within(path, self.old.bin) else path

    def target(self, path: str, target: str) -> str:
        """Return the new target of the symbolic link at a path; an absolute target is unchanged."""
        if posixpath.isabs(target):
            return target
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if (moved := self.path(inside)) == inside and self.path(path) == path:
            return target
        return posixpath.relpath(moved, posixpath.dirname(self.path(path)) or ".")


def carry_operations(
    inventory: Inventory, info: EnvironmentInfo, mapping: PathMapping, platform: str
) -> list[Operation]:
    """Return the operations that copy carried distributions, loose files and edited scripts, with updated RECORDs."""
    root = info.environment.location
    operations: list[Operation] = []
    for distribution in inventory.carried:
        record: list[str] = []
        for row in distribution.rows:
            if row.path.endswith((".pyc", "/__pycache__")) or row.path == distribution.record:
                continue
            destination = mapping.path(row.path, distribution.site)
            operation, hashed = carry_file(os.path.join(root, row.path), destination, mapping, info, platform)
            operations.append(operation)
            recorded_path = posixpath.relpath(destination, mapping.path(distribution.site, distribution.site))
            size = len(operation.content) if hashed and isinstance(operation, Rewrite) else row.size
            record.append(format_row(recorded_path, hashed or row.digest, size))
        record_path = mapping.path(distribution.record, distribution.site)
        record.append(format_row(posixpath.relpath(record_path, mapping.path(distribution.site, distribution.site))))
        operations.append(Rewrite(record_path, "".join(record).encode(), os.path.join(root, distribution.record)))
    for path in (*inventory.loose, *inventory.edited):
        source = os.path.join(root, path)
        if os.path.islink(source):
            operations.append(Link(mapping.path(path), mapping.target(path, os.readlink(source))))
        else:
            operations.append(carry_file(source, mapping.path(path), mapping, info, platform)[0])
    return [*parent_directories(operations), *operations]


def carry_file(
    source: str, destination: str, mapping: PathMapping, info: EnvironmentInfo, platform: str
) -> tuple[Operation, str]:
    """Return the operation that copies one file, and its hash if the content changes."""
    if is_within(destination, mapping.new.bin):
        with open_regular_file(source) as file:
            content = file.read()
        header = parse_header(content)
        name = posixpath.basename(header.program) if header else ""
        if header and PYTHON_NAME.fullmatch(name) and name not in mapping.new.names:
            program = info.environment.path_to(mapping.new.executable)
            changed = script_with_program(header, program, platform)
            if changed is not None and changed != content:
                return Rewrite(destination, changed, source), digest_of(changed)
    return Copy(destination, os.path.realpath(source)), ""
