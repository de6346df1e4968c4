"""A plugin that gives objects is asked again by each run, without pluggy; nobody can tell it from deciding anew."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_memory import HERE, decides
from tests.plugins.site import Site, giving
from tests.run import Cloche, clean_environ
from tests.trees import snapshot

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = ["--no-seed", "--activators", "all"]

OBJECT = """
import os
class Shell:
    def __init__(self, name, text="true", refusal=None): self.name, self.text, self.why = name, text, refusal
    def refusal(self, interpreter): return self.why
    def quote(self, text): return repr(text)
    def scripts(self, environment): return [cloche.Script("activate." + self.name, self.text + environment.prompt)]
"""

HOOK = "@cloche.hookimpl\ndef cloche_activators(): "

later = "'LATER' in os.environ"


@pytest.fixture
def user(tmp_path: Path, site: Site) -> Cloche:
    """A user with plugins, and a memory of their own; byte-code would be seen as a change."""
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    (tmp_path / "home").mkdir()
    return Cloche(tmp_path, {**environ, "PYTHONPATH": str(site.directory), "PYTHONDONTWRITEBYTECODE": "1"})


def forget(user: Cloche) -> None:
    shutil.rmtree(user.cwd / "cache" / "cloche" / "plans")


def made(user: Cloche, *argv: str, **variables: str) -> tuple[bool, object]:
    """Make an environment, and return whether anything was decided for it, and what it is like."""
    decided = decides(Cloche(user.cwd, {**user.environ, **variables}), "env", *argv)
    found = snapshot(user.cwd / "env")
    shutil.rmtree(user.cwd / "env")
    return decided, found


GIVING = {
    "a function": HOOK + "return [Shell('mine'), Shell('other', refusal='none of mine')]",
    "a generator": HOOK + "yield Shell('mine')",
    "a function with options": HOOK.replace("hookimpl", "hookimpl(tryfirst=True)") + "return [Shell('mine')]",
    "one of several hooks": HOOK + "return [Shell('mine')]\n@cloche.hookimpl\ndef cloche_finders(): return None",
    "an object among names": HOOK + "return [cloche.Descriptor('other', 'THIS:other'), Shell('mine')]\n"
    "other = Shell('other')",
    "an object with the module's name": HOOK + "return [THAT]\nTHAT = Shell('mine')",
}


@pytest.mark.parametrize("text", GIVING.values(), ids=GIVING)
def test_with_objects_that_are_given_again_nothing_is_decided(site: Site, user: Cloche, text: str) -> None:
    site.install("acme", mine=OBJECT + text)

    afresh = made(user, "--no-seed")
    again = made(user, "--no-seed")

    assert (afresh[0], again[0]) == (True, False)
    assert again[1] == afresh[1]
    assert "bin/activate.mine" in afresh[1]  # type: ignore[operator]


def test_a_plugin_may_be_an_object_with_methods(site: Site, user: Cloche) -> None:
    text = """
    class Plugin:
        @cloche.hookimpl
        def cloche_activators(self): return [Shell("mine")]
        @staticmethod
        @cloche.hookimpl
        def cloche_creators(): return ()
    plugin = Plugin()
    """
    site.metadata("acme", "1.0", {"mine": site.module(OBJECT + text.replace("\n    ", "\n")) + ":plugin"})

    afresh, again = made(user, "--no-seed"), made(user, "--no-seed")

    assert again == (False, afresh[1])


def test_an_activator_that_is_asked_for_by_name_is_given_again(site: Site, user: Cloche) -> None:
    site.install("acme", mine=OBJECT + HOOK + "return [Shell('mine'), Shell('other')]")
    argv = ("--no-seed", "--activators", "other,bash")

    afresh, again = made(user, *argv), made(user, *argv)

    assert again == (False, afresh[1])
    assert "bin/activate.mine" not in afresh[1]  # type: ignore[operator]


ANSWERS = {
    "another name": HOOK + f"return [Shell('late' if {later} else 'early')]",
    "one more": HOOK + f"return [Shell('first'), Shell('second')][:1 + ({later})]",
    "another order": HOOK + f"return [Shell('first'), Shell('second')][::-1 if {later} else 1]",
    "a name in place of an object": HOOK
    + f"return [cloche.Descriptor('one', 'THIS:shell') if {later} else Shell('one')]\nshell = Shell('one', 'x')",
    "a refusal": HOOK + f"return [Shell('one', refusal='too late' if {later} else None)]",
    "no refusal": HOOK + f"return [Shell('one', refusal=None if {later} else 'too early'), Shell('two')]",
    "nothing": HOOK + f"return None if {later} else [Shell('one')]",
    "a hook more": HOOK + f"return [Shell('one')]\nif {later}:\n"
    "    @cloche.hookimpl\n    def cloche_finders(): return [cloche.Descriptor('none', 'THIS:none')]",
    "a hook less": f"if not {later}:\n    @cloche.hookimpl\n    def cloche_activators(): return [Shell('one')]",
    "an option": HOOK
    + f"return [Shell('one')]\nif {later}: Shell.options = (cloche.Option('colour', 'of the prompt'),)",
    "an offer": HOOK + f"return [Shell('one')]\nif {later}: Shell.replaces = 'bash'",
}


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_another_answer_is_seen_and_everything_decided_anew(site: Site, user: Cloche, text: str) -> None:
    site.install("acme", mine=OBJECT + text)
    made(user, "--no-seed")

    again = made(user, "--no-seed", LATER="1")
    forget(user)

    assert again[0]
    assert again[1] == made(user, "--no-seed", LATER="1")[1]


FAILING = {
    "as it is imported": f"if {later}: raise SystemExit('late')\n{HOOK}return [Shell('one')]",
    "as it is asked": HOOK + f"return [Shell('one')] if not {later} else 1 / 0",
    "as it refuses": HOOK + "return [Late('one')]\nclass Late(Shell):\n"
    f"    def refusal(self, interpreter): return None if not {later} else 1 / 0",
}


@pytest.mark.parametrize("text", FAILING.values(), ids=FAILING)
def test_a_plugin_that_fails_when_it_is_asked_again_is_told_of_as_ever(site: Site, user: Cloche, text: str) -> None:
    site.install("acme", mine=OBJECT + text)
    user("env", "--no-seed")

    again = user("env", "--no-seed", LATER="1")
    forget(user)

    assert again.code == 0
    assert "`mine` of acme 1.0" in again.err
    assert again.err == user("env", "--no-seed", LATER="1").err


def test_an_object_that_failed_is_asked_again_and_may_refuse(site: Site, user: Cloche) -> None:
    text = HOOK + "return [Late('one'), Shell('two')]\nclass Late(Shell):\n"
    site.install(
        "acme", mine=OBJECT + text + f"    def refusal(self, interpreter): return 'late' if {later} else 1 / 0"
    )

    first, then = user("env", "--no-seed"), user("other", "--no-seed", LATER="1")

    assert "activator `one`" in first.err
    assert (then.code, then.err) == (0, "")


def test_an_object_writes_its_scripts_anew_each_time(site: Site, user: Cloche) -> None:
    site.install("acme", mine=OBJECT + HOOK + "return [Shell('mine', os.environ.get('LATER', ''))]")
    made(user, "--no-seed")

    again = made(user, "--no-seed", LATER="later")
    forget(user)

    assert not again[0]
    assert again[1] == made(user, "--no-seed", LATER="later")[1]
    assert again[1]["bin/activate.mine"][2] == b"laterenv"  # type: ignore[index]


WRAPPED = {
    "a wrapper": "@cloche.hookimpl(wrapper=True)\ndef cloche_creators(): return (yield)",
    "an old wrapper": "@cloche.hookimpl(hookwrapper=True)\ndef cloche_creators(): yield",
    "another name": "@cloche.hookimpl(specname='cloche_activators')\ndef more(): return [Shell('more')]",
    "the name of another": "@cloche.hookimpl(specname='cloche_finders')\ndef cloche_creators(): return []",
}


@pytest.mark.parametrize("text", WRAPPED.values(), ids=WRAPPED)
def test_hooks_that_are_more_than_functions_are_left_to_pluggy(site: Site, user: Cloche, text: str) -> None:
    site.install("acme", mine=OBJECT + HOOK + "return [Shell('mine')]\n" + text)

    assert [made(user, "--no-seed")[0] for _ in range(3)] == [True, True, True]


def test_what_is_edited_is_decided_anew(site: Site, user: Cloche) -> None:
    module = site.module(OBJECT + HOOK + "return [Shell('mine')]")
    site.metadata("acme", "1.0", {"mine": module})
    decided = [made(user, "--no-seed")[0] for _ in range(2)]

    site.module(OBJECT + HOOK + "return [Shell('mine', 'edited')]", module)

    assert [*decided, made(user, "--no-seed")[0]] == [True, False, True]


def test_a_finder_that_is_an_object_is_asked_in_every_search(site: Site, user: Cloche) -> None:
    site.install("acme", mine=giving("finder", "mine"))
    argv = ("--no-seed", "-p", HERE)

    afresh, again = made(user, *argv), made(user, *argv)

    assert again == (False, afresh[1])


def test_a_finder_that_is_an_object_may_find_another_python_later(site: Site, user: Cloche) -> None:
    from tests.interpreters import pyenv

    found = """
