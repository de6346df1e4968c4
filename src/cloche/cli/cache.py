"""`cloche cache dir|size|verify|prune|clear`."""

from __future__ import annotations

from cloche.cli import json_output, report
from cloche.discovery import cache as probes
from cloche.errors import counted, human_size
from cloche.model.value import TYPE_CHECKING, Value
from cloche.planning import plan_cache
from cloche.store import cache_directory, maintenance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloche.cli.invocation import Invocation
    from cloche.store import Store


class ActionResult(Value):
    """The result of an action: its output as lines of text and as JSON, and its exit code."""

    lines: tuple[str, ...]
    facts: Mapping[str, object]
    code: int = 0


def cache(invocation: Invocation) -> int:
    """Perform one action on the cache; return 1 if `verify` finds damage."""
    action, settings = invocation.arguments.operands[0], invocation.settings
    with invocation.open_session() as session:
        session.progress("reading the cache")
        outcome = ACTIONS[action](session.store)
        directory = session.store.root or cache_directory(invocation.host)
    if settings.flag("json"):
        json_output.print_json(action=action, directory=directory, **outcome.facts)
    elif not invocation.arguments.count("quiet") or action in ("dir", "size", "verify"):
        for line in outcome.lines or (directory,):
            report.print_result(report.one_line(line))
    return outcome.code


CONTENT_CHECKS: maintenance.ContentChecks = {
    "interpreters": probes.is_intact_entry,
    "plans": plan_cache.is_intact_entry,
}


def show_directory(store: Store) -> ActionResult:
    return ActionResult((), {})


def measure_cache(store: Store) -> ActionResult:
    usages = maintenance.measure_store(store)
    total = sum(usage.size for usage in usages)
    lines = [
        f"{usage.kind + ':':14}{human_size(usage.size):>10}  {counted(usage.entries, 'entry', 'entries')}"
        for usage in usages
    ]
    facts = [{"kind": usage.kind, "entries": usage.entries, "size": usage.size} for usage in usages]
    return ActionResult((*lines, f"{'total:':14}{human_size(total):>10}"), {"kinds": facts, "size": total})


def verify_cache(store: Store) -> ActionResult:
    """Check every hash. A damaged entry is never used, and `prune` removes it."""
    damaged = maintenance.verify_store(store, CONTENT_CHECKS)
    lines = (*damaged, "`cloche cache prune` removes damaged entries") if damaged else ("all hashes match",)
    return ActionResult(lines, {"damaged": damaged}, 1 if damaged else 0)


def prune_cache(store: Store) -> ActionResult:
    removed = maintenance.prune_store(store, checks=CONTENT_CHECKS)
    total = sum(removal.size for removal in removed)
    lines = [f"removed {removal.path}: {removal.reason}" for removal in removed]
    facts = [{"path": removal.path, "reason": removal.reason, "size": removal.size} for removal in removed]
    return ActionResult(
        (*lines, f"removed {counted(len(removed), 'entry', 'entries')}, {human_size(total)}"),
        {"removed": facts, "size": total},
    )


def clear_cache(store: Store) -> ActionResult:
    """Clear the cache; warn first about environments that link to it, because their packages stop working."""
    linked = maintenance.linked_environments(store)
    report.print_warnings(maintenance.loss_warnings(linked))
    total = maintenance.clear_store(store)
    return ActionResult((f"removed {human_size(total)}",), {"size": total, "linked": linked})


ACTIONS: Mapping[str, Callable[[Store], ActionResult]] = {
    "dir": show_directory,
    "size": measure_cache,
    "verify": verify_cache,
    "prune": prune_cache,
    "clear": clear_cache,
}
