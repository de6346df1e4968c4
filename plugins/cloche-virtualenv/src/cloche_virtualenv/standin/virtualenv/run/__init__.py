from __future__ import annotations

from cloche_virtualenv.session import Session, cli_run, session_via_cli

__all__ = ["Session", "cli_run", "session_via_cli"]
