"""Which Python an upgrade looks for when none is named."""

from __future__ import annotations

import pytest

from cloche.lifecycle.info import EnvironmentInfo
from cloche.lifecycle.upgrade import is_made_for, same_minor_spec
from cloche.model.environment import Environment
from cloche.model.spec import parse_spec
from cloche.model.value import replace
from cloche.planning.layout import layout_of
from tests.unit.interpreters import interpreter


def portrait_of(name: str, *, base: str = "alive", recorded: str = "", **settings: str) -> EnvironmentInfo:
    """Return an environment as `venv` makes it, whose `pyvenv.cfg` tells nothing but the version."""
    made_for = interpreter(name)
    environment = Environment(
        location="/x/env",
        layout=layout_of(made_for),
        os_name="posix",
        prompt="env",
        interpreter=made_for if base == "alive" else None,
    )
    return EnvironmentInfo(
        environment=environment,
        settings=settings,
        maker="venv",
        recorded_version=recorded or ".".join(map(str, made_for.version[:3])),
        base=environment.interpreter,
        recorded_roots=(),
        distributions=(),
        activators=(),
        shells={},
        own_size=0,
        shared_size=0,
    )


@pytest.mark.parametrize("base", ["alive", "gone"])
@pytest.mark.parametrize(
    ("made_for", "other"),
    [
        ("PyPy 3.10.14", "CPython 3.10.18"),
        ("CPython 3.10.14", "PyPy 3.10.16"),
        ("CPython 3.13.1t", "CPython 3.13.2"),
        ("CPython 3.13.1", "CPython 3.13.2t"),
    ],
)
def test_the_newest_patch_release_is_one_of_the_same_kind(made_for: str, other: str, base: str) -> None:
    """`venv` does not record the implementation, nor whether it is free-threaded; what is newer is not the same."""
    info = portrait_of(made_for, base=base)
    assert parse_spec(same_minor_spec(info)).accepts(interpreter(made_for))
    assert not parse_spec(same_minor_spec(info)).accepts(interpreter(other))
    assert is_made_for(info, interpreter(made_for))
    assert not is_made_for(info, interpreter(other))


def test_an_environment_of_a_debug_build_stays_one() -> None:
    info = portrait_of("CPython 3.12.1d")
    assert parse_spec(same_minor_spec(info)).accepts(interpreter("CPython 3.12.2d"))
    assert not parse_spec(same_minor_spec(info)).accepts(interpreter("CPython 3.12.2"))


def test_an_environment_of_a_prerelease_goes_to_another_or_to_the_release() -> None:
    asked = parse_spec(same_minor_spec(portrait_of("CPython 3.15.0b1")))
    assert all(asked.accepts(interpreter(f"CPython {version}")) for version in ("3.15.0b1", "3.15.0rc1", "3.15.0"))
    assert not any(asked.accepts(interpreter(f"CPython {version}")) for version in ("3.14.9", "3.16.0a1"))


def test_what_is_recorded_decides_where_the_base_is_gone() -> None:
    info = replace(portrait_of("CPython 3.11.7", base="gone"), settings={"implementation": "GraalVM"})
    assert parse_spec(same_minor_spec(info)).accepts(interpreter("GraalPy 3.11.7"))


@pytest.mark.parametrize(
    ("recorded", "text"),
    [
        ("3.12.1.final.0", "3.12.1"),
        ("3.14.0.candidate.2", "3.14.0rc2"),
        ("3.12.1", "3.12.1"),
        ("3.12", "3.12"),
        ("3.14.0rc2", "3.14.0rc2"),
    ],
)
def test_a_version_is_told_as_releases_are_named(recorded: str, text: str) -> None:
    assert portrait_of("CPython 3.12.1", recorded=recorded).version_text == text
