"""Test every hint in the source: it never offers what destroys, and each command and option in it works."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import cloche as api
from cloche.api.arguments import check_choices
from cloche.api.spelling import ARGUMENTS, OTHERS, with_arguments
from cloche.cli.commands import COMMANDS
from cloche.cli.parser import options_of, parse_arguments
from cloche.errors import UsageError
from tests.locks import pylock
from tests.pages import REPOSITORY, cloche_errors
from tests.run import Cloche, clean_environ
from tests.test_architecture import TREES, import_graph

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Hint(NamedTuple):
    """A hint in the source, with `…` for each part that varies."""

    text: str
    location: str


def hints_in_source() -> Iterator[Hint]:
    """Yield every hint: the argument `hint` of any call."""
    for source in cloche_errors.SOURCES:
        for path in sorted(source.rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                for keyword in call.keywords:
                    if keyword.arg == "hint":
                        for text in possible_texts(keyword.value):
                            yield Hint(text, f"{path.relative_to(source.parent)}:{call.lineno}")


def possible_texts(node: ast.expr) -> list[str]:
    """Return every text that an expression may have, with `…` for each part that varies."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Constant(value=None):
            return []
        case ast.JoinedStr(values=parts):
            return combinations([part.value if isinstance(part, ast.FormattedValue) else part for part in parts])
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return combinations([left, right])
        case ast.IfExp(body=body, orelse=otherwise):
            return possible_texts(body) + possible_texts(otherwise)
        case ast.BoolOp(values=values):
            return [text for value in values for text in possible_texts(value)]
        case _:
            return ["…"]


def combinations(parts: list[ast.expr]) -> list[str]:
    texts = [""]
    for part in parts:
        texts = [before + text for before in texts for text in possible_texts(part) or [""]]
    return texts


