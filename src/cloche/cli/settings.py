"""Resolve settings: the command line, `CLOCHE_*` variables, the project's pyproject.toml, the user's config file.

The first source that sets an option wins. An unknown name causes a warning, which suggests the closest known name.
"""

from __future__ import annotations

import os
import sys

from cloche.cli import report
from cloche.cli.commands import COMMANDS, COMMON, COMMON_ALIASES
from cloche.errors import ClocheError, UsageError, reason_of
from cloche.fs.files import read_at_most
from cloche.model.value import TYPE_CHECKING, replace, value
from cloche.plugins.guard import blocked_names
from cloche.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloche.cli.parser import ParsedArguments
    from cloche.model.interpreter import Host
    from cloche.model.options import Option

PREFIX = "CLOCHE_"

OTHER_VARIABLES = frozenset(("CLOCHE_DISABLE_PLUGINS", "CLOCHE_CONFIG_FILE", "CLOCHE_REQUIRE_ALL"))
"""Variables that are not options; the plugin loader, this module and the tests read them."""

OTHER_KEYS = frozenset(("replace",))
"""Keys of config files that are not options; `replace` lists the built-ins that plugins may replace."""

SETTABLE = frozenset(
    option.name for command in COMMANDS.values() for option in command.options if option.sources == "all"
)
"""Options of any command that variables and files may set; they are never reported as unknown."""

ONLY_ARGUMENTS = frozenset(
    option.name
    for command in COMMANDS.values()
    for option in (*COMMON, *command.options)
    if option.sources == "argv" and option.name not in SETTABLE
)
"""Options that only the command line may set."""

TRUE = frozenset(("1", "true", "yes", "on"))
FALSE = frozenset(("0", "false", "no", "off", ""))
COUNTS = frozenset("0123456789")

OPPOSITES = {"download": "no-download", "no-download": "download", "lock": "no-seed", "no-seed": "lock"}
"""Options that contradict each other: in a stronger source, one overrides the other in weaker ones."""

MAX_CONFIG_BYTES = 1 << 22
"""The maximum size of a config file."""


@value
class Setting:
    """The values of one option from one source."""

    values: tuple[str, ...]
    origin: str
    """The source, as shown to the user: `command line`, `CLOCHE_PROMPT`, `/home/me/project/pyproject.toml`."""


@value
class Source:
    """One variable, or the table in one config file."""

    origin: str
    """Name of the variable, or path of the file."""
    values: Mapping[str, object]
    is_variable: bool = False


@value
class Sources:
    """Variables and config files, the strongest first."""

    found: tuple[Source, ...]
    warnings: tuple[str, ...] = ()
    """A message for each file that is ignored, with the reason."""


@value
class UnknownSetting:
    """A name that is not an option of cloche; a plugin may declare it."""

    name: str
    key: str
    """The name as written in the source."""
    given: object
    source: Source


@value
class Settings:
    """The settings by option name, and those that are unknown or invalid."""

    chosen: Mapping[str, Setting]
    replacements: Mapping[str, str] = {}
    """Built-ins by name, and the plugin's component that may replace each."""
    options: Mapping[str, Option] = {}
    """The options that variables and files may set."""
    plugin_options: tuple[Option, ...] = ()
    """Options that plugins declare, if plugins were loaded."""
    unknown: tuple[UnknownSetting, ...] = ()
    problems: Mapping[str, UsageError] = {}
    """Errors by setting name."""
    ignored: tuple[str, ...] = ()
    """Warnings about files that are ignored."""

    def all(self, name: str) -> tuple[str, ...]:
        setting = self.chosen.get(name)
        return setting.values if setting else ()

    def last(self, name: str) -> str | None:
        values = self.all(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool:
        return self.last(name) == "true"

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self.ignored, *(unknown_setting_warning(setting, self.options) for setting in self.unknown))

    def check(self) -> None:
        """:raises UsageError: a variable or a config file gives an option an invalid value."""
        for problem in self.problems.values():
            raise problem


def resolve_settings(arguments: ParsedArguments, sources: Sources) -> Settings:
    """Combine the command line with the other sources into the settings of a command."""
    command = arguments.command
    candidates = (*command.options, *command.inherited_options, *COMMON, *COMMON_ALIASES)
    options = {option.name: option for option in candidates if option.sources == "all"}
    chosen = {name: Setting(values, "command line") for name, values in arguments.given.items()}
    replacements: dict[str, str] = {}
    unknown: list[UnknownSetting] = []
    problems: dict[str, UsageError] = {}
    for source in sources.found:
        before = frozenset(chosen)
        for key, given in source.values.items():
            name = key.replace("_", "-")
            try:
                if name in OTHER_KEYS and not source.is_variable:
                    replacements.update(parse_replacements(given, source.origin))
                elif name in options:
                    record_setting(chosen, options[name], key, given, source, before)
                elif name not in SETTABLE:
                    unknown.append(UnknownSetting(name, key, given, source))
            except UsageError as error:
                problems.setdefault(name, error)
    return Settings(chosen, replacements, options, unknown=tuple(unknown), problems=problems, ignored=sources.warnings)


