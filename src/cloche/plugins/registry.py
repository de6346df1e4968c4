"""The registry: all components of the loaded plugins, by kind and name, and the status of each plugin.

A problem with one plugin affects no other plugin, and no run that does not need it. A broken plugin, and the second of two
components with the same name, is left out with a warning. It is an error only if the user asks for that component.
"""

from __future__ import annotations

from cloche.errors import PluginError, UsageError
from cloche.fs.inputs import Inputs
from cloche.model.metadata import normalize_name
from cloche.model.value import TYPE_CHECKING, Value
from cloche.model.value import replace as with_fields
from cloche.plugins import BUILT_IN, LazyFinder, Source, describe_exception, is_built_in
from cloche.plugins.components import COMPONENT_KINDS, Component, parse_component
from cloche.plugins.entry_points import InstalledPlugins
from cloche.plugins.similar_names import suggestion

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from typing import Literal, TypeAlias

    from cloche.model.environment import Environment
    from cloche.model.plan import Result
    from cloche.plugins.components import Kind
    from cloche.plugins.hooks import Hooks

    Status: TypeAlias = Literal["loaded", "blocked", "failed", "shadowed"]


ALIASES: Mapping[str, Mapping[str, str]] = {"seeder": {"app-data": "pip"}, "activator": {"cshell": "csh"}}
"""virtualenv's names for the same components, by kind."""


class Report(Value):
    """The status of one plugin."""

    source: Source
    status: Status
    reason: str = ""
    """Why it was not loaded; empty if it was."""
    hooks: tuple[str, ...] = ()
    """The names of the hooks that it implements."""
    provides: tuple[Component, ...] = ()
    error: BaseException | None = None
    """The exception that it failed with."""
    seconds: float = 0.0
    """How long its import and its hooks took."""


