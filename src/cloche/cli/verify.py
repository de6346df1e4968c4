"""`cloche verify ENV`."""

from __future__ import annotations

import sys

from cloche.cli import json_output, report
from cloche.cli.default_environment import chosen_environment
from cloche.errors import counted, human_size
from cloche.lifecycle.verify import verify_environment
from cloche.model.value import TYPE_CHECKING, fields

if TYPE_CHECKING:
    from cloche.cli.invocation import Invocation
    from cloche.lifecycle.verify import Difference


def verify(invocation: Invocation) -> int:
    """Verify an environment and print one line for each difference; return 1 if there is one, else 0."""
    with invocation.open_session() as session:
        found = verify_environment(chosen_environment(invocation), session)
    root = found.environment.location
    if invocation.settings.flag("json"):
        json_output.print_json(
            root=root,
            verified=not found.differences,
            files=found.files,
            size=found.size,
            differences=[fields(difference) for difference in found.differences],
            remedy=found.remedy,
            unverified=found.unverified,
        )
        return int(bool(found.differences))
    for difference in found.differences:
        report.print_result(difference_line(difference))
    if found.remedy:
        report.print_hint(f"`{found.remedy}` brings it into line with its lock file")
    if not invocation.arguments.count("quiet"):
        for text in found.unverified:
            report.print_message(report.one_line(f"not verified: {text}"))
        if not found.differences:
            verified = report.styled("verified", "green", sys.stdout)
            report.print_result(
                f"{report.one_line(root)}: {verified}, {counted(found.files, 'file')}, {human_size(found.size)}"
            )
    return int(bool(found.differences))


def difference_line(difference: Difference) -> str:
    """Return a difference as one line: `KIND: PATH: MESSAGE`."""
    kind = report.styled(difference.kind, "yellow", sys.stdout)
    owner = f" ({difference.distribution})" if difference.distribution else ""
    return f"{kind}: {report.one_line(f'{difference.path}: {difference.message}{owner}')}"
