"""The causes of the findings in many environments: one removed Python, say, breaks all environments that were based on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.lifecycle.doctor.diagnosis import CODES
from cloche.lifecycle.relocation import moved_parent
from cloche.model.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloche.lifecycle.doctor.case import Finding


class Cause(Value):
    """What is wrong in one or more environments."""

    code: str
    """The code of the findings."""
    message: str
    """The message of the findings if it is the same for all, or the parent directory with which the environments were moved;
    otherwise the meaning of the code."""
    environments: tuple[str, ...]
    """The affected environments, sorted."""
    repairable: bool
    """Whether `cloche doctor --fix` repairs all of the findings."""


def common_message(environment: str, finding: Finding) -> str:
    """Return a message that is the same for all environments with the same cause, as far as the finding tells."""
    if finding.code == "moved":
        for old, new in moved_parent(finding.path, environment):
            return f"`{old}` was moved or copied to `{new}`"
    return finding.message


def causes_of(findings: Mapping[str, Iterable[Finding]]) -> list[Cause]:
    """Return the causes of findings; the cause that affects the most environments comes first.

    :param findings: the findings in each environment.
    """
    by_message: dict[tuple[str, str], list[tuple[str, Finding]]] = {}
    for environment, found in findings.items():
        for finding in found:
            by_message.setdefault((finding.code, common_message(environment, finding)), []).append(
                (environment, finding)
            )
    by_cause: dict[tuple[str, str], list[tuple[str, Finding]]] = {}
    for (code, message), affected in by_message.items():
        is_shared = len({environment for environment, _ in affected}) > 1
        by_cause.setdefault((code, message if is_shared else ""), []).extend(affected)
    causes = [
        Cause(
            code,
            message or (affected[0][1].message if len(affected) == 1 else CODES[code]),
            tuple(sorted({environment for environment, _ in affected})),
            all(finding.repairable for _, finding in affected),
        )
        for (code, message), affected in by_cause.items()
    ]
    return sorted(causes, key=lambda cause: (-len(cause.environments), cause.code, cause.message))
