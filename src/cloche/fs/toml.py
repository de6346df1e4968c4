"""TOML as a value: the only module that knows which library reads it. Editing a file is up to `cloche.cli.user_config`."""

from __future__ import annotations

import sys

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class InvalidToml(ValueError):
    """A text is not TOML; the message says why, and usually where."""


def parse_toml(text: str) -> dict[str, object]:
    """Return the table that a TOML document describes.

    :raises InvalidToml: the text is not valid, is nested too deeply, or has a number that Python cannot represent.
    """
    try:
        return _parser()(text)
    except RecursionError:
        raise InvalidToml("it is nested too deeply") from None
    except ValueError as error:
        raise InvalidToml(str(error)) from error


def _parser() -> Callable[[str], dict[str, object]]:
    """Return the parser of the standard library, or else of tomli, or else of tomlkit.

    The zip application contains no tomli.
    """
    if sys.version_info >= (3, 11):
        from tomllib import loads

        return loads
    try:
        from tomli import loads
    except ImportError:
        return parse_with_tomlkit
    return loads


def parse_with_tomlkit(text: str) -> dict[str, object]:
    """Return what `tomllib.loads` returns, several times slower.

    :raises ValueError: the text is not valid TOML; the message has a position as in `tomllib`.
    """
    from tomlkit import parse
    from tomlkit.exceptions import ParseError, TOMLKitError

    try:
        table: dict[str, object] = parse(text).unwrap()
    except ParseError as error:
        reason = str(error).removesuffix(f" at line {error.line} col {error.col}").rstrip(".")
        raise ValueError(f"{reason} (at line {error.line}, column {error.col + 1})") from error
    except TOMLKitError as error:
        raise ValueError(str(error).rstrip(".")) from error
    return table