HINTS = sorted(set(hints_in_source()))


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]*)`", text)


def test_the_source_has_hints() -> None:
    assert len(HINTS) > 120


DESTRUCTIVE = re.compile(
    r"--force(?!-)|\brm\b|--allow-loss|cache clear|\bdelete\b|\bremove\b|\bempt(?:y|ies)\b", re.IGNORECASE
)
"""What a hint must not offer."""

HARMLESS = {
    "create that directory, or remove the link": "a link whose target does not exist",
    "delete or reinstall it, or choose another version with `--pip`, with `--seed` or in the lock file": "a damaged wheel",
    "reinstall virtualenv there with pip, and remove that directory": "what an interrupted run of the stand-in left",
    "choose a path that does not exist, or an empty directory": "nothing is emptied",
    "`--allow-loss` continues without it; nothing was changed": "the user decides about a loss that was just listed",
    "`--allow-loss` continues without what is not available; nothing was changed": "the same",
}
"""Hints that match, and why they destroy nothing that is of use."""


def test_no_hint_offers_what_destroys() -> None:
    assert [hint for hint in HINTS if DESTRUCTIVE.search(hint.text) and hint.text not in HARMLESS] == []


def test_every_exception_is_still_a_hint() -> None:
    assert HARMLESS.keys() <= {hint.text for hint in HINTS}


SAMPLES = {
    "ENV": "venv",
    "DEST": "there",
    "DIR": "here",
    "FILE": "file",
    "CMD": "python",
    "NAME": "pip",
    "VALUE...": "1",
}


@pytest.mark.parametrize(
    "command", sorted({text for hint in HINTS for text in quoted(hint.text) if text.startswith("cloche ")}), ids=str
)
def test_a_command_in_a_hint_is_a_valid_command_line(command: str) -> None:
    parse_hint(command)


def parse_hint(command: str) -> None:
    """Parse a command in a hint, with samples for what varies.

    :raises UsageError: it is not valid.
    """
    words = [SAMPLES.get(word.strip("[]"), word) for word in shlex.split(command)[1:]]
    if words[0] in ("…", "virtualenv-shim") or words[:2] == ["config", "…"]:
        return  # what varies decides, so the tests below run it; or a plugin parses it
    parse_arguments([word.replace("…", "sample") for word in words]).check()


OF_OTHER_PROGRAMS = {"-m", "-r", "-c", "-e"}

OPTIONS = {f"--{option.name}" for command in COMMANDS.values() for option in options_of(command)} | {
    f"-{option.short}" for command in COMMANDS.values() for option in options_of(command) if option.short
}


def test_every_option_in_a_hint_exists() -> None:
    named = [
        (word, hint.location)
        for hint in HINTS
        for text in quoted(hint.text)
        for word in text.split()
        if word.startswith("-") and word != "--"
    ]

    assert len(named) > 30
    assert [(word, location) for word, location in named if word not in OPTIONS | OF_OTHER_PROGRAMS] == []


KINDS = {
    "a command or option": re.compile(r"cloche( .*)?|-.*"),
    "a command of another program": re.compile(
        r"chmod \+x .*|conda|deactivate|ulimit -[nfv]|python -m pip download .*|uv pip compile|pip lock|"
        r"pip install 'cloche\[[a-z]+\]'"
    ),
    "a variable": re.compile(r"[A-Z_]+(=1|=C\.UTF-8)?"),
    "a path": re.compile(r"(\./|~/)?….*|\./.*|\.venv|pyvenv\.cfg|pylock(\.NAME)?\.toml|NAME\.txt|https:"),
    "a name, version or placeholder": re.compile(
        r"[a-z-]+|<?[0-9.]+|NAME(==VERSION)?|pip==24\.0|package\.module:function|=|@|>=3\.10,<3\.13"
    ),
}


def test_everything_that_a_hint_quotes_is_known() -> None:
    unknown = [
        (text, hint.location)
        for hint in HINTS
        for text in quoted(hint.text)
        if not any(kind.fullmatch(text) for kind in KINDS.values())
    ]

    assert unknown == []


VARYING = {
    "cloche/apply/obstacles.py": "tests/transaction/test_obstacles.py",
    "cloche/cli/fleet.py": "the hints of other errors",
    "cloche/cli/config.py": "tests/cli/test_config.py",
    "cloche/cli/dispatch.py": "the hints of other errors",
    "cloche/cli/new_plugin/__init__.py": "tests/plugins/test_new_plugin.py",
    "cloche/cli/help.py": "tests/cli/test_default_environment.py",
    "cloche/cli/run.py": "tests/cli/test_default_environment.py",
    "cloche/store/dependencies.py": "tests/integration/test_seeds.py",
    "cloche/cli/mistakes.py": "tests/unit/test_parser.py",
    "cloche/cli/parser.py": "tests/unit/test_parser.py",
    "cloche/discovery/not_found.py": "tests/unit/test_search.py",
    "cloche/errors.py": "the hints of other errors",
    "cloche/lifecycle/command_failed.py": "tests/unit/test_run_command.py",
    "cloche/lifecycle/move.py": "the hints of other errors",
    "cloche/lifecycle/pack/bytecode.py": "the hints of other errors",
    "cloche/lifecycle/run.py": "tests/unit/test_run_command.py",
    "cloche/lifecycle/upgrade/verification.py": "tests/lifecycle/test_upgrade.py",
    "cloche/model/spec.py": "tests/unit/test_spec.py",
    "cloche/plugins/registry.py": "tests/plugins/test_plugins_command.py",
    "cloche/planning/clearing.py": "tests/integration/test_clearing.py",
    "cloche/store/builds/__init__.py": "tests/unit/test_images.py",
    "cloche/store/fetch/artifacts.py": "tests/seeding/test_downloads.py",
    "cloche/store/fetch/downloads.py": "tests/unit/test_images.py",
    "cloche/store/fetch/pip_settings.py": "tests/seeding/test_index_settings.py",
    "cloche/store/images/__init__.py": "tests/unit/test_images.py",
    "cloche/store/lock_files/pylock.py": "tests/unit/test_lock_files.py",
    "cloche/store/maintenance.py": "tests/transaction/test_obstacles.py",
    "cloche/store/runtimes.py": "the hints of other errors",
    "cloche/store/seed_sources.py": "tests/unit/test_seed_sources.py",
}
"""The modules with hints that vary as a whole, and the tests that check what they say."""


def test_every_hint_that_varies_is_tested_elsewhere() -> None:
    varying = {hint.location.rpartition(":")[0] for hint in HINTS if hint.text == "…"}

    assert varying <= VARYING.keys()
    assert all((REPOSITORY / path).is_file() for path in VARYING.values() if path.startswith("tests/"))


FAILING = [
    "hlep",
    "list",
    "install",
    "venv --frobnicate",
    "info nowhere",
    "info plain",
    "move venv",
    "move venv plain",
    "upgrade nowhere",
    "upgrade venv -p 3.99",
    "run venv",
    "run venv -- no-such-command",
    "cache prun",
    "config gett x",
    "config get promt",
    "help infoo",
    "pythons 3.99",
    "pythons v3.99",
    "pythons nowhere/python",
    "./e -p 3.13-nogil",
    "./e -p =>3.10",
    "./e --creator wishes",
    "./e --activators wishes",
    "./e --seed no-such-seed --no-download",
    "./e --force",
    "./e --cache-dir plain/file",
    "plain --clear",
    "plain --clear --force",
    "venv --clear --force",
    "plain/file",
]


@pytest.mark.parametrize("words", FAILING)
def test_the_commands_in_a_printed_hint_can_be_run(words: str, tmp_path: Path) -> None:
    """Each command is run as it is printed, without placeholders, and is not a usage error."""
    work = tmp_path / "work"
    (work / "plain").mkdir(parents=True)
    (work / "plain" / "file").touch()
    (work / "plain" / "Makefile").touch()
    api.create(work / "venv", seeds=None)
    (work / "venv" / "Makefile").touch()
    cloche = Cloche(work, clean_environ(tmp_path / "home", tmp_path / "cache"))
    done = cloche("--json", *words.split())

    error = done.json["error"]
    assert error["exit_code"] == done.code != 0
    assert error["hint"] in HARMLESS or not DESTRUCTIVE.search(error["hint"] or "")
    for command in quoted(error["hint"] or ""):
        if not command.startswith("cloche ") or re.search(r"\b[A-Z]{3,}\b|…", command):
            continue
        parse_hint(command)
        tried = cloche(*shlex.split(command)[1:])
        assert tried.code != 2 or "missing argument" in tried.err, (command, tried.err)


def modules_of_the_python_interface() -> set[str]:
    """Return the modules whose messages a caller of the Python interface may get; it packs nothing."""
    graph = import_graph(TREES)
    found = ["cloche.api", *(module for module in graph if module.startswith("cloche.builtin"))]
    reached: set[str] = set()
    while found:
        module = found.pop()
        if module not in reached and not module.startswith("cloche.builtin.packers"):
            reached.add(module)
            found += graph[module]
    return reached


def texts_in(node: ast.AST) -> Iterator[str]:
    """Yield every string in a syntax tree that is not documentation, with `…` for each part that varies."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr():
            yield from possible_texts(node)
    for child in ast.iter_child_nodes(node):
        yield from texts_in(child)


def test_the_python_interface_names_no_option() -> None:
    """A command such as `cloche doctor --fix DEST` is no option: it is right for every caller."""
    texts = [(text, module) for module in sorted(modules_of_the_python_interface()) for text in texts_in(TREES[module])]
    named = [(span, module) for text, module in texts for span in quoted(text) if re.match("--?[a-z]", span)]
    kept = {(span, module) for span, module in named if quoted(with_arguments(f"`{span}`")) == [span]}

    assert len(named) > 60
    assert {span for span, _ in kept} == {*OF_OTHER_PROGRAMS - {"-m"}, "--require-hashes", "-e …#egg=NAME"}
    assert {module.rpartition(".")[0] for _, module in kept} <= {"cloche.store.lock_files", "cloche.store.builds"}


@pytest.mark.parametrize("option", [*ARGUMENTS, *OTHERS])
def test_only_options_of_the_command_line_are_spelled_as_arguments(option: str) -> None:
    assert f"--{option}" in OPTIONS or f"-{option}" in OPTIONS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("use `--clear`", 'use `existing="replace"`'),
        ("`--clear --force` would empty it", '`existing="replace-anything"` would empty it'),
        ("`--clear frobnicate`", "`--clear frobnicate`"),
        ("choose one with `-p`", "choose one with `python`"),
        ("`--creator venv`, or `--activators`", '`creator="venv"`, or `activators`'),
        ('`--creator a"b\\`', '`creator="a\\"b\\\\"`'),
        ("`--startup-code a --startup-code b`", '`startup_code=["a", "b"]`'),
        ("`--pip` or `--seed`", '`seeds=["pip==VERSION"]` or `seeds=["pip", "REQUIREMENT"]`'),
        ("`--carry-libraries`", '`options={"carry-libraries": True}`'),
        ("`--no-plugin acme`, `--no-plugin`", "`CLOCHE_DISABLE_PLUGINS=acme`, `CLOCHE_DISABLE_PLUGINS`"),
        ("`cloche doctor --fix there`, `-r`, `--`, --clear", "`cloche doctor --fix there`, `-r`, `--`, --clear"),
    ],
)
def test_an_option_is_spelled_as_an_argument(text: str, expected: str) -> None:
    assert with_arguments(text) == expected


OF_PYTHON = {
    "nothing to replace": ("plain", {"existing": "replace"}, {"existing"}),
    "a project": ("project", {"existing": "replace-anything"}, {"existing"}),
    "another kind": ("venv", {"creator": "portable"}, {"existing"}),
    "an unknown seed": ("./e", {"seeds": ["no-such-seed"], "network": "never"}, {"network", "find_links", "seeds"}),
    "a cache that is a file": ("./e", {"cache": "plain/file"}, {"cache"}),
    "two opposites": ("./e", {"lock": "pylock.toml", "existing": "replace", "extra_packages": "kept"}, {"existing"}),
    "an extra without a lock file": ("./e", {"extras": ["a"]}, {"extras", "lock"}),
    "a seeder without a lock file": ("./e", {"seeder": "lock", "seeds": ["pip"]}, {"lock"}),
    "system packages": ("./e", {"creator": "portable", "site_packages": "system"}, {"creator", "site_packages"}),
}


@pytest.mark.parametrize("case", OF_PYTHON)
def test_an_error_of_the_python_interface_names_arguments_that_exist(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination, choices, named = OF_PYTHON[case]
    monkeypatch.chdir(tmp_path)
    for name in ("plain", "project"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "project" / "Makefile").touch()
    (tmp_path / "pylock.toml").write_text(pylock([]))
    api.create("venv", seeds=None)

    with pytest.raises(api.ClocheError) as caught:
        api.create(destination, **{"seeds": None, **choices})
    error = caught.value
    text = f"{error.message}\n{error.hint}"

    assert str(error) == error.message
    assert not re.search(r"`--?[a-z]", text)
    spans = [span for span in quoted(text) if span.partition("=")[0] in inspect.signature(api.create).parameters]
    assert {span.partition("=")[0] for span in spans} >= named
    for span in spans:
        if "=" in span:
            check_choices(eval(f"dict({span})"))


@pytest.mark.parametrize(
    "choices",
    [{"creator": "--clear"}, {"python": "--clear"}, {"python": ["3", "--clear"]}, {"seeds": ["--clear"]}],
    ids=str,
)
def test_an_option_in_an_argument_is_quoted_as_it_is(choices: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(api.UsageError, match="`--clear`"):
        api.create(tmp_path / "e", **choices)


def test_an_option_as_a_request_is_quoted_as_it_is() -> None:
    with pytest.raises(api.UsageError, match="`--clear` is not a valid Python request"):
        api.find("--clear")


def test_options_in_a_file_are_not_those_of_cloche(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("--find-links\n")

    with pytest.raises(api.UsageError, match="line 1 is not valid: `--find-links` has no value"):
        api.create(tmp_path / "e", lock=path)


def test_a_hint_for_another_program_is_parsed() -> None:
    with pytest.raises(UsageError):
        parse_hint("cloche info --frobnicate")
