"""What is installed in an environment, as far as another Python can have it: carried over, installed anew, or lost.

It decides and reads; what it decides is operations, and requirements for pip.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from cloche.fs.checksums import MANIFEST, digest_of, format_row, is_modified, parse_manifest
from cloche.fs.files import open_regular_file
from cloche.lifecycle.embedded_paths import generated_file_states, walk_files
from cloche.lifecycle.installed import distributions_in, site_directories
from cloche.lifecycle.overlay import Overlay, parent_directories
from cloche.lifecycle.reader import list_names
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.relocation import is_within
from cloche.lifecycle.shebangs import parse_header, script_with_program
from cloche.model.operations import Copy, Link, Rewrite
from cloche.model.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation


@value
class Loss:
    """Something that the new environment will not have."""

    item: str
    reason: str


@value
class Inventory:
    """What is to become of everything that is installed."""

    carried: tuple[InstalledDistribution, ...]
    """Taken over file by file, without any network."""
    reinstalled: tuple[InstalledDistribution, ...]
    """Installed again by pip, in the same version and from the same place."""
    loose: tuple[str, ...]
    """Files that belong to no package, relative to the root: taken over."""
    edited: tuple[str, ...]
    """Activation scripts of cloche that somebody has edited: taken over in place of new ones."""
    losses: tuple[Loss, ...]


def all_distributions(info: EnvironmentInfo) -> list[InstalledDistribution]:
    """Return what is installed, in every `site-packages` there is; of two of one name that which its Python sees."""
    root, own = info.environment.location, site_directories(info.environment.layout)
    found = {distribution.key: distribution for distribution in info.distributions}
    for name in list_names(os.path.join(root, "lib")):
        site = f"lib/{name}/site-packages"
        if site not in own and re.fullmatch(r"(python|pypy)\d[\d.]*t?", name):
            for distribution in distributions_in(root, site):
                found.setdefault(distribution.key, distribution)
    return [found[key] for key in sorted(found)]


def take_inventory(info: EnvironmentInfo, target: Interpreter, seeds: Iterable[str] = ()) -> Inventory:
    """Decide what becomes of each distribution; `seeds` are those that the new environment brings of itself."""
    root = info.environment.location
    carried, reinstalled, losses = [], [], []
    seeded = frozenset(seeds)
    everything = all_distributions(info)
    for distribution in everything:
        if distribution.key in seeded:
            continue
        if reason := refusal_reason(distribution, target):
            losses.append(Loss(f"{distribution.name} {distribution.version}", reason))
        elif is_carriable(distribution, info, target) and is_intact(distribution, root):
            carried.append(distribution)
        elif pip_arguments(distribution):
            reinstalled.append(distribution)
        else:
            losses.append(
                Loss(f"{distribution.name} {distribution.version}", "its metadata does not say where it can be had")
            )
    loose = list(loose_files(info, everything))
    kept = [path for path in loose if not path.endswith((".so", ".pyd", ".dylib"))]
    losses += (Loss(path, "an extension module of no package") for path in sorted({*loose} - {*kept}))
    return Inventory(tuple(carried), tuple(reinstalled), tuple(kept), tuple(edited_scripts(info)), tuple(losses))


def refusal_reason(distribution: InstalledDistribution, target: Interpreter) -> str:
    """Return why a distribution does not accept a Python; empty if it does."""
    try:
        accepts = not distribution.requires_python or SpecifierSet(distribution.requires_python).contains(
            target.version_text, prereleases=True
        )
    except InvalidSpecifier:
        return ""
    return "" if accepts else f"it requires Python {distribution.requires_python}"


def is_carriable(distribution: InstalledDistribution, info: EnvironmentInfo, target: Interpreter) -> bool:
    """Return whether the very files of a distribution serve another Python, by its tags (PEP 425)."""
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
    """Return whether every file of a distribution is there, and as it was installed."""
    rows = [row for row in distribution.rows if not row.path.endswith((".pyc", "/__pycache__", "/RECORD"))]
    return bool(rows) and not any(
        row.path.startswith(("/", "../"))
        or not os.path.lexists(os.path.join(root, row.path))
        or (row.digest.startswith("sha256=") and is_modified(os.path.join(root, row.path), row.digest))
        for row in rows
    )


def pip_arguments(distribution: InstalledDistribution) -> list[str]:
    """Return what has pip install the same distribution again, as arguments; nothing if that is not known."""
    if distribution.editable:
        return ["--editable", distribution.editable]
    url = str(distribution.origin.get("url", ""))
    if not url:
        return [f"{distribution.key}=={distribution.version}"] if distribution.version else []
    vcs, below = distribution.origin.get("vcs_info"), distribution.origin.get("subdirectory")
    if isinstance(vcs, dict):
        url = f"{vcs.get('vcs')}+{url}@{vcs.get('commit_id')}"
    return [f"{distribution.key} @ {url}" + (f"#subdirectory={below}" if below else "")]


STARTUP_FILES = ("_virtualenv.py", "_virtualenv.pth", "distutils-precedence.pth")
"""What makers and setuptools put beside packages, for one version."""


def loose_files(info: EnvironmentInfo, everything: Iterable[InstalledDistribution]) -> Iterator[str]:
    """Yield files that neither a package nor the maker of the environment put there."""
    root, layout = info.environment.location, info.environment.layout
    owned = {row.path for distribution in everything for row in distribution.rows}
    metadata = tuple(f"{distribution.metadata}/" for distribution in everything)
    names = {f"{layout.bin}/{point.name}" for distribution in everything for point in distribution.entry_points}
    made = {
        layout.config,
        MANIFEST,
        ".gitignore",
        "CACHEDIR.TAG",
        ".lock",
        *(distribution.metadata for distribution in everything),
    }
    made |= parse_manifest(read_text(os.path.join(root, MANIFEST))).keys()
    known = owned | made | names
    for file in walk_files(root):
        directory, _, name = file.path.rpartition("/")
        in_bin = directory == layout.bin
        if (
            file.kind == "other"
            or file.path in known
            or file.path.startswith(metadata)
            or file.path.endswith(".pyc")
            or (in_bin and (PYTHON_NAME.fullmatch(name) or name.lower() in info.shells))
            or (file.kind == "link" and file.path in ("lib64", "local", *(path for path, _ in layout.links)))
            or (name in STARTUP_FILES and posixpath.basename(directory) == "site-packages")
        ):
            continue
        yield file.path


def edited_scripts(info: EnvironmentInfo) -> list[str]:
    """Return the activation scripts that somebody has edited since cloche wrote them.

    One that names the directory of the old version would not serve the new one. What other makers wrote is not known.
    """
    overlay = Overlay(info.environment.location)
    return [
        path
        for path, state in generated_file_states(overlay).items()
        if state == "edited"
        and posixpath.basename(path).lower() in info.shells
        and info.environment.layout.purelib not in overlay.text(path)
    ]


def read_text(path: str) -> str:
    try:
        with open_regular_file(path) as file:
            return file.read().decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return ""


# Carried over


@value
class PathMapping:
    """How paths in the old environment become paths in the new one."""

    old: Layout
    new: Layout
    old_version: str
    """`3.11`; empty if it is not known."""
    new_version: str

    def path(self, path: str, site: str = "") -> str:
        """Return where a file goes; `site` is the directory for packages that it was found with."""
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
        """Return what the link at a path is to point to; one that leads out by an absolute path leads there still."""
        if posixpath.isabs(target):
            return target
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if (moved := self.path(inside)) == inside and self.path(path) == path:
            return target
        return posixpath.relpath(moved, posixpath.dirname(self.path(path)) or ".")


def carry_operations(
    inventory: Inventory, info: EnvironmentInfo, mapping: PathMapping, platform: str
) -> list[Operation]:
    """Return the operations that bring what is carried over, and the loose files."""
    root = info.environment.location
    done: list[Operation] = []
    for distribution in inventory.carried:
        record: list[str] = []
        for row in distribution.rows:
            if row.path.endswith((".pyc", "/__pycache__")) or row.path == distribution.record:
                continue
            to = mapping.path(row.path, distribution.site)
            operation, hashed = carry_file(os.path.join(root, row.path), to, mapping, info, platform)
            done.append(operation)
            there = posixpath.relpath(to, mapping.path(distribution.site, distribution.site))
            size = len(operation.content) if hashed and isinstance(operation, Rewrite) else row.size
            record.append(format_row(there, hashed or row.digest, size))
        own = mapping.path(distribution.record, distribution.site)
        record.append(format_row(posixpath.relpath(own, mapping.path(distribution.site, distribution.site))))
        done.append(Rewrite(own, "".join(record).encode(), os.path.join(root, distribution.record)))
    for path in (*inventory.loose, *inventory.edited):
        there = os.path.join(root, path)
        if os.path.islink(there):
            done.append(Link(mapping.path(path), mapping.target(path, os.readlink(there))))
        else:
            done.append(carry_file(there, mapping.path(path), mapping, info, platform)[0])
    return [*parent_directories(done), *done]


def carry_file(
    source: str, to: str, mapping: PathMapping, info: EnvironmentInfo, platform: str
) -> tuple[Operation, str]:
    """Return the operation that brings one file, and its new hash if it is not the same file afterwards."""
    if is_within(to, mapping.new.bin):
        with open_regular_file(source) as file:
            content = file.read()
        header = parse_header(content)
        name = posixpath.basename(header.program) if header else ""
        if header and PYTHON_NAME.fullmatch(name) and name not in mapping.new.names:
            program = info.environment.path_to(mapping.new.executable)
            changed = script_with_program(header, program, platform)
            if changed is not None and changed != content:
                return Rewrite(to, changed, source), digest_of(changed)
    return Copy(to, os.path.realpath(source)), ""
