from __future__ import annotations

from python_discovery._cached_py_info import clear, from_exe

__all__ = ["clear", "from_exe"]
