"""Resolve settings: the command line, `CLOCHE_*` variables, the project's pyproject.toml, the user's config file.

The first of them that sets an option wins. An unknown name is a warning with the closest known one.
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
"""Variables that are not options: read by the plugin loader, by this module, by the tests."""

OTHER_KEYS = frozenset(("replace",))
"""Keys of config files that are not options: which built-ins plugins may replace."""

SETTABLE = frozenset(
    option.name for command in COMMANDS.values() for option in command.options if option.sources == "all"
)
"""Options of any command that variables and files may set; whichever command runs, they are not unknown."""

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

OPPOSITES = {"download": "no-download", "no-download": "download"}
"""Flags that contradict each other: in a stronger source, one overrides the other in weaker ones."""

LARGEST_FILE = 1 << 22
"""Bytes of a config file that are read."""


@value
class Setting:
    """What one source says about one option."""

    values: tuple[str, ...]
    origin: str
    """For people: `command line`, `CLOCHE_PROMPT`, `/home/me/project/pyproject.toml`."""


@value
class Source:
    """One variable, or the table in one config file."""

    origin: str
    """Name of the variable, or path of the file."""
    said: Mapping[str, object]
    is_variable: bool = False


@value
class Sources:
    """Variables and config files, the strongest first."""

    found: tuple[Source, ...]
    warnings: tuple[str, ...] = ()
    """Which files are ignored, and why."""


@value
class UnknownSetting:
    """A name that is no option; a plugin may declare it."""

    name: str
    key: str
    """The name as it is written."""
    given: object
    source: Source


@value
class Settings:
    """What was chosen, by option name, and what could not be understood."""

    chosen: Mapping[str, Setting]
    replacements: Mapping[str, str] = {}
    """Built-ins by name, and the plugin's component that may take their place."""
    options: Mapping[str, Option] = {}
    """The options that variables and files may set."""
    plugin_options: tuple[Option, ...] = ()
    """Options that plugins declare, if plugins were asked."""
    unknown: tuple[UnknownSetting, ...] = ()
    problems: Mapping[str, UsageError] = {}
    """Errors by the name of the setting."""
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
        return (*self.ignored, *(warning_of(one, self.options) for one in self.unknown))

    def check(self) -> None:
        """:raises UsageError: a variable or a config file gives an option a wrong value."""
        for problem in self.problems.values():
            raise problem


def resolve_settings(arguments: ParsedArguments, sources: Sources) -> Settings:
    """Return what the command line and the other sources together say about the options of a command."""
    command = arguments.command
    candidates = (*command.options, *command.reads, *COMMON, *COMMON_ALIASES)
    options = {option.name: option for option in candidates if option.sources == "all"}
    chosen = {name: Setting(values, "command line") for name, values in arguments.given.items()}
    replacements: dict[str, str] = {}
    unknown: list[UnknownSetting] = []
    problems: dict[str, UsageError] = {}
    for source in sources.found:
        before = frozenset(chosen)
        for key, given in source.said.items():
            name = key.replace("_", "-")
            try:
                if name in OTHER_KEYS and not source.is_variable:
                    replacements.update(parse_replacements(given, source.origin))
                elif name in options:
                    choose(chosen, options[name], key, given, source, before)
                elif name not in SETTABLE:
                    unknown.append(UnknownSetting(name, key, given, source))
            except UsageError as error:
                problems.setdefault(name, error)
    return Settings(chosen, replacements, options, unknown=tuple(unknown), problems=problems, ignored=sources.warnings)


def accept_settings(settings: Settings, options: Sequence[Option], arguments: ParsedArguments) -> Settings:
    """Return settings in which unknown names are known if they are among these options, which plugins declare.

    :raises UsageError: a variable or a config file gives one of them a wrong value.
    """
    known = {**settings.options, **{option.name: option for option in options if option.sources == "all"}}
    given = {name: Setting(values, "command line") for name, values in arguments.given.items()}
    chosen = {**settings.chosen, **given}
    for one in settings.unknown:
        if one.name in known:
            choose(chosen, known[one.name], one.key, one.given, one.source, frozenset(chosen))
    unknown = tuple(one for one in settings.unknown if one.name not in known)
    return replace(settings, chosen=chosen, options=known, plugin_options=tuple(options), unknown=unknown)


def choose(
    chosen: dict[str, Setting], option: Option, key: str, given: object, source: Source, before: frozenset[str]
) -> None:
    """Enter what a source says about an option, unless a stronger one has set it (`before`); an empty variable is unset.

    :raises UsageError: the option cannot have that value.
    """
    if option.name in before or OPPOSITES.get(option.name) in before or (source.is_variable and not given):
        return
    where = f"`{source.origin}`" if source.is_variable else f"`{key}` in {source.origin}"
    enter_setting(chosen, option, Setting(parse_values(option, given, where), source.origin), before)


