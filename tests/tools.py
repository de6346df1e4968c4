"""Find the real tools that tests need; where one is missing the test is skipped and says so."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def require(name: str) -> str:
    """Return the absolute path of a program on PATH, or skip; with `CLOCHE_REQUIRE_ALL=1` a missing one is a failure."""
    if found := shutil.which(name):
        return os.path.abspath(found)
    return skip_missing(f"`{name}` is not on PATH")


def skip_missing(reason: str) -> NoReturn:
    """Skip the running test because something is not on this machine; fail it where everything has to be."""
    if os.environ.get("CLOCHE_REQUIRE_ALL") == "1":
        pytest.fail(f"CLOCHE_REQUIRE_ALL is set, and {reason}")
    pytest.skip(reason)
