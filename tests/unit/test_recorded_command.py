"""Test the command that `pyvenv.cfg` records: how it is written, parsed and rewritten."""

from __future__ import annotations

import os

import pytest

from cloche.cli.create import build_request
from cloche.cli.parser import parse_arguments
from cloche.cli.precedence import resolve_settings
from cloche.cli.settings import read_sources
from cloche.lifecycle.reader import created_by
from cloche.lifecycle.recorded_command import (
    parse_command,
    recorded_destination,
    recorded_lock,
    recorded_request,
    replace_interpreter,
    venv_options,
)
from cloche.model.interpreter import Host
from cloche.model.plan import EnvironmentSpec, LockRequest, Request, Target, Wanted
from cloche.model.value import fields, replace
from cloche.planning.pyvenv_cfg import options_for
from cloche.shells import quote_words, split_words

LOCK = LockRequest("/p/my lock/pylock.toml")

RECORDED: dict[tuple[type, str], object] = {
    (EnvironmentSpec, "pythons"): ("/usr/bin/python3",),
    (EnvironmentSpec, "creator"): "copy",
    (EnvironmentSpec, "seeder"): "pip",
    (EnvironmentSpec, "wanted"): None,
    (EnvironmentSpec, "activators"): ("bash", "fish"),
    (EnvironmentSpec, "site_packages"): "system",
    (EnvironmentSpec, "startup_rule"): ("refuse", ("eggs", "spam")),
    (Wanted, "requirements"): ("pip==24.0", "wheel"),
    (Wanted, "find_links"): ("/my wheels", "/others"),
    (Wanted, "dependencies"): "omitted",
    (Wanted, "builds"): "refused",
    (Wanted, "lock"): LOCK,
    (Wanted, "compile"): "now",
    (LockRequest, "path"): "/q/requirements.txt",
    (LockRequest, "extras"): ("web", "db"),
    (LockRequest, "groups"): ("dev",),
    (LockRequest, "default_groups"): "excluded",
    (Target, "destination"): "/work/it's mine",
    (Target, "prompt"): "--no-seed",
    (Target, "link_mode"): "hardlink",
    (Target, "vcs_ignore"): False,
    (Target, "placement"): "relocatable",
    (Target, "extra_packages"): "kept",
}
"""A value other than the default for each field that `command` records."""

NOT_RECORDED: dict[tuple[type, str], str] = {
    (EnvironmentSpec, "try_first_with"): "the command names the Python that was found",
    (EnvironmentSpec, "no_finders"): "the command names the Python that was found",
    (EnvironmentSpec, "consult"): "the command names the Python that was found",
    (EnvironmentSpec, "configured_options"): "it is about where options come from",
    (EnvironmentSpec, "options"): "plugins may no longer be installed; those of `portable` have keys of their own",
    (Wanted, "network"): "it depends on the machine",
    (Wanted, "options"): "plugins may no longer be installed",
    (Target, "existing"): "it is about what existed before",
    (Target, "extra_settings"): "they are in the file",
}
"""The reason for each field that is not recorded."""


def recorded(spec: EnvironmentSpec, target: Target) -> str:
    """Return the command that is recorded for a request."""
    words = ["/opt/python3", "-m", "cloche", "--python", *spec.pythons, *options_for(spec, target), target.destination]
    return quote_words(words, "posix")


def request_with(owner: type, field: str, value: object) -> Request:
    """Return a request in which one field does not have its default; it has a lock file if the field concerns one."""
    concerns_lock = owner is LockRequest or field in ("builds", "extra_packages")
    lock: LockRequest | None = LOCK if concerns_lock else None
    if owner is LockRequest:
        lock = replace(LOCK, **{field: value})
    wanted: Wanted | None = Wanted(() if lock else ("pip",), lock=lock)
    if owner is Wanted:
        wanted = replace(wanted, **{field: value})
        wanted = replace(wanted, requirements=()) if field == "lock" else wanted
    spec, target = EnvironmentSpec(("/opt/base",), wanted=wanted), Target("/work/env")
    spec = replace(spec, **{field: value}) if owner is EnvironmentSpec else spec
    return Request(spec, replace(target, **{field: value}) if owner is Target else target)


def request_for_command(words: list[str]) -> Request:
    """Return the request for `cloche` with these words."""
    host = Host({"CLOCHE_CONFIG_FILE": os.devnull}, "/", "linux", "posix", "/usr/bin/python3")
    arguments = parse_arguments(words)
    return build_request(arguments.operands[0], resolve_settings(arguments, read_sources(host)), host)


