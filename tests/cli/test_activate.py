"""`cloche activate`: a line to evaluate in any shell, and the variables for those that nobody knows."""

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
    "bash": ["bash", "-c", 'eval "$(cloche activate "$ASKED")"; printf %s "$VIRTUAL_ENV"'],
    "dash": ["dash", "-c", 'eval "$(cloche activate "$ASKED" --shell dash)"; printf %s "$VIRTUAL_ENV"'],
    "zsh": ["zsh", "-f", "-c", 'eval "$(cloche activate "$ASKED")"; printf %s "$VIRTUAL_ENV"'],
    "fish": ["fish", "--no-config", "-c", "cloche activate $ASKED | source; printf %s $VIRTUAL_ENV"],
    "tcsh": ["tcsh", "-f", "-c", 'cd $ASKED:q; eval "`cloche activate . --shell tcsh`"; printf %s $VIRTUAL_ENV:q'],
    "pwsh": [
        "pwsh",
        "-NoProfile",
        "-Command",
        ". ([scriptblock]::Create((cloche activate $env:ASKED --shell pwsh))); [Console]::Write($env:VIRTUAL_ENV)",
    ],
}
"""What to type into each shell; the environment is in a variable, because quoting it is not what is tested."""


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    return Cloche(tmp_path, clean_environ(tmp_path / "home", tmp_path / "cache"))


def with_tools(cloche: Cloche) -> dict[str, str]:
    """Return the variables for a shell in which `cloche` is a command."""
    tools = cloche.cwd / "tools"
    tools.mkdir()
    tool = tools / "cloche"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cloche "$@"\n')
    tool.chmod(0o755)
    return {**cloche.environ, "PATH": f"{tools}:{cloche.environ['PATH']}"}


@pytest.mark.parametrize("command", EVALUATE.values(), ids=EVALUATE.keys())
def test_evaluating_the_line_activates(cloche: Cloche, command: Sequence[str]) -> None:
    made = api.create(cloche.cwd / HOSTILE, seeds=None)
    done = subprocess.run(
        [require(command[0]), *command[1:]],
        cwd=cloche.cwd,
        env={**with_tools(cloche), "ASKED": made.location},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.returncode) == (made.location, 0), done.stderr
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
def test_creating_an_environment_ends_with_the_command_for_the_login_shell(
    cloche: Cloche, shell: str, line: str
) -> None:
    done = cloche("it's", "--no-seed", SHELL=f"/bin/{shell}")

    assert done.out.partition("activate with: ")[2].strip() == line


@pytest.mark.parametrize("name", ["-n", "~root", "+x"])
def test_a_name_that_a_shell_would_take_for_something_else_follows_a_dot(cloche: Cloche, name: str) -> None:
    done = cloche("--no-seed", "--", name)

    assert f"./{name}/bin/activate" in done.out.partition("activate with: ")[2]


def test_there_is_no_command_where_its_script_was_not_written_or_cannot_be_typed(cloche: Cloche) -> None:
    assert "activate with" not in cloche("one", "--no-seed", "--activators", "fish").out
    assert "activate with" not in cloche("--no-seed", "--", "two\nlines").out