def accept_settings(settings: Settings, options: Sequence[Option], arguments: ParsedArguments) -> Settings:
    """Return the settings, with unknown names looked up among the options that plugins declare.

    :raises UsageError: a variable or a config file gives one of them an invalid value.
    """
    known = {**settings.options, **{option.name: option for option in options if option.sources == "all"}}
    given = {name: Setting(values, "command line") for name, values in arguments.given.items()}
    chosen = {**settings.chosen, **given}
    for setting in settings.unknown:
        if setting.name in known:
            record_setting(chosen, known[setting.name], setting.key, setting.given, setting.source, frozenset(chosen))
    unknown = tuple(setting for setting in settings.unknown if setting.name not in known)
    return replace(settings, chosen=chosen, options=known, plugin_options=tuple(options), unknown=unknown)


def record_setting(
    chosen: dict[str, Setting], option: Option, key: str, given: object, source: Source, before: frozenset[str]
) -> None:
    """Record a source's value of an option in `chosen`. An empty variable counts as unset.

    :param before: the names of options that stronger sources have set; they are left unchanged.
    :raises UsageError: the value is invalid.
    """
    if is_overridden(option.name, chosen, before) or (source.is_variable and not given):
        return
    where = f"`{source.origin}`" if source.is_variable else f"`{key}` in {source.origin}"
    values = parse_values(option, given, where)
    if option.metavar == "FILE" and not source.is_variable:
        values = tuple(os.path.join(os.path.dirname(source.origin), text) for text in values)
    enter_setting(chosen, option, Setting(values, source.origin), before)


def is_overridden(name: str, chosen: Mapping[str, Setting], before: frozenset[str]) -> bool:
    """Return whether a stronger source has set an option, or one that contradicts it."""
    opposite = OPPOSITES.get(name, "")
    return name in before or (opposite in before and chosen[opposite].values != ("false",))


def enter_setting(chosen: dict[str, Setting], option: Option, setting: Setting, before: frozenset[str]) -> None:
    """Record a setting under the option's name, or under the options that it is an alias of or implies."""
    if option.implies:
        for name, implied in option.implies if setting.values[-1] == "true" else ():
            if not is_overridden(name, chosen, before):
                chosen[name] = Setting((implied,), setting.origin)
    elif (name := option.alias_of or option.name) not in before:
        chosen[name] = setting


class ReportingSession(Session):
    """A session that prints its warnings when it ends, even before an error, which they often explain."""

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
        self.announce = report.print_warnings
        self._shows_tracebacks = settings.flag("traceback")

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        if raised[0] is None or isinstance(raised[1], ClocheError):
            report.print_warnings((*self._before, *self.warnings))
            if self._shows_tracebacks and self.plugin_errors:
                from traceback import format_exception

                for error in self.plugin_errors:
                    report.print_message("".join(format_exception(error)).rstrip())


def open_reporting_session(settings: Settings, host: Host) -> Session:
    """Open a session with these settings. From here on, plugins may print, so standard output is reserved for JSON."""
    if settings.flag("json"):
        report.reserve_stdout()
    session = ReportingSession(settings, host)
    if "quiet" not in settings.chosen and report.can_show_progress(host):
        session.progress = report.show_progress
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


def read_variables(host: Host) -> Iterator[Source]:
    """Yield each `CLOCHE_*` variable that may be an option."""
    for variable, text in sorted(host.environ.items()):
        if variable.startswith(PREFIX) and variable not in OTHER_VARIABLES:
            yield Source(variable, {variable.removeprefix(PREFIX).lower(): text}, True)


def read_files(host: Host, warnings: list[str]) -> Iterator[Source]:
    """Yield the tables of the nearest pyproject.toml and of the user's config file; warn if a named file is missing."""
    named = host.environ.get("CLOCHE_CONFIG_FILE")
    if named and (
        os.path.isdir(named) or not os.path.exists(named)
    ):  # the null device is allowed: it means no config file
        warnings.append(f"`CLOCHE_CONFIG_FILE` is set to `{named}`, which is not a file")
    project = nearest_file(host.cwd, "pyproject.toml")
    for path, keys in ((project, ("tool", "cloche")), (user_file(host), ())):
        content = read_config_file(path, warnings) if path else b""
        if keys and b"cloche" not in content:  # most projects have no `tool.cloche`: skip the parsing
            continue
        if table := parse_config_table(content, path, keys, warnings):
            yield Source(path, table)


