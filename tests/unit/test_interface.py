"""The functions of the package, as a program calls them: what they refuse, what they tell, what can be done with it."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cloche
from cloche.api import WORDS
from tests.plugins.site import site
from tests.plugins.test_options import GREETER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugins.site import Site

__all__ = ["site"]


@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_word_that_there_is_not_is_refused_and_never_taken_for_the_default(name: str, tmp_path: Path) -> None:
    choices: dict[str, Any] = {"seeds": None, name: "read-onyl"}

    with pytest.raises(cloche.UsageError, match=f"`{name}` is `{WORDS[name][0]}`.* and not 'read-onyl'"):
        cloche.create(tmp_path / "env", **choices)

    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("name", sorted(WORDS))
def test_each_word_that_there_is_can_be_asked_for(name: str, tmp_path: Path) -> None:
    for word in WORDS[name]:
        choices: dict[str, Any] = {"seeds": None, name: word}
        assert cloche.plan(tmp_path / "env", **choices).outcome == "created"


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"seeds": "pip"}, "`seeds` takes a list"),
        ({"activators": "bash"}, "`activators` takes a list"),
        ({"find_links": Path("wheels")}, "`find_links` takes a list"),
        ({"python": 3.1}, "`python` takes a text or a path"),
        ({"python": ["3", 3.1]}, "`python` takes a text or a path"),
        ({"python": [b"3.12"]}, "`python` takes a text or a path"),
        ({"seeds": [5]}, "`seeds` takes a list of texts"),
        ({"activators": [None]}, "`activators` takes a list of texts"),
        ({"find_links": 5}, "`find_links` takes a list of texts"),
        ({"prompt": 3}, "`prompt` takes a text"),
        ({"relocatable": "no"}, "`relocatable` takes True or False"),
        ({"cache": 5}, "`cache` takes a text or a path"),
        ({"options": ["a"]}, "`options` takes a mapping"),
        ({"environ": "PATH"}, "`environ` takes a mapping"),
        ({"pyton": "3"}, "unknown argument `pyton`"),
    ],
)
def test_an_argument_of_another_kind_is_told_by_its_name(choices: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=says):
        cloche.create(tmp_path / "env", **choices)

    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("ask", [cloche.find, cloche.load, cloche.plan])
def test_no_function_passes_over_an_argument_that_it_does_not_know(ask: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match="unknown argument `cahe`"):
        ask("3", cahe="elsewhere")


def test_a_python_may_be_asked_for_by_path_or_by_several() -> None:
    running = cloche.find()

    assert cloche.find(Path(running.executable)) == running
    assert cloche.plan("env", python=["3.99", Path(running.executable)], seeds=None).environment.interpreter == running


def test_find_takes_what_create_takes_for_a_python_behind_what_stands_alone() -> None:
    running = cloche.find()

    assert cloche.find("3.99", python=running.executable) == running
    with pytest.raises(cloche.InterpreterNotFound, match=r"`3\.99`"):
        cloche.find(python="3.99")


def test_an_empty_text_for_the_cache_is_not_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    cloche.plan("env", seeds=None, cache="")

    assert list(tmp_path.iterdir()) == []


def test_every_value_can_be_compared_hashed_and_pickled(tmp_path: Path) -> None:
    plan = cloche.plan(tmp_path / "env", seeds=None)

    for value in (plan, plan.environment, plan.environment.interpreter):
        again = pickle.loads(pickle.dumps(value))
        assert (again, hash(again)) == (value, hash(value))


def test_every_name_is_listed_before_it_is_used() -> None:
    assert set(cloche.__all__) <= set(dir(cloche))


def test_what_the_command_would_warn_of_is_logged(site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site.install("acme", broken="raise RuntimeError('out of order')")
    site.install("acme-late", late="@cloche.hookimpl\ndef cloche_created(result): raise ValueError('too late')")

    cloche.create(tmp_path / "env", seeds=None)

    told = [(record.name, record.levelno, record.getMessage()) for record in caplog.records]
    assert told == [
        ("cloche", logging.WARNING, "plugin `broken` of acme 1.0 was skipped: RuntimeError: out of order"),
        (
            "cloche",
            logging.WARNING,
            "plugin `late` of acme-late 1.0 failed after the environment was created: ValueError: too late",
        ),
    ]


def test_what_a_plan_leaves_out_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cloche.plan(tmp_path / "a\nb", seeds=None)

    assert any("csh cannot hold a newline" in record.getMessage() for record in caplog.records)


def test_an_option_that_no_plugin_has_is_refused(site: Site, tmp_path: Path) -> None:
    site.install("acme", greeter=GREETER)

    cloche.create(tmp_path / "env", seeds=None, activators=["greeter"], options={"greeting": "you"})
    with pytest.raises(cloche.UsageError, match="unknown plugin option `greting`") as refused:
        cloche.create(tmp_path / "other", seeds=None, options={"greting": "you"})

    assert (tmp_path / "env" / "bin" / "greet").read_text() == "hello you"
    assert refused.value.hint == "available: `greeting`"
