"""Where each option's value comes from: command line, `CLOCHE_*`, the project's pyproject.toml, the user's config file.

The first of them that says something wins. A name that does not exist is a warning with the nearest one that does.
"""

from __future__ import annotations

import os
import sys

from cloche.cli import report
from cloche.cli.commands import COMMANDS, COMMON
from cloche.errors import ClocheError, UsageError
from cloche.fs.files import read_regular
from cloche.model.value import TYPE_CHECKING, value
from cloche.plugins.guard import blocked_names
from cloche.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche.cli.parser import ParsedArguments
    from cloche.model.interpreter import Host
    from cloche.model.options import Option

PREFIX = "CLOCHE_"

OTHER_VARIABLES = frozenset(("CLOCHE_DISABLE_PLUGINS", "CLOCHE_CONFIG_FILE", "CLOCHE_REQUIRE_ALL"))
"""Variables that are no options: read by the plugin loader, by this module, by the tests."""

OTHER_KEYS = frozenset(("replace",))
"""Keys of config files that are no options: which built-ins plugins may replace."""

OF_OTHERS = frozenset(option.name for verb in COMMANDS.values() for option in verb.options if option.sources == "all")
"""Options that some command has: they may stand in variables and files whichever command is run."""

OF_ARGV = frozenset(
    option.name
    for verb in COMMANDS.values()
    for option in (*COMMON, *verb.options)
    if option.sources == "argv" and option.name not in OF_OTHERS
)
"""Options that mean something on the command line alone."""

TRUE = frozenset(("1", "true", "yes", "on"))
FALSE = frozenset(("0", "false", "no", "off", ""))
COUNTS = frozenset("0123456789")

OPPOSITES = {"download": "no-download", "no-download": "download"}
"""Flags that undo each other: whichever a stronger source gives silences the other in weaker ones."""


@value
class Setting:
    """What one source says of one option."""

    values: tuple[str, ...]
    origin: str
    """For people: `command line`, `CLOCHE_PROMPT`, `/home/me/project/pyproject.toml`."""


