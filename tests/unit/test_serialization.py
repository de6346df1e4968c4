"""Test the conversion of an interpreter to plain data and back, with a check of every field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.discovery.serialization import (
    dict_from_lines,
    interpreter_from_dict,
    interpreter_to_dict,
    interpreter_to_lines,
)
from cloche.model.value import fields
from tests.recorded import RECORDED_NAMES, recorded_interpreter


@pytest.mark.parametrize("name", RECORDED_NAMES)
def test_an_interpreter_survives_the_round_trip_through_json_and_lines(name: str) -> None:
    interpreter = recorded_interpreter(name)
    assert interpreter_from_dict(json.loads(json.dumps(interpreter_to_dict(interpreter)))) == interpreter
    assert interpreter_from_dict(dict_from_lines(interpreter_to_lines(interpreter))) == interpreter


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("executable", "python3"),
        ("executable", ""),
        ("executable", "/usr/bin/python\0"),
        ("executable", 3),
        ("version", [3, 12]),
        ("version", [3, 12, 1, "final", "0"]),
        ("version", [3, 12, 1, "perfect", 0]),
        ("version", [3, True, 1, "final", 0]),
        ("version", [3, -12, 1, "final", 0]),
        ("version", "3.12.1"),
        ("os_name", "java"),
        ("bits", 48),
        ("bits", True),
        ("free_threaded", 0),
        ("prefix", "usr"),
        ("scheme", None),
        ("scheme", {"scripts": "bin"}),
        ("magic", "xyz"),
        ("magic", "cb0d0d0a00"),
        ("soabi", "../../evil"),
        ("cache_tag", "a\nb"),
        ("library", "libpython.so"),
        ("machine", ""),
        ("implementation", ["cpython"]),
    ],
)
def test_the_error_for_an_invalid_value_names_the_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"`{field}`"):
        interpreter_from_dict({**interpreter_to_dict(recorded_interpreter("cpython-3.12-linux")), field: value})


@pytest.mark.parametrize(
    "path", ["/etc", "../outside", "lib/../../x", "C:\\x", "lib\\x", "lib//x", 'lib/"x', "lib/\n", None, 7, ""]
)
@pytest.mark.parametrize("key", ["purelib", "platlib", "scripts", "include"])
def test_a_scheme_that_leaves_the_environment_is_rejected(key: str, path: object) -> None:
    value: dict[str, Any] = interpreter_to_dict(recorded_interpreter("cpython-3.12-linux"))
    value["scheme"] = {**value["scheme"], key: path}
    with pytest.raises(ValueError, match="`scheme`"):
        interpreter_from_dict(value)


@pytest.mark.parametrize("field", sorted(fields(recorded_interpreter("cpython-3.12-linux"))))
def test_every_field_is_required(field: str) -> None:
    value = interpreter_to_dict(recorded_interpreter("cpython-3.12-linux"))
    del value[field]
    with pytest.raises(ValueError, match=f"`{field}` is missing"):
        interpreter_from_dict(value)


def test_a_windows_path_is_absolute_only_on_windows() -> None:
    windows = interpreter_to_dict(recorded_interpreter("cpython-3.12-windows"))
    with pytest.raises(ValueError, match="`executable`"):
        interpreter_from_dict({**windows, "executable": "/usr/bin/python3"})
    linux = interpreter_to_dict(recorded_interpreter("cpython-3.12-linux"))
    with pytest.raises(ValueError, match="`executable`"):
        interpreter_from_dict({**linux, "executable": "C:\\Python312\\python.exe"})


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_a_value_that_is_not_an_object_is_rejected(value: object) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        interpreter_from_dict(value)
