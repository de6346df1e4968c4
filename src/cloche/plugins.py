"""Find, block, load and report on plugins, and hold what they give; the pluggy manager does not leave this module.

Entry points of group `cloche` are found by reading `entry_points.txt` in the directories of `sys.path`, which takes 2 ms
where `importlib.metadata` takes 35. Each plugin is loaded on its own: a broken one is named, skipped and remembered.
"""

from __future__ import annotations

import os
import sys

from cloche.errors import PluginError, UsageError
from cloche.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Literal, TypeAlias

    import pluggy

    from cloche.hookspecs import Finder
    from cloche.model import Host, Result
    from cloche.options import Option

    Kind: TypeAlias = Literal["finder", "creator", "seeder", "activator", "command"]
    Status: TypeAlias = Literal["loaded", "blocked", "failed", "shadowed"]

KINDS: tuple[Kind, ...] = ("finder", "creator", "seeder", "activator", "command")

BUILTIN = {"builtin": "cloche.builtin.plugin"}
"""The plugins in the box, by name: no scan finds them, so they are there in a zip archive too."""

ALIASES: Mapping[str, Mapping[str, str]] = {
    "creator": {"builtin": "", "cpython3-posix": "", "cpython3-win": "", "cpython3-mac-framework": "", "pypy3-posix": ""},
    "seeder": {"app-data": "pip"},
    "activator": {"cshell": "csh"},
}
"""Names that `virtualenv` has for the same things; the empty name is the default."""


@value
class Source:
    """Where a plugin comes from."""

    name: str
    """Name of the entry point."""
    implementation: str
    """`"package.module"` or `"package.module:attribute"`."""
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"`{self.name}` of {self.distribution} {self.version}".rstrip()


@value
class Provided:
    """One thing that a plugin gives."""

    kind: Kind
    name: str
    source: Source
    item: object
    """The object itself or a `Descriptor` that names it."""

    @property
    def options(self) -> tuple[Option, ...]:
        return tuple(getattr(self.item, "options", ()))

    @property
    def reference(self) -> str:
        """`"package.module:attribute"` of the object, if it is named and not given."""
        return str(getattr(self.item, "implementation", ""))

    def resolve(self) -> Any:
        """Return the object.

        :raises PluginError: its module cannot be imported, or has no such attribute.
        """
        if not self.reference:
            return self.item
        try:
            return resolve(self.reference)
        except Exception as error:
            raise PluginError(
                f"{self.kind} `{self.name}` of plugin {self.source} cannot be loaded: {cause(error)}",
                hint=f"reinstall {self.source.distribution}, or leave it out with `--no-plugin {self.source.name}`",
            ) from error


@value
class Report:
    """What became of one plugin."""

    source: Source
    status: Status
    reason: str = ""
    """Why it failed or is blocked."""
    hooks: tuple[str, ...] = ()
    provides: tuple[tuple[str, str], ...] = ()
    """(kind, name) of everything that it gives."""


def resolve(reference: str) -> Any:
    """Import `"package.module:attribute"` and return it.

    :raises Exception: whatever the import raises, or AttributeError.
    """
    module, _, attribute = reference.partition(":")
    __import__(module)
    found: Any = sys.modules[module]
    for name in attribute.split(".") if attribute else ():
        found = getattr(found, name)
    return found


