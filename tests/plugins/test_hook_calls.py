"""Hooks are called through pluggy, as its users know it: ordering and wrappers work across plugins, failures stay apart."""

from __future__ import annotations

import pytest

from cloche.plugins.registry import Registry, load_plugins
from tests.plugins.site import Site, giving, reason, statuses


def load(site: Site) -> Registry:
    return load_plugins([str(site.directory)])


def activators(found: Registry) -> list[str]:
    return [one.name for one in found.all("activator") if one.source.distribution != "cloche"]


def finders(found: Registry) -> list[str]:
    return [one.name for one in found.all("finder")]


def test_components_come_in_the_order_of_pluggy(site: Site) -> None:
    """Built-in ones first, others by distribution and name, `tryfirst` before all and `trylast` behind all."""
    site.install("acme-a", one=giving("finder", "last").replace("hookimpl", "hookimpl(trylast=True)"))
    site.install("acme-b", two=giving("finder", "middle"))
    site.install("acme-c", three=giving("finder", "first").replace("hookimpl", "hookimpl(tryfirst=True)"))

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
    site.install("acme", shells=giving("activator", "wanted", "unwanted"))
    site.install("zebra", filter=wrapper)

    found = load(site)

    assert activators(found) == ["wanted"]
    assert statuses(found) == {"shells": "loaded", "filter": "loaded"}


@pytest.mark.parametrize("style", ["wrapper", "hookwrapper"])
def test_what_a_wrapper_adds_belongs_to_its_plugin(site: Site, style: str) -> None:
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
    "behind its yield": "answers = yield\n    1 / 0",
    "without a yield": "return (one for one in ())",
    "with two yields": "yield\n    yield",
    "with another result": "yield\n    return 5",
    "with a result of texts": "yield\n    return ['text']",
    "by ending the run": "yield\n    raise SystemExit(0)",
}


@pytest.mark.parametrize("style", ["wrapper", "hookwrapper"])
@pytest.mark.parametrize("body", FAILING.values(), ids=FAILING)
def test_a_wrapper_that_fails_changes_nothing_and_is_named(site: Site, style: str, body: str) -> None:
    if style == "hookwrapper":
        body = body.replace("return 5", "raise ValueError(5)").replace("return ['text']", "raise ValueError('text')")
    site.install("acme", shells=giving("activator", "one", "two"))
    site.install("broken", wraps=f"@cloche.hookimpl({style}=True)\ndef cloche_activators():\n    {body}\n")
    site.install("zebra", more=giving("activator", "three"))

    found = load(site)

    assert activators(found) == ["one", "two", "three"]
    assert statuses(found)["wraps"] == "failed"
    assert any("plugin `wraps` of broken 1.0 was skipped" in warning for warning in found.warnings)


def test_an_old_wrapper_that_forces_something_else_is_undone(site: Site) -> None:
    site.install("acme", shells=giving("activator", "one"))
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
    assert "returned 5: expected the list of answers" in reason(found, "wraps")


def test_one_plugin_that_fails_keeps_no_other_from_being_called(site: Site) -> None:
    for letter in "abc":
        site.install(f"acme-{letter}", **{f"good_{letter}": giving("activator", f"shell-{letter}")})
        site.install(f"bad-{letter}", **{f"bad_{letter}": "@cloche.hookimpl\ndef cloche_activators(): return 1 / 0"})

    found = load(site)

    assert activators(found) == ["shell-a", "shell-b", "shell-c"]
    assert sorted(name for name, status in statuses(found).items() if status == "failed") == ["bad-a", "bad-b", "bad-c"]


def test_a_hook_may_be_implemented_under_another_name_and_twice(site: Site) -> None:
    more = "\n@cloche.hookimpl(specname='cloche_activators')\ndef more(): return [Thing('two')]\n"
    site.install("acme", shells=giving("activator", "one") + more)

    assert sorted(activators(load(site))) == ["one", "two"]
