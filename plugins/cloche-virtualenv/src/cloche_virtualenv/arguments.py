"""Read the options of one run, from the command line, the `VIRTUALENV_*` variables, and `virtualenv.ini`."""

from __future__ import annotations

import argparse
import configparser
import os
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from cloche.model.value import Value
from cloche_virtualenv.options import KEEP, OPTIONS, Options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cloche_virtualenv.options import Option

PREFIX = "VIRTUALENV_"

BOOLEANS = {"1": True, "yes": True, "true": True, "on": True, "0": False, "no": False, "false": False, "off": False}

OPERATORS = ("<", ">", "=", "!", "~")
"""The first characters of the clauses of a version range, which are also separated by commas."""


class Announced(Value):
    """The virtualenv that the stand-in claims to be."""

    version: str
    file: str
    """The `__init__.py` of the stand-in."""


def read_options(
    arguments: Sequence[str], options: Options, environ: Mapping[str, str], announced: Announced
) -> list[str]:
    """Set the attributes of `options`; return warnings about invalid values in variables and in the file.

    Such values are ignored, as in virtualenv.

    :raises SystemExit: with 2 for invalid arguments, or with 0 after printing the help or the version.
    """
    parser = parser_for(announced)
    given = vars(parser.parse_args(arguments))
    warnings: list[str] = []
    variables = {key: environ.get(f"{PREFIX}{key.upper()}", "") for option in OPTIONS for key in keys_of(option)}
    sources = {
        "cli": given,
        "env var": values_in(variables, PREFIX, warnings),
        "file": values_in(read_config_file(environ, warnings), "", warnings),
        "default": {option.attribute: option.default for option in reversed(OPTIONS)},
    }
    options.env = environ
    options.dest = given["dest"]
    for option in OPTIONS:
        found = [(name, values[option.attribute]) for name, values in sources.items() if option.attribute in values]
        options.sources[option.attribute], chosen = found[0]
        if option.kind == "count" and len(found) > 1 and found[0][0] == "cli":
            chosen += found[1][1]  # the command line adds to the configured number
        setattr(options, option.attribute, list(chosen) if option.kind == "list" else chosen)
    if options.activators is not None:
        options.activators = options.activators.replace(",", " ").split()
    check_values(parser, options)
    return warnings


def parser_for(announced: Announced) -> argparse.ArgumentParser:
    """Return the parser of the command line; it sets no defaults, because other sources may set a value."""
    parser = argparse.ArgumentParser(
        "virtualenv",
        usage="%(prog)s [options] DEST",
        description="Create a Python environment with cloche, which stands in for virtualenv here.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("dest", metavar="DEST", help="the directory of the environment")
    parser.add_argument(
        "--version",
        action=PrintAndExit,
        const=f"virtualenv {announced.version} from {announced.file}",
        help="print the version",
    )
    parser.add_argument(
        "--upgrade-embed-wheels",
        action=PrintAndExit,
        const="cloche embeds no wheels, so there is nothing to upgrade",
        help="do nothing: no wheels are embedded",
    )
    adders = {"": parser.add_argument}
    for option in OPTIONS:
        if option.group not in adders:
            adders[option.group] = parser.add_mutually_exclusive_group().add_argument
        add = adders[option.group]
        match option.kind:
            case "flag":
                add(*option.names, dest=option.attribute, action="store_const", const=option.true, help=option.summary)
            case "count":
                add(*option.names, dest=option.attribute, action="count", help=option.summary)
            case "text":
                add(*option.names, dest=option.attribute, metavar=option.metavar, help=option.summary)
            case "list":
                add(
                    *option.names,
                    dest=option.attribute,
                    nargs="+" if option.attribute == "extra_search_dir" else 1,
                    action="extend",
                    metavar=option.metavar,
                    help=option.summary,
                )
    return parser


class PrintAndExit(argparse.Action):
    """Prints its `const` on one line, without wrapping, and exits with 0."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(nargs=0, **settings)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(self.const)
        parser.exit()


def keys_of(option: Option) -> list[str]:
    """Return the keys that an option has in the configuration file."""
    return [name.lstrip("-").replace("-", "_") for name in option.names]


def values_in(texts: Mapping[str, str], prefix: str, warnings: list[str]) -> dict[str, object]:
    """Return the values of a source by attribute; if two options set the same attribute, the last one wins.

    :param texts: the texts in the source, by the key of the option in the configuration file.
    """
    values: dict[str, object] = {}
    for option in OPTIONS:
        for key in keys_of(option):
            text = texts.get(key, "")
            try:
                converted = value_of(option, text) if text else KEEP
            except ValueError:
                name = f"{prefix}{key.upper()}" if prefix else key
                expected = "a number" if option.kind == "count" else "true or false"
                warnings.append(f"`{name}` must be {expected}, not `{text}`: it is ignored")
                continue
            if converted is not KEEP:
                values[option.attribute] = converted
                break
    return values


def value_of(option: Option, text: str) -> object:
    """Return the value of an option that is set to a text.

    :raises ValueError: the text is not a boolean, or not a number.
    """
    match option.kind:
        case "flag":
            if text.lower() not in BOOLEANS:
                raise ValueError(text)
            return option.true if BOOLEANS[text.lower()] else option.false
        case "count":
            return int(text)
        case "text":
            return text
        case "list":
            return tuple(item for line in lines_of(text) for item in line.split(os.pathsep) if item)


def lines_of(text: str) -> list[str]:
    """Return the items of a list: one on each line, or separated by commas.

    A comma before an operator belongs to a version range: `>=3.10,<3.13` is one item.
    """
    lines = text.splitlines()
    if len(lines) > 1:
        return [line.strip() for line in lines if line.strip()]
    items: list[str] = []
    for part in text.split(","):
        item = part.strip()
        if items and item.startswith(OPERATORS) and any(operator in items[-1] for operator in OPERATORS):
            items[-1] += f",{item}"
        elif item:
            items.append(item)
    return items


def read_config_file(environ: Mapping[str, str], warnings: list[str]) -> dict[str, str]:
    """Return the section `[virtualenv]` of the configuration file; if the file cannot be read, add a warning."""
    path = environ.get("VIRTUALENV_CONFIG_FILE")
    if not path:
        import platformdirs

        path = os.path.join(platformdirs.user_config_dir("virtualenv", "pypa"), "virtualenv.ini")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8-sig")
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        warnings.append(f"`{path}` cannot be read, and is ignored: {str(error).splitlines()[0]}")
        return {}
    if not parser.has_section("virtualenv"):
        return {}
    return {name.replace("-", "_"): text.strip() for name, text in parser.items("virtualenv")}


def check_values(parser: argparse.ArgumentParser, options: Options) -> None:
    """Check the values that can be checked without the file system.

    :raises SystemExit: with 2 if a value is invalid.
    """
    if not options.dest.strip():
        parser.error("DEST is blank; for the current directory, use `.`")
    if options.app_data is not None and not options.app_data.strip():
        parser.error("argument --app-data: the directory is blank")
    for name in ("pip", "setuptools", "wheel"):
        version = getattr(options, name)
        try:
            if version not in ("bundle", "embed", "none"):
                Version(version)
        except InvalidVersion:
            parser.error(f"argument --{name}: `{version}` is neither a version nor `bundle`, `embed` or `none`")


def ignored_options(options: Options) -> list[str]:
    """Return the names of the options that were set but are ignored, as on the command line."""
    return [
        option.names[0]
        for option in OPTIONS
        if option.is_ignored
        and options.get_source(option.attribute) != "default"
        and (option.kind != "flag" or getattr(options, option.attribute) == option.true)
    ]