def enter_setting(chosen: dict[str, Setting], option: Option, setting: Setting, before: frozenset[str]) -> None:
    """Enter a setting under the option's own name, or under the one that it is another spelling of."""
    if option.implies:
        for name, implied in option.implies if setting.values[-1] == "true" else ():
            if name not in before:
                chosen[name] = Setting((implied,), setting.origin)
    elif (name := option.alias_of or option.name) not in before:
        chosen[name] = setting


class ReportingSession(Session):
    """A session that prints its warnings at its end, before an error too: they often explain it."""

    def __init__(self, settings: Settings, host: Host) -> None:
        directory = settings.last("cache-dir")
        super().__init__(
            host,
            cache=os.path.join(host.cwd, directory) if directory else None,
            access="read-only" if settings.flag("read-only-cache") else "read-write",
            blocklist=blocklist_of(settings, host),
            replacements=settings.replacements,
        )
        self._before = settings.warnings
        self._shows_tracebacks = settings.flag("traceback")

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        if raised[0] is None or isinstance(raised[1], ClocheError):
            report.print_warnings((*self._before, *self.warnings))
            if self._shows_tracebacks and self.plugin_errors:
                from traceback import format_exception

                for error in self.plugin_errors:
                    report.print_message("".join(format_exception(error)).rstrip())


def open_session(settings: Settings, host: Host) -> Session:
    """Return the session that these settings ask for. From here on plugins may print, which must not mix with JSON."""
    if settings.flag("json"):
        report.reserve_stdout()
    session = ReportingSession(settings, host)
    if "quiet" not in settings.chosen and report.can_show_progress(host):
        session.progress = report.show_progress
    return session


def blocklist_of(settings: Settings, host: Host) -> frozenset[str]:
    """Return the names of plugins to leave out.

    :raises UsageError: a variable or a config file gives these options a wrong value.
    """
    for name in ("no-plugin", "no-plugins"):
        if name in settings.problems:
            raise settings.problems[name]
    everything = ("*",) if settings.flag("no-plugins") else ()
    return blocked_names(host, (*settings.all("no-plugin"), *everything))


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
    """Yield the tables of the nearest pyproject.toml and the user's config file, which must exist if it was named."""
    named = host.environ.get("CLOCHE_CONFIG_FILE")
    if named and (os.path.isdir(named) or not os.path.exists(named)):  # the null device is a way to say none
        warnings.append(f"`CLOCHE_CONFIG_FILE` is set to `{named}`, which is not a file")
    project = nearest_file(host.cwd, "pyproject.toml")
    for path, keys in ((project, ("tool", "cloche")), (user_file(host), ())):
        content = read_config_file(path, warnings) if path else b""
        if keys and b"cloche" not in content:  # most projects have no table of ours to parse
            continue
        if table := table_of(content, path, keys, warnings):
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
    """Return the path of the user's config file: `CLOCHE_CONFIG_FILE`, else where platformdirs puts it."""
    if named := host.environ.get("CLOCHE_CONFIG_FILE"):
        return named
    from cloche.store.directories import config_directory

    directory = config_directory(host)
    return os.path.join(directory, "config.toml") if directory else ""


def read_config_file(path: str, warnings: list[str]) -> bytes:
    """Return what a file holds, nothing if it does not exist; one that cannot be read is a warning."""
    content = read_at_most(path, LARGEST_FILE + 1)
    if content is not None and len(content) <= LARGEST_FILE:
        return content
    if path == os.devnull or not os.path.lexists(path) or os.path.isdir(path):
        return b""
    warnings.append(f"`{path}` is ignored: {why_unreadable(path) if content is None else 'it is larger than 4 MiB'}")
    return b""


def why_unreadable(path: str) -> str:
    if os.path.exists(path) and not os.path.isfile(path):
        return "it is not a regular file"
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        return reason_of(error)
    return "it cannot be read"


def table_of(content: bytes, path: str, keys: tuple[str, ...], warnings: list[str]) -> dict[str, object]:
    """Return one table of a TOML file; a file that cannot be parsed is a warning."""
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
    """Return what a source says about an option as the values that the command line would have given.

    :raises UsageError: the option cannot have that value.
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
    elif isinstance(given, list) and all(isinstance(one, str) for one in given) and option.kind in ("list", "words"):
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
    """Return the values in a variable: a line each, or separated as PATH is (paths) or by commas.

    A comma before an operator joins: `>=3.10,<3.13` is one value.
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

    :raises UsageError: it is not a list of `BUILT-IN=NAME`.
    """
    if not isinstance(given, list) or not all(isinstance(one, str) and "=" in one for one in given):
        raise UsageError(f"`replace` in {origin} must be a list of `BUILT-IN=NAME`")
    return {one.partition("=")[0].strip(): one.partition("=")[2].strip() for one in given}


def warning_of(unknown: UnknownSetting, options: Mapping[str, Option]) -> str:
    """Return the warning about an unknown name, with the closest known one."""
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
