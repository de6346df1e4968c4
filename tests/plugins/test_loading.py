"""Test that plugins are found, blocked and loaded one by one, and that a problem with one does not affect the others."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from cloche import PluginError, UsageError
from cloche.plugins import blocked_names
from cloche.plugins.components import COMPONENT_KINDS
from cloche.plugins.entry_points import find_sources
from cloche.plugins.hookspecs import API_VERSION
from cloche.plugins.registry import load_plugins
from cloche.session import Session
from cloche.testing import fake_environment, fake_host
from tests.plugins.site import Site, offering, reason, statuses

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.plugins.registry import Registry


def load(site: Site, *blocklist: str, **replace: str) -> Registry:
    return load_plugins([str(site.directory)], frozenset(blocklist), replace)


def names(found: Registry, kind: str = "activator") -> list[str]:
    return [component.name for component in found.all(kind) if component.source.distribution != "cloche"]  # type: ignore[arg-type]


# Finding and loading


@pytest.mark.parametrize("kind", [kind for kind in COMPONENT_KINDS if kind != "command"])
def test_a_plugin_is_found_by_its_entry_point_and_its_components_by_name(site: Site, kind: str) -> None:
    site.install("acme-shells", mine=offering(kind, "acme"))

    found = load(site)

    assert statuses(found) == {"mine": "loaded"}
    assert names(found, kind) == ["acme"]
    assert found.find(kind, "acme").load().name == "acme"  # type: ignore[arg-type]
    [report] = [one for one in found.reports if one.source.name == "mine"]
    assert str(report.source) == "`mine` of acme-shells 1.0"
    assert report.hooks == (f"cloche_{kind}s",)
    assert [(one.kind, one.name) for one in report.provides] == [(kind, "acme")]


def test_one_distribution_may_have_several_plugins_and_a_plugin_may_be_any_object(site: Site) -> None:
    module = site.module(
        """
        class Plugin:
            @cloche.hookimpl
            def cloche_commands(self):
                return [cloche.Command("wave", "wave a hand", "THIS:main")]
        plugin = Plugin()
        """
    )
    site.install("acme", shell=offering("activator", "acme"))
    site.metadata("acme_commands", "2.0", {"wave": f"{module}:plugin"})

    found = load(site)

    assert statuses(found) == {"shell": "loaded", "wave": "loaded"}
    assert names(found, "command") == ["wave"]


def test_the_module_of_a_descriptor_is_imported_when_it_is_used(site: Site) -> None:
    heavy = site.module("class Heavy:\n    name = 'heavy'\ncreator = Heavy()\n")
    site.install(
        "acme",
        mine=f"""
        @cloche.hookimpl
        def cloche_creators():
            return [cloche.Descriptor("heavy", "{heavy}:creator", "weighs a lot")]
        """,
    )

    found = load(site)

    assert heavy not in sys.modules
    assert found.find("creator", "heavy").load().name == "heavy"


def test_a_descriptor_that_cannot_be_loaded_is_reported_with_its_plugin(site: Site) -> None:
    site.install(
        "acme",
        mine="""
        @cloche.hookimpl
        def cloche_creators():
            return [cloche.Descriptor("heavy", "no_such_module_anywhere:creator")]
        """,
    )

    with pytest.raises(
        PluginError, match=r"creator `heavy` of plugin `mine` of acme 1\.0 cannot be loaded: ModuleNot"
    ) as caught:
        load(site).find("creator", "heavy").load()

    assert "`--no-plugin mine`" in str(caught.value.hint)


def test_built_in_components_are_loaded_without_installed_plugins(tmp_path: Path) -> None:
    found = load_plugins([str(tmp_path)])

    assert found.find("creator", "symlink").source.distribution == "cloche"
    assert found.find("seeder", "app-data").name == "pip"
    assert statuses(found) == {}


def test_the_order_of_installation_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = []
    for attempt in range(3):
        site = Site(tmp_path / str(attempt))
        monkeypatch.syspath_prepend(str(site.directory))
        letters = list("abcdef")
        random.shuffle(letters)
        for letter in letters:
            site.install(f"acme-{letter}", **{f"plugin_{letter}": offering("activator", f"shell-{letter}")})
        orders.append(names(load(site)))

    assert orders == [[f"shell-{letter}" for letter in "abcdef"]] * 3


def test_the_first_of_two_installations_of_a_distribution_is_used(tmp_path: Path, site: Site) -> None:
    second = Site(tmp_path / "second")
    site.install("acme", "2.0", new=offering("activator", "new"))
    second.install("Acme", "1.0", old=offering("activator", "old"))

    found = load_plugins([str(site.directory), str(second.directory)])

    assert names(found) == ["new"]
    assert statuses(found) == {"new": "loaded", "old": "shadowed"}
    assert str(site.directory) in reason(found, "old")


def test_a_distribution_without_plugins_shadows_one_with_plugins(tmp_path: Path, site: Site) -> None:
    (site.directory / "acme-2.0.dist-info").mkdir()
    second = Site(tmp_path / "second")
    second.install("acme", "1.0", old=offering("activator", "old"))

    assert find_sources([str(site.directory), str(second.directory)]) == []


def test_distribution_names_are_normalized(site: Site) -> None:
    site.install("Acme.Shell_Tools", mine=offering("activator", "acme"))

    [source] = find_sources([str(site.directory)])

    assert source.distribution == "acme-shell-tools"
    assert statuses(load(site, "ACME_Shell.tools")) == {"mine": "blocked"}


def test_other_groups_and_unreadable_files_are_ignored(site: Site) -> None:
    for name, content in {
        "other": b"[console_scripts]\nx = x:x\n",
        "odd": b"\xff\xfe[cloche]\n= = =\nno separator\n# comment = x\n; comment = x\n",
        "mention": b"[other]\ntext = [cloche]\n",
    }.items():
        (site.directory / f"{name}-1.0.dist-info").mkdir()
        (site.directory / f"{name}-1.0.dist-info" / "entry_points.txt").write_bytes(content)
    (site.directory / "empty-1.0.dist-info").mkdir()
    (site.directory / "directory-1.0.dist-info" / "entry_points.txt").mkdir(parents=True)

    assert find_sources([str(site.directory), str(site.directory / "missing"), "\0"]) == []


def test_the_scan_finds_what_importlib_metadata_finds(site: Site) -> None:
    from importlib.metadata import distributions

    site.install("acme", mine=offering("activator", "acme"), other=offering("creator", "acme"))
    site.metadata("Spaced", "1", {"spaced": "module:attribute [extra]"})
    theirs = {
        (point.name, point.module, point.attr or "")
        for distribution in distributions(path=[str(site.directory)])
        for point in distribution.entry_points
        if point.group == "cloche"
    }

    ours = {(one.name, *one.implementation.partition(":")[::2]) for one in find_sources([str(site.directory)])}

    assert ours == theirs


def test_plugins_in_a_zip_archive_on_the_path_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path / "site")
    site.install("acme-zipped", mine=offering("activator", "zipped"))
    archive = tmp_path / "site.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in site.directory.rglob("*"):
            file.write(path, path.relative_to(site.directory))
    monkeypatch.syspath_prepend(str(archive))

    assert "zipped" in names(load_plugins(sys.path))


# Broken plugins


OPTION = """
@cloche.hookimpl
def cloche_creators():
    return [cloche.Descriptor("a", "x:y", options=(cloche.Option(NAME, "say"),))]
