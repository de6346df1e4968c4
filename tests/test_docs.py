"""Test that the documentation is complete: commands, options, settings, hooks, errors, interfaces and JSON keys."""

from __future__ import annotations

import inspect
import os
import re
import runpy
import textwrap
import types
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pluggy
import pytest

import cloche
from cloche import errors, testing
from cloche.api import open_session
from cloche.api.arguments import ALLOWED_VALUES
from cloche.api.spelling import ARGUMENTS
from cloche.cli import settings
from cloche.cli.command_spec import COMMON
from cloche.cli.commands import COMMANDS
from cloche.cli.create import build_request
from cloche.cli.invocation import Invocation
from cloche.cli.virtualenv_options import INEFFECTIVE
from cloche.model import PYVENV_CFG
from cloche.model.value import replace
from cloche.planning import pyvenv_cfg, request_for
from cloche.plugins import hookspecs
from cloche.session import current_host
from tests.pages import DOCS, REPOSITORY, blocks, built_page, cloche_errors, cloche_reference
from tests.run import Cloche
from tests.test_architecture import LAYERS

if TYPE_CHECKING:
    from pathlib import Path

    from cloche import Option


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_every_command_is_documented_with_its_options(command: object) -> None:
    text = built_page("reference/command-line.md")

    assert f"### `{cloche_reference.usage(command)}`" in text
    undocumented = [option.name for option in (*COMMON, *command.options) if f"`--{option.name}" not in text]
    assert undocumented == []


def variables() -> set[str]:
    """Return the names of all environment variables that set an option."""
    options = (*COMMON, *(option for command in COMMANDS.values() for option in command.options))
    return {cloche_reference.variable_of(option) for option in options if option.sources == "all"} | {
        *settings.OTHER_VARIABLES
    }


def test_every_variable_is_documented() -> None:
    text = built_page("reference/command-line.md") + built_page("reference/settings.md")

    assert {name for name in variables() if f"`{name}`" not in text} == set()


def test_every_config_file_key_without_an_option_is_documented() -> None:
    assert {key for key in settings.OTHER_KEYS if f"`{key}`\n:" not in built_page("reference/settings.md")} == set()


def test_the_values_of_each_choice_in_the_python_interface_are_documented() -> None:
    text = built_page("reference/python-interface.md")

    for values in ALLOWED_VALUES.values():
        assert all(f"`{value}`" in text for value in values), values
    assert "One of `keep`, `replace`, `replace-anything`." in text


def test_ineffective_options_are_documented_as_such() -> None:
    text = cloche_reference.virtualenv_options()

    assert {name for name in INEFFECTIVE if not re.search(rf"`--{name}\b[^|]*\| no effect", text)} == set()


HOOKS = [name for name in vars(hookspecs) if name.startswith("cloche_")]


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_page_has_signature_version_and_example(name: str) -> None:
    text = built_page(f"reference/hooks/{name}.md")

    assert text.startswith(f"# `{name}`\n")
    assert re.search(rf"^`+{{py:function}} {name}\(.*\)", text, re.MULTILINE)
    assert re.search(r"^Since cloche \d", text, re.MULTILINE)
    assert f"def {name}(" in text
    assert f"| [`{name}`](hooks/{name}.md) | " in built_page("reference/hooks.md")


@pytest.mark.parametrize(
    "name", ["cloche_finders", "cloche_creators", "cloche_seeders", "cloche_activators", "cloche_packers"]
)
def test_every_hook_for_components_documents_how_to_refuse(name: str) -> None:
    text = built_page(f"reference/hooks/{name}.md")

    assert "## Refusing" in text


@pytest.mark.parametrize("name", HOOKS)
def test_the_example_of_a_hook_is_a_valid_plugin(name: str) -> None:
    source = textwrap.dedent(str(inspect.getdoc(getattr(hookspecs, name))).partition("Example::")[2])
    plugin = types.ModuleType("acme")
    exec(source, {"cloche": cloche}, vars(plugin))
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)

    manager.check_pending()
    assert [hook.name for hook in manager.get_hookcallers(plugin) or ()] == [name]


