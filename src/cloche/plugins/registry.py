"""Everything that the loaded plugins offer, by kind and name, and what became of each plugin.

One plugin never stops another, nor a run that does not need it: a broken plugin, and the later of two components with one
name, is left out with a warning. It is an error only if the user asks for it.
"""

from __future__ import annotations

from cloche.errors import PluginError, UsageError
from cloche.fs.inputs import UNRECORDED
from cloche.model.distribution import normalize_name
from cloche.model.value import TYPE_CHECKING, value
from cloche.model.value import replace as with_fields
from cloche.plugins.components import KINDS, Component, parse_component
from cloche.plugins.entry_points import InstalledPlugins
from cloche.plugins.guard import Source, describe_exception

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Literal, TypeAlias

    from cloche.fs.inputs import Inputs
    from cloche.model.plan import Result
    from cloche.plugins.components import Kind
    from cloche.plugins.hookspecs import Finder
    from cloche.plugins.manager import Hooks

    Status: TypeAlias = Literal["loaded", "blocked", "failed", "shadowed"]

BUILTIN = {"builtin": "cloche.builtin.plugin"}
"""The plugins in the box, by name. They are listed here and not scanned for, so that they work in a zip archive too."""

ALIASES: Mapping[str, Mapping[str, str]] = {
    "creator": dict.fromkeys(
        (
            "builtin",
            "cpython3-mac-brew",
            "cpython3-mac-framework",
            "cpython3-posix",
            "cpython3-win",
            "graalpy-posix",
            "graalpy-win",
            "pypy3-posix",
            "pypy3-win",
            "rustpython-posix",
            "rustpython-win",
        ),
        "",
    ),
    "seeder": {"app-data": "pip"},
    "activator": {"cshell": "csh"},
}
"""virtualenv's names of the same components; the empty name stands for the default."""


@value
class Report:
    """What became of one plugin."""

    source: Source
    status: Status
    reason: str = ""
    """Why it failed or is blocked."""
    hooks: tuple[str, ...] = ()
    provides: tuple[Component, ...] = ()
    """Everything that it offers."""
    error: BaseException | None = None
    """What it failed with."""


@value
class Conflict:
    """Two plugins offer a component of one kind and name. The first is used, the second left out."""

    used: Component
    left_out: Component

    @property
    def message(self) -> str:
        used, other = self.used, self.left_out
        return f"two plugins offer the {used.kind} `{used.name}`: {used.source} is used, {other.source} is left out"

    @property
    def hint(self) -> str:
        name = self.left_out.source.name_apart_from(self.used.source)
        return f"uninstall one of them, or leave one out with `--no-plugin {name}`"


