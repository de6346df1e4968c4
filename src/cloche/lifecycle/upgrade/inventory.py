"""Decide what an upgrade to another Python does with each installed distribution and loose file.

What the other Python can use is carried over; other distributions are reinstalled in another build, or lost. Nothing here
changes a file: the result is an `Inventory`.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from cloche.fs import list_names, read_at_most
from cloche.lifecycle.embedded_paths.content_search import file_contains
from cloche.lifecycle.installed import distributions_in, pip_arguments, site_directories
from cloche.lifecycle.loose_files import LooseFiles, files_with_edits
from cloche.lifecycle.reader import copied_links
from cloche.lifecycle.tool_edits import installed_form
from cloche.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.fs.installed_records import Row
    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.tree import Tree
    from cloche.model.interpreter import Interpreter


class Loss(Value):
    """A distribution or a file that the new environment will not have, or a distribution that will not work there."""

    item: str
    """`NAME VERSION`, or a path."""
    reason: str
    is_absent: bool = True
    """False if the new environment will have the distribution, but not something that it requires."""


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
    tool wrote them."""
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


def take_inventory(info: EnvironmentInfo, target: Interpreter, seeds: Iterable[str]) -> Inventory:
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
        elif can_be_copied(distribution, info, target) and is_unmodified(distribution, info.tree):
            carried.append(distribution)
        elif pip_arguments(distribution):
            reinstalled.append(distribution)
            reason = f"it was edited after {item_of(distribution)} was installed, and the original is installed again"
            losses += (Loss(path, reason) for path in edited_files(distribution, info.tree))
        else:
            losses.append(Loss(item_of(distribution), "its version or its source is not recorded"))
    links = copied_links(info.environment)
    loose = LooseFiles(root, info.environment.layout, info.shells, everything, links).in_tree(info.tree)
    kept = []
    for path in loose:
        if is_extension_module(root, path):
            losses.append(Loss(path, "it is an extension module outside of packages"))
        elif any(is_replaced_in(root, path, link, target) for link, target in links):
            losses.append(
                Loss(
                    path, "it differs from the file of the same name in the directory that its own directory duplicates"
                )
            )
        else:
            kept.append(path)
    return Inventory(
        tuple(carried),
        tuple(reinstalled),
        tuple(kept),
        tuple(files_with_edits(info.environment, info.shells)),
        tuple(losses),
    )


def is_extension_module(root: str, path: str) -> bool:
    """Return whether a file is an extension module for one version of Python; other C libraries are not."""
    if not path.endswith((".so", ".pyd", ".dylib")) or path.endswith(".abi3.so"):
        return False
    if re.search(r"\.(cpython|pypy|graalpy|cp\d)[\w-]*\.(so|pyd)$", path):
        return True
    full_path = os.path.join(root, path)
    name = posixpath.basename(path).partition(".")[0].encode()
    return os.path.isfile(full_path) and file_contains(full_path, {b"PyInit_" + name, b"PyInitU_" + name})


def is_replaced_in(root: str, path: str, link: str, target: str) -> bool:
    """Return whether a loose file in a copy of a directory differs from the file of the same name in that directory.

    If both were equal, the file would not be loose.
    """
    return path.startswith(f"{link}/") and os.path.lexists(os.path.join(root, target + path[len(link) :]))


def refusal_reason(distribution: InstalledDistribution, target: Interpreter) -> str:
    """Return why a distribution does not accept a Python (PEP 345); empty if it does."""
    from packaging.specifiers import SpecifierSet  # only an upgrade needs them

    try:
        accepts = not distribution.requires_python or SpecifierSet(distribution.requires_python).contains(
            target.version_text, prereleases=True
        )
    except ValueError:
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


def is_unmodified(distribution: InstalledDistribution, tree: Tree) -> bool:
    """Return whether every file of a distribution exists and is unmodified."""
    metadata = f"{distribution.metadata}/METADATA"
    rows = [row for row in distribution.rows if not row.path.endswith((".pyc", "/__pycache__", "/RECORD"))]
    return bool(rows) and not any(
        row.path.startswith(("/", "../")) or is_missing_or_altered(row, metadata, tree)
        for row in tree.doubtful(rows, metadata)
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
    for row in tree.doubtful(distribution.rows, metadata):
        is_own = row.digest and not row.path.startswith(("/", "../", f"{distribution.metadata}/"))
        if not is_own or row.path.endswith(".pyc") or not is_missing_or_altered(row, metadata, tree):
            continue
        status = tree.status_of_target(row.path)
        if status is not None and status.st_size:
            yield row.path