def test_each_field_of_a_request_is_recorded_or_has_a_reason() -> None:
    every = {(owner, name) for owner in (EnvironmentSpec, Wanted, LockRequest, Target) for name in owner.__match_args__}
    assert RECORDED.keys() | NOT_RECORDED.keys() == every
    assert RECORDED.keys().isdisjoint(NOT_RECORDED)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *RECORDED.items(),
        ((EnvironmentSpec, "startup_rule"), ("allow", ())),
        ((EnvironmentSpec, "startup_rule"), ("refuse", ())),
    ],
    ids=lambda item: getattr(item, "__name__", None),
)
def test_what_is_recorded_is_read_back(field: tuple[type, str], value: object) -> None:
    """And the command line understands it: the same request comes out of the recorded words."""
    request = request_with(*field, value)
    command = recorded(*fields(request).values())
    assert recorded_request(command) == request

    typed = request_for_command(split_words(command)[3:])
    assert replace(typed.spec, consult="nothing") == request.spec
    assert typed.target == request.target


@pytest.mark.parametrize("field", NOT_RECORDED)
def test_what_is_not_recorded_does_not_change_the_command(field: tuple[type, str]) -> None:
    owner, name = field
    others = {
        "network": "never",
        "consult": "project",
        "existing": "replace",
        "options": {"color": "red"},
        "extra_settings": {"a": "b"},
    }
    other = others.get(name, ("x",))
    plain = request_with(Target, "destination", "/work/env")
    assert recorded(*fields(request_with(owner, name, other)).values()) == recorded(*fields(plain).values())


@pytest.mark.parametrize(
    ("wanted", "options"),
    [
        (Wanted(), []),
        (None, ["--no-seed"]),
        (Wanted(("pip==24.0", "wheel")), ["--pip", "24.0", "--seed", "wheel"]),
        (Wanted(("wheel",)), ["--no-pip", "--seed", "wheel"]),
        (Wanted(("pip",), lock=LOCK), ["--lock", LOCK.path, "--seed", "pip"]),
    ],
)
def test_packages_are_recorded_as_options(wanted: Wanted | None, options: list[str]) -> None:
    assert [*options_for(EnvironmentSpec(wanted=wanted), Target("/e"))] == options


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(("wheel", "pip==24.0"), lock=LOCK, builds="refused"),
        Wanted((), ("/w",), dependencies="omitted", lock=LockRequest("/p/l", ("web", "db"), ("dev",), "excluded")),
    ],
)
def test_a_lock_file_is_read_back_only_from_a_locked_environment(wanted: Wanted) -> None:
    command = recorded(EnvironmentSpec(("/usr/bin/python3",), wanted=wanted), Target("/e"))
    assert recorded_lock({"lock": "sha256:0", "command": command}) == wanted
    assert recorded_lock({"command": command}) is None


@pytest.mark.parametrize(
    "command",
    [
        "/opt/python3 -m cloche --python",
        "/opt/python3 -m cloche --python /usr/bin/python3 --lock",
        "/opt/python3 -m cloche --python /usr/bin/python3 --startup-code '' --later=x y /e",
        "/opt/python3 -m venv /e",
        "",
    ],
)
def test_a_command_that_was_changed_is_read_as_far_as_possible(command: str) -> None:
    request = recorded_request(command)
    assert request is None or request.spec.startup_rule == ("list", ())


def test_the_destination_of_venv_is_the_rest_of_the_line() -> None:
    """`venv` quotes nothing, so the destination may contain spaces and text that looks like an option."""
    assert (
        recorded_destination("/usr/bin/python3 -m venv --prompt=x /work/a --python b", "/elsewhere")
        == "/work/a --python b"
    )
    assert (
        recorded_destination("/opt/python3 -m cloche --python /usr/bin/python3 '/work/a b'", "/elsewhere")
        == "/work/a b"
    )


def test_only_the_value_of_the_python_option_is_replaced() -> None:
    command = "/opt/python3 -m cloche --python /usr/bin/python3.11 --creator symlink /work/env"
    assert replace_interpreter(command, "/usr/bin/python3.12") == command.replace("3.11", "3.12")
    assert replace_interpreter("/opt/python3 -m cloche --python /work/env", "/usr/bin/python3.12").endswith(
        " --python /work/env"
    )


@pytest.mark.parametrize(
    ("command", "tool", "options"),
    [
        ("/usr/bin/python3 -m venv /work/a", "venv", []),
        ('/usr/bin/python3 -m venv --without-pip --prompt="my env" /work/a b', "venv", ["--without-pip"]),
        ("/usr/bin/python3 -m venv /work/--without-pip", "venv", []),
        ("C:\\Python312\\python.exe -m venv --copies C:\\work\\a b", "venv", ["--copies"]),
        ("/usr/bin/python3 -m cloche --python /usr/bin/python3 '/work/a -m venv b'", "an unknown program", None),
        ("/opt/tool --note 'made with -m venv' --python 3", "an unknown program", None),
    ],
)
def test_a_tool_is_recognized_by_the_form_of_its_command(command: str, tool: str, options: list[str] | None) -> None:
    found = venv_options(command)
    assert (found is None) is (options is None)
    assert found is None or set(options or []) <= set(found)
    assert ("--without-pip" in (found or [])) is ("--without-pip" in (options or []))
    assert created_by({"home": "/usr/bin", "include-system-site-packages": "false", "command": command}) == tool
    assert bool(parse_command(command)) is ("-m cloche" in command)