def cause(error: BaseException) -> str:
    """Return an exception as one line for people."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Registry:
    """Everything that the loaded plugins give, by kind and name."""

    def __init__(
        self,
        provided: Iterable[Provided] = (),
        reports: Iterable[Report] = (),
        created: Callable[[Result], Iterable[tuple[Source, Exception]]] | None = None,
        replace: Mapping[str, str] | None = None,
    ) -> None:
        """:raises PluginError: two plugins give the same kind of thing under the same name."""
        self.reports = tuple(reports)
        self._created = created
        self._by_kind: dict[Kind, dict[str, Provided]] = {kind: {} for kind in KINDS}
        agreed = replace or {}
        for one in provided:
            named = self._by_kind[one.kind]
            other = named.setdefault(one.name, one)
            if other is not one:
                raise PluginError(
                    f"two plugins give the {one.kind} `{one.name}`: {other.source} and {one.source}",
                    hint=f"uninstall one of them, or leave it out with `--no-plugin {one.source.name}`",
                )
        for named in self._by_kind.values():
            for one in [one for one in named.values() if getattr(one.item, "replaces", "")]:
                replaced = str(getattr(one.item, "replaces", ""))
                if agreed.get(replaced) == one.name and replaced in named:
                    named[replaced] = one

    def all(self, kind: Kind) -> list[Provided]:
        """Return everything of a kind, in the order in which it is asked or listed."""
        return list({one.name: one for one in self._by_kind[kind].values()}.values())

    def find(self, kind: Kind, name: str) -> Provided:
        """Return the one of that name.

        :raises UsageError: there is none; the hint lists what there is.
        :raises PluginError: there is none, and a plugin that failed to load may have given it.
        """
        named = self._by_kind[kind]
        if found := named.get(name) or named.get(ALIASES.get(kind, {}).get(name, "")):
            return found
        failed = [report for report in self.reports if report.status == "failed"]
        if failed:
            culprit = next((report for report in failed if name in report.source.name), failed[0])
            raise PluginError(
                f"no {kind} is named `{name}`; plugin {culprit.source}, which may give it, failed: {culprit.reason}",
                hint="`cloche plugins` shows what is loaded and what failed",
            )
        from difflib import get_close_matches

        near = get_close_matches(name, named, 1)
        meant = f"did you mean `{near[0]}`? " if near else ""
        raise UsageError(
            f"no {kind} is named `{name}`", hint=f"{meant}there are {', '.join(f'`{one}`' for one in sorted(named))}"
        )

    def finders(self) -> list[Finder]:
        return [one.resolve() for one in self.all("finder")]

    def listeners(self) -> str:
        """Return the plugins that want to be told when an environment is made, for people; empty if none does."""
        return ", ".join(str(report.source) for report in self.reports if "cloche_created" in report.hooks)

    def created(self, result: Result) -> list[str]:
        """Tell plugins that an environment is in place; return what went wrong, a line each."""
        failures = self._created(result) if self._created else ()
        return [f"plugin {source} failed after the environment was made: {cause(error)}" for source, error in failures]


# Finding


def find_sources(path: Sequence[str]) -> list[Source]:
    """Return the entry points of group `cloche` in these directories, by (distribution, name); the first of two wins."""
    found: dict[str, list[Source]] = {}
    for directory in dict.fromkeys(path):
        for metadata in metadata_directories(directory):
            try:
                with open(os.path.join(directory, metadata, "entry_points.txt"), "rb") as file:
                    text = file.read()
            except OSError:
                continue
            if b"[cloche]" not in text:
                continue
            distribution, version = identity(os.path.join(directory, metadata))
            if distribution not in found:
                pairs = section(text.decode("utf-8", "replace"), "cloche")
                found[distribution] = [Source(name, value, distribution, version) for name, value in pairs]
    if any(os.path.isfile(entry) for entry in path):
        for source in sources_by_metadata():
            found.setdefault(source.distribution, [source])
    return sorted((source for sources in found.values() for source in sources), key=lambda s: (s.distribution, s.name))


def metadata_directories(directory: str) -> list[str]:
    """Return the names of the `*.dist-info` and `*.egg-info` directories in a directory; none if it cannot be read."""
    try:
        names = os.listdir(directory or ".")
    except OSError:
        return []
    return [name for name in names if name.endswith((".dist-info", ".egg-info"))]


def identity(metadata: str) -> tuple[str, str]:
    """Return normalised name and version of a distribution by its metadata directory."""
    name, _, version = os.path.basename(metadata).rpartition(".")[0].partition("-")
    return name.lower().replace("_", "-").replace(".", "-"), version.partition("-")[0]


def section(text: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield the (name, value) pairs of one section of an `entry_points.txt` (entry points specification)."""
    inside = False
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            inside = line == f"[{name}]"
        elif inside and line and line[0] not in "#;" and "=" in line:
            key, _, reference = line.partition("=")
            yield key.strip(), reference.partition("[")[0].replace(" ", "")


