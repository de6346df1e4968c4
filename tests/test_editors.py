"""Test that language servers see the packages of an environment: pyright (VS Code), Jedi, and Jedi's server for other editors.

They come from the package index, with the Node.js that pyright needs.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

import cloche
from tests.distributions import make_wheel
from tests.interpreters import pyenv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]

MODULE = "def grow(name: str) -> int:\n    return len(name)\n"
SCRIPT = "import spam\n\nreveal_type(spam.grow('x'))\nspam.gro"

JEDI = """
import jedi, sys
found = jedi.create_environment(sys.argv[1], safe=False)
script = jedi.Script("import spam; spam.gro", environment=found)
print(*found.version_info[:2], *(completion.name for completion in script.complete()))
"""


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the programs of an environment that has the language servers."""
    python = cloche.create(tmp_path_factory.mktemp("tools") / "env", seeds=["pip"]).executable
    servers = ["pyright[nodejs]", "jedi", "python-lsp-server"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *servers], check=True)
    return python.parent


@pytest.fixture(params=["symlink", "copy", "venv", "portable", "relocatable", "lock"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A project with an environment in `.venv` that has the package `spam`, and with a script that uses it."""
    wheel = make_wheel(tmp_path / "wheels", "spam", files={"spam.py": MODULE, "py.typed": ""})
    project = tmp_path / "my project"
    project.mkdir()
    (project / "script.py").write_text(SCRIPT)
    choices: cloche.Choices = {"python": pyenv("3.12"), "find_links": [wheel.parent], "network": "never"}
    if request.param == "lock":
        (project / "requirements.txt").write_text("spam==1.0\n")
        cloche.create(project / ".venv", lock=project / "requirements.txt", **choices)
    elif request.param == "relocatable":
        cloche.create(project / "before", seeds=["spam"], relocatable=True, **choices)
        (project / "before").rename(project / ".venv")
    else:
        cloche.create(project / ".venv", seeds=["spam"], creator=request.param, **choices)
    return project


def pyright(tools: Path, project: Path, *options: str, **variables: str) -> tuple[str, list[str]]:
    """Return the type that pyright reveals, and the rules that the script breaks."""
    command = [tools / "python", "-m", "pyright", "--outputjson", *options, "script.py"]
    environ = {**os.environ, **variables}
    done = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    rules = [item["rule"] for item in found if item["severity"] == "error"]
    return "".join(item["message"] for item in found if item["severity"] == "information"), rules


def test_pyright_finds_the_packages(tools: Path, project: Path) -> None:
    """By its configuration, as VS Code passes it, and in an active environment."""
    expected = ('Type of "spam.grow(\'x\')" is "int"', ["reportAttributeAccessIssue"])
    assert pyright(tools, project, "--pythonpath", ".venv/bin/python") == expected
    assert pyright(tools, project, PATH=f"{project}/.venv/bin{os.pathsep}{os.environ['PATH']}") == expected
    (project / "pyrightconfig.json").write_text('{"venvPath": ".", "venv": ".venv"}')
    assert pyright(tools, project) == expected


def test_jedi_finds_the_packages(tools: Path, project: Path) -> None:
    command = [tools / "python", "-c", JEDI, project / ".venv"]

    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "3 12 grow\n"


class Server:
    """A language server that speaks over its standard input and output."""

    def __init__(self, command: list[Path]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.count = 0

    def send(self, method: str, **params: object) -> None:
        assert self.process.stdin is not None
        content = json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
        self.process.stdin.flush()

    def ask(self, method: str, **params: object) -> dict:
        assert self.process.stdin is not None
        self.count += 1
        content = json.dumps({"jsonrpc": "2.0", "id": self.count, "method": method, "params": params}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
        self.process.stdin.flush()
        while (answer := self.receive()).get("id") != self.count:
            pass
        return answer["result"]

    def receive(self) -> dict:
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(self.process.stdout.read(length))


@pytest.fixture
def server(tools: Path) -> Iterator[Server]:
    server = Server([tools / "pylsp"])
    yield server
    server.process.kill()
    server.process.communicate()


def test_the_server_of_jedi_finds_the_packages(server: Server, project: Path) -> None:
    """With the path of the environment in its settings."""
    uri = (project / "script.py").as_uri()
    server.ask("initialize", processId=None, rootUri=project.as_uri(), capabilities={})
    settings = {"pylsp": {"plugins": {"jedi": {"environment": str(project / ".venv")}}}}
    server.send("workspace/didChangeConfiguration", settings=settings)
    server.send("textDocument/didOpen", textDocument={"uri": uri, "languageId": "python", "version": 1, "text": SCRIPT})

    found = server.ask("textDocument/completion", textDocument={"uri": uri}, position={"line": 3, "character": 8})

    assert [item["label"] for item in found["items"]] == ["grow(name)"]