def test_every_component_protocol_is_documented() -> None:
    text = "".join(built_page(f"reference/hooks/{name}.md") for name in HOOKS)

    for protocol in (hookspecs.Finder, hookspecs.Creator, hookspecs.Seeder, hookspecs.Activator, hookspecs.Packer):
        assert f"{{py:class}} {protocol.__name__}\n" in text
        for name, member in vars(protocol).items():
            assert name.startswith("_") or not inspect.isfunction(member) or f"{{py:method}} {name}(" in text


def test_every_error_class_is_documented_with_its_exit_code() -> None:
    rows = built_page("reference/errors.md")
    codes = built_page("reference/command-line.md")

    for name, item in vars(errors).items():
        if inspect.isclass(item) and issubclass(item, errors.ClocheError):
            assert f"| `{name}` | {item.exit_code} | " in rows
            assert f"\n| {item.exit_code} | " in codes


def test_every_error_message_has_a_page() -> None:
    explained = cloche_errors.pages_by_message()

    assert [message for message in cloche_errors.messages_in_source() if message.text not in explained] == []


def test_every_explained_error_message_exists() -> None:
    raised = {message.text for message in cloche_errors.messages_in_source()}

    assert [(path.name, text) for text, path in cloche_errors.pages_by_message().items() if text not in raised] == []


