"""Test which Python an upgrade searches for without `-p`."""

from __future__ import annotations

import pytest

from cloche.lifecycle.info import EnvironmentInfo
from cloche.lifecycle.upgrade.plan import is_created_for, same_minor_spec
from cloche.model.environment import Environment
from cloche.model.spec import parse_spec
from cloche.model.value import replace
from cloche.planning.layout import layout_of
from tests.unit.interpreters import interpreter


def environment_info_of(name: str, *, base: str = "alive", recorded: str = "", **settings: str) -> EnvironmentInfo:
    """Return information about an environment of `venv`, whose `pyvenv.cfg` records only the version and `settings`."""
    created_for = interpreter(name)
    environment = Environment(
        location="/x/env",
        layout=layout_of(created_for),
        os_name="posix",
        prompt="env",
        interpreter=created_for if base == "alive" else None,
    )
    return EnvironmentInfo(
        environment=environment,
        settings=settings,
        created_by="venv",
        recorded_version=recorded or ".".join(map(str, created_for.version[:3])),
        base=environment.interpreter,
        recorded_roots=(),
        distributions=(),
        activators=(),
        shells={},
    )


@pytest.mark.parametrize("base", ["alive", "gone"])
@pytest.mark.parametrize(
    ("created_for", "other"),
    [
        ("PyPy 3.10.14", "CPython 3.10.18"),
        ("CPython 3.10.14", "PyPy 3.10.16"),
        ("CPython 3.13.1t", "CPython 3.13.2"),
        ("CPython 3.13.1", "CPython 3.13.2t"),
    ],
)
def test_an_upgrade_stays_on_the_same_implementation_and_build(created_for: str, other: str, base: str) -> None:
    """`venv` records neither the implementation nor the build; a newer version of another kind does not match."""
    info = environment_info_of(created_for, base=base)
    assert parse_spec(same_minor_spec(info)).accepts(interpreter(created_for))
    assert not parse_spec(same_minor_spec(info)).accepts(interpreter(other))
    assert is_created_for(info, interpreter(created_for))
    assert not is_created_for(info, interpreter(other))


def test_an_upgrade_of_a_debug_build_searches_for_a_debug_build() -> None:
    info = environment_info_of("CPython 3.12.1d")
    assert parse_spec(same_minor_spec(info)).accepts(interpreter("CPython 3.12.2d"))
    assert not parse_spec(same_minor_spec(info)).accepts(interpreter("CPython 3.12.2"))


def test_an_upgrade_of_a_prerelease_accepts_newer_prereleases_and_the_release() -> None:
    spec = parse_spec(same_minor_spec(environment_info_of("CPython 3.15.0b1")))
    assert all(spec.accepts(interpreter(f"CPython {version}")) for version in ("3.15.0b1", "3.15.0rc1", "3.15.0"))
    assert not any(spec.accepts(interpreter(f"CPython {version}")) for version in ("3.14.9", "3.16.0a1"))


def test_without_a_base_the_recorded_implementation_decides() -> None:
    info = replace(environment_info_of("CPython 3.11.7", base="gone"), settings={"implementation": "GraalVM"})
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
def test_a_recorded_version_is_shown_as_in_pep_440(recorded: str, text: str) -> None:
    assert environment_info_of("CPython 3.12.1", recorded=recorded).version_text == text
