"""Block, load and report on plugins, and hold what they give; the pluggy manager does not leave this module.

Each plugin is loaded on its own: a broken one is named, skipped and reported.
"""

from __future__ import annotations

from cloche.errors import PluginError, UsageError
from cloche.model.distribution import normalised
from cloche.model.value import TYPE_CHECKING, value
from cloche.model.value import replace as with_fields
from cloche.plugins.components import KINDS, Component, collect
from cloche.plugins.entry_points import Installed
from cloche.plugins.guard import Giver, Listener, Source, cause, failure, resolve
from cloche.plugins.shortcut import answer_of, plain_hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Literal, TypeAlias

    import pluggy

    from cloche.model.plan import Result
    from cloche.plugins.components import Kind
    from cloche.plugins.hookspecs import Finder

    Status: TypeAlias = Literal["loaded", "blocked", "failed", "shadowed"]

BUILTIN = {"builtin": "cloche.builtin.plugin"}
"""The plugins in the box, by name: no scan finds them, so they are there in a zip archive too."""

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
"""Names that `virtualenv` has for the same things; the empty name is the default."""


@value
class Report:
    """What became of one plugin."""

    source: Source
    status: Status
    reason: str = ""
    """Why it failed or is blocked."""
    hooks: tuple[str, ...] = ()
    provides: tuple[Component, ...] = ()
    """Everything that it gives."""
    error: BaseException | None = None
    """What it failed with."""


