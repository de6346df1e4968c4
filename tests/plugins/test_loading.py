"""Plugins are found, blocked and loaded one by one; what is wrong with one harms nothing but itself."""

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
from cloche.plugins.components import KINDS
from cloche.plugins.entry_points import find_sources
from cloche.plugins.guard import blocked_names
from cloche.plugins.hookspecs import API_VERSION
from cloche.plugins.registry import load_plugins
from cloche.session import Session
from cloche.testing import fake_environment, fake_host
from tests.plugins.site import Site, giving, reason, statuses

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.plugins.registry import Registry


def registry(site: Site, *blocklist: str, **replace: str) -> Registry:
    return load_plugins([str(site.directory)], frozenset(blocklist), replace)


def names(found: Registry, kind: str = "activator") -> list[str]:
    return [one.name for one in found.all(kind) if one.source.distribution != "cloche"]  # type: ignore[arg-type]


# Found and loaded


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "command"])
def test_a_plugin_is_found_by_its_entry_point_and_what_it_gives_can_be_selected(site: Site, kind: str) -> None:
    site.install("acme-shells", mine=giving(kind, "acme"))

    found = registry(site)

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
    site.install("acme", shell=giving("activator", "acme"))
    site.metadata("acme_commands", "2.0", {"wave": f"{module}:plugin"})

    found = registry(site)

    assert statuses(found) == {"shell": "loaded", "wave": "loaded"}
    assert names(found, "command") == ["wave"]


def test_the_module_that_a_descriptor_names_waits_until_it_is_selected(site: Site) -> None:
    heavy = site.module("class Heavy:\n    name = 'heavy'\ncreator = Heavy()\n")
    site.install(
        "acme",
        mine=f"""
        @cloche.hookimpl
        def cloche_creators():
            return [cloche.Descriptor("heavy", "{heavy}:creator", "weighs a lot")]
        """,
    )

    found = registry(site)

    assert heavy not in sys.modules
    assert found.find("creator", "heavy").load().name == "heavy"


def test_what_a_descriptor_names_in_vain_is_told_with_plugin_and_distribution(site: Site) -> None:
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
    ) as told:
        registry(site).find("creator", "heavy").load()

    assert "`--no-plugin mine`" in str(told.value.hint)


def test_the_box_is_loaded_where_nothing_is_installed(tmp_path: Path) -> None:
    found = load_plugins([str(tmp_path)])

    assert found.find("creator", "symlink").source.distribution == "cloche"
    assert found.find("seeder", "app-data").name == "pip"
    assert statuses(found) == {}


def test_the_order_of_installation_means_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = []
    for attempt in range(3):
        site = Site(tmp_path / str(attempt))
        monkeypatch.syspath_prepend(str(site.directory))
        letters = list("abcdef")
        random.shuffle(letters)
        for letter in letters:
            site.install(f"acme-{letter}", **{f"plugin_{letter}": giving("activator", f"shell-{letter}")})
        orders.append(names(registry(site)))

    assert orders == [[f"shell-{letter}" for letter in "abcdef"]] * 3


def test_of_a_distribution_that_is_installed_twice_the_first_on_the_path_is_used(tmp_path: Path, site: Site) -> None:
    second = Site(tmp_path / "second")
    site.install("acme", "2.0", new=giving("activator", "new"))
    second.install("Acme", "1.0", old=giving("activator", "old"))

    found = load_plugins([str(site.directory), str(second.directory)])

    assert names(found) == ["new"]
    assert statuses(found) == {"new": "loaded", "old": "shadowed"}
    assert str(site.directory) in reason(found, "old")


def test_a_distribution_without_plugins_hides_an_older_one_with_some(tmp_path: Path, site: Site) -> None:
    (site.directory / "acme-2.0.dist-info").mkdir()
    second = Site(tmp_path / "second")
    second.install("acme", "1.0", old=giving("activator", "old"))

    assert find_sources([str(site.directory), str(second.directory)]) == []


