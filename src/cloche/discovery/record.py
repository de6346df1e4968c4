"""An `Interpreter` as plain data, in JSON's types, and back with every field checked; it reads and writes no file."""

from __future__ import annotations

from cloche.model.interpreter import Interpreter
from cloche.model.value import TYPE_CHECKING, fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

SCHEME = ("scripts", "purelib", "platlib", "include", "data")
LEVELS = ("alpha", "beta", "candidate", "final")


def dump(interpreter: Interpreter) -> dict[str, object]:
    """Return an interpreter as a dictionary that JSON can hold."""
    record = fields(interpreter)
    record.update(version=list(interpreter.version), scheme=dict(interpreter.scheme))
    return record


def load(record: object) -> Interpreter:
    """Return the interpreter that a record describes; fields that it has beyond those are passed over.

    :raises ValueError: a field is missing or cannot be what it says; names the field.
    """
    if not isinstance(record, dict):
        raise ValueError("it is not an object")
    windows = record.get("os_name") == "nt"
    read: dict[str, Any] = {}
    for name, check in CHECKS.items():
        if name not in record:
            raise ValueError(f"`{name}` is missing")
        if not check(record[name], windows):
            raise ValueError(f"`{name}` cannot be {str(record[name])[:80]!r}")
        read[name] = record[name]
    read["version"] = tuple(record["version"])
    read["scheme"] = {key: record["scheme"][key] for key in SCHEME}
    return Interpreter(**read)


def flatten(interpreter: Interpreter) -> list[str]:
    """Return an interpreter as lines of text, `name value` each, for `unflatten`."""
    record = dump(interpreter)
    scheme = {f"scheme.{key}": place for key, place in interpreter.scheme.items()}
    return [
        f"{name} {'.'.join(map(str, item)) if isinstance(item, list) else item}"
        for name, item in {**record, **scheme}.items()
        if name != "scheme"
    ]


def unflatten(lines: list[str]) -> dict[str, object]:
    """Return the record that stands in lines of text; it is as good as they are, and for `load` to judge.

    :raises ValueError: a number is none, or the version is incomplete.
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
        elif CHECKS.get(name) is _bool:
            record[name] = text == "True" if text in ("True", "False") else text
        else:
            record[name] = text
    return {**record, "scheme": scheme}


def _word(item: object, _: bool) -> bool:
    return isinstance(item, str) and 0 < len(item) < 100 and item.isprintable()


def _words(item: object, windows: bool) -> bool:
    return item == "" or (_word(item, windows) and "/" not in str(item))


def _bool(item: object, _: bool) -> bool:
    return isinstance(item, bool)


def _path(item: object, windows: bool) -> bool:
    """Whether it is an absolute path on the target's own platform."""
    if not isinstance(item, str) or len(item) > 4096 or "\0" in item:
        return False
    return item[1:3] in (":\\", ":/") or item.startswith("\\\\") if windows else item.startswith("/")


def _path_or_empty(item: object, windows: bool) -> bool:
    return item == "" or _path(item, windows)


def _version(item: object, _: bool) -> bool:
    if not isinstance(item, (list, tuple)) or len(item) != 5:
        return False
    numbers = (*item[:3], item[4])
    return item[3] in LEVELS and all(type(number) is int and 0 <= number < 10000 for number in numbers)


def _scheme(item: object, _: bool) -> bool:
    return isinstance(item, dict) and all(_inside(item.get(key)) for key in SCHEME) and all(map(item.get, SCHEME[:4]))


def _inside(item: object) -> bool:
    """Whether it is a relative path, with `/`, that stays below where it starts."""
    if not isinstance(item, str) or len(item) > 1024:
        return False
    return item == "" or (
        item.isprintable()
        and not any(character in item for character in '\\:"')
        and all(part not in ("", ".", "..") for part in item.split("/"))
    )


CHECKS: Mapping[str, Callable[[object, bool], bool]] = {
    "executable": _path,
    "implementation": _word,
    "version": _version,
    "platform": _word,
    "os_name": lambda item, _: item in ("posix", "nt"),
    "machine": _word,
    "bits": lambda item, _: item in (32, 64) and type(item) is int,
    "free_threaded": _bool,
    "debug": _bool,
    "prefix": _path,
    "exec_prefix": _path,
    "stdlib": _path,
    "scheme": _scheme,
    "cache_tag": _words,
    "magic": lambda item, _: (
        isinstance(item, str) and len(item) == 8 and all(digit in "0123456789abcdef" for digit in item)
    ),
    "soabi": _words,
    "library": _path_or_empty,
    "has_venv": _bool,
    "tcl_library": _path_or_empty,
    "tk_library": _path_or_empty,
}
"""What each field has to be, in the order of `Interpreter`; the second argument says whether the target is Windows."""
