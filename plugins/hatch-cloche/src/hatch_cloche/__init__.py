"""A hatch plugin that creates environments with cloche if their configuration has `type = "cloche"`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatchling.plugin import hookimpl

if TYPE_CHECKING:
    from hatch_cloche.environment import ClocheEnvironment


@hookimpl
def hatch_register_environment() -> type[ClocheEnvironment]:
    from hatch_cloche.environment import ClocheEnvironment

    return ClocheEnvironment