class Registry:
    """Everything that the loaded plugins offer, by kind and name."""

    def __init__(
        self,
        components: Iterable[Component] = (),
        reports: Iterable[Report] = (),
        *,
        hooks: Hooks | None = None,
        replace: Mapping[str, str] | None = None,
        unknown: Iterable[str] = (),
    ) -> None:
        self.reports = tuple(reports)
        self.conflicts: list[Conflict] = []
        self._hooks = hooks
        self._unknown = sorted(unknown)
        self._by_kind: dict[Kind, dict[str, Component]] = {kind: {} for kind in KINDS}
        for one in components:
            first = self._by_kind[one.kind].setdefault(one.name, one)
            if first is not one:
                self.conflicts.append(Conflict(first, one))
        self._agreed = dict(replace or {})
        self._waiting: set[tuple[Kind, str]] = set()
        for named in self._by_kind.values():
            for one in [one for one in named.values() if one.replaces in named]:
                if self._agreed.get(one.replaces) == one.name:
                    named[one.replaces] = one
                else:
                    self._waiting.add((one.kind, one.name))

    def all(self, kind: Kind) -> list[Component]:
        """Return all components of a kind, in the order in which they are asked or listed.

        One that offers to replace a built-in waits for the user's consent; until then it is used only by name.
        """
        distinct = {one.name: one for one in self._by_kind[kind].values()}.values()
        return [one for one in distinct if (kind, one.name) not in self._waiting]

    def find(self, kind: Kind, name: str) -> Component:
        """Return the component of that name.

        :raises UsageError: there is none; the hint lists those that exist.
        :raises PluginError: there is none, and a plugin that failed to load may offer it.
        """
        named = self._by_kind[kind]
        if found := named.get(name) or named.get(ALIASES.get(kind, {}).get(name, "")):
            return found
        failed = self._with_status("failed")
        if failed:
            culprit = next((report for report in failed if name in report.source.name), failed[0])
            raise PluginError(
                f"unknown {kind} `{name}`; plugin {culprit.source}, which may offer it, failed: {culprit.reason}",
                hint="`cloche plugins` lists the plugins and what went wrong",
            ) from culprit.error
        near = suggestion(name, named)
        available = ", ".join(f"`{one}`" for one in sorted(named))
        blocked = ", ".join(str(report.source) for report in self._with_status("blocked"))
        raise UsageError(
            f"unknown {kind} `{name}`{near}",
            hint=f"available: {available}" + (f"; left out with `--no-plugin`: {blocked}" if blocked else ""),
        )

    @property
    def warnings(self) -> list[str]:
        """What to tell the user about plugins on any run, one line each."""
        failed = [f"plugin {report.source} was skipped: {report.reason}" for report in self._with_status("failed")]
        return [*failed, *self.name_warnings]

    @property
    def name_warnings(self) -> list[str]:
        """Those of the warnings that are about names: two components with one name, and names of nothing."""
        return [*(f"{one.message}; {one.hint}" for one in self.conflicts), *self._unknown_names()]

    def _unknown_names(self) -> list[str]:
        """Return which names of plugins in options and config files have no meaning, one line each."""
        names = [one for report in self.reports for one in (report.source.name, report.source.distribution)]
        lines = []
        for name in self._unknown:
            if name in BUILTIN:
                lines.append(f"plugin `{name}` is part of cloche and cannot be left out")
            else:
                lines.append(f"unknown plugin `{name}`; nothing was left out for it{suggestion(name, names)}")
        known = {name: one for named in self._by_kind.values() for name, one in named.items()}
        for replaced, name in self._agreed.items():
            if name not in known:
                near = suggestion(name, known.keys() - {replaced})
                lines.append(f"`replace` in the settings: unknown component `{name}` for `{replaced}`{near}")
            elif known[name].replaces != replaced:
                lines.append(
                    f"`replace` in the settings: {known[name].kind} `{name}` does not offer to replace `{replaced}`"
                )
        return lines

    def _with_status(self, status: Status) -> list[Report]:
        return [report for report in self.reports if report.status == status]

    def replaced_by(self, one: Component) -> str:
        """Return the name of the component that replaces another with the user's consent; empty if none does."""
        now = self._by_kind[one.kind].get(one.name, one)
        return "" if now.source == one.source or now.name == one.name else now.name

    def conflict_of(self, one: Component) -> Conflict | None:
        """Return the conflict in which a component was left out; None if it was not."""
        return next((conflict for conflict in self.conflicts if conflict.left_out == one), None)

    def finders(self) -> Iterator[Finder]:
        """Yield the finders in the order in which they are asked. Each is loaded when the search reaches it."""
        for one in self.all("finder"):
            yield one.load()

    @property
    def offers(self) -> tuple[tuple[str, ...], ...]:
        """Everything about the components that a choice between them can depend on, as plain values.

        An object is asked again on every run, and its plugin may then offer another one.
        """
        return tuple(
            (one.kind, name, one.name, str(one.source), one.reference, one.replaces, *(o.name for o in one.options))
            for kind in KINDS
            for name, one in self._by_kind[kind].items()
        )

    @property
    def has_objects(self) -> bool:
        """Whether a plugin offers objects, where others offer a `Descriptor`."""
        return any(not one.reference for kind in KINDS for one in self._by_kind[kind].values())

    @property
    def has_created_hooks(self) -> bool:
        """Whether a plugin wants to be told when an environment is in place."""
        return self._hooks is not None and self._hooks.implements("cloche_created")

    def notify_created(self, result: Result) -> list[tuple[str, BaseException]]:
        """Tell plugins that an environment is in place; return what went wrong, as (warning, error)."""
        if self._hooks is None:
            return []
        self._hooks.failures.clear()
        self._hooks.call("cloche_created", result=result)
        return [
            (f"plugin {source} failed after the environment was created: {describe_exception(error)}", error)
            for source, error in self._hooks.failures.items()
        ]


def load_plugins(
    path: Sequence[str],
    blocked: frozenset[str] = frozenset(),
    replace: Mapping[str, str] | None = None,
    inputs: Inputs = UNRECORDED,
) -> Registry:
    """Load every plugin in the directories of `path` that is not blocked, and return what they offer.

    :param blocked: names of plugins or distributions; `*` stands for all but those in the box.
    :param replace: by name of a built-in, the component that may replace it.
    """
    found = InstalledPlugins(path, inputs).scan()
    shadowed = [
        Report(source, "shadowed", f"{source.distribution} in `{place}` takes precedence")
        for source, place in found
        if place
    ]
    builtin = [Source(name, module, "cloche", "") for name, module in BUILTIN.items()]
    sources = [*builtin, *(source for source, place in found if not place)]
    return load_sources(sources, blocked, replace, shadowed)


