"""The checks of `cloche doctor`: functions that yield the findings about a case, and change nothing.

Add a new check to the module of its subject, and to `CHECKS`, which has the order of the report.
"""

from __future__ import annotations

from cloche.lifecycle.doctor.checks.packages import (
    check_duplicates,
    check_editables,
    check_extensions,
    check_metadata,
    check_paths,
    check_pip,
    check_records,
)
from cloche.lifecycle.doctor.checks.parts import check_parts
from cloche.lifecycle.doctor.checks.python import (
    check_base,
    check_libraries,
    check_mount,
    check_other_versions,
    check_runtime,
    check_start,
)
from cloche.lifecycle.doctor.checks.scripts import check_moved, check_scripts
from cloche.lifecycle.doctor.checks.tree import check_copied_links, check_leftovers, check_links, check_permissions
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from cloche.lifecycle.doctor.case import Case, Finding

    Check: TypeAlias = Callable[[Case], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    check_parts,
    check_base,
    check_start,
    check_mount,
    check_runtime,
    check_libraries,
    check_moved,
    check_other_versions,
    check_scripts,
    check_links,
    check_copied_links,
    check_pip,
    check_extensions,
    check_metadata,
    check_records,
    check_duplicates,
    check_paths,
    check_editables,
    check_permissions,
    check_leftovers,
)

NEED_ITS_PYTHON: frozenset[Check] = frozenset(
    (check_extensions, check_metadata, check_records, check_duplicates, check_editables, check_pip)
)
"""The checks of packages. Their remedies run pip with the Python of the environment, or they depend on what it imports."""