def test_names_of_distributions_are_compared_as_indexes_compare_them(site: Site) -> None:
    site.install("Acme.Shell_Tools", mine=giving("activator", "acme"))

    [source] = find_sources([str(site.directory)])

    assert source.distribution == "acme-shell-tools"
    assert statuses(registry(site, "ACME_Shell.tools")) == {"mine": "blocked"}


def test_entry_points_of_other_groups_and_files_that_cannot_be_read_are_passed_over(site: Site) -> None:
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

    site.install("acme", mine=giving("activator", "acme"), other=giving("creator", "acme"))
    site.metadata("Spaced", "1", {"spaced": "module:attribute [extra]"})
    theirs = {
        (point.name, point.module, point.attr or "")
        for distribution in distributions(path=[str(site.directory)])
        for point in distribution.entry_points
        if point.group == "cloche"
    }

    ours = {(one.name, *one.implementation.partition(":")[::2]) for one in find_sources([str(site.directory)])}

    assert ours == theirs


def test_plugins_in_an_archive_on_the_path_are_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path / "site")
    site.install("acme-zipped", mine=giving("activator", "zipped"))
    archive = tmp_path / "site.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in site.directory.rglob("*"):
            file.write(path, path.relative_to(site.directory))
    monkeypatch.syspath_prepend(str(archive))

    assert "zipped" in names(load_plugins(sys.path))


# Broken


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
        "TypeError: Argument(s) {'everything'}",
    ),
    "unknown-hook": ("@cloche.hookimpl\ndef cloche_wizards(): return []", "TypeError: unknown hook `cloche_wizards`"),
    "misspelt-hook": (
        "@cloche.hookimpl\ndef cloche_activator(): return []",
        "TypeError: unknown hook `cloche_activator`; did you mean `cloche_activators`?",
    ),
    "raises": ("@cloche.hookimpl\ndef cloche_creators(): return 1 / 0", "ZeroDivisionError: division by zero"),
    "late": ("@cloche.hookimpl\ndef cloche_creators():\n    yield 1 / 0", "ZeroDivisionError: division by zero"),
    "exits-later": ("@cloche.hookimpl\ndef cloche_creators(): raise SystemExit", "SystemExit"),
    "nameless": (
        "@cloche.hookimpl\ndef cloche_creators(): return [object()]",
        "expected a creator whose `name` is a word",
    ),
    "blank-name": (
        "@cloche.hookimpl\ndef cloche_creators(): return [cloche.Descriptor('a b', 'x:y')]",
        "expected a creator whose `name` is a word",
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
        "TypeError: 'int' object is not iterable",
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
        giving("creator", "one", "other", "one"),
        "TypeError: `cloche_creators` returned two components named `one`",
    ),
    "without-end": (
        "@cloche.hookimpl\ndef cloche_creators():\n    while True: yield cloche.Descriptor('a', 'x:y')",
        "TypeError: `cloche_creators` returned more than 1000 items",
    ),
    "function": (
        "@cloche.hookimpl\ndef cloche_commands(): return [cloche.Command('a', 'do it', len)]",
        "TypeError: command `a` has <built-in function len> as `implementation`: expected a text",
    ),
    "summary": (
        giving("creator", "a", more="summary = property(lambda self: 1 / 0)"),
        "ZeroDivisionError: division by zero",
    ),
    "half": (
        "class Half:\n    name = 'half'\n@cloche.hookimpl\ndef cloche_creators(): return [Half()]",
        "TypeError: `cloche_creators` returned the creator `half`, which has no `refusal`",
    ),
    "multi-line": ("raise ValueError('first\\nsecond')", "ValueError: first second"),
}


