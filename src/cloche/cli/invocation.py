"""One run of the command line: its arguments, its settings, and the options and commands of plugins."""

from __future__ import annotations

import sys

from cloche.cli.command_spec import CREATE
from cloche.cli.parser import accept_options, options_of, parse_arguments
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.cli.settings import ReportingSession, Settings, Sources
    from cloche.model.interpreter import Host
    from cloche.model.options import Option
    from cloche.plugins.components import Component


class Invocation:
    """The argument that every command function receives.

    The command line is parsed once, and unknown options again if plugins may declare them. Variables and config files
    are read once, when the first setting is needed.
    """

    def __init__(self, argv: Sequence[str], host: Host, started: float) -> None:
        self.argv = tuple(argv)
        self.arguments = parse_arguments(argv)
        self.host = host
        self.started = started
        """When the program started, by `time.perf_counter`."""
        self._sources: Sources | None = None
        self._settings: Settings | None = None
        self._plugin_options: tuple[Option, ...] | None = None

    @property
    def sources(self) -> Sources:
        """The variables and config files."""
        if self._sources is None:
            from cloche.cli.settings import read_sources

            self._sources = read_sources(self.host)
        return self._sources

    @property
    def unchecked_settings(self) -> Settings:
        """Like `settings`, but errors are stored instead of raised."""
        if self._settings is None:
            self._settings = self._resolve_settings()
        return self._settings

    def _resolve_settings(self, plugin_options: tuple[Option, ...] = ()) -> Settings:
        if not self.sources.found and not plugin_options:
            from cloche.cli.settings import command_line_settings

            return command_line_settings(self.arguments, self.sources.warnings)
        from cloche.cli.precedence import resolve_settings

        return resolve_settings(self.arguments, self.sources, plugin_options)

    @property
    def settings(self) -> Settings:
        """The settings from the command line, variables and config files.

        :raises UsageError: a variable or a config file gives an option an invalid value.
        """
        self.unchecked_settings.check()
        return self.unchecked_settings

    @property
    def wants_traceback(self) -> bool:
        """Whether an error is shown with its traceback, even if the error is in the command line or in a setting."""
        return "--traceback" in self.argv or self.unchecked_settings.flag("traceback")

    @property
    def wants_json(self) -> bool:
        """Whether an error is printed as JSON too, even if the error is in the command line or in a setting."""
        return self.arguments.flag("json") or self.unchecked_settings.flag("json")

    def open_session(self) -> ReportingSession:
        """Open a session with the settings; load the options of plugins first if a name is unknown."""
        from cloche.cli.settings import open_reporting_session

        if self.settings.has_unknown:
            self.accept_plugin_options()
        return open_reporting_session(self.settings, self.host)

    # Plugins

    @property
    def blocklist(self) -> frozenset[str]:
        """Names of the plugins to leave out; other settings may be invalid.

        :raises UsageError: a variable or a config file gives `no-plugin` or `no-plugins` an invalid value.
        """
        from cloche.cli.settings import plugin_blocklist

        return plugin_blocklist(self.unchecked_settings, self.host)

    @property
    def plugin_options(self) -> tuple[Option, ...]:
        """Options that plugins declare for `create`; all plugins are imported, for help and for unknown names only."""
        if self._plugin_options is None:
            from cloche.plugins.entry_points import find_sources

            self._plugin_options = load_options(self.blocklist) if find_sources(sys.path) else ()
        return self._plugin_options

    @property
    def plugin_commands(self) -> list[Component]:
        """Commands that plugins offer, even with the name of one of ours; loads only plugins that may offer a command."""
        from cloche.plugins.entry_points import InstalledPlugins

        installed = InstalledPlugins(sys.path)
        sources = [source for source in installed.sources() if installed.mentions(source, b"cloche_commands")]
        if not sources:
            return []
        from contextlib import redirect_stdout

        from cloche.plugins.registry import load_sources

        with redirect_stdout(sys.stderr):  # plugins may print, and a shell may read our output
            return list(load_sources(sources, self.blocklist).all("command"))

    def accept_plugin_options(self) -> None:
        """Look up unknown options of the command line, variables and config files among those that plugins declare."""
        self.arguments = accept_options(self.arguments, self.plugin_options)
        self._settings = self._resolve_settings(self.plugin_options)


def load_options(blocklist: frozenset[str]) -> tuple[Option, ...]:
    """Return the options of all plugins outside the blocklist, except those with the name of one of ours."""
    from contextlib import redirect_stdout

    from cloche.plugins.components import COMPONENT_KINDS
    from cloche.plugins.registry import load_plugins

    ours = {option.name for option in options_of(CREATE)}
    with redirect_stdout(sys.stderr):  # standard output may be for JSON
        registry = load_plugins(sys.path, blocklist)
        options = [
            option for kind in COMPONENT_KINDS for component in registry.all(kind) for option in component.options
        ]
    return tuple(option for option in options if option.name not in ours)