def test_the_shell_that_starts_cloche_counts_before_the_login_shell(cloche: Cloche) -> None:
    bash = require("bash")
    script = f"'{sys.executable}' -m cloche env --no-seed; true"  # `true`, lest bash becomes the Python
    done = subprocess.run(
        [bash, "-c", script],
        cwd=cloche.cwd,
        env={**cloche.environ, "SHELL": "/bin/fish"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.endswith("activate with: source env/bin/activate\n")


def test_cmd_runs_the_script_itself(cloche: Cloche) -> None:
    made = api.create(cloche.cwd / "an env", seeds=None, activators=())
    (made.bin / "activate.bat").touch()

    assert cloche("activate", "an env", "--shell", "cmd").out == f'"{made.bin}/activate.bat"\n'


def test_a_python_that_is_running_has_its_command_too(cloche: Cloche) -> None:
    made = api.create(cloche.cwd / HOSTILE, seeds=None, activators=["python"])
    line = cloche("activate", made.location, "--shell", "python").out

    program = f"{line}\nimport os; print(os.environ['VIRTUAL_ENV'])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told == f"{made.location}\n"


# Shells of plugins

OLD = ""
"""As plugins were before they could tell how their scripts are used."""

LINE = "def source_line(self, path): return f'read {path!r}'"
"""As a plugin is that only has what it must have."""

WHOLE = """
shells = ("acmesh", "acme")
script_names = ("activate.acme",)
def source_line(self, path): return f"read {path!r}"
"""


@pytest.mark.parametrize(
    ("more", "program", "line"),
    [
        (LINE, "acme", "read 'env/bin/activate.acme'"),
        (WHOLE, "acmesh", "read 'env/bin/activate.acme'"),
        (WHOLE, "other", ""),
        (OLD, "acme", ""),
    ],
)
def test_the_shell_of_a_plugin_gets_its_command(cloche: Cloche, site: Site, more: str, program: str, line: str) -> None:
    site.install("acme-shell", acme=offering("activator", "acme", more=more))
    python_path = {"PYTHONPATH": str(site.directory)}

    for _ in range(3):  # decided, decided again for the byte-code that is new, remembered
        done = cloche("env", "--no-seed", SHELL=f"/bin/{program}", **python_path)
        assert done.out.partition("activate with: ")[2].strip() == line

    asked = cloche("activate", "env", "--shell", program, **python_path)
    found = cloche("activate", "env", SHELL=f"/bin/{program}", **python_path)
    assert asked.out.strip() == found.out.strip() == line.replace("env/", f"{cloche.cwd}/env/")
    assert asked.code == found.code == (0 if line else 2)


def test_a_plugin_that_fails_to_tell_its_command_is_named_and_the_environment_is_there(
    cloche: Cloche, site: Site
) -> None:
    site.install("acme-shell", acme=offering("activator", "acme", more="def source_line(self, path): return 1 / 0"))
    done = cloche("env", "--no-seed", SHELL="/bin/acme", PYTHONPATH=str(site.directory))

    asked = cloche("activate", "env", "--shell", "acme", PYTHONPATH=str(site.directory))

    assert (done.code, asked.code) == (0, 6)
    assert done.out.startswith("created env")
    for err in (done.err, asked.err):
        assert "activator `acme` of plugin `acme` of acme-shell 1.0 failed: ZeroDivisionError" in err


def test_an_environment_of_venv_is_activated_as_well(cloche: Cloche) -> None:
    venv.create(cloche.cwd / "theirs", with_pip=False)
    scripts = cloche.cwd / "theirs" / "bin"

    assert cloche("activate", "theirs", "--shell", "pwsh").out == f". {scripts}/Activate.ps1\n"
    assert cloche("activate", "theirs", "--shell", "bash").out == f"source {scripts}/activate\n"


def test_what_is_not_there_is_told_with_what_does_without(cloche: Cloche) -> None:
    api.create(cloche.cwd / "env", seeds=None, activators=())
    shells = ("bash", "rc", "nu", "")
    refused = {shell: cloche("activate", "env", "--shell", shell, SHELL="/bin/ion") for shell in shells}
    unknown = cloche("activate", "env", SHELL="")

    assert {shell: done.code for shell, done in refused.items()} == {"bash": 4, "rc": 2, "nu": 2, "": 2}
    assert "has no activation script for `bash`" in refused["bash"].err
    assert "no activator supports the shell `rc`" in refused["rc"].err
    assert "no activator supports the shell `nu`" in refused["nu"].err
    assert "install `cloche-nushell`" in refused["nu"].err
    assert "no activator supports the shell `ion`" in refused[""].err
    assert (unknown.code, "cannot detect the current shell" in unknown.err) == (2, True)
    assert all("--print-env" in done.err for done in refused.values())
    assert cloche("activate", "nowhere").code == 4


def test_the_variables_as_json_say_what_to_set_and_what_to_take_away(cloche: Cloche) -> None:
    made = api.create(cloche.cwd / HOSTILE, seeds=None, activators=(), prompt="a b")
    done = cloche("activate", HOSTILE, "--print-env", "json", PATH="/usr/bin")

    assert done.json == {
        "schema_version": 1,
        "set": {"VIRTUAL_ENV": made.location, "VIRTUAL_ENV_PROMPT": "a b", "PATH": f"{made.bin}:/usr/bin"},
        "unset": ["PYTHONHOME"],
    }
    assert cloche("activate", HOSTILE, "--json", PATH="/usr/bin").json == done.json


def test_the_variables_as_dotenv_are_what_a_shell_reads_too(cloche: Cloche) -> None:
    made = api.create(cloche.cwd / 'a $b `c` \\d "e"', seeds=None, activators=())
    (cloche.cwd / "file.env").write_text(cloche("activate", made.location, "--print-env", "dotenv").out)
    program = "import json, os; print(json.dumps([os.environ['VIRTUAL_ENV'], os.environ['PYTHONHOME']]))"
    done = subprocess.run(
        ["sh", "-ac", f'. ./file.env; exec "{sys.executable}" -c "$PROGRAM"'],
        cwd=cloche.cwd,
        env={**os.environ, "PROGRAM": program, "PYTHONHOME": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == [made.location, ""]


def test_the_last_of_two_formats_counts_and_one_contradicts_json(cloche: Cloche) -> None:
    made = api.create(cloche.cwd / "env", seeds=None, activators=())
    dotenv_form, json_form = ("--print-env", "dotenv"), ("--print-env", "json")

    assert cloche("activate", made.location, *dotenv_form, *json_form).json["unset"] == ["PYTHONHOME"]
    assert cloche("activate", made.location, *json_form, *dotenv_form).out.startswith("VIRTUAL_ENV='")
    assert cloche("activate", made.location, *dotenv_form, CLOCHE_JSON="1").out.startswith("VIRTUAL_ENV='")
    refused = cloche("activate", made.location, *dotenv_form, "--json")
    assert (refused.code, refused.out) == (2, "")


@pytest.mark.parametrize("text", ["a'b", "a\nb", "${HOME}", "\\\\server"])
def test_what_readers_of_dotenv_files_do_not_agree_on_is_refused(text: str) -> None:
    with pytest.raises(Inexpressible):
        dotenv(text)