@value
class Settings:
    """What was chosen, by option name, and what was said that means nothing."""

    chosen: Mapping[str, Setting]
    warnings: tuple[str, ...] = ()
    replacements: Mapping[str, str] = {}
    """Built-ins by name, and the plugin's component that may take their place."""

    def all(self, name: str) -> tuple[str, ...]:
        setting = self.chosen.get(name)
        return setting.values if setting else ()

    def last(self, name: str) -> str | None:
        values = self.all(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool:
        return self.last(name) == "true"


def resolve(words: ParsedArguments, host: Host, options: Sequence[Option]) -> Settings:
    """Return what all sources together say of these options.

    :raises UsageError: a variable or a config file gives an option a value that it cannot have.
    """
    known = {option.name: option for option in options if option.sources == "all"}
    warnings: list[str] = []
    chosen = {name: Setting(values, "command line") for name, values in words.given.items()}
    replacements: dict[str, str] = {}
    for origin, said in (*variables(host, known, warnings), *files(host, warnings)):
        before = frozenset(chosen)
        for key, given in said.items():
            name = key.replace("_", "-")
            if name in OTHER_KEYS:
                replacements.update(pairs(given, origin))
            elif name not in known:
                if name in OF_OTHERS:
                    continue
                near = nearest(name, known)
                warnings.append(f"`{key}` in {origin} {no_option(name, near)}")
            elif name not in before and OPPOSITES.get(name) not in before:
                option = known[name]
                values = as_values(option, given, f"`{key}` in {origin}")
                if values is not None:
                    put(chosen, option, Setting(values, origin), before)
    return Settings(chosen, tuple(warnings), replacements)


class TellingSession(Session):
    """A session that tells at its end what there is to warn of; where that is an error, it often says why."""

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

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        if raised[0] is None or isinstance(raised[1], ClocheError):
            report.warn((*self._before, *self.warnings))


def session_of(settings: Settings, host: Host) -> Session:
    """Return the session that these settings ask for; with it plugins get to work, and JSON is to stand alone."""
    if settings.flag("json"):
        report.reserve()
    session = TellingSession(settings, host)
    if "quiet" not in settings.chosen and report.can_pass(host):
        session.progress = report.passing
    return session


def blocklist_of(settings: Settings, host: Host) -> frozenset[str]:
    """Return the names of plugins to leave out."""
    everything = ("*",) if settings.flag("no-plugins") else ()
    return blocked_names(host, (*settings.all("no-plugin"), *everything))


def put(chosen: dict[str, Setting], option: Option, setting: Setting, before: frozenset[str]) -> None:
    """Enter a setting under its own name or the one that it is another spelling of."""
    if option.implies:
        for name, implied in option.implies if setting.values[-1] == "true" else ():
            if name not in before:
                chosen[name] = Setting((implied,), setting.origin)
    elif (name := option.alias_of or option.name) not in before:
        chosen[name] = setting


def variables(host: Host, known: Mapping[str, Option], warnings: list[str]) -> list[tuple[str, dict[str, object]]]:
    """Return what `CLOCHE_*` variables say, each as a source of its own; an empty one says nothing."""
    said: list[tuple[str, dict[str, object]]] = []
    for variable, text in sorted(host.environ.items()):
        if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        name = variable.removeprefix(PREFIX).lower().replace("_", "-")
        if name not in known:
            if name in OF_OTHERS:
                continue
            near = nearest(name, known)
            meant = f"{PREFIX}{near.upper().replace('-', '_')}" if near else ""
            warnings.append(f"`{variable}` in the environment {no_option(name, meant)}")
        elif text:
            said.append((variable, {name: text}))
    return said


def files(host: Host, warnings: list[str]) -> list[tuple[str, dict[str, object]]]:
    """Return what the nearest pyproject.toml and the user's config file say; one that was named has to be there."""
    said = []
    named = host.environ.get("CLOCHE_CONFIG_FILE")
    if named and (os.path.isdir(named) or not os.path.exists(named)):  # the null device says that there is to be none
        warnings.append(f"`CLOCHE_CONFIG_FILE` names `{named}`, which is no file")
    project = nearest_file(host.cwd, "pyproject.toml")
    for path, table in ((project, ("tool", "cloche")), (user_file(host), ())):
        content = read(path, b"cloche" if table else b"")
        if content:
            said.append((path, table_of(content, path, table, warnings)))
    return said


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


def read(path: str, needle: bytes) -> bytes:
    """Return a file's content if it mentions `needle`, else nothing: most projects have no table of ours to parse."""
    content = (read_regular(path, 1 << 22) if path else None) or b""
    return content if needle in content else b""


def table_of(content: bytes, path: str, keys: tuple[str, ...], warnings: list[str]) -> dict[str, object]:
    """Return one table of a TOML file; a file that does not parse is a warning and says nothing."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table: object = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        warnings.append(f"`{path}` was left out: {error}")
        return {}
    for key in keys:
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if isinstance(table, dict):
        return table
    warnings.append(f"`{'.'.join(keys)}` in {path} was left out: it is no table")
    return {}


def as_values(option: Option, given: object, where: str) -> tuple[str, ...] | None:
    """Return what a source says of an option as the values that the command line would have given.

    :raises UsageError: it is not what the option takes.
    """
    if option.kind in ("flag", "count"):
        if option.kind == "count" and str(given) in COUNTS:
            return ("true",) * int(str(given))
        word = str(given).lower()
        if word not in TRUE | FALSE:
            raise UsageError(f"{where} is `{given}`, and has to be true or false")
        return ("true" if word in TRUE else "false",)
    if isinstance(given, str):
        values = split(given, option) if option.kind == "list" else (given,)
    elif isinstance(given, list) and all(isinstance(one, str) for one in given) and option.kind in ("list", "words"):
        values = tuple(given) if option.kind == "list" else (",".join(given),)
    elif isinstance(given, int) and not isinstance(given, bool) and option.kind in ("text", "list"):
        values = (str(given),)
    else:
        quotes = "; without quotes, 3.10 is 3.1" if isinstance(given, float) else ""
        raise UsageError(f"{where} cannot be {given!r}", hint=f"`{option.name}` takes {kind_of(option)}{quotes}")
    for text in values:
        if option.is_path and not text.strip():
            raise UsageError(f"{where} cannot be blank", hint=f"`{option.name}` takes a path")
        if option.choices and text not in option.choices:
            raise UsageError(f"{where} cannot be `{text}`", hint=f"choose one of {', '.join(option.choices)}")
    return values


def kind_of(option: Option) -> str:
    return "a string" if option.kind == "text" else "a string or a list of strings"


def split(text: str, option: Option) -> tuple[str, ...]:
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


def pairs(given: object, origin: str) -> dict[str, str]:
    """Return `replace = ["bash=acme"]` as a mapping.

    :raises UsageError: it is not a list of `BUILT-IN=NAME`.
    """
    if not isinstance(given, list) or not all(isinstance(one, str) and "=" in one for one in given):
        raise UsageError(f"`replace` in {origin} has to be a list of `BUILT-IN=NAME`")
    return {one.partition("=")[0].strip(): one.partition("=")[2].strip() for one in given}


def no_option(name: str, near: str) -> str:
    """Return what is to be said of a name that means nothing where it stands, behind it."""
    if name in OF_ARGV:
        return f"has no effect: `--{name}` is for the command line alone"
    return "is no option" + (f"; did you mean `{near}`?" if near else "")


def nearest(name: str, known: Mapping[str, Option]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return near[0] if near else ""