def nearest_file(directory: str, name: str) -> str:
    """Return the path of the first file of that name in a directory or above it; empty if there is none."""
    while directory:
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            return path
        parent = os.path.dirname(directory)
        directory = "" if parent == directory else parent
    return ""


def user_file(host: Host) -> str:
    """Return the path of the user's config file: `CLOCHE_CONFIG_FILE`, or the default path; empty if it is unknown."""
    if named := host.environ.get("CLOCHE_CONFIG_FILE"):
        return named
    from cloche.store.directories import config_directory

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


def parse_config_table(content: bytes, path: str, keys: tuple[str, ...], warnings: list[str]) -> dict[str, object]:
    """Return one table of a TOML file, empty if it does not exist; warn if the file cannot be parsed."""
    if not content:
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table: object = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        warnings.append(f"`{path}` is ignored: it is not UTF-8 (at line {line})")
        return {}
    except RecursionError:
        warnings.append(f"`{path}` is ignored: it is nested too deeply")
        return {}
    except ValueError as error:
        warnings.append(f"`{path}` is ignored: {reason_of(error)}")
        return {}
    for key in keys:
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if isinstance(table, dict):
        return table
    warnings.append(f"`{'.'.join(keys)}` in {path} is ignored: it is not a table")
    return {}


# Values


def parse_values(option: Option, given: object, where: str) -> tuple[str, ...]:
    """Convert a source's value of an option to strings, as if they were given on the command line.

    :raises UsageError: the value is invalid.
    """
    if option.kind in ("flag", "count"):
        if option.kind == "count" and str(given) in COUNTS:
            return ("true",) * int(str(given))
        word = str(given).lower()
        if word not in TRUE | FALSE:
            raise UsageError(f"{where} must be true or false, not `{given}`")
        return ("true" if word in TRUE else "false",)
    if isinstance(given, str):
        values = split_values(given, option) if option.kind == "list" else (given,)
    elif isinstance(given, list) and all(isinstance(text, str) for text in given) and option.kind in ("list", "words"):
        values = tuple(given) if option.kind == "list" else (",".join(given),)
    elif isinstance(given, int) and not isinstance(given, bool) and option.kind in ("text", "list"):
        values = (str(given),)
    else:
        quotes = "; without quotes, 3.10 is 3.1" if isinstance(given, float) else ""
        raise UsageError(
            f"invalid value {given!r} for {where}", hint=f"`{option.name}` takes {describe_kind(option)}{quotes}"
        )
    for text in values:
        if option.is_path and not text.strip():
            raise UsageError(f"{where} must not be blank", hint=f"`{option.name}` takes a path")
        if option.choices and text not in option.choices:
            raise UsageError(f"invalid value `{text}` for {where}", hint=f"choose one of {', '.join(option.choices)}")
    return values


def describe_kind(option: Option) -> str:
    return "a string" if option.kind == "text" else "a string or a list of strings"


def split_values(text: str, option: Option) -> tuple[str, ...]:
    """Return the values in a variable: one per line, or separated by commas; paths are separated as in PATH.

    A comma before an operator does not separate: `>=3.10,<3.13` is one value.
    """
    if "\n" in text:
        return tuple(line.strip() for line in text.split("\n") if line.strip())
    if option.is_path:
        return tuple(part for part in text.split(os.pathsep) if part)
    parts: list[str] = []
    for part in text.split(","):
        if parts and part.strip()[:1] in ("<", ">", "=", "!", "~"):
            parts[-1] += f",{part.strip()}"
        elif part.strip():
            parts.append(part.strip())
    return tuple(parts)


def parse_replacements(given: object, origin: str) -> dict[str, str]:
    """Return `replace = ["bash=acme"]` as a mapping.

    :raises UsageError: `given` is not a list of `BUILT-IN=NAME`.
    """
    if not isinstance(given, list) or not all(isinstance(pair, str) and "=" in pair for pair in given):
        raise UsageError(f"`replace` in {origin} must be a list of `BUILT-IN=NAME`")
    return {built_in.strip(): name.strip() for built_in, _, name in (pair.partition("=") for pair in given)}


def unknown_setting_warning(unknown: UnknownSetting, options: Mapping[str, Option]) -> str:
    """Return the warning about an unknown name, which suggests the closest known name."""
    is_variable, origin = unknown.source.is_variable, unknown.source.origin
    where = f"`{origin}`" if is_variable else f"`{unknown.key}` in {origin}"
    if unknown.name in ONLY_ARGUMENTS:
        return f"{where} has no effect: `--{unknown.name}` works only on the command line"
    from difflib import get_close_matches

    near = [
        f"{PREFIX}{name.upper().replace('-', '_')}" if is_variable else name
        for name in get_close_matches(unknown.name, options, 1)
    ]
    return f"unknown {'variable' if is_variable else 'option'} {where}" + (
        f"; did you mean `{near[0]}`?" if near else ""
    )
