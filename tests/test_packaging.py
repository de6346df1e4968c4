"""Test the declared dependencies, the scripts of continuous integration, and the installed data files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distribution
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.cli.command_spec import COMMON
from cloche.cli.commands import COMMANDS
from cloche.cli.completion import completion_script
from tests.interpreters import pyenv
from tests.test_architecture import REPOSITORY, tomllib
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

sys.path.insert(0, str(REPOSITORY / "docs" / "_ext"))

import cloche_manual


def test_the_oldest_tested_versions_are_the_oldest_allowed_versions() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    bounds = [re.match(r"([\w.-]+)>=([\d.]+)", requirement).groups() for requirement in declared]
    pins = [line.split("==") for line in (REPOSITORY / "tests/minimum.txt").read_text().splitlines() if line[0] != "#"]

    assert {(name, release(version)) for name, version in pins} == {(name, release(bound)) for name, bound in bounds}


def release(version: str) -> tuple[int, ...]:
    """Return a version as three numbers, so that 24 equals 24.0."""
    return (*map(int, version.split(".")), 0, 0)[:3]


@pytest.mark.nightly
@pytest.mark.parametrize("minor", ["3.10", "3.11", "3.12"])
def test_installing_cloche_does_not_replace_the_pip_of_an_environment(minor: str, tmp_path: Path) -> None:
    """The first Python 3.10 came with pip 21.2.3."""
    python = tmp_path / "env/bin/python"
    subprocess.run([pyenv(minor), "-m", "venv", tmp_path / "env"], check=True)
    if minor == "3.10":
        subprocess.run([python, "-m", "pip", "install", "--quiet", "pip==21.2.3"], check=True)
    command = [python, "-m", "pip", "--version"]
    before = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    subprocess.run([python, "-m", "pip", "install", "--quiet", REPOSITORY], check=True)

    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == before
    assert subprocess.run([python, "-m", "cloche", tmp_path / "new"], check=False).returncode == 0


def test_the_scripts_of_continuous_integration_pass_shellcheck() -> None:
    scripts = sorted(str(path) for path in (REPOSITORY / ".ci").iterdir())
    done = subprocess.run([require("shellcheck"), *scripts], capture_output=True, text=True, check=False)

    assert done.stdout == ""


PROJECTS = [REPOSITORY, *sorted(path.parent for path in REPOSITORY.glob("plugins/*/pyproject.toml"))]


def project_table(directory: Path) -> dict:
    return tomllib.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("directory", PROJECTS, ids=lambda directory: directory.name)
def test_every_distribution_has_the_version_and_links(directory: Path) -> None:
    """The links of a plugin follow from those of cloche, where you change them first; the license is the same."""
    project, links = project_table(directory), project_table(REPOSITORY)["urls"]

    assert project["version"] == cloche.__version__
    assert project["license-files"] == ["LICENSE"]
    assert (directory / "LICENSE").read_bytes() == (REPOSITORY / "LICENSE").read_bytes()
    if directory == REPOSITORY:
        assert links["Issues"] == f"{links['Source']}/issues"
        assert links["Changelog"] == f"{links['Source']}/blob/main/CHANGELOG.md"
    else:
        page = f"{links['Documentation']}en/latest/reference/plugins.html#{directory.name}"
        assert project["name"] == directory.name
        assert project["urls"] == {**links, "Documentation": page}


OWN_ADDRESS = re.compile(
    r"[\w.-]*\b(?!example\.)[\w-]+\.(?:com|org|io|dev|net)[/:][\w.-]*/?cloche\b|\bcloche[\w-]*\.[a-z]{2,}\.io\b"
)
"""An address of cloche on a hosting service, however it is spelled."""


def test_only_the_metadata_has_the_addresses_of_the_project() -> None:
    """All other places read them from there."""
    command = [require("git"), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    found = set()
    for name in filter(None, listed.split("\0")):
        path = REPOSITORY / name
        if name == "tests/test_packaging.py" or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.name == "pyproject.toml":
            text = "".join(line for line in text.splitlines(keepends=True) if not re.match(r"[A-Z]\w+ = .https:", line))
        found |= {(name, match[0]) for match in OWN_ADDRESS.finditer(text)}

    assert found == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://github.com/acme/cloche", True),
        ("git@github.com:acme/cloche.git", True),
        ("github.com/cloche", True),
        ("cloche.readthedocs.io", True),
        ("https://acme.gitlab.io/cloche/", True),
        ("https://cloche-docs.readthedocs.io/en/latest", True),
        ("https://example.org/cloche", False),
        ("https://docs.example.org/cloche", False),
        ("pluggy.readthedocs.io", False),
        ("io.cloche", False),
    ],
)
def test_addresses_of_the_project_are_recognized(text: str, expected: bool) -> None:
    assert bool(OWN_ADDRESS.search(text)) is expected


def test_the_tutorial_has_the_essential_lines_of_the_example() -> None:
    page = (REPOSITORY / "docs/tutorial/your-first-activator.md").read_text(encoding="utf-8")
    shown = page.partition(":caption: cloche-example/pyproject.toml\n")[2].partition("```")[0].split("\n")

    lines = (REPOSITORY / "plugins/cloche-example/pyproject.toml").read_text(encoding="utf-8").split("\n")
    assert len(shown) > 8
    assert [line for line in shown if line not in lines] == []


@pytest.mark.nightly
def test_every_distribution_is_the_same_when_it_is_built_twice(tmp_path: Path) -> None:
    python = cloche.create(tmp_path / "env", seeds=["pip"]).executable
    groups = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *groups["dist"]], check=True)
    command = [python, REPOSITORY / "tools" / "build_distributions.py", tmp_path / "dist"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "dist").iterdir())) == 2 * len(PROJECTS)


@pytest.mark.nightly
def test_a_release_is_one_command(tmp_path: Path) -> None:
    """In a copy of the checkout; nothing is pushed."""
    checkout = tmp_path / "checkout"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, checkout], check=True)
    for name, text in (("user.name", "Somebody"), ("user.email", "somebody@example.org")):
        subprocess.run(["git", "config", name, text], cwd=checkout, check=True)
    python = cloche.create(tmp_path / "env", seeds=["pip"]).executable
    subprocess.run([python, "-m", "pip", "install", "--quiet", "packaging", "towncrier"], check=True)

    def release(*words: str) -> subprocess.CompletedProcess[str]:
        command = [python, checkout / "tools" / "release.py", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "usage: " in release("soon").stderr
    assert "is not newer than" in release("0.0.1").stderr
    done = release("99.1")
    assert done.stdout.splitlines()[-1] == "git push --atomic origin HEAD v99.1", done.stderr
    git = subprocess.run(
        ["git", "status", "-sb", "--porcelain"], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert "[ahead 1]" in git.stdout
    assert len(git.stdout.splitlines()) == 1
    assert 'version = "99.1"' in (checkout / "plugins/tox-cloche/pyproject.toml").read_text()
    released = (checkout / "CHANGELOG.md").read_text().partition("## 99.1 (")[2].partition("\n## ")[0]
    sections = re.findall(r"^### (\w+)$", released, re.MULTILINE)
    assert sections == [section for section in ("Added", "Changed", "Fixed") if section in sections] != []
    assert [path.name for path in (checkout / "docs/changelog").iterdir()] == ["template.md.jinja"]


# The manual page


@pytest.mark.parametrize("checker", [["groff", "-man", "-Tutf8", "-ww", "-z"], ["mandoc", "-Tlint", "-Werror"]])
def test_the_manual_page_has_no_formatting_errors(tmp_path: Path, checker: list[str]) -> None:
    page = tmp_path / "cloche.1"
    page.write_text(cloche_manual.manual_page(), encoding="utf-8")
    done = subprocess.run([require(checker[0]), *checker[1:], str(page)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_manual_page_has_every_command_and_option() -> None:
    text = cloche_manual.manual_page().replace("\\-", "-")

    assert [name for name in COMMANDS if name != "create" and f'.SS "cloche {name} ' not in text] == []
    options = [option for command in COMMANDS.values() for option in (*command.options, *COMMON) if not option.hidden]
    assert [option.name for option in options if f"--{option.name}" not in text] == []
    assert "--always-copy" not in text


def test_the_manual_page_and_completion_scripts_are_installed() -> None:
    installed = distribution("cloche")
    if json.loads(installed.read_text("direct_url.json") or "{}").get("dir_info", {}).get("editable"):
        pytest.skip("cloche is installed in editable mode, so its data files may be outdated")
    texts = {
        "/".join(path.parts[path.parts.index("share") :]): path.locate().read_text(encoding="utf-8")
        for path in installed.files or ()
        if "share" in path.parts
    }

    assert texts == {
        "share/man/man1/cloche.1": cloche_manual.manual_page(),
        "share/bash-completion/completions/cloche": completion_script("bash"),
        "share/fish/vendor_completions.d/cloche.fish": completion_script("fish"),
        "share/zsh/site-functions/_cloche": completion_script("zsh"),
    }
