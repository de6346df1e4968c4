"""How much properties are tried: a little and the same in every run, much more and always something else every night."""

from __future__ import annotations

from hypothesis import settings


def examples(usual: int) -> settings:
    """Return settings for a property of which `usual` examples are enough for a run; a night has twenty times as many."""
    return settings(max_examples=usual if settings().derandomize else 20 * usual)