def sources_by_metadata() -> Iterator[Source]:
    """Yield what `importlib.metadata` finds: for zip archives and other finders than directories."""
    from importlib.metadata import entry_points

    for point in entry_points(group="cloche"):
        if point.dist is not None:
            name = point.dist.metadata["Name"].lower().replace("_", "-").replace(".", "-")
            yield Source(point.name, point.value, name, point.dist.version)


# Loading


def blocked(host: Host, words: Iterable[str] = ()) -> frozenset[str]:
    """Return the names of plugins to leave out: those of `--no-plugin` and `CLOCHE_DISABLE_PLUGINS`; `*` is every one."""
    variable = host.environ.get("CLOCHE_DISABLE_PLUGINS", "")
    names = [name.strip() for name in variable.replace("\n", ",").split(",")]
    return frozenset(name for name in (*names, *words) if name)


def load(path: Sequence[str], blocklist: frozenset[str] = frozenset(), replace: Mapping[str, str] | None = None) -> Registry:
    """Load every plugin that is not blocked and return what they give.

    :raises PluginError: two of them are in conflict. One that is broken is no error here: see `Registry.reports`.
    """
    builtin = [Source(name, module, "cloche", "") for name, module in BUILTIN.items()]
    third_party = [] if "*" in blocklist else find_sources(path)
    return load_sources([*builtin, *third_party], blocklist, replace)


def load_sources(
    sources: Sequence[Source], blocklist: frozenset[str] = frozenset(), replace: Mapping[str, str] | None = None
) -> Registry:
    """Load these plugins in this order, ours and theirs by the same call; see `load`."""
    import pluggy

    from cloche import hookspecs

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    reports: list[Report] = []
    provided: list[Provided] = []
    loaded: dict[Source, object] = {}
    for source in sources:
        if source.implementation not in BUILTIN.values() and blocklist & {source.name, source.distribution}:
            reports.append(Report(source, "blocked", "left out as asked"))
            continue
        try:
            plugin = resolve(source.implementation)
            register(manager, plugin, str(source))
            gives = list(collect(manager, plugin, source))
        except (Exception, SystemExit) as error:
            manager.unregister(name=str(source)) if manager.has_plugin(str(source)) else None
            reports.append(Report(source, "failed", cause(error)))
            continue
        loaded[source] = plugin
        provided += gives
        hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(plugin) or ()))
        reports.append(Report(source, "loaded", "", hooks, tuple((one.kind, one.name) for one in gives)))

    def created(result: Result) -> Iterator[tuple[Source, Exception]]:
        for source, plugin in loaded.items():
            try:
                only(manager, "cloche_created", plugin)(result=result)
            except Exception as error:
                yield source, error

    return Registry(provided, reports, created, replace)


def register(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    """Register one plugin.

    :raises pluggy.PluginValidationError: it implements a hook that does not exist, or with arguments that do not.
    """
    manager.register(plugin, name=name)
    manager.check_pending()


def only(manager: pluggy.PluginManager, hook: str, plugin: object) -> Callable[..., list[Iterable[object]]]:
    """Return a caller of one hook of one plugin, so that what it raises can be told to be its."""
    return manager.subset_hook_caller(hook, [other for other in manager.get_plugins() if other is not plugin])


NEEDS: Mapping[Kind, tuple[str, ...]] = {
    "finder": ("candidates",),
    "creator": ("refusal", "operations"),
    "seeder": ("refusal", "images"),
    "activator": ("refusal", "quote", "scripts"),
    "command": ("summary", "implementation"),
}


def collect(manager: pluggy.PluginManager, plugin: object, source: Source) -> Iterator[Provided]:
    """Yield what one plugin gives.

    :raises TypeError: it gives something that is not what its hook is for.
    """
    for kind in KINDS:
        for items in only(manager, f"cloche_{kind}s", plugin)():
            for item in items:
                name = getattr(item, "name", None)
                if not isinstance(name, str) or not name:
                    raise TypeError(f"cloche_{kind}s gave {item!r}, which has no name")
                missing = [method for method in NEEDS[kind] if not hasattr(item, method)]
                if missing and not (kind != "command" and hasattr(item, "implementation")):
                    raise TypeError(f"the {kind} `{name}` has no `{missing[0]}`")
                yield Provided(kind, name, source, item)
