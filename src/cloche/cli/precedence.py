"""The precedence of settings: combine the command line with variables and config files.

A run loads this module only if a variable or a config file sets something.
"""

from __future__ import annotations

import os

from cloche.cli.command_spec import COMMON
from cloche.cli.commands import COMMANDS
from cloche.cli.setting_values import parse_replacements, parse_values
from cloche.cli.settings import OTHER_KEYS, PREFIX, Setting, command_line_settings
from cloche.cli.virtualenv_options import common_aliases
from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING, replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from cloche.cli.command_spec import CommandSpec
    from cloche.cli.parser import ParsedArguments
    from cloche.cli.settings import Settings, SettingSource, Sources
    from cloche.model.options import Option


def resolve_settings(arguments: ParsedArguments, sources: Sources, plugin_options: tuple[Option, ...] = ()) -> Settings:
    """Combine the command line with variables and config files into the settings of a command.

    :param plugin_options: the options that plugins declare, if plugins were loaded.
    """
    settings = command_line_settings(arguments)
    options = options_by_name(settings.command, plugin_options)
    chosen = dict(settings.chosen)
    replacements: dict[str, str] = {}
    unknown: list[str] = []
    problems: dict[str, UsageError] = {}
    for source in sources.found:
        decided = decided_names(chosen, options)
        keys: dict[str, str] = {}
        for key, given in source.values.items():
            name = key.replace("_", "-")
            try:
                if name in OTHER_KEYS and not source.is_variable:
                    replacements.update(parse_replacements(given, source.origin))
                elif name in options:
                    refuse_other_spelling(options[name], key, given, source, keys)
                    record_setting(chosen, options[name], key, given, source, decided)
                elif not is_option_name(name, "all"):
                    unknown.append(unknown_setting_warning(name, key, source, options))
            except UsageError as error:
                problems.setdefault(name, error)
    return replace(
        settings,
        chosen=chosen,
        replacements=replacements,
        plugin_options=plugin_options,
        has_unknown=bool(unknown),
        problems=problems,
        warnings=(*sources.warnings, *unknown),
    )


def options_by_name(command: CommandSpec, plugin_options: tuple[Option, ...] = ()) -> dict[str, Option]:
    """Return the options that variables and files may set for a command."""
    inherited = COMMANDS[command.inherits].options if command.inherits else ()
    options = (*command.options, *inherited, *COMMON, *common_aliases(), *plugin_options)
    return {option.name: option for option in options if option.sources == "all"}


def decided_names(chosen: Mapping[str, Setting], options: Mapping[str, Option]) -> frozenset[str]:
    """Return the names of the options that weaker sources can no longer set: those that are set, and their opposites."""
    negations = [(option.name, option.negation) for option in options.values() if option.negation]
    opposites = dict([*negations, *((negated, name) for name, negated in negations)])
    in_effect = (name for name, setting in chosen.items() if setting.values != ("false",))
    return frozenset((*chosen, *(opposites[name] for name in in_effect if name in opposites)))


def is_option_name(name: str, sources: Literal["all", "argv"]) -> bool:
    """Return whether any command has an option of this name that can be set in these sources."""
    options = (option for command in COMMANDS.values() for option in (*COMMON, *command.options))
    return any(option.name == name and option.sources == sources for option in options)


def record_setting(
    chosen: dict[str, Setting], option: Option, key: str, given: object, source: SettingSource, decided: frozenset[str]
) -> None:
    """Record a source's value of an option in `chosen`. An empty variable counts as unset.

    :param decided: the names of options that stronger sources have decided; they are left unchanged.
    :raises UsageError: the value is invalid.
    """
    if option.name in decided or (source.is_variable and not given):
        return
    values = parse_values(option, given, place_of(key, source))
    if option.metavar == "FILE" and not source.is_variable:
        values = tuple(os.path.join(os.path.dirname(source.origin), text) for text in values)
    enter_setting(chosen, option, Setting(values, source.origin), decided)


def refuse_other_spelling(option: Option, key: str, given: object, source: SettingSource, keys: dict[str, str]) -> None:
    """Refuse another value for an option that a file has set under another name, such as `link_mode` and `link-mode`.

    :param keys: the keys of the file so far, by the option that they set; `key` is added.
    :raises UsageError: it has another value.
    """
    if source.is_variable or option.implies:
        return
    first = keys.setdefault(option.alias_of or option.name, key)
    if first != key and source.values[first] != given:
        raise UsageError(f"`{first}` and `{key}` in {source.origin} contradict each other", hint="keep one of them")


def enter_setting(chosen: dict[str, Setting], option: Option, setting: Setting, decided: frozenset[str]) -> None:
    """Record a setting under the option's name, or under the options that it is an alias of or implies."""
    if option.implies:
        for name, implied in option.implies if setting.values[-1] == "true" else ():
            if name not in decided:
                chosen[name] = Setting((implied,), setting.origin)
    elif (name := option.alias_of or option.name) not in decided:
        chosen[name] = setting


def place_of(key: str, source: SettingSource) -> str:
    """Return where a setting is made, for messages: a variable, or a key in a file."""
    return f"`{source.origin}`" if source.is_variable else f"`{key}` in {source.origin}"


def unknown_setting_warning(name: str, key: str, source: SettingSource, options: Mapping[str, Option]) -> str:
    """Return the warning about an unknown name, which suggests the closest known name.

    :param key: the name as written in the source.
    """
    where = place_of(key, source)
    if is_option_name(name, "argv"):
        return f"{where} has no effect: `--{name}` works only on the command line"
    from cloche.plugins.similar_names import nearest_name

    of_any_command = (option for command in COMMANDS.values() for option in command.options)
    names = {*options, *(option.name for option in of_any_command if option.sources == "all")}
    near = nearest_name(name, sorted(names))
    if source.is_variable and near:
        near = PREFIX + near.upper().replace("-", "_")
    question = f"; did you mean `{near}`?" if near else ""
    return f"unknown {'variable' if source.is_variable else 'option'} {where}{question}"