class Registry:
    """Everything that the loaded plugins give, by kind and name."""

    def __init__(
        self,
        provided: Iterable[Component] = (),
        reports: Iterable[Report] = (),
        created: Callable[[Result], Iterable[tuple[Source, BaseException]]] | None = None,
        replace: Mapping[str, str] | None = None,
        unknown: Iterable[str] = (),
        listeners: Iterable[Listener] = (),
    ) -> None:
        self.listeners = tuple(listeners)
        """The plugins that want to be told when an environment is made."""
        self.conflicts: list[PluginError] = []
        """Two plugins that give the same kind of thing under one name; the first one's is kept."""
        blamed: dict[Source, str] = {}
        self._created = created
        self._unknown = sorted(unknown)
        self._by_kind: dict[Kind, dict[str, Component]] = {kind: {} for kind in KINDS}
        for one in provided:
            other = self._by_kind[one.kind].setdefault(one.name, one)
            if other is not one:
                name = one.source.told_from(other.source)
                message = f"two plugins give the {one.kind} `{one.name}`: {other.source} and {one.source}"
                hint = f"uninstall one of them, or leave it out with `--no-plugin {name}`"
                self.conflicts.append(PluginError(message, hint=hint))
                blamed.setdefault(one.source, message)
        self.reports = tuple(
            with_fields(report, status="failed", reason=blamed[report.source]) if report.source in blamed else report
            for report in reports
        )
        self._agreed = dict(replace or {})
        self._waiting: set[tuple[Kind, str]] = set()
        for named in self._by_kind.values():
            for one in [one for one in named.values() if one.replaces in named]:
                if self._agreed.get(one.replaces) == one.name:
                    named[one.replaces] = one
                else:
                    self._waiting.add((one.kind, one.name))

    def all(self, kind: Kind) -> list[Component]:
        """Return everything of a kind, in the order in which it is asked or listed.

        What wants to replace a built-in waits for the user's consent; until then it is used by name alone.
        """
        distinct = {one.name: one for one in self._by_kind[kind].values()}.values()
        return [one for one in distinct if (kind, one.name) not in self._waiting]

    def find(self, kind: Kind, name: str) -> Component:
        """Return the one of that name.

        :raises UsageError: there is none; the hint lists what there is.
        :raises PluginError: there is none, and a plugin that failed to load may have given it.
        """
        named = self._by_kind[kind]
        if found := named.get(name) or named.get(ALIASES.get(kind, {}).get(name, "")):
            return found
        failed = self._with_status("failed")
        if failed:
            culprit = next((report for report in failed if name in report.source.name), failed[0])
            raise PluginError(
                f"no {kind} is named `{name}`; plugin {culprit.source}, which may give it, failed: {culprit.reason}",
                hint="`cloche plugins` shows what is loaded and what failed",
            ) from culprit.error
        from difflib import get_close_matches

        near = get_close_matches(name, named, 1)
        meant = f"did you mean `{near[0]}`? " if near else ""
        left_out = ", ".join(str(report.source) for report in self._with_status("blocked"))
        raise UsageError(
            f"no {kind} is named `{name}`",
            hint=f"{meant}there are {', '.join(f'`{one}`' for one in sorted(named))}"
            + (f"; left out: {left_out}" if left_out else ""),
        )

    def complaints(self) -> list[str]:
        """Return what the user should be told about plugins on any run, a line each."""
        failed = [f"plugin {report.source} was skipped: {report.reason}" for report in self._with_status("failed")]
        return failed + self.misnomers()

    def misnomers(self) -> list[str]:
        """Return which names of plugins in options and config files mean nothing, a line each."""
        names = [one for report in self.reports for one in (report.source.name, report.source.distribution)]
        lines = []
        for name in self._unknown:
            if name in BUILTIN:
                lines.append(f"plugin `{name}` is cloche's own and is never left out")
            else:
                lines.append(f"no plugin is named `{name}`, so none was left out for it{nearest(name, names)}")
        known = {name: one for named in self._by_kind.values() for name, one in named.items()}
        for replaced, name in self._agreed.items():
            if name not in known:
                near = nearest(name, known.keys() - {replaced})
                lines.append(f"nothing is named `{name}`, which may replace `{replaced}`{near}")
            elif known[name].replaces != replaced:
                lines.append(f"{known[name].kind} `{name}` may replace `{replaced}`, and does not offer to")
        return lines

    def _with_status(self, status: Status) -> list[Report]:
        return [report for report in self.reports if report.status == status]

    def replaced_by(self, one: Component) -> str:
        """Return the name of what has taken the place of something because the user agreed; empty if nothing has."""
        now = self._by_kind[one.kind].get(one.name, one)
        return "" if now.source == one.source else now.name

    def finders(self) -> Iterator[Finder]:
        """Yield the finders in the order in which they are asked; one loads when the search reaches it."""
        for one in self.all("finder"):
            yield one.resolve()

    def givers(self, sources: Iterable[Source]) -> tuple[Giver, ...]:
        """Return some plugins as what asks them again."""
        wanted = frozenset(sources)
        reports = (report for report in self.reports if report.source in wanted)
        return tuple(Giver(report.source, report.hooks, answer_of(report.provides)) for report in reports)

    def created(self, result: Result) -> list[str]:
        """Tell plugins that an environment is in place; return what went wrong, a line each."""
        failures = self._created(result) if self._created else ()
        return [failure(source, error) for source, error in failures]


def load(
    path: Sequence[str], blocklist: frozenset[str] = frozenset(), replace: Mapping[str, str] | None = None
) -> Registry:
    """Load every plugin that is not blocked and return what they give.

    :raises PluginError: two of them are in conflict. One that is broken is no error here: see `Registry.complaints`.
    """
    registry = survey(path, blocklist, replace)
    if registry.conflicts:
        raise registry.conflicts[0]
    return registry


def survey(
    path: Sequence[str], blocklist: frozenset[str] = frozenset(), replace: Mapping[str, str] | None = None
) -> Registry:
    """Load every plugin that is not blocked and return what they give, conflicts and all."""
    builtin = [Source(name, module, "cloche", "") for name, module in BUILTIN.items()]
    found = Installed(path).scan()
    shadowed = [
        Report(source, "shadowed", f"{source.distribution} in `{place}` comes first")
        for source, place in found
        if place
    ]
    return load_sources([*builtin, *(source for source, place in found if not place)], blocklist, replace, shadowed)


