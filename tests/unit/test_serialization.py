"""An interpreter as plain data, and back: what is claimed about it is checked before it is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.discovery import serialization
from cloche.model.value import fields
from tests.recorded import NAMES, recorded


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_interpreter_survives_the_way_through_json_and_through_lines(name: str) -> None:
    interpreter = recorded(name)
    assert (
        serialization.interpreter_from_dict(json.loads(json.dumps(serialization.interpreter_to_dict(interpreter))))
        == interpreter
    )
    assert (
        serialization.interpreter_from_dict(
            serialization.dict_from_lines(serialization.interpreter_to_lines(interpreter))
        )
        == interpreter
    )


@pytest.mark.parametrize(
    ("field", "claim"),
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
def test_a_claim_that_cannot_be_is_refused_by_the_name_of_its_field(field: str, claim: object) -> None:
    with pytest.raises(ValueError, match=f"`{field}`"):
        serialization.interpreter_from_dict(
            {**serialization.interpreter_to_dict(recorded("cpython-3.12-linux")), field: claim}
        )


@pytest.mark.parametrize(
    "place", ["/etc", "../outside", "lib/../../x", "C:\\x", "lib\\x", "lib//x", 'lib/"x', "lib/\n", None, 7, ""]
)
@pytest.mark.parametrize("key", ["purelib", "platlib", "scripts", "include"])
def test_a_scheme_that_leaves_the_environment_is_refused(key: str, place: object) -> None:
    claim: dict[str, Any] = serialization.interpreter_to_dict(recorded("cpython-3.12-linux"))
    claim["scheme"] = {**claim["scheme"], key: place}
    with pytest.raises(ValueError, match="`scheme`"):
        serialization.interpreter_from_dict(claim)


@pytest.mark.parametrize("field", sorted(fields(recorded("cpython-3.12-linux"))))
def test_nothing_may_be_missing(field: str) -> None:
    claim = serialization.interpreter_to_dict(recorded("cpython-3.12-linux"))
    del claim[field]
    with pytest.raises(ValueError, match=f"`{field}` is missing"):
        serialization.interpreter_from_dict(claim)


def test_a_windows_path_is_absolute_on_windows_only() -> None:
    windows = serialization.interpreter_to_dict(recorded("cpython-3.12-windows"))
    with pytest.raises(ValueError, match="`executable`"):
        serialization.interpreter_from_dict({**windows, "executable": "/usr/bin/python3"})
    linux = serialization.interpreter_to_dict(recorded("cpython-3.12-linux"))
    with pytest.raises(ValueError, match="`executable`"):
        serialization.interpreter_from_dict({**linux, "executable": "C:\\Python312\\python.exe"})


@pytest.mark.parametrize("claim", [None, [], "text", 3])
def test_what_is_no_object_is_refused(claim: object) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        serialization.interpreter_from_dict(claim)
