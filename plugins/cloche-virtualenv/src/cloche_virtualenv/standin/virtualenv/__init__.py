"""A stand-in for virtualenv that creates environments with cloche; `cloche virtualenv-shim` installed it."""

from __future__ import annotations

from virtualenv import _borrowed

_borrowed.install_finder()

from virtualenv.run import cli_run, session_via_cli  # noqa: E402  (imports modules that may be borrowed)
from virtualenv.version import __version__  # noqa: E402

__all__ = ["__version__", "cli_run", "session_via_cli"]
