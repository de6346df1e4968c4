"""Decide what an upgrade to another Python does with each installed distribution and loose file.

What the other Python can use is carried over; other distributions are reinstalled in another build, or lost. Nothing here
changes a file: the results are operations, and arguments for pip.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from cloche.fs import copied_mode, list_names, open_regular_file, read_at_most
from cloche.fs.manifests import MANIFEST, RUNTIME_MANIFEST, parse_manifest
from cloche.fs.records import digest_of, format_row
from cloche.lifecycle.checks.tree import is_same_content
from cloche.lifecycle.embedded_paths import file_contains, generated_file_states
from cloche.lifecycle.installed import distributions_in, read_text, site_directories
from cloche.lifecycle.overlay import Overlay, parent_directories
from cloche.lifecycle.reader import copied_links
from cloche.lifecycle.rebase import PYTHON_NAME
from cloche.lifecycle.relocation import is_within
from cloche.lifecycle.shebangs import parse_header, script_with_program
from cloche.lifecycle.tool_edits import as_it_is, installed_form
from cloche.model.operations import Copy, Link, Rewrite, SetMode
from cloche.model.value import Value, replace
from cloche.planning.destination import refuse_unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from cloche.fs.records import Row
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.tree import Tree
    from cloche.model.environment import Environment, Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation
    from cloche.shells import ShellFamily


class Loss(Value):
    """A distribution or a file that the new environment will not have, or a distribution that will not work there."""

    item: str
    """`NAME VERSION`, or a path."""
    reason: str
    is_absent: str = "yes"
    """`no` if the new environment has it, but it lacks something that it requires."""


def item_of(distribution: InstalledDistribution) -> str:
    """Return how a loss names a distribution."""
    return f"{distribution.name} {distribution.version}"


class Inventory(Value):
    """What an upgrade does with everything that is installed."""

    carried: tuple[InstalledDistribution, ...]
    """Distributions that are carried over as they are, without pip or a network."""
    reinstalled: tuple[InstalledDistribution, ...]
    """Distributions that need another build, of the same version and from the same source; pip provides it once."""
    loose: tuple[str, ...]
    """Files outside packages, relative to the root, which are copied."""
    kept: tuple[str, ...]
    """Activation scripts, and files in the root, that are copied and replace the new ones, because they were edited or another
    creator wrote them."""
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
            losses.append(Loss(item_of(distribution), reason))
        elif can_be_copied(distribution, info, target) and is_intact(distribution, info.tree):
            carried.append(distribution)
        elif pip_arguments(distribution):
            reinstalled.append(distribution)
            reason = f"it was edited after {item_of(distribution)} was installed, and the original is installed again"
            losses += (Loss(path, reason) for path in edited_files(distribution, info.tree))
        else:
            losses.append(Loss(item_of(distribution), "its version or its source is not recorded"))
    links = copied_links(info.environment)
    loose = list(loose_files(info.tree, info.environment.layout, info.shells, everything, links))
    kept = []
    for path in loose:
        if is_extension_module(root, path):
            losses.append(Loss(path, "it is an extension module outside of packages"))
        elif any(is_replaced_in(root, path, link, target) for link, target in links):
            losses.append(Loss(path, "it is different in the directory that its directory is a copy of"))
        else:
            kept.append(path)
    return Inventory(
        tuple(carried),
        tuple(reinstalled),
        tuple(kept),
        tuple(kept_files(info.environment, info.shells)),
        tuple(losses),
    )


def is_extension_module(root: str, path: str) -> bool:
    """Return whether a file is an extension module for one version of Python; other libraries in C are none."""
    if not path.endswith((".so", ".pyd", ".dylib")) or path.endswith(".abi3.so"):
        return False
    if re.search(r"\.(cpython|pypy|graalpy|cp\d)[\w-]*\.(so|pyd)$", path):
        return True
    place = os.path.join(root, path)
    name = posixpath.basename(path).partition(".")[0].encode()
    return os.path.isfile(place) and file_contains(place, {b"PyInit_" + name, b"PyInitU_" + name})


def is_replaced_in(root: str, path: str, link: str, target: str) -> bool:
    """Return whether a file in a copy of a directory has another content than in that directory."""
    return path.startswith(f"{link}/") and os.path.lexists(os.path.join(root, target + path[len(link) :]))


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


def is_intact(distribution: InstalledDistribution, tree: Tree) -> bool:
    """Return whether every file of a distribution exists and is unmodified."""
    metadata = f"{distribution.metadata}/METADATA"
    rows = [row for row in distribution.rows if not row.path.endswith((".pyc", "/__pycache__", "/RECORD"))]
    return bool(rows) and not any(
        row.path.startswith(("/", "../"))
        or (not tree.is_as_installed(row, metadata) and is_missing_or_altered(row, metadata, tree))
        for row in rows
    )


def is_missing_or_altered(row: Row, metadata: str, tree: Tree) -> bool:
    """Return whether a file does not exist, or has neither the recorded content nor a known edit of it."""
    return tree.status(row.path) is None or (
        row.digest.startswith("sha256=")
        and tree.is_altered(row, metadata)
        and installed_form(read_at_most(os.path.join(tree.root, row.path), 1 << 20) or b"", row.digest) is None
    )


def edited_files(distribution: InstalledDistribution, tree: Tree) -> Iterator[str]:
    """Yield the files of a distribution with other content than was installed, relative to the root.

    The metadata is left out, because tools rewrite it, and so are empty files, which a crash of the system leaves.
    """
    metadata = f"{distribution.metadata}/METADATA"
    for row in distribution.rows:
        is_own = row.digest and not row.path.startswith(("/", "../", f"{distribution.metadata}/"))
        if not is_own or row.path.endswith(".pyc") or not is_missing_or_altered(row, metadata, tree):
            continue
        status = tree.status_of_target(row.path)
        if status is not None and status.st_size:
            yield row.path


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
    tree: Tree,
    layout: Layout,
    shells: Mapping[str, ShellFamily],
    everything: Iterable[InstalledDistribution],
    links: Iterable[tuple[str, str]] = (),
) -> Iterator[str]:
    """Yield the paths of files that neither one of these packages nor the creator of the environment wrote.

    :param shells: the shells of activation scripts, by file name in lower case.
    :param links: the links between directories in whose place is a copy of the directory.
    :raises DestinationError: a directory cannot be read; the files in it would be lost.
    """
    is_loose = loose_rule(tree.root, layout, shells, everything, links)
    files = [(path, stat.S_IFMT(status.st_mode)) for path, status in tree.entries.items()]
    for error in tree.errors:
        refuse_unreadable(error)
    for path, kind in files:
        if kind in (stat.S_IFREG, stat.S_IFLNK) and is_loose(path, kind == stat.S_IFLNK):
            yield path


def loose_rule(
    root: str,
    layout: Layout,
    shells: Mapping[str, ShellFamily],
    everything: Iterable[InstalledDistribution],
    links: Iterable[tuple[str, str]] = (),
) -> Callable[[str, bool], bool]:
    """Return a function that decides, by its path and whether it is a link, whether a file is loose: see `loose_files`."""
    everything = list(everything)
    owned = {row.path for distribution in everything for row in distribution.rows}
    metadata = tuple(f"{distribution.metadata}/" for distribution in everything)
    names = {f"{layout.bin}/{point.name}" for distribution in everything for point in distribution.entry_points}
    generated = {
        layout.config,
        MANIFEST,
        *ROOT_FILES,
        ".lock",
        *(distribution.metadata for distribution in everything),
    }
    generated |= parse_manifest(read_text(os.path.join(root, MANIFEST))).keys()
    runtime = parse_manifest(read_text(os.path.join(root, RUNTIME_MANIFEST))).keys()
    known = owned | generated | names | {RUNTIME_MANIFEST, *runtime}
    sites = {*site_directories(layout), *(distribution.site for distribution in everything)}
    created = {"lib64", "local", *(path for path, _ in layout.links)}
    copies = [(link, target) for link, target in links if os.path.isdir(os.path.join(root, link))]

    def is_loose(path: str, is_link: bool) -> bool:
        directory, _, name = path.rpartition("/")
        if path in known or path.startswith(metadata):
            return False
        if path.endswith(".pyc") and directory.endswith("__pycache__"):
            return False  # Python writes it again; a module without source is elsewhere
        if directory == layout.bin and (PYTHON_NAME.fullmatch(name) or name.lower() in shells):
            return False
        if is_link and (path in created or target_inside(root, path) in runtime):
            return False
        if name in STARTUP_FILES and directory in sites:
            return False
        return not any(is_stale_copy(root, path, link, target, owned) for link, target in copies)

    return is_loose


def is_stale_copy(root: str, path: str, link: str, target: str, owned: AbstractSet[str]) -> bool:
    """Return whether a file is in a copy of a directory, made in place of a link to it, and the directory has it as well.

    A file of a package may be different there, because it was installed again since.
    """
    if not path.startswith(f"{link}/"):
        return False
    original = target + path[len(link) :]
    return original in owned or is_same_content(os.path.join(root, path), os.path.join(root, original))


def target_inside(root: str, path: str) -> str:
    """Return the path that a relative link leads to, relative to the root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), os.readlink(os.path.join(root, path))))