class Conflict(Value):
    """Two plugins offer a component of the same kind and name. The first is used, the second is left out."""

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
    """All components of the loaded plugins, by kind and name."""

    def __init__(
        self,
        components: Iterable[Component] = (),
        reports: Iterable[Report] = (),
        *,
        hooks: Hooks | None = None,
        replace: Mapping[str, str] | None = None,
        unknown: Iterable[str] = (),
        inputs: Inputs | None = None,
    ) -> None:
        self.reports = tuple(reports)
        self.inputs = inputs or Inputs()
        """The files and directories that tell which plugins are installed."""
        self.conflicts: list[Conflict] = []
        self._hooks = hooks
        self._unknown = sorted(unknown)
        self._by_kind: dict[Kind, dict[str, Component]] = {kind: {} for kind in COMPONENT_KINDS}
        for component in components:
            first = self._by_kind[component.kind].setdefault(component.name, component)
            if first is not component:
                self.conflicts.append(Conflict(first, component))
        self._replace = dict(replace or {})
        self._inactive: set[tuple[Kind, str]] = set()
        """Replacements of built-in components that the user has not allowed, as (kind, name)."""
        for by_name in self._by_kind.values():
            for component in [component for component in by_name.values() if component.replaces in by_name]:
                if self._replace.get(component.replaces) == component.name:
                    by_name[component.replaces] = component
                else:
                    self._inactive.add((component.kind, component.name))

    def all(self, kind: Kind) -> list[Component]:
        """Return the components of a kind that are used by default, in the order in which they are asked or listed.

        A component that can replace a built-in one is left out unless the user allows it; `find` returns it by its name.
        """
        distinct = {component.name: component for component in self._by_kind[kind].values()}.values()
        return [component for component in distinct if (kind, component.name) not in self._inactive]

    def find(self, kind: Kind, name: str) -> Component:
        """Return the component of this kind and name.

        :raises UsageError: it does not exist; the hint lists those that exist.
        :raises PluginError: it does not exist, but a plugin that failed to load may offer it.
        """
        by_name = self._by_kind[kind]
        if found := by_name.get(name) or by_name.get(ALIASES.get(kind, {}).get(name, "")):
            return found
        failed = self._with_status("failed")
        if failed:
            likely = next((report for report in failed if name in report.source.name), failed[0])
            raise PluginError(
                f"unknown {kind} `{name}`; plugin {likely.source}, which may offer it, failed: {likely.reason}",
                hint="`cloche plugins` lists the plugins and their errors",
            ) from likely.error
        if kind == "activator":
            refuse_known_shell(name, by_name)
        similar = suggestion(name, by_name)
        available = ", ".join(f"`{known}`" for known in sorted(by_name))
        blocked = ", ".join(str(report.source) for report in self._with_status("blocked"))
        raise UsageError(
            f"unknown {kind} `{name}`{similar}",
            hint=f"available: {available}" + (f"; left out with `--no-plugin`: {blocked}" if blocked else ""),
        )

    @property
    def warnings(self) -> list[str]:
        """The warnings about plugins that every run shows, one line each."""
        failed = [f"plugin {report.source} was skipped: {report.reason}" for report in self._with_status("failed")]
        return [*failed, *self.name_warnings]

    @property
    def name_warnings(self) -> list[str]:
        """The warnings about conflicts between components and about unknown names in options and config files."""
        return [*(f"{conflict.message}; {conflict.hint}" for conflict in self.conflicts), *self._unknown_names()]

    def _unknown_names(self) -> list[str]:
        """Return the warnings about names in options and config files that have no effect."""
        names = [name for report in self.reports for name in (report.source.name, report.source.distribution)]
        lines = []
        for name in self._unknown:
            if name in (BUILT_IN.name, BUILT_IN.distribution):
                lines.append(f"plugin `{name}` is part of cloche and cannot be left out")
            else:
                lines.append(f"cannot leave out unknown plugin `{name}`{suggestion(name, names)}")
        known = {name: component for by_name in self._by_kind.values() for name, component in by_name.items()}
        for replaced, name in self._replace.items():
            if name not in known:
                similar = suggestion(name, known.keys() - {replaced})
                lines.append(f"`replace` in the settings: unknown component `{name}` for `{replaced}`{similar}")
            elif known[name].replaces != replaced:
                lines.append(
                    f"`replace` in the settings: {known[name].kind} `{name}` does not offer to replace `{replaced}`"
                )
        return lines

    def _with_status(self, status: Status) -> list[Report]:
        return [report for report in self.reports if report.status == status]

    def replaced_by(self, component: Component) -> str:
        """Return the name of the component that is used instead of a built-in one; empty if it is not replaced."""
        used = self._by_kind[component.kind].get(component.name, component)
        return "" if used.source == component.source or used.name == component.name else used.name

    def conflict_of(self, component: Component) -> Conflict | None:
        """Return the conflict because of which a component was left out; None if it was not left out."""
        return next((conflict for conflict in self.conflicts if conflict.left_out == component), None)

    def finders(self, left_out: Sequence[str] = ()) -> list[LazyFinder]:
        """Return the finders in the order in which they are asked. Each is loaded when the search asks it.

        :param left_out: the names of finders that are not asked.
        :raises UsageError: one of these does not exist.
        """
        skipped = {self.find("finder", name).name for name in left_out}
        return [
            LazyFinder(component.name, component.reference or component.item, str(component.source))
            for component in self.all("finder")
            if component.name not in skipped
        ]

    @property
    def offers(self) -> tuple[tuple[str, ...], ...]:
        """The properties of all components that the choice between them depends on, as plain values.

        A later run compares them, because a plugin that offers objects may offer different ones each time.
        """
        return tuple(
            (
                component.kind,
                name,
                component.name,
                str(component.source),
                component.reference,
                component.replaces,
                *(option.name for option in component.options),
            )
            for kind in COMPONENT_KINDS
            for name, component in self._by_kind[kind].items()
        )

    @property
    def has_objects(self) -> bool:
        """Whether a plugin offers an object instead of a `Descriptor`."""
        return any(not component.reference for kind in COMPONENT_KINDS for component in self._by_kind[kind].values())

    @property
    def has_created_hooks(self) -> bool:
        """Whether a plugin implements the hook `cloche_created`."""
        return self._hooks is not None and self._hooks.implements("cloche_created")

    def notify_created(self, result: Result) -> list[tuple[str, BaseException]]:
        """Call the hook `cloche_created`; return the failures, as (warning, error)."""
        return self._notify("cloche_created", "created", result=result)

    def notify_moved(self, environment: Environment, old: str) -> list[tuple[str, BaseException]]:
        """Call the hook `cloche_moved`; return the failures, as (warning, error)."""
        return self._notify("cloche_moved", "moved", environment=environment, old=old)

    def _notify(self, hook: str, action: str, **arguments: object) -> list[tuple[str, BaseException]]:
        if self._hooks is None:
            return []
        self._hooks.failures.clear()
        self._hooks.call(hook, **arguments)
        return [
            (f"plugin {source} failed after the environment was {action}: {describe_exception(error)}", error)
            for source, error in self._hooks.failures.items()
        ]


def refuse_known_shell(name: str, activators: Container[str]) -> None:
    """Refuse the name of a shell whose activator is not installed, or has another name.

    :raises UsageError: it is such a name; the hint says what to install or to ask for.
    """
    from cloche.shells import DISTRIBUTIONS, shell_of_program

    shell = shell_of_program(name)
    if shell is None and name not in DISTRIBUTIONS:
        return
    activator = shell.name if shell else name
    if activator in activators:
        hint = f"the activator for `{name}` is `{activator}`"
    else:
        distribution = DISTRIBUTIONS[activator]
        hint = f"install `{distribution}` in cloche's environment"
    raise UsageError(f"unknown activator `{name}`", hint=hint)


