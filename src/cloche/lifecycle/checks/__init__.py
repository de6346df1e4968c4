"""What `cloche doctor` looks at: each check is a function from a case to findings, and changes nothing.

A new one is written in the module of its subject and named here, in the order in which findings are reported.
"""

from __future__ import annotations

from cloche.lifecycle.checks.packages import doubles, extensions, metadata, paths, records, seed
from cloche.lifecycle.checks.python import base, config, other_versions, start
from cloche.lifecycle.checks.scripts import activation, moved, scripts
from cloche.lifecycle.checks.tree import left_behind, links, permissions
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloche.lifecycle.case import Case, Finding

CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    config,
    base,
    start,
    moved,
    activation,
    other_versions,
    scripts,
    links,
    extensions,
    metadata,
    records,
    doubles,
    paths,
    permissions,
    seed,
    left_behind,
)
