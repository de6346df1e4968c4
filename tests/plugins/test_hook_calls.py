"""Test calls of hooks by pluggy: ordering and wrappers work across plugins, and a failure affects one plugin only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.plugins.registry import Registry, load_plugins
from tests.plugins.site import Site, offering, reason, statuses
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path


def load(site: Site) -> Registry:
    return load_plugins([str(site.directory)])


def activators(found: Registry) -> list[str]:
    return [component.name for component in found.all("activator") if component.source.distribution != "cloche"]


def finders(found: Registry) -> list[str]:
    return [component.name for component in found.all("finder")]


def test_components_are_in_the_order_of_pluggy(site: Site) -> None:
    """First `tryfirst`, then built-in ones, then others by distribution and name, and last `trylast`."""
    site.install("acme-a", one=offering("finder", "last").replace("hookimpl", "hookimpl(trylast=True)"))
    site.install("acme-b", two=offering("finder", "middle"))
    site.install("acme-c", three=offering("finder", "first").replace("hookimpl", "hookimpl(tryfirst=True)"))

    names = finders(load(site))

    assert names[0] == "first"
    assert names[1] == "current"
    assert names[-2:] == ["middle", "last"]


WRAPPERS = {
    "new": """
    @cloche.hookimpl(wrapper=True)
    def cloche_activators():
        answers = yield
        return [[one for one in answer if one.name != "unwanted"] for answer in answers]
    """,
    "old": """
    @cloche.hookimpl(hookwrapper=True)
    def cloche_activators():
        outcome = yield
        outcome.force_result([[one for one in answer if one.name != "unwanted"] for answer in outcome.get_result()])
    """,
}


@pytest.mark.parametrize("wrapper", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapper_changes_what_other_plugins_offer(site: Site, wrapper: str) -> None:
    site.install("acme", shells=offering("activator", "wanted", "unwanted"))
    site.install("zebra", filter=wrapper)

    found = load(site)

    assert activators(found) == ["wanted"]
    assert statuses(found) == {"shells": "loaded", "filter": "loaded"}


@pytest.mark.parametrize("style", ["wrapper", "hookwrapper"])
def test_a_component_that_a_wrapper_adds_belongs_to_its_plugin(site: Site, style: str) -> None:
    end = "return [*answers, extra]" if style == "wrapper" else "answers.force_result([*answers.get_result(), extra])"
    site.install(
        "zebra",
        adds=f"""
        @cloche.hookimpl({style}=True)
        def cloche_activators():
            answers = yield
            extra = [cloche.Descriptor("added", "some.module:activator")]
            {end}
        """,
    )

    found = load(site)

    assert found.find("activator", "added").source.distribution == "zebra"


FAILING = {
    "before its yield": "1 / 0\n    answers = yield\n    return answers",
    "after its yield": "answers = yield\n    1 / 0",
    "without a yield": "return (one for one in ())",
    "with two yields": "yield\n    yield",
    "with a result that is not a list": "yield\n    return 5",
    "with a list of strings": "yield\n    return ['text']",
    "by exiting": "yield\n    raise SystemExit(0)",
}


@pytest.mark.parametrize("style", ["wrapper", "hookwrapper"])
@pytest.mark.parametrize("body", FAILING.values(), ids=FAILING)
def test_a_failing_wrapper_changes_nothing_and_is_reported(site: Site, style: str, body: str) -> None:
    if style == "hookwrapper":
        body = body.replace("return 5", "raise ValueError(5)").replace("return ['text']", "raise ValueError('text')")
    site.install("acme", shells=offering("activator", "one", "two"))
    site.install("broken", wraps=f"@cloche.hookimpl({style}=True)\ndef cloche_activators():\n    {body}\n")
    site.install("zebra", more=offering("activator", "three"))

    found = load(site)

    assert activators(found) == ["one", "two", "three"]
    assert statuses(found)["wraps"] == "failed"
    assert any("plugin `wraps` of broken 1.0 was skipped" in warning for warning in found.warnings)


def test_an_invalid_result_of_an_old_style_wrapper_is_undone(site: Site) -> None:
    site.install("acme", shells=offering("activator", "one"))
    site.install(
        "broken",
        wraps="""
        @cloche.hookimpl(hookwrapper=True)
        def cloche_activators():
            outcome = yield
            outcome.force_result(5)
        """,
    )

    found = load(site)

    assert activators(found) == ["one"]
    assert "returned 5: expected the list of results" in reason(found, "wraps")


def test_other_plugins_are_called_if_one_fails(site: Site) -> None:
    for letter in "abc":
        site.install(f"acme-{letter}", **{f"good_{letter}": offering("activator", f"shell-{letter}")})
        site.install(f"bad-{letter}", **{f"bad_{letter}": "@cloche.hookimpl\ndef cloche_activators(): return 1 / 0"})

    found = load(site)

    assert activators(found) == ["shell-a", "shell-b", "shell-c"]
    assert sorted(name for name, status in statuses(found).items() if status == "failed") == ["bad-a", "bad-b", "bad-c"]


def test_a_plugin_may_implement_a_hook_twice_under_different_names(site: Site) -> None:
    more = "\n@cloche.hookimpl(specname='cloche_activators')\ndef more(): return [Fake('two')]\n"
    site.install("acme", shells=offering("activator", "one") + more)

    assert sorted(activators(load(site))) == ["one", "two"]


@pytest.mark.parametrize("origin", ["cloche", "another tool"])
@pytest.mark.parametrize("where", ["module", "imported module"])
def test_a_plugin_is_told_of_a_moved_environment_and_a_failure_is_a_warning(
    site: Site, tmp_path: Path, where: str, origin: str
) -> None:
    """Also if the text of the module that the entry point names does not contain the name of the hook."""
    text = """
    @cloche.hookimpl
    def cloche_moved(environment, old):
        with open("moved", "w") as file:
            file.write(f"{old} {environment.location}")
        1 / 0
    """
    run = Cloche(tmp_path, {**clean_environ(tmp_path / "home", tmp_path / "cache"), "PYTHONPATH": str(site.directory)})
    environment = cloche.create(tmp_path / "env", seeds=None, activators=())
    if origin != "cloche":
        (environment.root / ".cloche-manifest").unlink()
    site.install("acme", mover=text if where == "module" else f"from {site.module(text)} import *\n")

    done = run("move", "env", "other")

    assert done.code == 0
    assert (tmp_path / "moved").read_text() == f"{tmp_path}/env {tmp_path}/other"
    assert "plugin `mover` of acme 1.0 failed after the environment was moved: ZeroDivisionError" in done.err