def load_sources(
    sources: Sequence[Source],
    blocklist: frozenset[str] = frozenset(),
    replace: Mapping[str, str] | None = None,
    others: Iterable[Report] = (),
) -> Registry:
    """Load these plugins in this order, ours and theirs by the same call; see `survey`."""
    import pluggy

    from cloche.plugins import hookspecs

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    reports: list[Report] = []
    provided: list[Component] = []
    loaded: dict[Source, object] = {}
    unknown = set(blocklist - {"*"})
    for source in sources:
        names = {name for name in blocklist if name == source.name or normalised(name) == source.distribution}
        if source.implementation not in BUILTIN.values() and (names or "*" in blocklist):
            unknown -= names
            reports.append(Report(source, "blocked", "left out as asked"))
            continue
        try:
            plugin = resolve(source.implementation)
            refuse_interface(getattr(plugin, "cloche_api_version", 1))
            another_name = manager.is_registered(plugin)
            if not another_name:
                register(manager, plugin, str(source))
            gives = list(collect(only(manager, plugin), source, ("command",) if another_name else KINDS))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            manager.unregister(name=str(source)) if manager.has_plugin(str(source)) else None
            reports.append(Report(source, "failed", cause(error), error=error))
            continue
        if not another_name:
            loaded[source] = plugin
        provided += gives
        hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(plugin) or ()))
        reports.append(Report(source, "loaded", "", hooks, tuple(gives)))

    def created(result: Result) -> Iterator[tuple[Source, BaseException]]:
        for source, plugin in loaded.items():
            try:
                only(manager, plugin)("cloche_created", result=result)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                yield source, error

    listeners = [listener(manager, plugin, source) for source, plugin in loaded.items()]
    return Registry(
        provided, [*reports, *others], created, replace, unknown, [one for one in listeners if one is not None]
    )


def refuse_interface(version: object) -> None:
    """:raises ImportError: a plugin says that it was written for an interface that is not this one."""
    from cloche.plugins.hookspecs import API_VERSION

    if version != API_VERSION:
        raise ImportError(f"it is written for version {version!r} of the plugin interface, and this is {API_VERSION}")


def register(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    """Register one plugin.

    :raises pluggy.PluginValidationError: it implements a hook that does not exist, or with arguments that do not.
    """
    manager.register(plugin, name=name)
    manager.check_pending()


def only(manager: pluggy.PluginManager, plugin: object) -> Callable[..., list[object]]:
    """Return a caller of the hooks of one plugin, by their names, so that what it raises can be told to be its."""

    def call(hook: str, **arguments: object) -> list[object]:
        others = [other for other in manager.get_plugins() if other is not plugin]
        answers: list[object] = manager.subset_hook_caller(hook, others)(**arguments)
        return answers

    return call


def listener(manager: pluggy.PluginManager, plugin: object, source: Source) -> Listener | None:
    """Return a plugin as one that wants to be told of new environments; None if it does not."""
    own = [one for one in manager.hook.cloche_created.get_hookimpls() if one.plugin is plugin]
    plain = len(own) == 1 and "cloche_created" in plain_hooks(plugin)
    return Listener(source, tuple(own[0].argnames) if plain else None) if own else None


def load_command(name: str, sources: Sequence[Source], blocklist: frozenset[str] = frozenset()) -> Component | None:
    """Return the command of that name; None if none of these plugins gives it.

    :raises PluginError: the plugin that has its name is broken or left out, or two have a command of that name.
    """
    registry = load_sources(sources, blocklist)
    for conflict in registry.conflicts:
        if f"`{name}`" in conflict.message:
            raise conflict
    for report in registry.reports:
        if report.source.name == name and report.status in ("failed", "blocked"):
            reason = report.reason if report.status == "failed" else "it is left out"
            raise PluginError(
                f"`{name}` may be a command of plugin {report.source}, which cannot be asked: {reason}",
                hint=f"`./{name}` is the directory of that name",
            ) from report.error
    return next((one for one in registry.all("command") if one.name == name), None)


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the question whether the nearest of some names was meant; empty if none is near."""
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(set(names)), 1)
    return f"; did you mean `{near[0]}`?" if near else ""
