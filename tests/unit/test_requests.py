"""Test that the command line and the Python interface refuse the same requests, each in its own words."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest

import cloche
from cloche.model.options import Option
from cloche.planning.component_options import typed_value
from tests.interpreters import pyenv
from tests.locks import pylock
from tests.plugins.site import site
from tests.plugins.test_options import GREETER
from tests.run import Cloche

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.site import Site

__all__ = ["site"]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current directory, which contains an empty lock file."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "work" / "pylock.toml").write_text(pylock([]))
    return tmp_path / "work"


LOCK = (["--lock", "pylock.toml"], {"lock": "pylock.toml"})
CLEAR = (["--clear"], {"existing": "replace"})


@pytest.mark.parametrize(
    ("options", "choices", "message", "of_option", "of_argument"),
    [
        (["--extra", "a"], {"extras": ["a"]}, "`{}` needs a lock file", ["--extra"], ["extras"]),
        (["--group", "a"], {"groups": ["a"]}, "`{}` needs a lock file", ["--group"], ["groups"]),
        (
            ["--no-default-groups"],
            {"default_groups": "excluded"},
            "`{}` needs a lock file",
            ["--no-default-groups"],
            ['default_groups="excluded"'],
        ),
        (["--only-binary"], {"builds": "refused"}, "`{}` needs a lock file", ["--only-binary"], ['builds="refused"']),
        (
            ["--keep-extra"],
            {"extra_packages": "kept"},
            "`{}` needs a lock file",
            ["--keep-extra"],
            ['extra_packages="kept"'],
        ),
        (
            [*LOCK[0], *CLEAR[0], "--keep-extra"],
            {**LOCK[1], **CLEAR[1], "extra_packages": "kept"},
            "`{}` contradicts `{}`, which removes all packages",
            ["--keep-extra", "--clear"],
            ['extra_packages="kept"', 'existing="replace"'],
        ),
        (
            ["--startup-code", "list", "--startup-code", "acme"],
            {"startup_code": ["list", "acme"]},
            "`{}` combines `list` with other values",
            ["startup-code"],
            ["startup_code"],
        ),
        (
            ["--startup-code", "a b"],
            {"startup_code": ["a b"]},
            "`{}` contains `a b`, which is not the name of a package",
            ["startup-code"],
            ["startup_code"],
        ),
        (
            ["--stdlib", "full"],
            {"options": {"stdlib": "full"}},
            "the option `stdlib` needs the creator `portable`, which this environment does not use",
            [],
            [],
        ),
        (
            ["--carry-libraries", "--creator", "copy"],
            {"options": {"carry-libraries": True}, "creator": "copy"},
            "the option `carry-libraries` needs the creator `portable`, which this environment does not use",
            [],
            [],
        ),
        (
            ["--seeder", "lock"],
            {"seeder": "lock"},
            "the seeder `lock` needs a lock file",
            [],
            [],
        ),
    ],
)
def test_the_same_request_is_refused_with_options_and_with_arguments(
    options: list[str],
    choices: dict[str, Any],
    message: str,
    of_option: list[str],
    of_argument: list[str],
    work: Path,
) -> None:
    done = Cloche(work.parent, os.environ)("./env", *options)
    with pytest.raises(cloche.UsageError) as caught:
        cloche.create(work / "env", **choices)

    assert (done.code, done.err.splitlines()[0]) == (2, f"cloche: error: {message.format(*of_option)}")
    assert caught.value.message == message.format(*of_argument)
    assert not (work / "env").exists()


def test_values_that_change_nothing_need_no_lock_file(work: Path) -> None:
    planned = cloche.plan(
        work / "env", seeds=None, extras=[], groups=(), default_groups="included", builds="allowed", existing="replace"
    )

    assert planned.outcome == "created"


@pytest.mark.parametrize("variable", ["EXTRA", "GROUP", "NO_DEFAULT_GROUPS", "ONLY_BINARY", "KEEP_EXTRA"])
def test_configured_options_for_lock_files_have_no_effect_without_one(variable: str, work: Path) -> None:
    done = Cloche(work.parent, os.environ)(
        "./env", "--no-seed", "--clear", "--dry-run", **{f"CLOCHE_{variable}": "true"}
    )

    assert (done.code, done.err) == (0, "")


def test_configured_options_of_other_components_have_no_effect(site: Site, work: Path) -> None:
    site.install("acme", greeter=GREETER)
    (work / "pyproject.toml").write_text('[tool.cloche]\ngreeting = "you"\nstdlib = "full"\n')
    command = Cloche(work.parent, os.environ)
    argv = ("./env", "--no-seed", "--activators", "bash")

    configured = command(*argv, "--dry-run")
    chosen = command(*argv, "--greeting", "you")

    assert (configured.code, configured.err) == (0, "")
    assert chosen.code == 2
    assert "the option `greeting` needs the activator `greeter`, which this environment does not use" in chosen.err
    with pytest.raises(cloche.UsageError, match="the option `greeting` needs the activator `greeter`"):
        cloche.create(work / "env", seeds=None, activators=["bash"], options={"greeting": "you"})


def test_the_value_of_an_option_is_checked(work: Path) -> None:
    def refusal(**options: object) -> str:
        with pytest.raises(cloche.UsageError) as caught:
            cloche.plan(work / "env", python=pyenv("3.12"), creator="portable", seeds=None, options=options)
        return f"{caught.value.message}; {caught.value.hint}"

    assert refusal(stdlib="half") == "invalid value `half` for the option `stdlib`; choose one of runtime, full"
    assert refusal(stdlib=3).startswith("the option `stdlib` must be a string, not 3")
    message = "the option `carry-libraries` must be True or False, not 'no'"
    assert refusal(**{"carry-libraries": "no"}).startswith(message)


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("flag", True, True),
        ("flag", False, False),
        ("flag", "true", True),
        ("flag", "false", False),
        ("text", "a", "a"),
        ("words", "a,b", "a,b"),
        ("list", ["a", "b"], ("a", "b")),
        ("list", (), ()),
        ("count", 2, 2),
    ],
)
def test_a_component_gets_the_value_of_an_option_in_one_type(kind: Any, given: object, expected: object) -> None:
    value = typed_value(Option("knot", "which one", kind), given)
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("flag", "no"),
        ("flag", 1),
        ("flag", None),
        ("text", 3),
        ("text", ["a"]),
        ("list", "a"),
        ("list", [3]),
        ("count", "true"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Any, given: object) -> None:
    with pytest.raises(cloche.UsageError, match=r"the option `knot` must be .+, not "):
        typed_value(Option("knot", "which one", kind), given)


def test_an_option_for_a_path_may_be_a_path(tmp_path: Path) -> None:
    assert typed_value(Option("rope", "which one", metavar="FILE"), tmp_path) == str(tmp_path)


def test_directories_of_wheels_that_do_not_exist_are_a_warning(work: Path, caplog: pytest.LogCaptureFixture) -> None:
    message = "`{}` is set to `gone`, which is not a directory"

    done = Cloche(work.parent, os.environ)("./env", "--no-seed", "--find-links", "gone")
    result = cloche.create_with_result(work / "other", seeds=None, find_links=["gone"])
    cloche.plan(work / "third", seeds=None, find_links=["gone"])

    assert done.err == f"cloche: warning: {message.format('--find-links')}\n"
    assert result.warnings == (message.format("find_links"),)
    assert [record.getMessage() for record in caplog.records] == [message.format("find_links")]


def test_no_package_may_have_startup_code_if_the_list_is_empty(work: Path) -> None:
    planned = cloche.plan(work / "env", seeds=None, startup_code=[])

    command = next(
        operation.content for operation in planned.operations if getattr(operation, "path", "") == "pyvenv.cfg"
    )
    assert re.search(rb"^command = .* --startup-code refuse ", command, re.MULTILINE)


@pytest.mark.parametrize("choices", [{"lock": ""}, {"find_links": [" "]}, {"try_first_with": [""]}])
def test_a_blank_path_is_refused(choices: dict[str, Any], work: Path) -> None:
    with pytest.raises(cloche.UsageError, match=f"`{next(iter(choices))}` must not be blank"):
        cloche.create(work / "env", **choices)
