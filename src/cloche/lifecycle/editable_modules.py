"""The modules of editable installs (PEP 660), which are in a source directory outside of the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.overlay import Files


def modules_of_editables(distributions: Iterable[InstalledDistribution], files: Files) -> dict[str, list[str]]:
    """Return the modules of each editable install whose source directory exists, by its metadata directory."""
    return {
        distribution.metadata: editable_modules(distribution, files)
        for distribution in distributions
        if distribution.editable and os.path.exists(distribution.editable)
    }


def roots_of_lost_editables(distributions: Iterable[InstalledDistribution], location: str) -> dict[str, list[str]]:
    """Return the old roots that editable installs record for an environment, with the files that do so.

    If a source directory no longer exists, but one with the same end of its path exists in the environment, the rest is an
    old root. In a relocatable environment, often nothing else records one.

    :param location: the absolute path of the environment.
    """
    found: dict[str, list[str]] = {}
    for distribution in distributions:
        source = distribution.editable
        root = os.path.dirname(source)
        while not os.path.exists(source) and os.path.dirname(root) != root:
            if os.path.isdir(location + source[len(root) :]):
                is_link = distribution.metadata.endswith(".egg-link")
                path = distribution.metadata if is_link else f"{distribution.metadata}/direct_url.json"
                found.setdefault(root, []).append(path)
            root = os.path.dirname(root)
    return found


def editable_modules(distribution: InstalledDistribution, files: Files) -> list[str]:
    """Return the top-level modules of an editable install, as far as its metadata and the files of its backend name them."""
    names = {point.module for point in distribution.entry_points}
    names.update(files.text(f"{distribution.metadata}/top_level.txt").split())
    for row in distribution.rows:
        if os.path.dirname(row.path) == distribution.site and row.path.endswith(".py"):
            names.update(modules_in_loader(files.text(row.path)))
    return sorted({name.partition(".")[0] for name in names if name.partition(".")[0].isidentifier()})


def modules_in_loader(source: str) -> Iterator[str]:
    """Yield the modules that the loader of an editable install names.

    setuptools assigns a dictionary to `MAPPING`. meson-python and scikit-build-core pass a set or a dictionary to `install`, or
    to a finder. The package `editables` passes a name to `map_module`.
    """
    import ast  # few environments have editable installs

    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        found: list[ast.expr | None] = []
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "MAPPING" for target in targets):
                found = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found = [*node.args] if node.func.id == "install" or node.func.id.endswith("Finder") else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "map_module":
            yield from (
                item.value for item in node.args[:1] if isinstance(item, ast.Constant) and isinstance(item.value, str)
            )
        for literal in found:
            items = (
                literal.keys if isinstance(literal, ast.Dict) else literal.elts if isinstance(literal, ast.Set) else []
            )
            yield from (item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str))
