"""The documentation is complete: whatever cloche understands, gives, prints or can end with is on a page."""

from __future__ import annotations

import inspect
import os
import re
import textwrap
import types
from typing import TYPE_CHECKING

import pluggy
import pytest

import cloche
from cloche import errors, testing
from cloche.cli import settings
from cloche.cli.commands import COMMANDS, COMMON, INEFFECTIVE
from cloche.planning import pyvenv_cfg
from cloche.plugins import hookspecs
from tests.pages import DOCS, REPOSITORY, blocks, cloche_errors, cloche_reference, page
from tests.run import Cloche
from tests.test_architecture import LAYERS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("verb", COMMANDS.values(), ids=lambda verb: verb.name)
def test_every_command_is_documented_with_every_option_that_it_has(verb: object) -> None:
    text = page("reference/command-line.md")

    assert f"### `{cloche_reference.usage(verb)}`" in text
    undocumented = [option.name for option in (*COMMON, *verb.options) if f"`--{option.name}" not in text]
    assert undocumented == []


def variables() -> set[str]:
    """Return the name of every variable that is read."""
    options = (*COMMON, *(option for verb in COMMANDS.values() for option in verb.options))
    return {cloche_reference.variable_of(option) for option in options if option.sources == "all"} | {
        *settings.OTHER_VARIABLES
    }


def test_every_variable_is_documented() -> None:
    everything = page("reference/command-line.md") + page("reference/settings.md")

    assert {name for name in variables() if f"`{name}`" not in everything} == set()


def test_every_key_of_a_config_file_that_is_no_option_is_documented() -> None:
    assert {key for key in settings.OTHER_KEYS if f"`{key}`\n:" not in page("reference/settings.md")} == set()


def test_every_option_that_has_no_effect_says_so() -> None:
    text = cloche_reference.virtualenv_options()

    assert {name for name in INEFFECTIVE if not re.search(rf"`--{name}\b[^|]*\| no effect", text)} == set()


HOOKS = [name for name in vars(hookspecs) if name.startswith("cloche_")]


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_a_page_with_its_signature_its_age_and_an_example(name: str) -> None:
    text = page(f"reference/hooks/{name}.md")

    assert text.startswith(f"# `{name}`\n")
    assert re.search(rf"^{name}\(.*\)", text, re.MULTILINE)
    assert re.search(r"^Since cloche \d", text, re.MULTILINE)
    assert f"def {name}(" in text
    assert f"| [`{name}`](hooks/{name}.md) | " in page("reference/hooks.md")


@pytest.mark.parametrize("name", ["cloche_finders", "cloche_creators", "cloche_seeders", "cloche_activators"])
def test_every_hook_that_gives_something_says_what_a_good_refusal_is(name: str) -> None:
    text = page(f"reference/hooks/{name}.md")

    assert "## Refusing" in text


@pytest.mark.parametrize("name", HOOKS)
def test_the_example_in_the_docstring_of_a_hook_is_taken_as_a_plugin(name: str) -> None:
    source = textwrap.dedent(str(inspect.getdoc(getattr(hookspecs, name))).partition("Example::")[2])
    plugin = types.ModuleType("acme")
    exec(source, {"cloche": cloche}, vars(plugin))
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)

    manager.check_pending()
    assert [hook.name for hook in manager.get_hookcallers(plugin) or ()] == [name]


def test_everything_that_a_plugin_gives_or_gets_is_documented() -> None:
    text = "".join(page(f"reference/hooks/{name}.md") for name in HOOKS)

    for protocol in (hookspecs.Finder, hookspecs.Creator, hookspecs.Seeder, hookspecs.Activator):
        assert f"### `{protocol.__name__}`" in text
        for name, member in vars(protocol).items():
            assert name.startswith("_") or not inspect.isfunction(member) or f"`{name}(" in text


def test_every_error_is_documented_with_its_exit_code() -> None:
    rows = page("reference/errors.md")
    codes = page("reference/command-line.md")

    for name, item in vars(errors).items():
        if inspect.isclass(item) and issubclass(item, errors.ClocheError):
            assert f"| `{name}` | {item.exit_code} | " in rows
            assert f"\n| {item.exit_code} | " in codes


def test_every_message_that_cloche_can_end_with_is_explained_on_a_page() -> None:
    pages = cloche_errors.pages_by_message()

    assert [message for message in cloche_errors.messages_in_source() if message.text not in pages] == []


def test_no_page_explains_a_message_that_there_is_not() -> None:
    said = {message.text for message in cloche_errors.messages_in_source()}

    assert [(path.name, text) for text, path in cloche_errors.pages_by_message().items() if text not in said] == []


