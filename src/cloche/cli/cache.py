"""`cloche cache dir|size|verify|prune|clear`."""

from __future__ import annotations

from cloche.cli import report
from cloche.cli.commands import COMMON
from cloche.cli.info import human
from cloche.cli.settings import resolve, session_of
from cloche.discovery import cache as probes
from cloche.model.value import TYPE_CHECKING, value
from cloche.planning import plan_cache
from cloche.store import maintenance
from cloche.store.directories import cache_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloche.cli.parser import ParsedArguments
    from cloche.model.interpreter import Host
    from cloche.store import Store


@value
class Done:
    """What an action has to say, for people and for programs."""

    lines: tuple[str, ...]
    facts: Mapping[str, object]
    code: int = 0


def cache(words: ParsedArguments, host: Host, argv: Sequence[str], started: float) -> int:
    """Do one thing with the cache; 1 if `verify` finds damage."""
    action = words.operands[0]
    settings = resolve(words, host, COMMON)
    with session_of(settings, host) as session:
        session.progress("looking at the cache")
        done = ACTIONS[action](session.store)
        directory = session.store.root or cache_directory(host)
    if settings.flag("json"):
        report.print_json(action=action, directory=directory, **done.facts)
    elif not words.count("quiet") or action in ("dir", "size", "verify"):
        for line in done.lines or (directory,):
            report.tell(report.one_line(line))
    return done.code


CONTENT_CHECKS: maintenance.ContentChecks = {"interpreters": probes.is_whole, "plans": plan_cache.is_whole}


def say_where(store: Store) -> Done:
    return Done((), {})


def size(store: Store) -> Done:
    usages = maintenance.measure_store(store)
    total = sum(usage.size for usage in usages)
    lines = [f"{usage.kind + ':':14}{human(usage.size):>10}  {usage.entries} entries" for usage in usages]
    facts = [{"kind": usage.kind, "entries": usage.entries, "size": usage.size} for usage in usages]
    return Done((*lines, f"{'total:':14}{human(total):>10}"), {"kinds": facts, "size": total})


def verify(store: Store) -> Done:
    """Compare every hash; what is damaged is never used, and `prune` removes it."""
    damaged = maintenance.verify_store(store, CONTENT_CHECKS)
    lines = (*damaged, "`cloche cache prune` removes what is damaged") if damaged else ("every hash is right",)
    return Done(lines, {"damaged": damaged}, 1 if damaged else 0)


def prune(store: Store) -> Done:
    removed = maintenance.prune_store(store, checks=CONTENT_CHECKS)
    total = sum(one.size for one in removed)
    lines = [f"removed {one.path}: {one.reason}" for one in removed]
    facts = [{"path": one.path, "reason": one.reason, "size": one.size} for one in removed]
    return Done((*lines, f"removed {len(removed)} entries, {human(total)}"), {"removed": facts, "size": total})


def clear(store: Store) -> Done:
    total = maintenance.clear_store(store)
    return Done((f"removed {human(total)}",), {"size": total})


ACTIONS: Mapping[str, Callable[[Store], Done]] = {
    "dir": say_where,
    "size": size,
    "verify": verify,
    "prune": prune,
    "clear": clear,
}
