from __future__ import annotations

import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class LogCmd:
    """A command for a log, in which tox hides secrets."""

    def __init__(self, cmd: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.cmd = cmd
        self.env = env

    def __repr__(self) -> str:
        return shlex.join(map(str, self.cmd)) + (f" env of {self.env!r}" if self.env is not None else "")


__all__ = ["LogCmd"]