@pytest.mark.parametrize("path", sorted(cloche_errors.PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_an_error_page_has_message_cause_and_remedy(path: Path) -> None:
    headings = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]

    assert cloche_errors.messages_on(path)
    assert headings[1:] == ["## Cause", "## Remedy"]


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
def test_messages_are_extracted_from_the_source_as_they_are_printed(
    source: str, messages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(cloche_errors, "SOURCES", (tmp_path,))

    assert [message.text for message in cloche_errors.messages_in_source()] == messages


def described_objects(text: str) -> list[str]:
    """Return the names of the Python objects at the top level that a page describes, so that other projects can link to them."""
    found = re.findall(r"^`{4,}\{py:(?:function|class|data|exception)\} (\w+).*\n(:no-index:)?", text, re.MULTILINE)
    return [name for name, is_copy in found if not is_copy]


def test_every_public_name_is_described_once() -> None:
    names = ("python-interface", "hooks", "errors", *(f"hooks/{name}" for name in HOOKS))
    text = "".join(built_page(f"reference/{name}.md") for name in names)

    assert sorted(described_objects(text)) == sorted([*cloche.__all__, *HOOKS])


def test_the_contract_kit_is_documented() -> None:
    assert sorted(described_objects(built_page("reference/contract-kit.md"))) == sorted(testing.__all__)


@pytest.mark.parametrize("name", [name for name in cloche.__all__ if inspect.isfunction(getattr(cloche, name))])
def test_signatures_have_types_and_public_names_only(name: str) -> None:
    """A reader of a signature can import every type in it."""
    signature = inspect.signature(getattr(cloche, name))
    parts = [str(signature.return_annotation), *(str(one.annotation) for one in signature.parameters.values())]
    words = {word for part in parts for word in re.findall(r"(?<![\w'\"-])[A-Z]\w+", part)}

    assert all("_empty" not in part for part in parts)
    foreign = {"AbstractContextManager", "Callable", "Iterable", "Iterator", "Mapping", "None", "Path", "Sequence"}
    assert words - set(cloche.__all__) - foreign <= {"F"}
    assert not [one for one in signature.parameters.values() if one.kind is one.VAR_KEYWORD]


def test_functions_with_the_same_arguments_have_the_same_signature() -> None:
    parameters = list(inspect.signature(cloche.create).parameters.values())

    for function in (cloche.create_with_result, cloche.plan, cloche.describe):
        assert list(inspect.signature(function).parameters.values()) == parameters
    assert {**cloche.Choices.__annotations__}.keys() == {one.name for one in parameters[1:]}
    for function in (cloche.find, cloche.load, cloche.cache_directory, cloche.clear_cache):
        shared = [one for one in inspect.signature(function).parameters.values() if one.kind is one.KEYWORD_ONLY]
        assert [one for one in shared if one not in parameters] == []


OPTIONS = [option for option in (*COMMANDS["create"].options, *COMMON) if not option.hidden]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_has_an_argument_with_the_same_effect(
    option: Option, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if option.name not in ARGUMENTS:
        assert option.name in cloche_reference.ELSEWHERE
        return
    monkeypatch.chdir(tmp_path)
    needs = {"force": ["--clear"], "stdlib": ["--creator", "portable"], "carry-libraries": ["--creator", "portable"]}
    lock = ["extra", "group", "no-default-groups", "only-binary", "keep-extra"]
    more = ["--lock", "FILE"] if option.name in lock else needs.get(option.name, [])
    value = {"startup-code": "refuse", "link-mode": "copy", "stdlib": "full"}.get(option.name, option.metavar)
    argv = ["./env", f"--{option.name}", *([value] if option.kind != "flag" else []), *more]
    text = ARGUMENTS[option.name].replace("MODE", "copy").replace("PART", "full").replace("POLICY", "refuse")
    arguments = eval(f"dict({text})")
    if "--lock" in more:
        arguments["lock"] = "FILE"
    elif "portable" in more:
        arguments["creator"] = "portable"

    host = current_host()
    invocation = Invocation(argv, host, 0)
    if option.name in ("cache-dir", "read-only-cache"):
        with invocation.open_session() as expected, open_session(**arguments) as session:
            assert (session.store.root, session._access) == (expected.store.root, expected._access)
        return
    expected = build_request("env", invocation.settings, host)
    spec = replace(expected.spec, consult="nothing")
    assert request_for(host, destination="env", **arguments) == replace(expected, spec=spec)


def test_every_key_of_pyvenv_cfg_is_documented(tmp_path: Path) -> None:
    plan = cloche.plan(tmp_path / "env", seeds=None, activators=[], prompt="x")
    (content,) = (operation.content for operation in plan.operations if getattr(operation, "path", "") == PYVENV_CFG)

    text = built_page("reference/pyvenv-cfg.md")
    assert [key for key in pyvenv_cfg.parse_settings(content.decode()) if f"| `{key}` |" not in text] == []


def test_the_diagram_of_the_layers_matches_the_tested_layers() -> None:
    text = built_page("explanation/architecture.md")
    (diagram,) = (block.body for block in blocks(DOCS / "explanation/architecture.md") if "facade" in block.body)
    shown = [line.partition("←")[0].split() for line in diagram.splitlines()]

    assert [sorted(line) for line in reversed(shown)] == [sorted(names) for names in LAYERS]
    assert {name for names in LAYERS for name in names if f"`{name}`" not in text} <= {"__main__"}


def test_the_architecture_page_names_only_files_that_exist() -> None:
    package = REPOSITORY / "src/cloche"
    named = set(re.findall(r"[a-z_/]+\.py\b", built_page("explanation/architecture.md")))

    assert len(named) > 15
    assert [
        name for name in sorted(named) if not (package / name).is_file() and not (REPOSITORY / name).is_file()
    ] == []


def test_each_question_about_the_program_is_answered_by_at_most_three_files() -> None:
    page = built_page("explanation/architecture.md")
    section = page.partition("\n## One question, three files\n")[2].partition("\n## ")[0]
    answers = {row.split("|")[1].strip(): row.count(".py`") for row in section.splitlines() if row.count("?")}

    assert len(answers) >= 10
    assert {question: count for question, count in answers.items() if not 1 <= count <= 3} == {}


def test_an_unknown_generated_part_is_an_error() -> None:
    with pytest.raises(KeyError, match="poems"):
        cloche_reference.expand_markers("<!-- generated: poems -->\n")


def test_every_plugin_is_in_the_reference() -> None:
    text = built_page("reference/plugins.md")

    for directory in sorted(path.parent.name for path in REPOSITORY.glob("plugins/*/pyproject.toml")):
        assert f"| [`{directory}`](#{directory}) | " in text
        assert f"```{{include}} ../../plugins/{directory}/README.md\n" in text


# The output of `--json`

DESCRIBED_ELSEWHERE = (
    *("interpreter", "environment", "config", "set", "operations", "images", "provides", "conflicts", "outcomes"),
)
"""Keys whose values are described under another heading or on another page."""


def key_paths(item: object, path: str = "") -> set[str]:
    """Return the path of every key in a JSON value in the notation of the page: `pythons[].path`."""
    if isinstance(item, list) and item and isinstance(item[0], dict):
        return {key for element in item for key in key_paths(element, f"{path}[]")}
    if isinstance(item, dict) and item and path.rpartition(".")[2].removesuffix("[]") not in DESCRIBED_ELSEWHERE:
        return {key for name, value in item.items() for key in key_paths(value, f"{path}.{name}" if path else name)}
    return {path}


def described_keys(heading: str) -> set[str]:
    """Return the keys that the page describes under a heading."""
    section = built_page("reference/json.md").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("`cloche DEST`", "./new"),
        ("`cloche pythons`", "pythons"),
        ("`cloche info`", "info env"),
        ("`cloche doctor`", "doctor env moved"),
        ("`cloche verify`", "verify env changed"),
        ("`cloche move`", "move env there"),
        ("`cloche upgrade`", "upgrade env --check"),
        ("`cloche upgrade` with several environments", "upgrade env env --check"),
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
    if "changed" in words:
        (tmp_path / "env/bin/added").write_text("")
    if "moved" in words:
        cloche.create(tmp_path / "before", seeds=None)
        (tmp_path / "before").rename(tmp_path / "moved")

    printed = Cloche(tmp_path, os.environ)(*words.removesuffix(" changed").split(), "--json").json

    assert printed.pop("schema_version") == 1
    assert printed.pop("warnings") == []
    actual = key_paths(printed["environment"] if heading == "An environment" else printed)
    described = described_keys(heading)
    undescribed = {
        path
        for path in actual
        if not any(key in (path, f"{path}[]") or key.startswith(f"{path}[].") for key in described)
    }
    assert undescribed == set()
    missing_keys = {first_key(path) for path in described} - {first_key(path) for path in actual}
    optional = {
        "plugins": {"path", "files"},
        "cache": {"kinds", "size", "damaged", "removed", "linked"},
        "config": set("name value origin path removed exists".split()),
    }
    assert missing_keys <= optional.get(words.split()[0], set())


def first_key(path: str) -> str:
    return path.partition(".")[0].removesuffix("[]")


# The site


class Metadata:
    """Stands for the metadata of a distribution."""

    def __init__(self, *urls: str) -> None:
        self.urls = urls

    def get_all(self, name: str) -> list[str] | None:
        return list(self.urls) or None if name == "Project-URL" else []


@pytest.mark.parametrize("urls", [(), ("Source, https://example.org/cloche", "Issues, https://example.org/issues")])
def test_the_links_of_the_site_are_those_of_the_package(urls: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page has a link that edits it, and the footer has all links, as soon as the package declares them."""
    monkeypatch.setattr("importlib.metadata.metadata", lambda name: Metadata(*urls))
    options = runpy.run_path(str(DOCS / "conf.py"))["html_theme_options"]

    assert options.get("source_repository") == ("https://example.org/cloche" if urls else None)
    assert [icon["url"] for icon in options.get("footer_icons", [])] == [url.partition(", ")[2] for url in urls]


def test_every_image_of_the_theme_exists() -> None:
    conf = runpy.run_path(str(DOCS / "conf.py"))

    for name in (conf["html_theme_options"]["light_logo"], conf["html_theme_options"]["dark_logo"]):
        assert ET.parse(DOCS / "_static" / name).getroot().tag.endswith("}svg")
    assert (DOCS / conf["html_favicon"]).is_file()


def test_every_recipe_is_in_the_list_of_recipes() -> None:
    text = (DOCS / "recipes.md").read_text(encoding="utf-8")
    recipes = {path.stem for path in DOCS.glob("how-to/use-*.md")} - {"use-your-shell"}

    assert {name for name in recipes if text.count(f"how-to/{name}") != 2} == set()
