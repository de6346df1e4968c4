"""The number of examples for property tests: few and always the same by default, many and random in the nightly run."""

from __future__ import annotations

from hypothesis import settings


def examples(usual: int) -> settings:
    """Return settings with `usual` examples in a normal run, and twenty times as many in the nightly run."""
    return settings(max_examples=usual if settings().derandomize else 20 * usual)
