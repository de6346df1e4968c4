"""Find the programs that tests need. If one is missing, the test is skipped with the reason."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def require(name: str) -> str:
    """Return the absolute path of a program on PATH; if it is missing, skip the test, or fail (see `skip_missing`)."""
    if found := shutil.which(name):
        return os.path.abspath(found)
    return skip_missing(f"`{name}` is not on PATH")


def skip_missing(reason: str) -> NoReturn:
    """Skip the running test because this machine lacks something; with `CLOCHE_REQUIRE_ALL=1`, fail it."""
    if os.environ.get("CLOCHE_REQUIRE_ALL") == "1":
        pytest.fail(f"CLOCHE_REQUIRE_ALL is set, and {reason}")
    pytest.skip(reason)
