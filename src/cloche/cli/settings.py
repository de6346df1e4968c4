"""Settings, the variables and config files that they come from, and the session that they describe.

`cloche.cli.precedence` combines the sources.
"""

from __future__ import annotations

import os

from cloche.cli import report
from cloche.errors import ClocheError, UsageError, reason_of
from cloche.fs import directory_and_parents, read_at_most
from cloche.model.value import TYPE_CHECKING, Value
from cloche.plugins import blocked_names
from cloche.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloche.cli.command_spec import CommandSpec
    from cloche.cli.parser import ParsedArguments
    from cloche.model.aliases import StartupRule
    from cloche.model.interpreter import Host
    from cloche.model.options import Option

PREFIX = "CLOCHE_"

OTHER_VARIABLES = frozenset(("CLOCHE_DISABLE_PLUGINS", "CLOCHE_CONFIG_FILE", "CLOCHE_REQUIRE_ALL"))
"""Variables that are not options; the plugin loader, this module and the tests read them."""

OTHER_KEYS = frozenset(("replace",))
"""Keys of config files that are not options; `replace` lists the built-ins that plugins may replace."""

MAX_CONFIG_BYTES = 1 << 22
"""The maximum size of a config file."""


class Setting(Value):
    """The values of one option from one source."""

    values: tuple[str, ...]
    origin: str
    """The source, as shown to the user: `command line`, `CLOCHE_PROMPT`, `/home/me/project/pyproject.toml`."""


class SettingSource(Value):
    """One variable, or the table in one config file."""

    origin: str
    """Name of the variable, or path of the file."""
    values: Mapping[str, object]
    is_variable: bool = False


class Sources(Value):
    """Variables and config files, the strongest first."""

    found: tuple[SettingSource, ...]
    warnings: tuple[str, ...] = ()
    """A message for each file that is ignored, with the reason."""