"""

BROKEN = {
    "import": ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
    "syntax": ("def (", "SyntaxError: invalid syntax"),
    "exit": ("raise SystemExit('goodbye')", "SystemExit: goodbye"),
    "panic": ("class Panic(BaseException): pass\nraise Panic('of compiled code')", "Panic: of compiled code"),
    "arguments": (
        "@cloche.hookimpl\ndef cloche_creators(everything): return []",
        "TypeError: `cloche_creators` has no argument `everything`; it has none",
    ),
    "unknown-hook": ("@cloche.hookimpl\ndef cloche_wizards(): return []", "TypeError: unknown hook `cloche_wizards`"),
    "misspelled-hook": (
        "@cloche.hookimpl\ndef cloche_activator(): return []",
        "TypeError: unknown hook `cloche_activator`; did you mean `cloche_activators`?",
    ),
    "raises": ("@cloche.hookimpl\ndef cloche_creators(): return 1 / 0", "ZeroDivisionError: division by zero"),
    "late": ("@cloche.hookimpl\ndef cloche_creators():\n    yield 1 / 0", "ZeroDivisionError: division by zero"),
    "exits-later": ("@cloche.hookimpl\ndef cloche_creators(): raise SystemExit", "SystemExit"),
    "nameless": (
        "@cloche.hookimpl\ndef cloche_creators(): return [object()]",
        "expected creators, each with a `name` that is a word",
    ),
    "blank-name": (
        "@cloche.hookimpl\ndef cloche_creators(): return [cloche.Descriptor('a b', 'x:y')]",
        "expected creators, each with a `name` that is a word",
    ),
    "no-list": (
        "@cloche.hookimpl\ndef cloche_creators(): return 3",
        "TypeError: `cloche_creators` returned 3: expected a list of creators",
    ),
    "text": (
        "@cloche.hookimpl\ndef cloche_creators(): return 'abc'",
        "`cloche_creators` returned 'abc': expected a list of creators",
    ),
    "options": (
        "@cloche.hookimpl\ndef cloche_creators(): return [cloche.Descriptor('a', 'x:y', options=('greeting',))]",
        "TypeError: creator `a` has 'greeting' in `options`: expected a `cloche.Option`",
    ),
    "no-options": (
        "@cloche.hookimpl\ndef cloche_creators(): return [cloche.Descriptor('a', 'x:y', options=3)]",
        "TypeError: creator `a` has 3 as `options`: expected a list of `cloche.Option`",
    ),
    "option-with-hyphens": (
        OPTION.replace("NAME", "'--greeting'"),
        "TypeError: creator `a` has an option '--greeting': expected a name such as `link-mode`",
    ),
    "option-without-a-name": (
        OPTION.replace("NAME", "5"),
        "TypeError: creator `a` has an option 5: expected a name such as `link-mode`",
    ),
    "twice": (
        offering("creator", "one", "other", "one"),
        "TypeError: `cloche_creators` returned two components named `one`",
    ),
    "without-end": (
        "@cloche.hookimpl\ndef cloche_creators():\n    while True: yield cloche.Descriptor('a', 'x:y')",
        "TypeError: `cloche_creators` returned more than 1000 items",
    ),
    "function": (
        "@cloche.hookimpl\ndef cloche_commands(): return [cloche.Command('a', 'do it', len)]",
        "TypeError: command `a` has <built-in function len> as `implementation`: expected a string",
    ),
    "summary": (
        offering("creator", "a", more="summary = property(lambda self: 1 / 0)"),
        "ZeroDivisionError: division by zero",
    ),
    "half": (
        "class Half:\n    name = 'half'\n@cloche.hookimpl\ndef cloche_creators(): return [Half()]",
        "TypeError: `cloche_creators` returned the creator `half`, which has no `refusal`",
    ),
    "misspelled-method": (
        offering("creator", "a").replace("def operations", "def operation"),
        "TypeError: `cloche_creators` returned the creator `a`, which has no `operations`; did you mean `operation`?",
    ),
    "misspelled-argument": (
        "@cloche.hookimpl\ndef cloche_created(reslt): pass",
        "TypeError: `cloche_created` has no argument `reslt`; did you mean `result`?",
    ),
    "unknown-argument": (
        "@cloche.hookimpl\ndef cloche_created(where): pass",
        "TypeError: `cloche_created` has no argument `where`; its arguments are `result`",
    ),
    "argument-of-none": (
        "@cloche.hookimpl(specname='cloche_creators')\ndef mine(where): return []",
        "TypeError: `cloche_creators` has no argument `where`; it has none",
    ),
    "undecorated": (
        "def cloche_creators(): return []",
        "TypeError: `cloche_creators` is not marked with `@cloche.hookimpl`",
    ),
    "multi-line": ("raise ValueError('first\\nsecond')", "ValueError: first second"),
}


@pytest.mark.parametrize(("text", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_skipped_and_reported_with_the_cause(site: Site, text: str, cause: str) -> None:
    site.install("acme-good", good=offering("activator", "good"))
    site.install("acme-broken", "0.3", broken=text)
    site.install("zebra", striped=offering("activator", "striped"))

    found = load(site)

    assert statuses(found) == {"good": "loaded", "broken": "failed", "striped": "loaded"}
    assert names(found) == ["good", "striped"]
    [warning] = found.warnings
    assert warning.startswith("plugin `broken` of acme-broken 0.3 was skipped: ")
    assert cause in warning
    assert "\n" not in warning


def test_an_entry_point_that_cannot_be_loaded_is_a_broken_plugin(site: Site) -> None:
    site.metadata("acme", "1.0", {"gone": "no_such_module_anywhere", "lost": "os.path:nowhere", "empty": ""})

    assert statuses(load(site)) == {"gone": "failed", "lost": "failed", "empty": "failed"}


def test_an_unknown_component_is_reported_with_a_broken_plugin_that_may_offer_it(site: Site) -> None:
    site.install("acme-elvish", elvish="import no_such_module_anywhere")

    with pytest.raises(PluginError, match=r"unknown activator `elvish`; plugin `elvish` of acme-elvish 1\.0") as caught:
        load(site).find("activator", "elvish")

    assert caught.value.hint == "`cloche plugins` lists the plugins and their errors"


def test_components_of_a_plugin_that_fails_later_are_not_used(site: Site) -> None:
    site.install(
        "acme",
        mine=offering("activator", "early") + "\n@cloche.hookimpl\ndef cloche_commands(): raise ValueError('late')\n",
    )

    found = load(site)

    assert names(found) == []
    assert reason(found, "mine") == "ValueError: late"


def test_a_failure_after_creation_is_reported_and_other_plugins_are_called(site: Site, tmp_path: Path) -> None:
    site.install("acme-a", first="@cloche.hookimpl\ndef cloche_created(result): raise RuntimeError('no room')")
    site.install(
        "acme-b",
        second=f"""
        from pathlib import Path
        @cloche.hookimpl
        def cloche_created(result): Path({str(tmp_path / "called")!r}).write_text(repr(result))
        """,
    )

    [(warning, error)] = load(site).notify_created(fake_environment("/env"))  # type: ignore[arg-type]

    assert warning == "plugin `first` of acme-a 1.0 failed after the environment was created: RuntimeError: no room"
    assert isinstance(error, RuntimeError)
    assert "/env" in (tmp_path / "called").read_text()


@pytest.mark.parametrize("times", [1, 2])
def test_any_exception_after_creation_is_a_warning(site: Site, tmp_path: Path, times: int) -> None:
    site.install("acme", panics="@cloche.hookimpl\ndef cloche_created(result): raise BaseException('of compiled code')")

    for number in range(times):
        command = [sys.executable, "-m", "cloche", f"env{number}", "--no-seed"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "plugin `panics` of acme 1.0 failed after the environment was created: BaseException" in ran.stderr


def test_a_signal_during_the_import_of_a_plugin_stops_the_run(site: Site, tmp_path: Path) -> None:
    site.install("acme", slow="import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")

    ran = subprocess.run(
        [sys.executable, "-m", "cloche", "./env"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stderr) == (143, "cloche: interrupted\n")


def test_the_registry_knows_whether_a_plugin_implements_cloche_created(site: Site) -> None:
    site.install("acme", mine="@cloche.hookimpl\ndef cloche_created(result): pass")

    assert load(site).has_created_hooks
    assert not load(site, "mine").has_created_hooks


# Blocked plugins


def test_a_blocked_plugin_is_not_imported(site: Site, tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    site.install("acme-shells", mine=f"open({str(mark)!r}, 'w').close()\n" + offering("activator", "acme"))

    for name in ("mine", "acme-shells", "acme_shells", "*"):
        found = load(site, name)
        assert statuses(found) == {"mine": "blocked"}, name
        assert names(found) == []
        assert not mark.exists()

    assert found.find("creator", "symlink")
    assert statuses(load(site)) == {"mine": "loaded"}
    assert mark.exists()


def test_blocking_a_plugin_does_not_block_others_of_its_distribution(site: Site) -> None:
    site.install("acme", one=offering("activator", "one"), two=offering("activator", "two"))

    assert names(load(site, "one")) == ["two"]


@pytest.mark.parametrize("name", ["builtin", "cloche"])
def test_built_in_plugins_cannot_be_blocked(site: Site, name: str) -> None:
    """Neither by their own name nor by that of their distribution."""
    found = load(site, name, "*")

    assert found.find("creator", "symlink")
    assert found.warnings == [f"plugin `{name}` is part of cloche and cannot be left out"]


def test_an_unknown_name_in_the_block_list_is_reported(site: Site) -> None:
    site.install("acme-shells", nushell=offering("activator", "nu"))

    found = load(site, "nushel", "nushell", "quite-other")

    assert found.warnings == [
        "cannot leave out unknown plugin `nushel`; did you mean `nushell`?",
        "cannot leave out unknown plugin `quite-other`",
    ]


def test_an_unknown_component_is_reported_with_the_blocked_plugins(site: Site) -> None:
    site.install("acme", shells=offering("activator", "acme"))

    with pytest.raises(UsageError, match="unknown activator `acme`") as caught:
        load(site, "shells").find("activator", "acme")

    assert "left out with `--no-plugin`: `shells` of acme 1.0" in str(caught.value.hint)


def test_the_block_list_comes_from_flags_and_the_variable() -> None:
    host = fake_host(environ={"CLOCHE_DISABLE_PLUGINS": " a, b\nc,,"})

    assert blocked_names(host, ["d"]) == {"a", "b", "c", "d"}
    assert blocked_names(fake_host()) == frozenset()


def test_a_session_collects_the_warnings_about_plugins(site: Site) -> None:
    site.install("acme", broken="raise ValueError('dull blade')")

    with Session(fake_host(), blocklist=frozenset(["missing"]), access="none") as session:
        assert session.registry.find("creator", "symlink")

    assert session.warnings == [
        "plugin `broken` of acme 1.0 was skipped: ValueError: dull blade",
        "cannot leave out unknown plugin `missing`",
    ]


@pytest.mark.parametrize("attribute", ["options", "summary", "replaces", "implementation", "name"])
def test_an_object_with_a_failing_attribute_breaks_only_its_plugin(site: Site, attribute: str) -> None:
    failing = f"@property\ndef {attribute}(self): raise ValueError('out of order')\n@{attribute}.setter\n"
    site.install("acme", mine=offering("activator", "fancy", more=f"{failing}def {attribute}(self, text): pass"))
    site.install("zebra", yours=offering("activator", "plain"))

    found = load(site)

    assert statuses(found) == {"mine": "failed", "yours": "loaded"}
    assert "out of order" in found.warnings[0]
    assert names(found) == ["plain"]


def test_the_broken_plugin_with_a_similar_name_is_reported(site: Site) -> None:
    site.install("acme", broken="raise ValueError('one')")
    site.install("zebra", fancy_shell="raise ValueError('two')")

    with pytest.raises(PluginError, match=r"`fancy-shell` of zebra .* failed: ValueError: two"):
        load(site).find("activator", "fancy")


# Conflicts


def test_the_second_of_two_components_with_the_same_name_is_left_out_with_a_warning(site: Site) -> None:
    site.install("acme", "1.2", mine=offering("activator", "fancy"))
    site.install("zebra", "3.4", yours=offering("activator", "fancy", "plain"))

    found = load(site)

    assert found.find("activator", "fancy").source.distribution == "acme"
    assert names(found) == ["fancy", "plain"]
    assert found.warnings == [
        (
            "two plugins offer the activator `fancy`: `mine` of acme 1.2 is used, `yours` of zebra 3.4 is left out; "
            "uninstall one of them, or leave one out with `--no-plugin yours`"
        )
    ]
    assert load(site, "mine").find("activator", "fancy").source.distribution == "zebra"


@pytest.mark.parametrize("options", ["", "(tryfirst=True)", "(trylast=True)"])
def test_a_plugin_cannot_replace_a_built_in_component_by_its_name(site: Site, options: str) -> None:
    site.install("acme", mine=offering("activator", "bash").replace("cloche.hookimpl", f"cloche.hookimpl{options}"))

    found = load(site)

    assert found.find("activator", "bash").source.distribution == "cloche"
    assert found.warnings[0].startswith("two plugins offer the activator `bash`: `builtin` of cloche is used, `mine`")


def test_plugins_with_the_same_name_are_distinguished_by_their_distributions(site: Site) -> None:
    site.install("acme", shell=offering("activator", "fancy"))
    site.install("zebra", shell=offering("activator", "fancy"))

    assert "`--no-plugin zebra`" in load(site).warnings[0]
    assert names(load(site, "zebra")) == ["fancy"]


def test_components_of_different_kinds_may_have_the_same_name(site: Site) -> None:
    site.install("acme", mine=offering("activator", "fancy"))
    site.install("zebra", yours=offering("creator", "fancy"))

    assert load(site).conflicts == []


def test_the_components_of_a_module_with_two_entry_points_are_used_once(site: Site) -> None:
    module = site.module(offering("activator", "fancy"))
    site.metadata("acme", "1.0", {"one": module, "two": module})

    found = load(site)

    assert names(found) == ["fancy"]
    assert statuses(found) == {"one": "loaded", "two": "loaded"}


def test_a_built_in_component_is_replaced_only_if_plugin_and_user_agree(site: Site) -> None:
    site.install("acme", mine=offering("activator", "better", more="replaces = 'bash'"))

    without = load(site)
    assert without.find("activator", "bash").source.distribution == "cloche"
    assert "better" not in [one.name for one in without.all("activator")], "until then it is used only by its name"
    assert without.find("activator", "better").source.distribution == "acme"

    agreed = load(site, bash="better")
    assert agreed.find("activator", "bash").source.distribution == "acme"
    assert "bash" not in [one.name for one in agreed.all("activator")]
    assert [one.name for one in agreed.all("activator")].count("better") == 1
    assert agreed.warnings == []


def test_a_replacement_that_the_plugin_does_not_offer_is_reported(site: Site) -> None:
    site.install("acme", mine=offering("activator", "better"))

    found = load(site, bash="better")

    assert found.find("activator", "bash").source.distribution == "cloche"
    assert found.warnings == ["`replace` in the settings: activator `better` does not offer to replace `bash`"]
    assert load(site, bash="beter").warnings == [
        "`replace` in the settings: unknown component `beter` for `bash`; did you mean `better`?"
    ]


def test_a_descriptor_may_replace_a_built_in_component(site: Site) -> None:
    site.install(
        "acme",
        mine="""
        @cloche.hookimpl
        def cloche_seeders():
            return [cloche.Descriptor("store", "THIS:seeder", replaces="pip")]
        """,
    )

    assert load(site).find("seeder", "pip").source.distribution == "cloche"
    assert load(site, pip="store").find("seeder", "pip").name == "store"


# The version of the plugin interface


def test_a_plugin_for_another_version_of_the_interface_fails(site: Site) -> None:
    site.install("acme-now", now=f"cloche_api_version = {API_VERSION}\n" + offering("activator", "now"))
    site.install("acme-later", later=f"cloche_api_version = {API_VERSION + 1}\n" + offering("activator", "later"))

    found = load(site)

    assert statuses(found) == {"now": "loaded", "later": "failed"}
    assert f"it needs version {API_VERSION + 1} of the plugin interface, but this is version {API_VERSION}" in reason(
        found, "later"
    )


def test_version_1_of_the_interface_keeps_its_hooks_and_arguments() -> None:
    """Hooks and arguments may be added; removing one needs a new version."""
    from cloche.plugins import hookspecs

    expected = {
        "cloche_finders": (),
        "cloche_creators": (),
        "cloche_seeders": (),
        "cloche_activators": (),
        "cloche_commands": (),
        "cloche_created": ("result",),
    }
    assert API_VERSION == 1
    for hook, arguments in expected.items():
        existing = getattr(hookspecs, hook).__code__.co_varnames
        assert set(arguments) <= set(existing), hook


# Many plugins


def test_fifty_plugins_load_in_order(site: Site) -> None:
    for number in range(50):
        site.install(f"acme-{number:02}", **{f"plugin_{number:02}": offering("activator", f"shell-{number:02}")})

    found = load(site)

    assert names(found) == [f"shell-{number:02}" for number in range(50)]
    assert set(statuses(found).values()) == {"loaded"}


# Plugins and the rest of a run


def test_plugins_in_the_current_directory_are_not_loaded(tmp_path: Path) -> None:
    here = Site(tmp_path / "project")
    mark = tmp_path / "imported"
    here.install("trap", trap=f"open({str(mark)!r}, 'w').close()\n")
    variables = {
        name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "CLOCHE_DISABLE_PLUGINS")
    }

    ran = subprocess.run(
        [sys.executable, "-m", "cloche", "plugins", "--json"],
        cwd=here.directory,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "trap" not in [one["name"] for one in json.loads(ran.stdout)["plugins"]]
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    [
        offering("activator", "leaver", more="def scripts(self, environment): raise SystemExit"),
        offering("activator", "leaver", more="def refusal(self, interpreter): raise SystemExit(0)"),
        offering("activator", "leaver", more="def refusal(self, interpreter): raise BaseException('not SystemExit')"),
        "@cloche.hookimpl\ndef cloche_activators(): return [cloche.Descriptor('leaver', 'fake_plugin_leaver:it')]",
    ],
)
def test_a_run_that_a_plugin_ends_is_a_failure(site: Site, tmp_path: Path, text: str) -> None:
    site.install("acme", leaver=text)
    site.module("raise SystemExit(0)", "fake_plugin_leaver")

    ran = subprocess.run(
        [sys.executable, "-m", "cloche", "./env", "--no-seed", "--activators", "leaver"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 6
    assert "SystemExit" in ran.stderr
    assert not (tmp_path / "env").exists()


def test_an_activator_is_used_again_as_soon_as_its_module_is_fixed(site: Site, tmp_path: Path) -> None:
    site.install(
        "acme",
        late="@cloche.hookimpl\ndef cloche_activators(): return [cloche.Descriptor('late', 'fake_plugin_late:it')]",
    )
    site.module("raise ValueError('not yet')", "fake_plugin_late")
    names = []
    for number in range(3):
        if number == 2:
            (site.directory / "fake_plugin_late.py").write_text(
                "import cloche\n" + offering("activator", "late") + "\nit = cloche_activators()[0]\n"
            )
        command = [sys.executable, "-B", "-m", "cloche", f"env{number}", "--no-seed", "--json"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        names.append("late" in json.loads(ran.stdout)["plan"]["activators"])

    assert names == [False, False, True]


@pytest.mark.parametrize(
    "words", ["./env --no-seed --json", "./env --no-seed --dry-run --json", "plugins --json", "pythons 3 --json"]
)
def test_output_of_a_plugin_goes_to_standard_error_with_json(site: Site, tmp_path: Path, words: str) -> None:
    talk = "import os, sys\nprint('hello')\nsys.__stdout__.write('ahoy')\nos.system('echo goodbye')\n"
    site.install("acme", talker=talk + offering("activator", "talker"))

    command = [sys.executable, "-m", "cloche", *words.split()]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "schema_version" in json.loads(ran.stdout)
    assert all(word in ran.stderr for word in ("hello", "ahoy", "goodbye"))


OPTION = """options = (cloche.Option("greeting", "what to say"),)"""


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ("./env --no-seed", {"CLOCHE_JSON": "1"}),
        ("plugins", {"CLOCHE_JSON": "1"}),
        ("./env --no-seed --greeting hello --json", {}),
        ("./env --no-seed", {"CLOCHE_JSON": "1", "CLOCHE_GREETING": "hello"}),
        ("config", {"CLOCHE_JSON": "1"}),
    ],
)
def test_output_of_a_plugin_goes_to_standard_error_if_json_is_requested_in_another_way(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, variables: dict[str, str]
) -> None:
    site.install("acme", talker="print('hello')\n" + offering("activator", "talker", more=OPTION))
    for name, text in variables.items():
        monkeypatch.setenv(name, text)

    command = [sys.executable, "-m", "cloche", *words.split()]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "schema_version" in json.loads(ran.stdout)
    assert "hello" in ran.stderr


SPEAKING_COMMAND = """
import cloche
print("hello")
@cloche.hookimpl
def cloche_commands():
    print("hello again")
    return [cloche.Descriptor("speak", "nowhere:run")]