import os
class Finder:
    name = "mine"
    def candidates(self, spec, host):
        yield cloche.Candidate(os.environ["FOUND"], "mine")
@cloche.hookimpl
def cloche_finders(): return [Finder()]
"""
    site.install("acme", mine=found)
    early, late = pyenv("3.8"), pyenv("3.9")
    nowhere = {"PATH": str(user.cwd / "home"), "PYENV_ROOT": str(user.cwd / "home")}
    argv = ("--no-seed", "-p", "<3.10,>=3.8")

    first = [made(user, *argv, FOUND=early, **nowhere) for _ in range(2)]
    then = [made(user, *argv, FOUND=late, **nowhere) for _ in range(2)]

    assert [decided for decided, _ in (*first, *then)] == [True, False, True, False]
    assert first[0][1] == first[1][1] != then[0][1] == then[1][1]


# Told of new environments

CREATED = "@cloche.hookimpl\ndef cloche_created(result): "
NOTE = "open(os.environ['NOTES'], 'a').write(result.environment.location + '\\n')"


def noted(user: Cloche, site: Site, text: str, **variables: str) -> tuple[list[bool], list[str]]:
    """Make an environment twice, and return which time anything was decided, and the notes of a plugin."""
    notes = user.cwd / "notes"
    site.install("acme", mine="import os\n" + text)
    decided = [made(user, "--no-seed", NOTES=str(notes), **variables)[0] for _ in range(2)]
    return decided, notes.read_text().splitlines()


def test_a_plugin_is_told_of_every_environment_without_pluggy(site: Site, user: Cloche) -> None:
    assert noted(user, site, CREATED + NOTE) == ([True, False], [str(user.cwd / "env")] * 2)


def test_a_plugin_need_not_take_what_it_is_told(site: Site, user: Cloche) -> None:
    without = CREATED.replace("(result)", "(more='none')") + NOTE.replace("result.environment.location", "more")

    assert noted(user, site, without) == ([True, False], ["none"] * 2)


def test_what_is_a_hook_no_more_is_not_called(site: Site, user: Cloche) -> None:
    text = CREATED + NOTE + f"\nif {later}: del cloche_created.cloche_impl"
    _, notes = noted(user, site, text)

    made(user, "--no-seed", NOTES=str(user.cwd / "notes"), LATER="1")

    assert (user.cwd / "notes").read_text().splitlines() == notes


SEVERAL = {
    "a wrapper": CREATED.replace("hookimpl", "hookimpl(wrapper=True)") + f"\n    {NOTE}\n    return (yield)",
    "another name": "@cloche.hookimpl(specname='cloche_created')\ndef more(result): " + NOTE,
    "two functions": CREATED + "pass\n@cloche.hookimpl(specname='cloche_created')\ndef more(result): " + NOTE,
}


@pytest.mark.parametrize("text", SEVERAL.values(), ids=SEVERAL)
def test_pluggy_tells_those_that_it_alone_can_tell(site: Site, user: Cloche, text: str) -> None:
    assert noted(user, site, text) == ([True, True], [str(user.cwd / "env")] * 2)


LATE = {
    "as it is told": (CREATED + f"assert not {later}, 'late'", "AssertionError"),
    "as it ends the run": (CREATED + f"{later} and __import__('sys').exit('late')", "SystemExit"),
    "as it is imported": (f"assert not {later}, 'late'\n{CREATED}pass", "AssertionError"),
}


@pytest.mark.parametrize(("text", "told"), LATE.values(), ids=LATE)
def test_a_plugin_that_cannot_be_told_is_a_warning_as_ever(site: Site, user: Cloche, text: str, told: str) -> None:
    site.install("acme", mine="import os\n" + text)
    site.install("zebra", striped="import os\n" + CREATED + NOTE)
    notes = user.cwd / "notes"
    user("env", "--no-seed", NOTES=str(notes))

    again = user("env", "--no-seed", NOTES=str(notes), LATER="1")
    forget(user)

    assert again.code == 0
    assert "plugin `mine` of acme 1.0" in again.err
    assert f"{told}: late" in again.err
    assert again.err == user("env", "--no-seed", NOTES=str(notes), LATER="1").err
    assert len(notes.read_text().splitlines()) == 3
