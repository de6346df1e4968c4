"""Test that the instructions in the documentation work, that code blocks are valid and that links lead to a file."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.cli.commands import COMMANDS
from cloche.store.builds.directories import wheel_inputs
from cloche.store.builds.sources import SourceCode
from tests.pages import (
    DOCS,
    REPOSITORY,
    SHELLS,
    Command,
    Reader,
    blocks,
    cloche_reference,
    console_commands,
    output_matches,
)
from tests.tools import require, skip_missing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _pytest.mark import ParameterSet

PAGES = [
    path
    for path in sorted(DOCS.rglob("*.md"))
    if any(block.language in ("console", "python") for block in blocks(path))
]


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A reachable package index, for pages that install packages."""
    directory = str(tmp_path_factory.mktemp("downloads"))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, "hatchling"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        skip_missing("no package index can be reached")


def readings() -> Iterator[ParameterSet]:
    """Yield each page, and whether it is read at night; pages that have blocks for the night are also read without them."""
    for path in PAGES:
        if "<!-- takes long -->" in path.read_text(encoding="utf-8"):
            yield pytest.param(path, True, marks=pytest.mark.nightly, id=path.stem)
            continue
        yield pytest.param(path, False, id=path.stem)
        if any(block.nightly for block in blocks(path)):
            yield pytest.param(
                path, True, marks=(pytest.mark.nightly, pytest.mark.timeout(900)), id=f"{path.stem}-night"
            )