"""


@pytest.mark.parametrize("words", ["spot --no-seed --json", "spot --json --nosuch", "hlep --json"])
def test_output_of_a_plugin_whose_command_is_not_meant_goes_to_standard_error(
    site: Site, tmp_path: Path, words: str
) -> None:
    """The plugin is asked whether it has a command of this name."""
    site.install("acme", speaker=SPEAKING_COMMAND)

    command = [sys.executable, "-m", "cloche", *words.split()]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "schema_version" in json.loads(ran.stdout)
    assert "hello again" in ran.stderr


def test_output_of_a_plugin_is_not_part_of_an_activation_command(site: Site, tmp_path: Path) -> None:
    """A shell evaluates that."""
    cloche = [sys.executable, "-m", "cloche"]
    subprocess.run([*cloche, "./env", "--no-seed", "-q"], cwd=tmp_path, capture_output=True, check=True)
    site.install("acme", speaker=SPEAKING_COMMAND, talker="print('hello')\n" + offering("activator", "talker"))

    for options in (["--shell", "bash"], ["--print-env", "dotenv"]):
        command = [*cloche, "activate", "./env", *options]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "hello" not in ran.stdout
        assert f"{tmp_path}/env" in ran.stdout


@pytest.mark.parametrize("base", ["Exception", "BaseException"])
@pytest.mark.parametrize("hook", ["cloche_activators", "cloche_finders", "cloche_commands"])
def test_a_failure_whose_description_fails_does_not_end_the_run(
    site: Site, tmp_path: Path, hook: str, base: str
) -> None:
    text = f"""
import cloche
class Failure({base}):
    def __str__(self):
        raise SystemExit
@cloche.hookimpl
def {hook}():
    raise Failure
"""
    site.install("acme", failing=text)

    command = [sys.executable, "-m", "cloche", "spot", "--no-seed", "-q"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ran.returncode == 0
    assert "Failure" in ran.stderr
    assert (tmp_path / "spot" / "bin" / "activate").exists()


def test_standard_output_is_restored_after_a_failed_run_with_json(site: Site, tmp_path: Path) -> None:
    site.install("acme", talker="print('hello')\n" + offering("activator", "talker"))

    text = (
        "import os\nfrom cloche.__main__ import main\nprint(main(['./e', '--json', '--activators', 'x']), flush=True)"
    )
    text += "\nos.system('echo done')"
    ran = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert ran.stdout.split()[-3:] == ["}", "2", "done"]