def load_sources(
    sources: Sequence[Source],
    blocked: frozenset[str] = frozenset(),
    replace: Mapping[str, str] | None = None,
    others: Iterable[Report] = (),
) -> Registry:
    """Load these plugins, those in the box and all others in the same way; see `load_plugins`.

    :param others: reports on plugins that are not loaded, to be listed after these.
    """
    from cloche.plugins.manager import Hooks, register_all

    asked_for, named = [], set()
    for source in sources:
        names = {name for name in blocked if name == source.name or normalize_name(name) == source.distribution}
        if source.implementation in BUILTIN.values() or not (names or "*" in blocked):
            asked_for.append(source)
        else:
            named |= names
    hooks = Hooks()
    registered = register_all(hooks, asked_for)
    components, failures = collect_components(hooks)
    failures |= {source: outcome for source, outcome in registered.items() if isinstance(outcome, BaseException)}
    usable = [one for one in components if one.source not in failures]
    reports = []
    for source in sources:
        outcome = registered.get(source)
        if error := failures.get(source):
            reports.append(Report(source, "failed", describe_exception(error), error=error))
        elif isinstance(outcome, tuple):
            provides = tuple(one for one in usable if one.source == source)
            reports.append(Report(source, "loaded", "", outcome, provides))
        else:
            reports.append(Report(source, "blocked", "left out with `--no-plugin`"))
    builtin_first = sorted(usable, key=lambda one: one.source.implementation not in BUILTIN.values())
    in_order = usable if usable == builtin_first else order_by_precedence(usable)
    return Registry(in_order, [*reports, *others], hooks=hooks, replace=replace, unknown=blocked - {"*"} - named)


def order_by_precedence(components: Sequence[Component]) -> list[Component]:
    """Return components in the order of their hooks, but a built-in before another one of its kind and name."""
    builtin = {(one.kind, one.name): one for one in components if one.source.implementation in BUILTIN.values()}
    first: list[Component] = []
    later: list[Component] = []
    for one in components:
        own = builtin.get((one.kind, one.name))
        (first if own is None or own is one else later).append(one)
    return first + later


def collect_components(hooks: Hooks) -> tuple[list[Component], dict[Source, BaseException]]:
    """Ask all plugins what they offer, with one call per hook; return it, and what plugins failed with."""
    components: list[Component] = []
    failures: dict[Source, BaseException] = {}
    for kind in KINDS:
        for item, source in hooks.collect(f"cloche_{kind}s"):
            try:
                one = parse_component(kind, item, source)
                if kind == "command":
                    own = (other for other in hooks.entry_points(source) if other.name == one.name)
                    one = with_fields(one, source=next(own, source))
                if any((kind, one.name, source) == (other.kind, other.name, other.source) for other in components):
                    raise TypeError(f"`cloche_{kind}s` returned two components named `{one.name}`")
                components.append(one)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                failures.setdefault(source, error)
    failures = {**failures, **hooks.failures}
    return components, {other: error for source, error in failures.items() for other in hooks.entry_points(source)}


def load_command(
    name: str, sources: Sequence[Source], blocked: frozenset[str] = frozenset()
) -> tuple[Component | None, list[str]]:
    """Return the command of that name, None if none of these plugins offers it; and what to warn of.

    :raises PluginError: the plugin of that name is broken or left out.
    """
    registry = load_sources(sources, blocked)
    for report in registry.reports:
        if report.source.name == name and report.status in ("failed", "blocked"):
            reason = f"it failed: {report.reason}" if report.status == "failed" else "it is left out with `--no-plugin`"
            raise PluginError(
                f"`{name}` may be a command of plugin {report.source}, but {reason}",
                hint=f"`./{name}` is the directory of that name",
            ) from report.error
    conflicts = [one for one in registry.conflicts if one.used.kind == "command" and one.used.name == name]
    warnings = [f"{one.message}; {one.hint}" for one in conflicts]
    return next((one for one in registry.all("command") if one.name == name), None), warnings


def suggestion(name: str, names: Iterable[str]) -> str:
    """Return the question whether the nearest of some names was meant; empty if none is near."""
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(set(names)), 1)
    return f"; did you mean `{near[0]}`?" if near else ""