@pytest.mark.parametrize(("path", "nightly"), [*readings()])
def test_the_instructions_of_a_page_work(
    path: Path, nightly: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    text = path.read_text(encoding="utf-8")
    for tool in re.findall(r"<!-- needs: (\S+) -->", text):
        require(tool)
    if "<!-- needs an index -->" in text or (nightly and "<!-- at night: it needs an index" in text):
        request.getfixturevalue("index")
    reader = Reader(tmp_path / "home", dict(os.environ))
    try:
        assert reader.follow(path, nightly=nightly) > 0
    finally:
        reader.close()


NEWCOMER = (
    "how-to/install",
    "tutorial/first-environment",
    "how-to/lock",
    "how-to/pack-an-environment",
    "how-to/maintain-environments",
    "tutorial/your-first-activator",
)
"""The pages for the first tasks: install it, create, lock, pack and repair an environment, write a plugin."""


def test_the_front_page_leads_to_the_first_tasks_and_their_pages_are_followed() -> None:
    front = (DOCS / "index.md").read_text(encoding="utf-8").partition("```{toctree}")[0]

    assert [page for page in NEWCOMER if page not in front] == []
    assert {DOCS / f"{page}.md" for page in NEWCOMER} <= {*PAGES}


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_a_newcomer_can_follow_the_first_tasks(tmp_path: Path, index: None) -> None:
    """In a new home, with the cloche that the first page installs; each page begins in an empty directory."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("uv", "uvx"):
        (tools / name).symlink_to(require(name))
    require("rc")
    path = [part for part in os.environ["PATH"].split(os.pathsep) if not os.path.exists(os.path.join(part, "cloche"))]
    reader = Reader(tmp_path / "home", {**os.environ, "PATH": os.pathsep.join(path)}, tools)
    try:
        for page in NEWCOMER:
            reader.directory = tmp_path / "home" / page.rpartition("/")[2]
            reader.directory.mkdir()
            reader.type(Command(f"cd {reader.directory}", ""), page)
            if "first-environment" in page:  # the first page ends with another cloche, that of uv
                reader.type(Command("PATH=~/tools/cloche/bin:$PATH", ""), page)
            if "maintain" in page:  # as the page says before it uses the extra
                reader.type(Command("~/tools/cloche/bin/python -m pip install --quiet ~/cloche'[sbom]'", ""), page)
            if "lock" in page:  # its command for pip needs a new one
                reader.type(Command("cloche ~/new-pip --quiet --download; PATH=~/new-pip/bin:$PATH", ""), page)
            reader.follow(DOCS / f"{page}.md")
    finally:
        reader.close()


def test_members_of_a_monorepo_are_built_again_only_if_their_list_of_modules_changes(tmp_path: Path) -> None:
    """The page says so of the projects that it shows."""
    page = DOCS / "how-to/use-in-a-monorepo.md"
    texts = [block.body for block in blocks(page) if block.caption.endswith("pyproject.toml")]
    members = [text for text in texts if "build-system" in tomllib.loads(text)]

    assert len(members) == 2
    for text in members:
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
        found = wheel_inputs(SourceCode("member", path=str(tmp_path), editable=True), tomllib.loads(text))
        assert found
        assert found.only_names


# The tests of the reader


def test_lines_with_a_prompt_are_commands() -> None:
    found = list(console_commands("$ one\nout\n(.venv) $ two\n> more\n$ three\n"))

    assert found == [("one", "out\n"), ("two\nmore", ""), ("three", "")]


@pytest.mark.parametrize(
    ("printed", "shown", "expected"),
    [("a", "a", True), ("a", "b", False), ("ab", "a", False), ("1 ms", "... ms", True), ("a\nb", "a...", False)],
)
def test_an_ellipsis_matches_anything_in_a_line(printed: str, shown: str, expected: bool) -> None:
    assert output_matches(printed, shown) is expected


@pytest.mark.parametrize("printed", ["a\nz", "a\nb\nz", "a\nb\nc\nz"])
def test_an_ellipsis_alone_matches_any_number_of_lines(printed: str) -> None:
    assert output_matches(printed, "a\n...\nz")
    assert not output_matches(printed, "a\n...\ny")


@pytest.mark.parametrize(
    ("body", "error"),
    [("$ false\n", "exits with 1"), ("$ echo one\ntwo\n", "prints"), ("$ exit 3\n", "ended the shell")],
)
def test_a_wrong_page_is_detected(tmp_path: Path, body: str, error: str) -> None:
    wrong = tmp_path / "page.md"
    wrong.write_text(f"# A page\n\n```console\n{body}```\n", encoding="utf-8")
    reader = Reader(tmp_path / "home", dict(os.environ))

    with pytest.raises(AssertionError, match=error):
        reader.follow(wrong)
    reader.close()


PAGE = """\
<!-- at night: it takes long
$ made=tonight
$ echo $made > file
-->
```console
$ cat file
tonight
```

<!-- not followed: it cannot work
$ exit 3
-->

```console
$ exit 3
```

<!-- set-up: the reader has such a file
$ echo "one
> two" > other
-->
```console
$ wc -l < other
2
```
"""


@pytest.mark.parametrize("nightly", [True, False])
def test_a_remark_says_when_a_block_is_followed_and_what_comes_first(tmp_path: Path, nightly: bool) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    reader = Reader(tmp_path / "home", dict(os.environ))
    try:
        assert reader.follow(page, nightly=nightly) == (4 if nightly else 2)
    finally:
        reader.close()
    assert (reader.directory / "file").exists() is nightly


# The README


README = REPOSITORY / "README.md"


def readme_lines() -> list[str]:
    """Return the lines of the first block, each of which chains some commands."""
    return next(blocks(README)).body.splitlines()


def test_the_readme_begins_with_the_two_lines_for_a_checkout() -> None:
    first_screen = README.read_text(encoding="utf-8").splitlines()[:24]

    assert len(readme_lines()) == 2
    assert set(readme_lines()) <= set(first_screen)


def test_continuous_integration_runs_the_second_line_of_the_readme() -> None:
    assert readme_lines()[1] in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")


def test_the_readme_lists_every_command() -> None:
    text = README.read_text(encoding="utf-8")
    rows = [
        f"| `{cloche_reference.usage(command)}` | {cloche_reference.escape_cell(command.summary)} |"
        for command in COMMANDS.values()
    ]

    assert [row for row in rows if row not in text] == []


READ_IN_A_CHECKOUT = [
    README,
    REPOSITORY / "CONTRIBUTING.md",
    *DOCS.rglob("*.md"),
    *REPOSITORY.glob("plugins/*.md"),
    *REPOSITORY.glob("plugins/*/*.md"),
]


@pytest.mark.parametrize("path", READ_IN_A_CHECKOUT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_code_blocks_are_valid_in_their_language(path: Path) -> None:
    for block in blocks(path):
        if block.language == "python":
            compile(block.body, block.caption or path.name, "exec")
        elif block.language == "toml":
            tomllib.loads(block.body)
        elif block.language == "ini":
            configparser.ConfigParser().read_string(block.body)
        elif block.language == "json":
            json.loads(block.body)
        elif block.language in ("bash", "sh"):
            subprocess.run([require("bash"), "-n"], input=block.body, text=True, check=True)
        else:
            known = {"", "console", "text", "{terminal}", "{toctree}", "{include}", "{literalinclude}", *SHELLS}
            known |= {"dockerfile", "make", "yaml"}  # `test_recipes` checks these, or a command on the page reads them
            language = block.language.partition(" ")[0]
            assert language in known or language.startswith("{py:")  # Sphinx reads the description of a Python object


@pytest.mark.parametrize("path", READ_IN_A_CHECKOUT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_links_between_files_lead_to_a_file(path: Path) -> None:
    """People read these files in a checkout as well as on the site."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))

    assert [link for link in links if not (path.parent / link).exists()] == []
