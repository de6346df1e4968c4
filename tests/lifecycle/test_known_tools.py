"""Test what well-known tools do to environments on purpose: it is not reported, and moves and upgrades keep it."""

from __future__ import annotations

import json
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest

from cloche.lifecycle.tool_edits import TOOL_EDITS, TOOL_FILES
from tests.distributions import make_wheel
from tests.lifecycle.environments import find_problems, run
from tests.lifecycle.test_records import install_like_poetry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def site_packages(env: Path) -> Path:
    return next(env.glob("lib/*/site-packages"))


def edit_like_pipx(env: Path) -> None:
    """pipx adds `-E` to the scripts that it exposes, and a `.pth` with the packages that its environments share."""
    for name in ("plain-say", "plain-show"):
        script = env / "bin" / name
        script.write_text(script.read_text().replace("python\n", "python -E\n", 1))
        assert "python -E\n" in script.read_text()
    (env / "pipx_metadata.json").write_text(json.dumps({"app_paths": [{"__Path__": str(env / "bin" / "plain-say")}]}))
    (site_packages(env) / "pipx_shared.pth").write_text(f"{env.parent}\n")


def edit_like_poetry(env: Path) -> None:
    """poetry installs the project of an environment itself, with absolute paths in its RECORD."""
    install_like_poetry(env, env.parent / "app")


def edit_like_uv_tool(env: Path) -> None:
    """uv writes a receipt for a tool, and a lock file that every user may write to."""
    receipt = f'[tool]\nentrypoints = [{{ name = "plain-say", install-path = "/root/.local/bin/plain-say", from = "{env}" }}]\n'
    (env / "uv-receipt.toml").write_text(receipt)
    (env / ".lock").touch()
    (env / ".lock").chmod(0o666)


def edit_like_nodeenv(env: Path) -> None:
    """nodeenv installs Node.js into an environment, and appends to its activation scripts."""
    (env / "bin" / "node").write_bytes(b"\x7fELF\0")
    (env / "bin" / "node").chmod(0o755)
    (env / "bin" / "nodejs").symlink_to("node")
    module = env / "lib" / "node_modules" / "npm" / "index.js"
    module.parent.mkdir(parents=True)
    module.write_text("module.exports = 1\n")
    (env / "bin" / "npm").symlink_to("../lib/node_modules/npm/index.js")
    with (env / "bin" / "activate").open("a") as file:
        file.write(f"NODE_VIRTUAL_ENV='{env}'\nexport NODE_VIRTUAL_ENV\n")


def edit_like_virtualenvwrapper(env: Path) -> None:
    """virtualenvwrapper writes hooks, the path of the project, and a `.pth`."""
    for name in ("preactivate", "postactivate", "predeactivate", "postdeactivate", "get_env_details"):
        (env / "bin" / name).write_text("#!/bin/sh\n# This hook is sourced.\n")
        (env / "bin" / name).chmod(0o755)
    (env / ".project").write_text(f"{env.parent}\n")
    (site_packages(env) / "_virtualenv_path_extensions.pth").write_text(f"{env.parent}\n")


def edit_like_jupyter(env: Path) -> None:
    """A kernel that is installed with `--sys-prefix` names the Python of its environment."""
    kernel = env / "share" / "jupyter" / "kernels" / "other" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": [str(env / "bin" / "python"), "-m", "ipykernel"]}))


def edit_like_direnv(env: Path) -> None:
    """direnv puts environments below `.direnv`, and names them in a file beside that."""
    (env.parent / ".envrc").write_text(f"source {env}/bin/activate\n")


EDITS: dict[str, Callable[[Path], None]] = {
    "pipx": edit_like_pipx,
    "poetry": edit_like_poetry,
    "uv": edit_like_uv_tool,
    "nodeenv": edit_like_nodeenv,
    "virtualenvwrapper": edit_like_virtualenvwrapper,
    "jupyter": edit_like_jupyter,
    "direnv": edit_like_direnv,
}


def test_every_known_tool_has_a_test() -> None:
    assert {*TOOL_FILES, *(edit.tool for edit in TOOL_EDITS)} <= EDITS.keys()


DAILY = ("pipx", "virtualenvwrapper")
"""The tools that are tested outside the nightly tests: one that changes files, and one that adds some."""


@pytest.mark.parametrize(
    "tool", [pytest.param(tool, marks=[] if tool in DAILY else pytest.mark.nightly) for tool in EDITS]
)
def test_changes_that_a_tool_makes_on_purpose_are_kept_and_not_reported(cloche, populated_env, tool) -> None:
    env, new = populated_env("venv", "3.11"), cloche.cwd / "new"
    EDITS[tool](env)
    assert cloche("doctor", env).out == f"{env}: healthy\n"
    tools = {path.relative_to(env) for path in env.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    verified = cloche("verify", env)
    kernel = "share/jupyter/kernels"
    assert [
        line for line in verified.out.splitlines() if line[:7] in ("added: ", "modifie") and kernel not in line
    ] == [line for line in verified.out.splitlines() if "by-hand" in line or "extra.pth" in line]
    outcome = cloche("move", env, new)
    assert outcome.code == 0, outcome.err
    assert {path.relative_to(new) for path in new.rglob("*") if path.is_file() and path.suffix != ".pyc"} == tools
    problems = find_problems(new, env)
    if tool == "pipx":  # the RECORD describes what pip installed
        assert {problem.split()[-1] for problem in problems} == {"RECORD"}
        assert "python -E\n" in (new / "bin" / "plain-say").read_text()
    else:
        assert problems == []
    assert cloche("doctor", new).out == f"{new}: healthy\n"
    upgraded = cloche("upgrade", "-p", "3.12", new, PIP_NO_INDEX="1")
    assert upgraded.code == 0, upgraded.err
    assert cloche("doctor", new).out == f"{new}: healthy\n"
    kept = {str(path).replace("python3.11", "python3.12") for path in tools if "share/python3" not in str(path)}
    found = {str(path.relative_to(new)) for path in new.rglob("*") if path.is_file()}
    ignored = ("bin/python", "bin/pip", "bin/Activate", ".lock")  # a creator writes these again
    assert {path for path in kept - found if not path.startswith(ignored)} == set()
    if tool == "pipx":
        assert "python -E\n" in (new / "bin" / "plain-say").read_text()
    assert run(new / "bin" / "plain-say").startswith("plain")


def test_scripts_that_pip_installs_again_get_the_edits_of_pipx(cloche, empty_env, tmp_path) -> None:
    """Packages with extension modules are not copied."""
    env = empty_env("venv", "3.11")
    wheels = tmp_path / "wheels"
    for minor in ("311", "312"):
        files = {"native.py": "import sys\ndef main():\n    print(sys.flags.ignore_environment)\n"}
        tag = f"cp{minor}-cp{minor}-{sysconfig.get_platform().replace('-', '_')}"
        make_wheel(wheels, "native", files=files, tags=[tag], entry_points="[console_scripts]\nnative = native:main\n")
    options = ["-q", "--disable-pip-version-check", "--no-index", "--find-links", wheels]
    run(sys.executable, "-m", "pip", "--python", env / "bin" / "python", "install", *options, "native")
    script = env / "bin" / "native"
    script.write_text(script.read_text().replace("python\n", "python -E\n", 1))
    assert run(script) == "1\n"
    outcome = cloche("upgrade", "-p", "3.12", env, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    assert outcome.code == 0, outcome.err
    assert "reinstalled by pip, in a build for the new Python: native 1.0" in outcome.out
    assert run(script) == "1\n"
    assert cloche("doctor", env).out == f"{env}: healthy\n"
