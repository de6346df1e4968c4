"""Let peers work in turn, round after round, and judge what that says: medians, quartiles and ratios.

A machine whose speed drifts slows all of them alike, so a ratio is the median of the rounds' ratios. Each round begins
with another peer, so that none always comes after the one that leaves most to be written to the disk.
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
    """By peer: the seconds of every round, None for a round that it did not take part in."""


def measure(peers: Peers, row: Row, rounds: int) -> dict[str, list[float | None]]:
    """Return the seconds of every round by peer; a round before the first warms the machine's own caches."""
    times: dict[str, list[float | None]] = {command.peer: [] for command in row.commands}
    for command in row.commands:
        peers.run(command, cold=row.cold)
    for number in range(rounds * row.more):
        turn = number % len(row.commands)
        for command in (*row.commands[turn:], *row.commands[:turn]):
            takes_part = number % command.every == 0
            seconds = round(peers.run(command, cold=row.cold), 6) if takes_part else None
            times[command.peer].append(seconds)
    print(f"measured: {row.title}", file=sys.stderr)
    return times


class Spread(NamedTuple):
    """The median of some figures, and the two between which half of them lie."""

    low: float
    median: float
    high: float


def spread(figures: Iterable[float | None]) -> Spread:
    there = [one for one in figures if one is not None]
    if len(there) == 1:
        return Spread(*there * 3)
    return Spread(*statistics.quantiles(there, n=4, method="inclusive"))


def ratio(times: Times, one: str, other: str) -> Spread:
    """Return how much of the time of another peer one takes, from the rounds in which both took part."""
    pairs = zip(times[one], times[other], strict=True)
    return spread(first / second for first, second in pairs if first is not None and second is not None)


def judge(times: Times, goal: Goal) -> tuple[str, Spread]:
    """Return the peer that a goal is about, and how much of its time cloche takes."""
    peer = min(goal.peers, key=lambda name: spread(times[name]).median)
    return peer, ratio(times, "cloche", peer)


def verdict(goal: Goal, found: Spread) -> str:
    """Return whether a goal is met, and whether another run may well say otherwise."""
    word = "met" if found.median <= goal.most else "missed"
    return f"{word}, barely" if found.low <= goal.most < found.high else word