@pytest.mark.parametrize(("text", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_named_with_its_cause_and_skipped(site: Site, text: str, told: str) -> None:
    site.install("acme-good", good=giving("activator", "good"))
    site.install("acme-broken", "0.3", broken=text)
    site.install("zebra", striped=giving("activator", "striped"))

    found = registry(site)

    assert statuses(found) == {"good": "loaded", "broken": "failed", "striped": "loaded"}
    assert names(found) == ["good", "striped"]
    [complaint] = found.warnings
    assert complaint.startswith("plugin `broken` of acme-broken 0.3 was skipped: ")
    assert told in complaint
    assert "\n" not in complaint


def test_an_entry_point_that_names_what_is_not_there_is_a_broken_plugin(site: Site) -> None:
    site.metadata("acme", "1.0", {"gone": "no_such_module_anywhere", "lost": "os.path:nowhere", "empty": ""})

    assert statuses(registry(site)) == {"gone": "failed", "lost": "failed", "empty": "failed"}


def test_selecting_what_a_broken_plugin_may_give_says_that_it_failed(site: Site) -> None:
    site.install("acme-elvish", elvish="import no_such_module_anywhere")

    with pytest.raises(PluginError, match=r"unknown activator `elvish`; plugin `elvish` of acme-elvish 1\.0") as told:
        registry(site).find("activator", "elvish")

    assert told.value.hint == "`cloche plugins` lists the plugins and what went wrong"


def test_what_a_plugin_gave_before_it_failed_is_not_used(site: Site) -> None:
    site.install(
        "acme",
        mine=giving("activator", "early") + "\n@cloche.hookimpl\ndef cloche_commands(): raise ValueError('late')\n",
    )

    found = registry(site)

    assert names(found) == []
    assert reason(found, "mine") == "ValueError: late"


def test_an_error_after_an_environment_is_made_is_told_and_does_not_keep_others_from_being_told(
    site: Site, tmp_path: Path
) -> None:
    site.install("acme-a", first="@cloche.hookimpl\ndef cloche_created(result): raise RuntimeError('no room')")
    site.install(
        "acme-b",
        second=f"""
        from pathlib import Path
        @cloche.hookimpl
        def cloche_created(result): Path({str(tmp_path / "told")!r}).write_text(repr(result))
        """,
    )

    [(warning, error)] = registry(site).notify_created(fake_environment("/env"))  # type: ignore[arg-type]

    assert warning == "plugin `first` of acme-a 1.0 failed after the environment was created: RuntimeError: no room"
    assert isinstance(error, RuntimeError)
    assert "/env" in (tmp_path / "told").read_text()


@pytest.mark.parametrize("times", [1, 2])
def test_whatever_is_raised_after_an_environment_is_made_is_a_warning(site: Site, tmp_path: Path, times: int) -> None:
    site.install("acme", panics="@cloche.hookimpl\ndef cloche_created(result): raise BaseException('of compiled code')")

    for number in range(times):
        command = [sys.executable, "-m", "cloche", f"env{number}", "--no-seed"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "plugin `panics` of acme 1.0 failed after the environment was created: BaseException" in ran.stderr


def test_who_asks_to_stop_is_heard_while_a_plugin_is_imported(site: Site, tmp_path: Path) -> None:
    site.install("acme", slow="import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")

    ran = subprocess.run(
        [sys.executable, "-m", "cloche", "env"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stderr) == (143, "cloche: interrupted\n")


def test_who_wants_to_be_told_of_new_environments_is_known(site: Site) -> None:
    site.install("acme", mine="@cloche.hookimpl\ndef cloche_created(result): pass")

    assert registry(site).has_created_hooks
    assert not registry(site, "mine").has_created_hooks


# Blocked


def test_a_blocked_plugin_is_not_even_imported(site: Site, tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    site.install("acme-shells", mine=f"open({str(mark)!r}, 'w').close()\n" + giving("activator", "acme"))

    for name in ("mine", "acme-shells", "acme_shells", "*"):
        found = registry(site, name)
        assert statuses(found) == {"mine": "blocked"}, name
        assert names(found) == []
        assert not mark.exists()

    assert found.find("creator", "symlink")
    assert statuses(registry(site)) == {"mine": "loaded"}
    assert mark.exists()


def test_blocking_one_plugin_leaves_the_others_of_its_distribution(site: Site) -> None:
    site.install("acme", one=giving("activator", "one"), two=giving("activator", "two"))

    assert names(registry(site, "one")) == ["two"]


def test_the_box_cannot_be_blocked(site: Site) -> None:
    found = registry(site, "builtin", "*")

    assert found.find("creator", "symlink")
    assert found.warnings == ["plugin `builtin` is part of cloche and cannot be left out"]


def test_a_name_in_the_block_list_that_no_plugin_has_is_told(site: Site) -> None:
    site.install("acme-shells", nushell=giving("activator", "nu"))

    found = registry(site, "nushel", "nushell", "quite-other")

    assert found.warnings == [
        "unknown plugin `nushel`; nothing was left out for it; did you mean `nushell`?",
        "unknown plugin `quite-other`; nothing was left out for it",
    ]


def test_selecting_what_is_blocked_names_what_was_left_out(site: Site) -> None:
    site.install("acme", shells=giving("activator", "acme"))

    with pytest.raises(UsageError, match="unknown activator `acme`") as told:
        registry(site, "shells").find("activator", "acme")

    assert "left out with `--no-plugin`: `shells` of acme 1.0" in str(told.value.hint)


def test_the_block_list_comes_from_flags_and_the_variable() -> None:
    host = fake_host(environ={"CLOCHE_DISABLE_PLUGINS": " a, b\nc,,"})

    assert blocked_names(host, ["d"]) == {"a", "b", "c", "d"}
    assert blocked_names(fake_host()) == frozenset()


def test_a_session_tells_what_is_wrong_with_plugins(site: Site) -> None:
    site.install("acme", broken="raise ValueError('dull blade')")

    with Session(fake_host(), blocklist=frozenset(["nobody"]), access="none") as session:
        assert session.registry.find("creator", "symlink")

    assert session.warnings == [
        "plugin `broken` of acme 1.0 was skipped: ValueError: dull blade",
        "unknown plugin `nobody`; nothing was left out for it",
    ]


@pytest.mark.parametrize("attribute", ["options", "summary", "replaces", "implementation", "name"])
def test_an_object_that_fails_to_say_what_it_is_breaks_its_plugin_alone(site: Site, attribute: str) -> None:
    failing = f"@property\ndef {attribute}(self): raise ValueError('out of order')\n@{attribute}.setter\n"
    site.install("acme", mine=giving("activator", "fancy", more=f"{failing}def {attribute}(self, text): pass"))
    site.install("zebra", yours=giving("activator", "plain"))

    found = registry(site)

    assert statuses(found) == {"mine": "failed", "yours": "loaded"}
    assert "out of order" in found.warnings[0]
    assert names(found) == ["plain"]


def test_of_several_that_failed_the_one_that_has_the_name_is_told(site: Site) -> None:
    site.install("acme", broken="raise ValueError('one')")
    site.install("zebra", fancy_shell="raise ValueError('two')")

    with pytest.raises(PluginError, match=r"`fancy-shell` of zebra .* failed: ValueError: two"):
        registry(site).find("activator", "fancy")


# In conflict


def test_the_later_of_two_components_with_one_name_is_left_out_with_a_warning(site: Site) -> None:
    site.install("acme", "1.2", mine=giving("activator", "fancy"))
    site.install("zebra", "3.4", yours=giving("activator", "fancy", "plain"))

    found = registry(site)

    assert found.find("activator", "fancy").source.distribution == "acme"
    assert names(found) == ["fancy", "plain"]
    assert found.warnings == [
        (
            "two plugins offer the activator `fancy`: `mine` of acme 1.2 is used, `yours` of zebra 3.4 is left out; "
            "uninstall one of them, or leave one out with `--no-plugin yours`"
        )
    ]
    assert registry(site, "mine").find("activator", "fancy").source.distribution == "zebra"


@pytest.mark.parametrize("options", ["", "(tryfirst=True)", "(trylast=True)"])
def test_a_plugin_cannot_take_the_name_of_a_built_in_component(site: Site, options: str) -> None:
    site.install("acme", mine=giving("activator", "bash").replace("cloche.hookimpl", f"cloche.hookimpl{options}"))

    found = registry(site)

    assert found.find("activator", "bash").source.distribution == "cloche"
    assert found.warnings[0].startswith("two plugins offer the activator `bash`: `builtin` of cloche is used, `mine`")


def test_plugins_with_one_name_are_told_apart_by_their_distributions(site: Site) -> None:
    site.install("acme", shell=giving("activator", "fancy"))
    site.install("zebra", shell=giving("activator", "fancy"))

    assert "`--no-plugin zebra`" in registry(site).warnings[0]
    assert names(registry(site, "zebra")) == ["fancy"]


def test_the_same_name_for_different_kinds_of_things_is_no_conflict(site: Site) -> None:
    site.install("acme", mine=giving("activator", "fancy"))
    site.install("zebra", yours=giving("creator", "fancy"))

    assert registry(site).conflicts == []


def test_a_module_with_two_entry_points_gives_what_are_no_commands_once(site: Site) -> None:
    module = site.module(giving("activator", "fancy"))
    site.metadata("acme", "1.0", {"one": module, "two": module})

    found = registry(site)

    assert names(found) == ["fancy"]
    assert statuses(found) == {"one": "loaded", "two": "loaded"}


def test_a_built_in_is_replaced_only_if_the_plugin_offers_it_and_the_user_agrees(site: Site) -> None:
    site.install("acme", mine=giving("activator", "better", more="replaces = 'bash'"))

    without = registry(site)
    assert without.find("activator", "bash").source.distribution == "cloche"
    assert "better" not in [one.name for one in without.all("activator")], "until then it is used by name alone"
    assert without.find("activator", "better").source.distribution == "acme"

    agreed = registry(site, bash="better")
    assert agreed.find("activator", "bash").source.distribution == "acme"
    assert "bash" not in [one.name for one in agreed.all("activator")]
    assert [one.name for one in agreed.all("activator")].count("better") == 1
    assert agreed.warnings == []


def test_consent_without_an_offer_changes_nothing_and_is_told(site: Site) -> None:
    site.install("acme", mine=giving("activator", "better"))

    found = registry(site, bash="better")

    assert found.find("activator", "bash").source.distribution == "cloche"
    assert found.warnings == ["`replace` in the settings: activator `better` does not offer to replace `bash`"]
    assert registry(site, bash="beter").warnings == [
        "`replace` in the settings: unknown component `beter` for `bash`; did you mean `better`?"
    ]


def test_a_descriptor_may_offer_to_replace_as_well(site: Site) -> None:
    site.install(
        "acme",
        mine="""
        @cloche.hookimpl
        def cloche_seeders():
            return [cloche.Descriptor("store", "THIS:seeder", replaces="pip")]
        """,
    )

    assert registry(site).find("seeder", "pip").source.distribution == "cloche"
    assert registry(site, pip="store").find("seeder", "pip").name == "store"


# The interface's version


def test_a_plugin_may_say_for_which_interface_it_is_written(site: Site) -> None:
    site.install("acme-now", now=f"cloche_api_version = {API_VERSION}\n" + giving("activator", "now"))
    site.install("acme-later", later=f"cloche_api_version = {API_VERSION + 1}\n" + giving("activator", "later"))

    found = registry(site)

    assert statuses(found) == {"now": "loaded", "later": "failed"}
    assert f"it needs version {API_VERSION + 1} of the plugin interface, and this is version {API_VERSION}" in reason(
        found, "later"
    )


def test_the_interface_of_version_1_is_what_plugins_were_promised() -> None:
    """Hooks and arguments may be added to these; taking one away would need a new version."""
    from cloche.plugins import hookspecs

    promised = {
        "cloche_finders": (),
        "cloche_creators": (),
        "cloche_seeders": (),
        "cloche_activators": (),
        "cloche_commands": (),
        "cloche_created": ("result",),
    }
    assert API_VERSION == 1
    for hook, arguments in promised.items():
        taken = getattr(hookspecs, hook).__code__.co_varnames
        assert set(arguments) <= set(taken), hook


# Many


def test_fifty_plugins_load_in_little_time_and_in_order(site: Site) -> None:
    for number in range(50):
        site.install(f"acme-{number:02}", **{f"plugin_{number:02}": giving("activator", f"shell-{number:02}")})

    found = registry(site)

    assert names(found) == [f"shell-{number:02}" for number in range(50)]
    assert set(statuses(found).values()) == {"loaded"}


# Where nothing must be found


def test_nothing_that_lies_in_the_current_directory_is_loaded(tmp_path: Path) -> None:
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
        giving("activator", "leaver", more="def scripts(self, environment): raise SystemExit"),
        giving("activator", "leaver", more="def refusal(self, interpreter): raise SystemExit(0)"),
        giving("activator", "leaver", more="def refusal(self, interpreter): raise BaseException('not SystemExit')"),
        "@cloche.hookimpl\ndef cloche_activators(): return [cloche.Descriptor('leaver', 'fake_plugin_leaver:it')]",
    ],
)
def test_a_plugin_that_ends_the_run_does_not_make_it_look_like_a_success(site: Site, tmp_path: Path, text: str) -> None:
    site.install("acme", leaver=text)
    site.module("raise SystemExit(0)", "fake_plugin_leaver")

    ran = subprocess.run(
        [sys.executable, "-m", "cloche", "env", "--no-seed", "--activators", "leaver"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 6
    assert "SystemExit" in ran.stderr
    assert not (tmp_path / "env").exists()


def test_an_activator_that_was_left_out_is_back_as_soon_as_its_module_is_mended(site: Site, tmp_path: Path) -> None:
    site.install(
        "acme",
        late="@cloche.hookimpl\ndef cloche_activators(): return [cloche.Descriptor('late', 'fake_plugin_late:it')]",
    )
    site.module("raise ValueError('not yet')", "fake_plugin_late")
    names = []
    for number in range(3):
        if number == 2:
            (site.directory / "fake_plugin_late.py").write_text(
                "import cloche\n" + giving("activator", "late") + "\nit = cloche_activators()[0]\n"
            )
        command = [sys.executable, "-B", "-m", "cloche", f"env{number}", "--no-seed", "--json"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        names.append("late" in json.loads(ran.stdout)["plan"]["activators"])

    assert names == [False, False, True]


@pytest.mark.parametrize(
    "words", ["env --no-seed --json", "env --no-seed --dry-run --json", "plugins --json", "pythons 3 --json"]
)
def test_what_a_plugin_prints_does_not_get_between_json_and_who_reads_it(
    site: Site, tmp_path: Path, words: str
) -> None:
    talk = "import os, sys\nprint('hello')\nsys.__stdout__.write('ahoy')\nos.system('echo goodbye')\n"
    site.install("acme", talker=talk + giving("activator", "talker"))

    command = [sys.executable, "-m", "cloche", *words.split()]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "schema_version" in json.loads(ran.stdout)
    assert all(said in ran.stderr for said in ("hello", "ahoy", "goodbye"))


OPTION = """options = (cloche.Option("greeting", "what to say"),)"""


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ("env --no-seed", {"CLOCHE_JSON": "1"}),
        ("plugins", {"CLOCHE_JSON": "1"}),
        ("env --no-seed --greeting hello --json", {}),
        ("env --no-seed", {"CLOCHE_JSON": "1", "CLOCHE_GREETING": "hello"}),
        ("config", {"CLOCHE_JSON": "1"}),
    ],
)
def test_nor_where_a_variable_asks_for_json_or_options_of_plugins_are_looked_for(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, variables: dict[str, str]
) -> None:
    site.install("acme", talker="print('hello')\n" + giving("activator", "talker", more=OPTION))
    for name, text in variables.items():
        monkeypatch.setenv(name, text)

    command = [sys.executable, "-m", "cloche", *words.split()]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "schema_version" in json.loads(ran.stdout)
    assert "hello" in ran.stderr


def test_standard_output_is_put_back_where_a_run_that_promised_json_fails(site: Site, tmp_path: Path) -> None:
    site.install("acme", talker="print('hello')\n" + giving("activator", "talker"))

    text = (
        "import os\nfrom cloche.__main__ import main\nprint(main(['env', '--json', '--activators', 'x']), flush=True)"
    )
    text += "\nos.system('echo done')"
    ran = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["2", "done"]