class Settings(Value):
    """The settings by option name, and what is wrong with them."""

    command: CommandSpec
    chosen: Mapping[str, Setting]
    replacements: Mapping[str, str] = {}
    """Built-ins by name, and the plugin's component that may replace each."""
    plugin_options: tuple[Option, ...] = ()
    """Options that plugins declare, if plugins were loaded."""
    has_unknown: bool = False
    """Whether a name is not an option of cloche; a plugin may declare it."""
    problems: Mapping[str, UsageError] = {}
    """Errors by setting name."""
    warnings: tuple[str, ...] = ()
    """A message for each file that is ignored and for each name that is unknown."""

    def all(self, name: str) -> tuple[str, ...]:
        setting = self.chosen.get(name)
        return setting.values if setting else ()

    def last(self, name: str) -> str | None:
        values = self.all(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool:
        return self.last(name) == "true"

    @property
    def startup_rule(self) -> StartupRule | None:
        """The rule for packages with startup code; None for the one that each environment was created with.

        :raises UsageError: the setting is not valid.
        """
        if not (words := self.all("startup-code")):
            return None
        from cloche.store.startup_code import parse_policy

        return parse_policy(words)

    def check(self) -> None:
        """Refuse invalid settings.

        :raises UsageError: a variable or a config file gives an option an invalid value.
        """
        for problem in self.problems.values():
            raise problem


def command_line_settings(arguments: ParsedArguments, warnings: tuple[str, ...] = ()) -> Settings:
    """Return the settings of a command line alone."""
    chosen = {name: Setting(values, "command line") for name, values in arguments.given.items()}
    return Settings(arguments.command, chosen, warnings=warnings)


class ReportingSession(Session):
    """A session that prints its warnings when it ends, before the result and even before an error, which they often explain.

    A command that prints results earlier calls `print_new_warnings` before each of them.
    """

    def __init__(self, settings: Settings, host: Host) -> None:
        directory = settings.last("cache-dir")
        super().__init__(
            host,
            cache=os.path.join(host.cwd, directory) if directory else None,
            access="read-only" if settings.flag("read-only-cache") else "read-write",
            blocklist=plugin_blocklist(settings, host),
            replacements=settings.replacements,
        )
        self._before = settings.warnings
        self._printed: set[str] = set()
        self._printed_errors = 0
        self.announce = report.print_warnings
        self._shows_tracebacks = settings.flag("traceback")

    def __enter__(self) -> ReportingSession:
        super().__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        if raised[0] is None or isinstance(raised[1], ClocheError):
            self.print_new_warnings()

    def print_new_warnings(self) -> None:
        """Print the warnings that are not printed yet, with `--traceback` also where plugins failed."""
        self.collect_plugin_problems()
        texts = dict.fromkeys((*self._before, *self.warnings))  # both may name the same file
        report.print_warnings(text for text in texts if text not in self._printed)
        self._printed.update(texts)
        errors = self.plugin_errors[self._printed_errors :] if self._shows_tracebacks else ()
        if errors:
            from traceback import format_exception

            self._printed_errors += len(errors)
            for error in errors:
                report.print_message("".join(format_exception(error)).rstrip())


def open_reporting_session(settings: Settings, host: Host) -> ReportingSession:
    """Open a session with these settings. From here on, plugins may print, so standard output is reserved for JSON."""
    if settings.flag("json"):
        report.reserve_stdout()
    session = ReportingSession(settings, host)
    if "quiet" not in settings.chosen:
        session.notify = report.print_notice
        if report.can_show_progress(host):
            session.progress = report.show_progress
        elif settings.flag("json"):
            from cloche.cli.json_output import ProgressLines

            session.progress = ProgressLines()
    return session


def plugin_blocklist(settings: Settings, host: Host) -> frozenset[str]:
    """Return the names of plugins to leave out.

    :raises UsageError: a variable or a config file gives these options an invalid value.
    """
    for name in ("no-plugin", "no-plugins"):
        if name in settings.problems:
            raise settings.problems[name]
    all_plugins = ("*",) if settings.flag("no-plugins") else ()
    return blocked_names(host, (*settings.all("no-plugin"), *all_plugins))


# Sources


def read_sources(host: Host) -> Sources:
    """Read `CLOCHE_*` variables, the nearest pyproject.toml and the user's config file."""
    warnings: list[str] = []
    return Sources((*read_variables(host), *read_files(host, warnings)), tuple(warnings))


def read_variables(host: Host) -> Iterator[SettingSource]:
    """Yield each `CLOCHE_*` variable that may be an option."""
    for variable, text in sorted(host.environ.items()):
        if variable.startswith(PREFIX) and variable not in OTHER_VARIABLES:
            yield SettingSource(variable, {variable.removeprefix(PREFIX).lower(): text}, True)


def read_files(host: Host, warnings: list[str]) -> Iterator[SettingSource]:
    """Yield the tables of the nearest pyproject.toml and of the user's config file; warn if a named file is missing."""
    named = host.environ.get("CLOCHE_CONFIG_FILE")
    if named and (
        os.path.isdir(named) or not os.path.exists(named)
    ):  # the null device is allowed: it means no config file
        warnings.append(f"`CLOCHE_CONFIG_FILE` is set to `{named}`, which is not a file")
    project = nearest_file(host.cwd, "pyproject.toml")
    for path, keys in ((project, ("tool", "cloche")), (user_file(host), ())):
        content = read_config_file(path, warnings) if path else b""
        if not content or (keys and b"cloche" not in content):  # most projects have no `tool.cloche`: skip the parsing
            continue
        from cloche.cli.setting_values import parse_config_table

        if table := parse_config_table(content, path, keys, warnings):
            yield SettingSource(path, table)


def nearest_file(directory: str, name: str) -> str:
    """Return the path of the first file of that name in a directory or above it; empty if there is none."""
    paths = (os.path.join(parent, name) for parent in directory_and_parents(directory))
    return next(filter(os.path.isfile, paths), "")


def user_file(host: Host) -> str:
    """Return the path of the user's config file: `CLOCHE_CONFIG_FILE`, or the default path; empty if it is unknown."""
    if named := host.environ.get("CLOCHE_CONFIG_FILE"):
        return named
    from cloche.store import config_directory

    directory = config_directory(host)
    return os.path.join(directory, "config.toml") if directory else ""


def read_config_file(path: str, warnings: list[str]) -> bytes:
    """Return the content of a file, empty if it does not exist; warn if it cannot be read."""
    content = read_at_most(path, MAX_CONFIG_BYTES + 1)
    if content is not None and len(content) <= MAX_CONFIG_BYTES:
        return content
    if path == os.devnull or not os.path.lexists(path) or os.path.isdir(path):
        return b""
    warnings.append(f"`{path}` is ignored: {reason_unreadable(path) if content is None else 'it is larger than 4 MiB'}")
    return b""


def reason_unreadable(path: str) -> str:
    if os.path.exists(path) and not os.path.isfile(path):
        return "it is not a regular file"
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        return reason_of(error)
    return "it cannot be read"