def kept_files(environment: Environment, shells: Mapping[str, ShellFamily]) -> list[str]:
    """Return the activation scripts, and the files of the creator in the root, that may have edits.

    What other creators wrote is unknown, so all of their files are kept. Activation scripts do not depend on the version of
    Python, except for the library directory in `activate_this.py`.
    """
    overlay = Overlay(environment.location)
    states = generated_file_states(overlay)
    names = list_names(overlay.on_disk(environment.layout.bin))
    scripts = [f"{environment.layout.bin}/{name}" for name in names if name.lower() in shells]
    return [
        path
        for path in (*scripts, *ROOT_FILES)
        if overlay.content(path) is not None and states.get(path, "foreign") != "unedited"
    ]


ROOT_FILES = (".gitignore", "CACHEDIR.TAG")
"""Files that creators write into the root, and that users edit."""


# Operations


class PathMapping(Value):
    """The mapping of paths in the old environment to paths in the new one."""

    old: Layout
    new: Layout
    old_version: str
    """`3.11`; empty if it is unknown."""
    new_version: str

    def path(self, path: str, site: str = "") -> str:
        """Return the new path of a file; `site` is the `site-packages` of its distribution."""
        for link, target in self.new.links:
            if path.startswith(f"{link}/"):  # from a copy that was made in place of the link
                path = target + path[len(link) :]
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
    distributions: Iterable[InstalledDistribution],
    inventory: Inventory,
    info: EnvironmentInfo,
    mapping: PathMapping,
    platform: str,
) -> list[Operation]:
    """Return the operations that copy these distributions, loose and kept files, with updated RECORDs."""
    root = info.environment.location
    operations: list[Operation] = []
    modes: list[Operation] = []
    for distribution in distributions:
        record: list[str] = []
        site = mapping.path(distribution.site, distribution.site)
        record_path = mapping.path(distribution.record, distribution.site)
        own_row = format_row(recorded_as(record_path, site))
        for row in distribution.rows:
            if row.path.endswith((".pyc", "/__pycache__")):
                continue
            if row.path == distribution.record:
                record.append(own_row)
                continue
            destination = mapping.path(row.path, distribution.site)
            source = os.path.join(root, row.path)
            operation = carry_file(source, destination, mapping, info, platform)
            is_linked = isinstance(operation, Copy) and operation.source == source  # not what a link leads to
            if is_linked and is_never_written(row.path, distribution.metadata, info.tree):
                operation = replace(operation, link_mode="hardlink")
            operations.append(operation)
            digest, size = row.digest, row.size
            if row.digest and isinstance(operation, Rewrite):
                with open_regular_file(operation.old) as file:
                    form = installed_form(file.read(), row.digest) or as_it_is
                content = form(operation.content)
                digest, size = digest_of(content), str(len(content))
            record.append(format_row(recorded_as(destination, site), digest, size))
        if own_row not in record:
            record.append(own_row)
        operations.append(Rewrite(record_path, "".join(record).encode(), os.path.join(root, distribution.record)))
    for path in (*inventory.loose, *inventory.kept):
        source = os.path.join(root, path)
        script = read_at_most(source, 1 << 20) if path in inventory.kept else None
        if script and mapping.old.purelib.encode() in script:
            changed = script.replace(mapping.old.purelib.encode(), mapping.new.purelib.encode())
            operations.append(Rewrite(mapping.path(path), changed, source))
        elif os.path.islink(source):
            operations.append(Link(mapping.path(path), mapping.target(path, os.readlink(source))))
        else:
            operations.append(carry_file(source, mapping.path(path), mapping, info, platform))
            mode = stat.S_IMODE(os.stat(source).st_mode)
            if mode != copied_mode(mode):
                modes.append(SetMode(mapping.path(path), mode))
    return [*parent_directories(operations), *operations, *modes]


