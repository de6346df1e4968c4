"""The objects that `--json` prints. See `docs/reference/json.md`."""

from __future__ import annotations

from time import monotonic

from cloche.cli.report import escape_character, print_message, print_result, recorded_warnings, restore_stdout
from cloche.errors import ClocheError
from cloche.model.value import TYPE_CHECKING, Value, fields

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.model.plan import Plan

SCHEMA_VERSION = 1
"""Version of the objects that `--json` prints; increased when a key is removed or its meaning changes."""


def as_json(item: object) -> object:
    """Convert a value to JSON types: objects become their fields by name, bytes their length and hash."""
    if isinstance(item, Value):
        kind = {"kind": type(item).__name__} if type(item).__module__ == "cloche.model.operations" else {}
        return {**kind, **{name: as_json(field) for name, field in fields(item).items()}}
    if isinstance(item, bytes):
        from hashlib import sha256

        return {"size": len(item), "sha256": sha256(item).hexdigest()}
    if isinstance(item, dict):
        return {valid_unicode(str(key)): as_json(field) for key, field in item.items()}
    if isinstance(item, (tuple, list)):
        return [as_json(element) for element in item]
    if isinstance(item, str):
        return valid_unicode(item)
    return item if item is None or isinstance(item, (int, float, bool)) else valid_unicode(repr(item))


def valid_unicode(text: str) -> str:
    """Return text that any JSON parser accepts: a byte of a path that is not UTF-8 becomes `\\xff`."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(escape_character(letter) if "\ud800" <= letter <= "\udfff" else letter for letter in text)
    return text


def print_json(**parts: object) -> None:
    """Print one JSON object with `schema_version` and all warnings on standard output."""
    import json

    restore_stdout()
    content = {"schema_version": SCHEMA_VERSION, **parts, "warnings": recorded_warnings()}
    print_result(json.dumps(as_json(content), indent=2))


def json_line(**parts: object) -> str:
    """Return a JSON object with `schema_version` as one line of ASCII."""
    import json

    return json.dumps(as_json({"schema_version": SCHEMA_VERSION, **parts}))


class ProgressLines:
    """Prints measured progress on standard error for programs: JSON objects of one line, at most one a second and the last."""

    def __init__(self) -> None:
        self._next = 0.0
        """When another line may be printed, as `time.monotonic` counts."""

    def __call__(self, text: str, /, **amounts: float) -> None:
        """Print a line if the progress is measured."""
        is_complete = all(amounts.get(f"total_{name}", done) == done for name, done in amounts.items())
        if not amounts or (monotonic() < self._next and not is_complete):
            return
        self._next = monotonic() + 1
        print_message(json_line(progress=text, **amounts))


def error_json(error: ClocheError) -> dict[str, object]:
    """Return an error as JSON types; `kind` is the name of its public class."""
    kind = next(base.__name__ for base in type(error).__mro__ if base.__module__ == ClocheError.__module__)
    return {"kind": kind, "message": error.message, "hint": error.hint, "exit_code": error.exit_code}


def print_error_json(**error: object) -> None:
    """Print an error as a JSON object on standard output, as far as that can be written; the exit code reports it too."""
    try:
        print_json(error=error)
    except (ClocheError, OSError):
        pass  # perhaps this is the error


def environment_json(environment: Environment) -> dict[str, object]:
    """Return an environment as JSON types, with absolute paths."""
    layout = environment.layout
    return {
        "root": environment.location,
        "executable": environment.path_to(layout.executable),
        "bin": environment.path_to(layout.bin),
        "purelib": environment.path_to(layout.purelib),
        "platlib": environment.path_to(layout.platlib),
        "include": environment.path_to(layout.include),
        "config": environment.path_to(layout.config),
        "prompt": environment.prompt,
        "placement": environment.placement,
        "interpreter": as_json(environment.interpreter),
    }


def plan_json(plan: Plan) -> dict[str, object]:
    """Return a plan as JSON types, with absolute paths; some values also appear under the names that version 0.1 used."""
    record = as_json(plan)
    assert isinstance(record, dict)
    for operation in record["operations"]:
        if operation["kind"] == "InstallTree":
            operation["manifest"] = operation["file_list"]
    return {**record, "way": plan.strategy, "environment": environment_json(plan.environment)}
