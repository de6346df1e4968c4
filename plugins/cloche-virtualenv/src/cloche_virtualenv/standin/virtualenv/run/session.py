from __future__ import annotations

from cloche_virtualenv.session import Session

__all__ = ["Session"]