def load_plugins(
    path: Sequence[str],
    blocked: frozenset[str] = frozenset(),
    replace: Mapping[str, str] | None = None,
) -> Registry:
    """Load every plugin in the directories of `path` that is not blocked; return the registry of their components.

    :param blocked: names of plugins or distributions; `*` means all except the built-in ones.
    :param replace: the names of the components that replace built-in ones, by the names of the built-in ones.
    """
    inputs = Inputs()
    found = InstalledPlugins(path, inputs).scan()
    shadowed = [
        Report(source, "shadowed", f"{source.distribution} in `{directory}` takes precedence")
        for source, directory in found
        if directory
    ]
    sources = [BUILT_IN, *(source for source, directory in found if not directory)]
    return load_sources(sources, blocked, replace, shadowed, inputs)


def load_sources(
    sources: Sequence[Source],
    blocked: frozenset[str] = frozenset(),
    replace: Mapping[str, str] | None = None,
    others: Iterable[Report] = (),
    inputs: Inputs | None = None,
) -> Registry:
    """Load these plugins; see `load_plugins`.

    :param others: reports on plugins that are not loaded; they are listed last.
    :param inputs: the files and directories that tell which plugins are installed.
    """
    from cloche.plugins.hooks import Hooks, register_all

    enabled, blocking = [], set()
    for source in sources:
        names = {name for name in blocked if name == source.name or normalize_name(name) == source.distribution}
        if is_built_in(source) or not (names or "*" in blocked):
            enabled.append(source)
        else:
            blocking |= names
    hooks = Hooks()
    registered = register_all(hooks, enabled)
    components, failures = collect_components(hooks)
    failures |= {source: outcome for source, outcome in registered.items() if isinstance(outcome, BaseException)}
    usable = [component for component in components if component.source not in failures]
    reports = []
    for source in sources:
        outcome, seconds = registered.get(source), hooks.seconds.get(source, 0.0)
        if error := failures.get(source):
            reports.append(Report(source, "failed", describe_exception(error), error=error, seconds=seconds))
        elif isinstance(outcome, tuple):
            provides = tuple(component for component in usable if component.source == source)
            reports.append(Report(source, "loaded", "", outcome, provides, seconds=seconds))
        else:
            reports.append(Report(source, "blocked", "left out with `--no-plugin`"))
    builtin_first = sorted(usable, key=lambda component: not is_built_in(component.source))
    in_order = usable if usable == builtin_first else order_by_precedence(usable)
    unknown = blocked - {"*"} - blocking
    return Registry(in_order, [*reports, *others], hooks=hooks, replace=replace, unknown=unknown, inputs=inputs)


def order_by_precedence(components: Sequence[Component]) -> list[Component]:
    """Return components in the given order, except that those with the kind and name of a built-in one come last."""
    builtin = {(component.kind, component.name): component for component in components if is_built_in(component.source)}
    first: list[Component] = []
    last: list[Component] = []
    for component in components:
        (first if builtin.get((component.kind, component.name), component) is component else last).append(component)
    return first + last


def collect_components(hooks: Hooks) -> tuple[list[Component], dict[Source, BaseException]]:
    """Return the components of all plugins, with one call per hook, and the exceptions that plugins failed with."""
    components: list[Component] = []
    failures: dict[Source, BaseException] = {}
    for kind in COMPONENT_KINDS:
        for item, source in hooks.collect(f"cloche_{kind}s"):
            try:
                component = parse_component(kind, item, source)
                if kind == "command":
                    same_name = (other for other in hooks.entry_points(source) if other.name == component.name)
                    component = with_fields(component, source=next(same_name, source))
                if any(
                    (kind, component.name, source) == (other.kind, other.name, other.source) for other in components
                ):
                    raise TypeError(f"`cloche_{kind}s` returned two components named `{component.name}`")
                components.append(component)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                failures.setdefault(source, error)
    failures = {**failures, **hooks.failures}
    return components, {other: error for source, error in failures.items() for other in hooks.entry_points(source)}


def load_command(name: str, sources: Sequence[Source], blocked: frozenset[str]) -> tuple[Component | None, list[str]]:
    """Return the command of this name and warnings; the command is None if none of these plugins offers it.

    :raises PluginError: the plugin of this name is broken or left out.
    """
    registry = load_sources(sources, blocked)
    for report in registry.reports:
        if report.source.name == name and report.status in ("failed", "blocked"):
            reason = f"it failed: {report.reason}" if report.status == "failed" else "it is left out with `--no-plugin`"
            raise PluginError(
                f"`{name}` may be a command of plugin {report.source}, but {reason}",
                hint=f"`cloche plugins` lists the plugins and their errors; `./{name}` creates an environment of that name",
            ) from report.error
    warnings = [
        f"{conflict.message}; {conflict.hint}"
        for conflict in registry.conflicts
        if conflict.used.kind == "command" and conflict.used.name == name
    ]
    return next((command for command in registry.all("command") if command.name == name), None), warnings