CODE = (".py", ".pyi", ".so", ".pyd", ".dll", ".dylib")
"""The suffixes of files that contain code."""


def is_never_written(path: str, metadata: str, tree: Tree) -> bool:
    """Return whether programs replace a file, if at all: code, metadata, and read-only files.

    The old environment and its staged successor may share such a file. Other files may be written to when packages are
    imported to verify the new environment. If it then does not work, or in a dry run, the old one must be as it was.
    """
    status = tree.status(path)
    is_read_only = status is not None and not status.st_mode & 0o222
    return is_read_only or path.endswith(CODE) or path.startswith(f"{metadata}/")


def recorded_as(path: str, site: str) -> str:
    """Return a path as a RECORD in a `site-packages` names it; both are relative to the root."""
    return path[len(site) + 1 :] if path.startswith(f"{site}/") else posixpath.relpath(path, site)


def carry_file(source: str, destination: str, mapping: PathMapping, info: EnvironmentInfo, platform: str) -> Operation:
    """Return the operation that copies one file, for `Rewrite` with another content."""
    if is_within(destination, mapping.new.bin):
        with open_regular_file(source) as file:
            content = file.read()
        header = parse_header(content)
        name = posixpath.basename(header.program) if header else ""
        if header and PYTHON_NAME.fullmatch(name) and name not in mapping.new.names:
            program = info.environment.path_to(mapping.new.executable)
            changed = script_with_program(header, program, platform)
            if changed is not None and changed != content:
                return Rewrite(destination, changed, source)
    return Copy(destination, os.path.realpath(source) if os.path.islink(source) else source)
