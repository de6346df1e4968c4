"""Measure peers in alternating rounds, and compare them: medians, quartiles, ratios and goals.

A machine whose speed drifts slows all peers in a round alike, so a ratio is the median of the ratios of all rounds. Each
round starts with another peer, so that no peer always runs after the one that leaves the most unwritten data.
"""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from peers import Peers
    from rows import Goal, Row

    Times = Mapping[str, Sequence["float | None"]]
    """By peer: the seconds of every round; None for a round in which the peer did not run."""


def measure(peers: Peers, row: Row, rounds: int) -> dict[str, list[float | None]]:
    """Return the seconds of every round, by peer. Every command runs once before that, to warm the caches of the system."""
    times: dict[str, list[float | None]] = {command.peer: [] for command in row.commands}
    for command in row.commands:
        peers.run(command, cold=row.cold)
        if row.leaves == "nothing":
            peers.remove_environment()
    count = rounds * row.round_factor
    for number in range(count if row.most_rounds is None else min(count, row.most_rounds)):
        turn = number % len(row.commands)
        for command in (*row.commands[turn:], *row.commands[:turn]):
            runs = number % command.every == 0
            seconds = round(peers.run(command, cold=row.cold), 6) if runs else None
            times[command.peer].append(seconds)
            if runs and row.leaves == "nothing":
                peers.remove_environment()
    print(f"measured: {row.title}", file=sys.stderr)
    return times


class Spread(NamedTuple):
    """The median and the quartiles of some figures."""

    low: float
    median: float
    high: float


def spread(figures: Iterable[float | None]) -> Spread:
    """Return the median and the quartiles; None is ignored."""
    present = [figure for figure in figures if figure is not None]
    if len(present) == 1:
        return Spread(*present * 3)
    return Spread(*statistics.quantiles(present, n=4, method="inclusive"))


def ratio(times: Times, peer: str, other: str) -> Spread:
    """Return the time of one peer divided by that of another, from the rounds in which both ran."""
    pairs = zip(times[peer], times[other], strict=True)
    return spread(first / second for first, second in pairs if first is not None and second is not None)


def compare(times: Times, goal: Goal) -> tuple[str, Spread]:
    """Return the fastest peer of a goal, and the time of cloche divided by the time of that peer."""
    peer = min(goal.peers, key=lambda name: spread(times[name]).median)
    return peer, ratio(times, "cloche", peer)


def verdict(goal: Goal, ratio: Spread) -> str:
    """Return whether a goal is met; `barely` means that another run may give the opposite result."""
    word = "met" if ratio.median <= goal.limit else "missed"
    return f"{word}, barely" if ratio.low <= goal.limit < ratio.high else word
