from __future__ import annotations

from cloche_virtualenv.app_data import make_app_data

__all__ = ["make_app_data"]
