"""Test `cloche activate`: the command to evaluate in each shell, and the variables as JSON and dotenv."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import pytest

import cloche as api
from cloche.cli.activate import dotenv
from cloche.errors import Inexpressible
from tests.plugins.site import offering, site
from tests.run import Cloche, clean_environ
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.plugins.site import Site

__all__ = ["site"]

HOSTILE = "it's  $(touch PWNED)!`x`;#"

EVALUATE = {
    "bash": ["bash", "-c", 'eval "$(cloche activate "$DESTINATION")"; printf %s "$VIRTUAL_ENV"'],
    "dash": ["dash", "-c", 'eval "$(cloche activate "$DESTINATION" --shell dash)"; printf %s "$VIRTUAL_ENV"'],
    "zsh": ["zsh", "-f", "-c", 'eval "$(cloche activate "$DESTINATION")"; printf %s "$VIRTUAL_ENV"'],
    "fish": ["fish", "--no-config", "-c", "cloche activate $DESTINATION | source; printf %s $VIRTUAL_ENV"],
    "tcsh": [
        "tcsh",
        "-f",
        "-c",
        'cd $DESTINATION:q; eval "`cloche activate . --shell tcsh`"; printf %s $VIRTUAL_ENV:q',
    ],
    "pwsh": [
        "pwsh",
        "-NoProfile",
        "-Command",
        ". ([scriptblock]::Create((cloche activate $env:DESTINATION --shell pwsh))); [Console]::Write($env:VIRTUAL_ENV)",
    ],
}
"""What a user types into each shell. The destination is in a variable, so that the test need not quote it."""


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    return Cloche(tmp_path, clean_environ(tmp_path / "home", tmp_path / "cache"))


def environ_with_command(cloche: Cloche) -> dict[str, str]:
    """Return environment variables with a PATH on which `cloche` is a command."""
    tools = cloche.cwd / "tools"
    tools.mkdir()
    tool = tools / "cloche"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cloche "$@"\n')
    tool.chmod(0o755)
    return {**cloche.environ, "PATH": f"{tools}:{cloche.environ['PATH']}"}


@pytest.mark.parametrize("command", EVALUATE.values(), ids=EVALUATE.keys())
def test_evaluating_the_command_activates_the_environment(cloche: Cloche, command: Sequence[str]) -> None:
    environment = api.create(cloche.cwd / HOSTILE, seeds=None)
    done = subprocess.run(
        [require(command[0]), *command[1:]],
        cwd=cloche.cwd,
        env={**environ_with_command(cloche), "DESTINATION": environment.location},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.returncode) == (environment.location, 0), done.stderr
    assert not (cloche.cwd / "PWNED").exists()


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "source 'it'\\''s/bin/activate'"),
        ("sh", ". 'it'\\''s/bin/activate'"),
        ("fish", "source 'it\\'s/bin/activate.fish'"),
        ("tcsh", "source it\\'s/bin/activate.csh"),
        ("pwsh", ". 'it''s/bin/activate.ps1'"),
        ("ion", ""),
        ("elvish", ""),
    ],
)
def test_create_prints_the_command_for_the_login_shell(cloche: Cloche, shell: str, line: str) -> None:
    done = cloche("it's", "--no-seed", SHELL=f"/bin/{shell}")

    assert done.out.partition("activate with: ")[2].strip() == line


@pytest.mark.parametrize("name", ["-n", "~root", "+x"])
def test_a_name_with_a_special_meaning_in_shells_gets_a_dot_in_front(cloche: Cloche, name: str) -> None:
    done = cloche("--no-seed", "--", name)

    assert f"./{name}/bin/activate" in done.out.partition("activate with: ")[2]


def test_no_command_is_printed_without_a_script_or_for_a_path_that_cannot_be_typed(cloche: Cloche) -> None:
    assert "activate with" not in cloche("one", "--no-seed", "--activators", "fish").out
    assert "activate with" not in cloche("--no-seed", "--", "two\nlines").out


def test_the_shell_that_runs_cloche_takes_precedence_over_the_login_shell(cloche: Cloche) -> None:
    bash = require("bash")
    script = (
        f"'{sys.executable}' -m cloche ./env --no-seed; true"  # `true` keeps bash from replacing itself with Python
    )
    done = subprocess.run(
        [bash, "-c", script],
        cwd=cloche.cwd,
        env={**cloche.environ, "SHELL": "/bin/fish"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.endswith("activate with: source env/bin/activate\n")


def test_the_command_for_cmd_is_the_path_of_the_script(cloche: Cloche) -> None:
    environment = api.create(cloche.cwd / "an env", seeds=None, activators=())
    (environment.bin / "activate.bat").touch()

    assert cloche("activate", "an env", "--shell", "cmd").out == f'"{environment.bin}/activate.bat"\n'


def test_the_command_for_python_activates_in_a_running_process(cloche: Cloche) -> None:
    environment = api.create(cloche.cwd / HOSTILE, seeds=None, activators=["python"])
    line = cloche("activate", environment.location, "--shell", "python").out

    program = f"{line}\nimport os; print(os.environ['VIRTUAL_ENV'])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == f"{environment.location}\n"


# Shells of plugins

WITHOUT_LINE = ""
"""An activator without `source_line`, which is optional."""

WITH_LINE = "def source_line(self, path): return f'read {path!r}'"
"""An activator that serves the shell of its own name."""

WITH_SHELLS = """
shells = ("acmesh", "acme")
script_names = ("activate.acme",)
def source_line(self, path): return f"read {path!r}"
"""


@pytest.mark.parametrize(
    ("more", "program", "line"),
    [
        (WITH_LINE, "acme", "read 'env/bin/activate.acme'"),
        (WITH_SHELLS, "acmesh", "read 'env/bin/activate.acme'"),
        (WITH_SHELLS, "other", ""),
        (WITHOUT_LINE, "acme", ""),
    ],
)
def test_the_shell_of_a_plugin_gets_its_command(cloche: Cloche, site: Site, more: str, program: str, line: str) -> None:
    site.install("acme-shell", acme=offering("activator", "acme", more=more))
    python_path = {"PYTHONPATH": str(site.directory)}

    for _ in range(3):  # resolved, resolved again because bytecode is new, and from the plan cache
        done = cloche("./env", "--no-seed", SHELL=f"/bin/{program}", **python_path)
        assert done.out.partition("activate with: ")[2].strip() == line

    requested = cloche("activate", "env", "--shell", program, **python_path)
    detected = cloche("activate", "env", SHELL=f"/bin/{program}", **python_path)
    assert requested.out.strip() == detected.out.strip() == line.replace("env/", f"{cloche.cwd}/env/")
    assert requested.code == detected.code == (0 if line else 2)


def test_the_shell_of_a_plugin_comes_before_a_built_in_one_if_the_environment_has_its_script(
    cloche: Cloche, site: Site
) -> None:
    serves_bash = f"shells = ('bash',)\n{WITH_LINE}"
    site.install("acme-shell", acme=offering("activator", "acme", more=serves_bash))
    python_path = {"PYTHONPATH": str(site.directory), "SHELL": "/bin/bash"}

    both = cloche("./both", "--no-seed", **python_path)
    built_in = cloche("./other", "--no-seed", "--activators", "bash", **python_path)
    hints = [done.out.partition("activate with: ")[2].strip() for done in (both, built_in)]
    commands = [
        cloche("activate", name, *options, **python_path).out.strip()
        for options in ([], ["--shell", "bash"])
        for name in ("both", "other")
    ]

    assert hints == ["read 'both/bin/activate.acme'", "source other/bin/activate"]
    assert commands == [f"read '{cloche.cwd}/both/bin/activate.acme'", f"source {cloche.cwd}/other/bin/activate"] * 2
    named = cloche("activate", "both", "--shell", "acme", **python_path)
    assert named.out.strip() == f"read '{cloche.cwd}/both/bin/activate.acme'"


def test_a_shell_of_a_plugin_without_a_command_leaves_that_of_the_built_in_one(cloche: Cloche, site: Site) -> None:
    site.install("acme-shell", acme=offering("activator", "acme", more="shells = ('bash',)"))
    python_path = {"PYTHONPATH": str(site.directory), "SHELL": "/bin/bash"}

    assert "activate with: source env/bin/activate\n" in cloche("./env", "--no-seed", **python_path).out
    assert cloche("activate", "env", **python_path).out == f"source {cloche.cwd}/env/bin/activate\n"


def test_a_plugin_whose_source_line_fails_is_named_and_the_environment_is_created(cloche: Cloche, site: Site) -> None:
    site.install("acme-shell", acme=offering("activator", "acme", more="def source_line(self, path): return 1 / 0"))
    done = cloche("./env", "--no-seed", SHELL="/bin/acme", PYTHONPATH=str(site.directory))

    activate = cloche("activate", "env", "--shell", "acme", PYTHONPATH=str(site.directory))

    assert (done.code, activate.code) == (0, 6)
    assert done.out.startswith("created env")
    for err in (done.err, activate.err):
        assert "activator `acme` of plugin `acme` of acme-shell 1.0 failed: ZeroDivisionError" in err


def test_an_environment_of_venv_can_be_activated(cloche: Cloche) -> None:
    venv.create(cloche.cwd / "env", with_pip=False)
    scripts = cloche.cwd / "env" / "bin"

    assert cloche("activate", "env", "--shell", "pwsh").out == f". {scripts}/Activate.ps1\n"
    assert cloche("activate", "env", "--shell", "bash").out == f"source {scripts}/activate\n"


def test_a_missing_script_or_activator_is_an_error_that_suggests_print_env(cloche: Cloche) -> None:
    api.create(cloche.cwd / "env", seeds=None, activators=())
    shells = ("bash", "rc", "nu", "")
    refused = {shell: cloche("activate", "env", "--shell", shell, SHELL="/bin/ion") for shell in shells}
    unknown = cloche("activate", "env", SHELL="")

    assert {shell: done.code for shell, done in refused.items()} == {"bash": 4, "rc": 2, "nu": 2, "": 2}
    assert "has no activation script for `bash`" in refused["bash"].err
    assert "no activator supports the shell `rc`" in refused["rc"].err
    assert "choose one of ash, bash" in refused["rc"].err
    assert "no activator supports the shell `nu`" in refused["nu"].err
    assert "install `cloche-nushell`" in refused["nu"].err
    assert "no activator supports the shell `ion`" in refused[""].err
    assert (unknown.code, "cannot detect the current shell" in unknown.err) == (2, True)
    assert all("--print-env" in done.err for done in refused.values())
    assert cloche("activate", "nowhere").code == 4


def test_json_has_the_variables_to_set_and_to_unset(cloche: Cloche) -> None:
    environment = api.create(cloche.cwd / HOSTILE, seeds=None, activators=(), prompt="a b")
    done = cloche("activate", HOSTILE, "--print-env", "json", PATH="/usr/bin")

    assert done.json == {
        "schema_version": 1,
        "warnings": [],
        "set": {
            "VIRTUAL_ENV": environment.location,
            "VIRTUAL_ENV_PROMPT": "a b",
            "PATH": f"{environment.bin}:/usr/bin",
            "PKG_CONFIG_PATH": f"{environment.location}/lib/pkgconfig",
        },
        "unset": ["PYTHONHOME"],
    }
    assert cloche("activate", HOSTILE, "--json", PATH="/usr/bin").json == done.json


def test_a_shell_can_read_the_dotenv_output(cloche: Cloche) -> None:
    environment = api.create(cloche.cwd / 'a $b `c` \\d "e"', seeds=None, activators=())
    (cloche.cwd / "file.env").write_text(cloche("activate", environment.location, "--print-env", "dotenv").out)
    program = "import json, os; print(json.dumps([os.environ['VIRTUAL_ENV'], os.environ['PYTHONHOME']]))"
    done = subprocess.run(
        ["sh", "-ac", f'. ./file.env; exec "{sys.executable}" -c "$PROGRAM"'],
        cwd=cloche.cwd,
        env={**os.environ, "PROGRAM": program, "PYTHONHOME": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == [environment.location, ""]


def test_a_shell_contradicts_the_output_of_variables(cloche: Cloche) -> None:
    """But an option comes before the variable `CLOCHE_JSON`."""
    environment = api.create(cloche.cwd / "env", seeds=None, activators=["bash"])

    for other in (["--json"], ["--print-env", "json"], ["--print-env", "dotenv"]):
        done = cloche("activate", "env", "--shell", "bash", *other)
        assert done.code == 2
        assert f"`--shell` and `{other[0]}` contradict each other" in done.out + done.err
    done = cloche("activate", "env", "--shell", "bash", CLOCHE_JSON="1")
    assert done.out == f"source {environment.bin}/activate\n"


def test_the_last_format_wins_but_dotenv_contradicts_json(cloche: Cloche) -> None:
    environment = api.create(cloche.cwd / "env", seeds=None, activators=())
    dotenv_form, json_form = ("--print-env", "dotenv"), ("--print-env", "json")

    assert cloche("activate", environment.location, *dotenv_form, *json_form).json["unset"] == ["PYTHONHOME"]
    assert cloche("activate", environment.location, *json_form, *dotenv_form).out.startswith("VIRTUAL_ENV='")
    assert cloche("activate", environment.location, *dotenv_form, CLOCHE_JSON="1").out.startswith("VIRTUAL_ENV='")
    refused = cloche("activate", environment.location, *dotenv_form, "--json")
    assert (refused.code, refused.json["error"]["hint"]) == (2, "choose one")


@pytest.mark.parametrize("text", ["a'b", "a\nb", "${HOME}", "\\\\server"])
def test_a_value_that_dotenv_readers_interpret_differently_is_refused(text: str) -> None:
    with pytest.raises(Inexpressible):
        dotenv(text)
