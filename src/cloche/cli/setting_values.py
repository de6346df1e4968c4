"""The values of variables and config files, as if they were given on the command line.

A run loads this module only if a variable or a config file sets something.
"""

from __future__ import annotations

import os

from cloche.cli.parser import expand_home
from cloche.errors import UsageError, reason_of
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.model.options import Option

TRUE = frozenset(("1", "true", "yes", "on"))
FALSE = frozenset(("0", "false", "no", "off", ""))
COUNTS = frozenset("0123456789")


def parse_config_table(content: bytes, path: str, keys: tuple[str, ...], warnings: list[str]) -> dict[str, object]:
    """Return one table of a TOML file, empty if it does not exist; warn if the file cannot be parsed."""
    from cloche.fs.toml import InvalidToml, parse_toml

    try:
        table: object = parse_toml(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        warnings.append(f"`{path}` is ignored: it is not UTF-8 (at line {line})")
        return {}
    except InvalidToml as error:
        warnings.append(f"`{path}` is ignored: {reason_of(error)}")
        return {}
    for key in keys:
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if isinstance(table, dict):
        return table
    warnings.append(f"`{'.'.join(keys)}` in {path} is ignored: it is not a table")
    return {}


def parse_values(option: Option, given: object, where: str) -> tuple[str, ...]:
    """Convert a source's value of an option to strings, as if they were given on the command line.

    :raises UsageError: the value is invalid.
    """
    if option.kind in ("flag", "count"):
        if option.kind == "count" and str(given) in COUNTS:
            return ("true",) * int(str(given))
        word = str(given).lower()
        if word not in TRUE | FALSE:
            shown = given if isinstance(given, str) else as_toml(given)
            raise UsageError(f"{where} must be true or false, not `{shown}`")
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
            f"invalid value `{as_toml(given)}` for {where}",
            hint=f"`{option.name}` takes {describe_kind(option)}{quotes}",
        )
    for text in values:
        if "\0" in text:
            raise UsageError(f"{where} contains a NUL character", hint="use text without it")
        if option.is_path and not text.strip():
            raise UsageError(f"{where} must not be blank", hint=f"`{option.name}` takes a path")
        if option.choices and text not in option.choices:
            raise UsageError(f"invalid value `{text}` for {where}", hint=f"choose one of {', '.join(option.choices)}")
    return tuple(map(expand_home, values)) if option.is_path else values


def as_toml(given: object) -> str:
    """Return a value of a config file nearly as it is written there."""
    import json

    return json.dumps(given, ensure_ascii=False, default=str)


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