@pytest.mark.parametrize("path", sorted(cloche_errors.PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_a_page_of_errors_has_the_message_its_cause_and_its_cure(path: Path) -> None:
    headings = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]

    assert cloche_errors.messages_on(path)
    assert headings[1:] == ["## Cause", "## Cure"]


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ("raise UsageError('a')", ["a"]),
        ("raise UsageError(f'{x}{y} is')", ["… is"]),
        ("raise UsageError('a' if x else 'b')", ["a", "b"]),
        ('raise UsageError(f\'is {"a" if x else "b"}\')', ["is a", "is b"]),
        ("def f():\n    said = f'a {x}'\n    return UsageError(said)", ["a …"]),
        ("class Own(UsageError): pass\nraise Own('a')", ["a"]),
    ],
)
def test_messages_are_read_from_the_source_as_people_see_them(
    source: str, messages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(cloche_errors, "SOURCES", (tmp_path,))

    assert [message.text for message in cloche_errors.messages_in_source()] == messages


def test_the_whole_facade_is_documented() -> None:
    names = ("python-interface", "hooks", "errors", *(f"hooks/{name}" for name in HOOKS))
    text = "".join(page(f"reference/{name}.md") for name in names)

    assert [name for name in cloche.__all__ if f"`{name}`" not in text and f"`{name}(" not in text] == []


def test_the_whole_contract_kit_is_documented() -> None:
    text = page("reference/contract-kit.md")

    assert [name for name in testing.__all__ if f"`{name}`" not in text and f"`{name}(" not in text] == []


def test_every_key_of_pyvenv_cfg_is_documented(tmp_path: Path) -> None:
    plan = cloche.plan(tmp_path / "env", seeds=None, activators=[], prompt="x")
    (written,) = (one.content for one in plan.operations if getattr(one, "path", "") == pyvenv_cfg.NAME)

    text = page("reference/pyvenv-cfg.md")
    assert [key for key in pyvenv_cfg.parse_settings(written.decode()) if f"| `{key}` |" not in text] == []


def test_the_picture_of_the_layers_shows_the_layers_that_the_tests_hold() -> None:
    text = page("explanation/architecture.md")
    (picture,) = (block.body for block in blocks(DOCS / "explanation/architecture.md") if "facade" in block.body)
    shown = [line.partition("←")[0].split() for line in picture.splitlines()]

    assert [sorted(line) for line in reversed(shown)] == [sorted(names) for names in LAYERS]
    assert {name for names in LAYERS for name in names if f"`{name}`" not in text} <= {"__main__"}


def test_the_architecture_page_names_only_files_that_exist() -> None:
    package = REPOSITORY / "src/cloche"
    named = set(re.findall(r"[a-z_/]+\.py\b", page("explanation/architecture.md")))

    assert len(named) > 15
    assert [
        name for name in sorted(named) if not (package / name).is_file() and not (REPOSITORY / name).is_file()
    ] == []


def test_each_question_about_the_program_is_answered_by_at_most_three_files() -> None:
    section = page("explanation/architecture.md").partition("\n## One question, three files\n")[2].partition("\n## ")[0]
    answers = {row.split("|")[1].strip(): row.count(".py`") for row in section.splitlines() if row.count("?")}

    assert len(answers) == 6
    assert {question: count for question, count in answers.items() if not 1 <= count <= 3} == {}


def test_a_page_that_asks_for_something_unknown_is_an_error() -> None:
    with pytest.raises(KeyError, match="poems"):
        cloche_reference.expand_markers("<!-- generated: poems -->\n")


def test_every_plugin_has_a_place_in_the_reference() -> None:
    text = page("reference/plugins.md")

    for directory in sorted(one.parent.name for one in REPOSITORY.glob("plugins/*/pyproject.toml")):
        assert f"| [`{directory}`](#{directory}) | " in text
        assert f"```{{include}} ../../plugins/{directory}/README.md\n" in text


# What `--json` prints

ELSEWHERE = ("interpreter", "environment", "config", "set", "operations", "images", "provides", "conflicts")
"""What is described once, or on another page."""


def keys(item: object, path: str = "") -> set[str]:
    """Return every key that something is under, as the page writes it."""
    if isinstance(item, list) and item and isinstance(item[0], dict):
        return {key for one in item for key in keys(one, f"{path}[]")}
    if isinstance(item, dict) and item and path.rpartition(".")[2].removesuffix("[]") not in ELSEWHERE:
        return {key for name, inner in item.items() for key in keys(inner, f"{path}.{name}" if path else name)}
    return {path}


def described_keys(heading: str) -> set[str]:
    """Return the keys that the page describes under a heading."""
    section = page("reference/json.md").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("`cloche DEST`", "new"),
        ("`cloche pythons`", "pythons"),
        ("`cloche info`", "info env"),
        ("`cloche doctor`", "doctor env moved"),
        ("`cloche move`", "move env there"),
        ("`cloche upgrade`", "upgrade env --check"),
        ("`cloche activate`", "activate env"),
        ("`cloche plugins`", "plugins"),
        ("`cloche cache`", "cache size"),
        ("`cloche cache`", "cache verify"),
        ("`cloche cache`", "cache prune"),
        ("`cloche config`", "config"),
        ("An environment", "info env"),
    ],
)
def test_every_key_of_an_object_is_described(heading: str, words: str, tmp_path: Path) -> None:
    cloche.create(tmp_path / "env", seeds=["pip"] if "info" in words else None)
    if "moved" in words:
        cloche.create(tmp_path / "before", seeds=None)
        (tmp_path / "before").rename(tmp_path / "moved")

    said = Cloche(tmp_path, os.environ)(*words.split(), "--json").json

    assert said.pop("schema_version") == 1
    actual = keys(said["environment"] if heading == "An environment" else said)
    described = described_keys(heading)
    assert {
        key for key in actual if not any(one in (key, f"{key}[]") or one.startswith(f"{key}[].") for one in described)
    } == set()
    missing_keys = {first(key) for key in described} - {first(key) for key in actual}
    assert missing_keys <= ({"kinds", "size", "damaged", "removed"} if "cache" in words else set())


def first(key: str) -> str:
    return key.partition(".")[0].removesuffix("[]")
