"""What finders return."""

from __future__ import annotations

from cloche.model.value import Value


class Candidate(Value):
    """An executable that may be an interpreter, and the finder that found it."""

    path: str
    """Its absolute path."""
    found_by: str
    """The name of the finder."""
    note: str = ""
    """Why it is skipped without being probed, for example "is a Microsoft Store alias"; empty for a real candidate."""
