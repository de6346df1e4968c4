"""Conversion of an `Interpreter` to JSON types or lines of text, and back with every field checked."""

from __future__ import annotations

from cloche.model.interpreter import Interpreter
from cloche.model.value import TYPE_CHECKING, fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

SCHEME_KEYS = ("scripts", "purelib", "platlib", "include", "data")
RELEASE_LEVELS = ("alpha", "beta", "candidate", "final")


def interpreter_to_dict(interpreter: Interpreter) -> dict[str, object]:
    """Return an interpreter as a dictionary of JSON types."""
    record = fields(interpreter)
    record.update(version=list(interpreter.version), scheme=dict(interpreter.scheme))
    return record


def interpreter_from_dict(record: object) -> Interpreter:
    """Return the interpreter that a dictionary describes; unknown keys are ignored.

    :raises ValueError: a field is missing or has an invalid value; the message names the field.
    """
    if not isinstance(record, dict):
        raise ValueError("it is not a JSON object")
    windows = record.get("os_name") == "nt"
    read: dict[str, Any] = {}
    for name, check in FIELD_CHECKS.items():
        if name not in record:
            raise ValueError(f"`{name}` is missing")
        if not check(record[name], windows):
            raise ValueError(f"`{name}` has the invalid value {str(record[name])[:80]!r}")
        read[name] = record[name]
    read["version"] = tuple(record["version"])
    read["scheme"] = {key: record["scheme"][key] for key in SCHEME_KEYS}
    return Interpreter(**read)


def interpreter_to_lines(interpreter: Interpreter) -> list[str]:
    """Return an interpreter as lines of text, `name value` each; see `dict_from_lines`."""
    record = interpreter_to_dict(interpreter)
    scheme = {f"scheme.{key}": path for key, path in interpreter.scheme.items()}
    return [
        f"{name} {'.'.join(map(str, item)) if isinstance(item, list) else item}"
        for name, item in {**record, **scheme}.items()
        if name != "scheme"
    ]


def dict_from_lines(lines: list[str]) -> dict[str, object]:
    """Return the dictionary for the lines of `interpreter_to_lines`; `interpreter_from_dict` checks its values.

    :raises ValueError: a number or the version is malformed.
    """
    record: dict[str, object] = {}
    scheme: dict[str, str] = {}
    for line in lines:
        name, _, text = line.partition(" ")
        if name.startswith("scheme."):
            scheme[name[7:]] = text
        elif name == "version":
            major, minor, micro, level, serial = text.split(".")
            record[name] = [int(major), int(minor), int(micro), level, int(serial)]
        elif name == "bits":
            record[name] = int(text)
        elif FIELD_CHECKS.get(name) is _is_bool:
            record[name] = text == "True" if text in ("True", "False") else text
        else:
            record[name] = text
    return {**record, "scheme": scheme}


def _is_label(item: object, _: bool) -> bool:
    return isinstance(item, str) and 0 < len(item) < 100 and item.isprintable()


def _is_optional_label(item: object, windows: bool) -> bool:
    return item == "" or (_is_label(item, windows) and "/" not in str(item))


def _is_bool(item: object, _: bool) -> bool:
    return isinstance(item, bool)


def _is_path(item: object, windows: bool) -> bool:
    """Return whether a value is an absolute path on the target's platform."""
    if not isinstance(item, str) or len(item) > 4096 or "\0" in item:
        return False
    return item[1:3] in (":\\", ":/") or item.startswith("\\\\") if windows else item.startswith("/")


def _is_optional_path(item: object, windows: bool) -> bool:
    return item == "" or _is_path(item, windows)


def _is_version(item: object, _: bool) -> bool:
    if not isinstance(item, (list, tuple)) or len(item) != 5:
        return False
    numbers = (*item[:3], item[4])
    return item[3] in RELEASE_LEVELS and all(type(number) is int and 0 <= number < 10000 for number in numbers)


def _is_scheme(item: object, _: bool) -> bool:
    return (
        isinstance(item, dict)
        and all(_is_relative_path(item.get(key)) for key in SCHEME_KEYS)
        and all(map(item.get, SCHEME_KEYS[:4]))
    )


def _is_relative_path(item: object) -> bool:
    """Return whether a value is a relative path, separated by `/`, without `.` and `..`."""
    if not isinstance(item, str) or len(item) > 1024:
        return False
    return item == "" or (
        item.isprintable()
        and not any(character in item for character in '\\:"')
        and all(part not in ("", ".", "..") for part in item.split("/"))
    )


FIELD_CHECKS: Mapping[str, Callable[[object, bool], bool]] = {
    "executable": _is_path,
    "implementation": _is_label,
    "version": _is_version,
    "platform": _is_label,
    "os_name": lambda item, _: item in ("posix", "nt"),
    "machine": _is_label,
    "bits": lambda item, _: item in (32, 64) and type(item) is int,
    "free_threaded": _is_bool,
    "debug": _is_bool,
    "prefix": _is_path,
    "exec_prefix": _is_path,
    "stdlib": _is_path,
    "scheme": _is_scheme,
    "cache_tag": _is_optional_label,
    "magic": lambda item, _: (
        isinstance(item, str) and len(item) == 8 and all(digit in "0123456789abcdef" for digit in item)
    ),
    "soabi": _is_optional_label,
    "library": _is_optional_path,
    "has_venv": _is_bool,
    "tcl_library": _is_optional_path,
    "tk_library": _is_optional_path,
}
"""A check for each field, in the order of `Interpreter`; its second argument is whether the target is Windows."""
