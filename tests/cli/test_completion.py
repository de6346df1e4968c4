"""Completion, in real shells: what the Tab key inserts and lists, and that names of files are only names."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from cloche.cli.commands import COMMANDS, COMMON, CREATE
from cloche.cli.completion import bash_words, completion_script
from cloche.cli.completion.suggestions import SAFE, suggest
from cloche.model.interpreter import Host
from cloche.model.value import replace
from tests.plugins.site import Site, site
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["site"]

LINKS = ["auto", "clone", "copy", "hardlink", "symlink"]

# What is suggested


@pytest.fixture
def host(tmp_path: Path) -> Host:
    variables = {"HOME": str(tmp_path), "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"]}
    return Host(variables, str(tmp_path), sys.platform, os.name, sys.executable)


def words(host: Host, *line: str) -> list[str]:
    return sorted(word for word, _ in suggest(line, host).words)


def test_commands_stand_at_the_beginning_or_the_directory_of_a_new_environment(host: Host) -> None:
    assert words(host, "") == sorted(COMMANDS)
    assert suggest([""], host).paths == "directories"
    assert words(host, "co") == ["completion", "config"]
    assert words(host, "-q", "do") == ["doctor"]


def test_every_option_of_a_command_is_suggested_and_none_of_another_tools_spellings(host: Host) -> None:
    for verb in COMMANDS.values():
        shown = {f"--{option.name}" for option in (*COMMON, *verb.options) if not option.hidden}
        assert set(words(host, verb.name, "--")) == shown
    assert set(words(host, "--")) == {f"--{option.name}" for option in (*COMMON, *CREATE)}


def test_an_option_that_is_there_is_not_suggested_again_unless_it_may_be(host: Host) -> None:
    found = words(host, "env", "--clear", "--seed", "x", "--")

    assert "--clear" not in found
    assert "--seed" in found


def test_values_are_those_that_the_option_takes(host: Host) -> None:
    assert words(host, "--link-mode", "") == LINKS
    assert words(host, "env", "--link-mode=c") == ["clone", "copy"]
    assert words(host, "--creator", "") == ["copy", "symlink", "venv"]
    assert words(host, "--seeder", "p") == ["pip"]
    assert words(host, "--activators", "f") == ["fish"]
    assert words(host, "--activators", "bash,f") == ["bash,fish"]
    assert "bash,bash" not in words(host, "--activators", "bash,b")
    assert suggest(["--find-links", ""], host).paths == "directories"
    assert suggest(["--try-first-with", ""], host).paths == "files"


def test_actions_and_shells_are_words_of_their_commands(host: Host) -> None:
    assert words(host, "cache", "") == ["clear", "dir", "prune", "size", "verify"]
    assert words(host, "completion", "") == ["bash", "fish", "nushell", "powershell", "tcsh", "zsh"]
    assert words(host, "cache", "dir", "") == []


@pytest.mark.parametrize("line", [["info", ""], ["doctor", "a", ""], ["move", "a", ""], ["create", ""], ["run", ""]])
def test_environments_are_directories(host: Host, line: list[str]) -> None:
    assert (suggest(line, host).words, suggest(line, host).paths) == ((), "directories")


def test_a_command_that_is_run_is_somebody_elses_line(host: Host) -> None:
    assert (suggest(["run", "env", "--", "--"], host).words, suggest(["run", "env", "--", "x"], host).paths) == (
        (),
        "files",
    )


def furnish(place: Path) -> Path:
    """Make an environment as completion sees it: programs, a script to be sourced, what no name of a program can be."""
    (place / "bin").mkdir(parents=True)
    for name in ("pytest", "python", "ruff", "a b", "$(touch PWNED)"):
        (place / "bin" / name).touch(0o755)
    (place / "bin" / "activate").touch(0o644)
    (place / "bin" / "pycache").mkdir()
    (place / "bin" / "pygone").symlink_to("/nowhere")
    return place


def test_programs_of_the_environment_can_be_run_in_it(host: Host) -> None:
    furnish(Path(host.cwd) / "env")

    assert words(host, "run", "env", "--", "") == ["pytest", "python", "ruff"]
    assert words(host, "run", "./env/", "--", "py") == words(host, "run", "env", "py") == ["pytest", "python"]
    assert suggest(["run", "env", "--", "py"], host).paths == "files"
    assert words(host, "run", "env", "--", "python", "") == []
    assert words(host, "run", "nowhere", "--", "") == words(host, "run", "a\0b", "--", "") == []
    assert "--json" in words(host, "run", "env", "--")


def test_programs_of_an_environment_on_windows_are_named_without_their_suffix(host: Host) -> None:
    scripts = Path(host.cwd) / "env" / "Scripts"
    scripts.mkdir(parents=True)
    for name in ("python.exe", "Activate.ps1", "pip.EXE"):
        (scripts / name).touch()

    assert words(replace(host, os_name="nt"), "run", "env", "--", "p") == ["pip", "python"]


def test_versions_are_those_of_the_pythons_that_were_met(host: Host) -> None:
    subprocess.run([sys.executable, "-m", "cloche", "-p", sys.executable, "--dry-run", host.cwd + "/x"], check=True)
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"

    assert ours in words(host, "-p", "")
    assert ours in words(host, f"-p{ours[:2]}")
    assert ours in words(host, "pythons", "3")
    assert suggest(["-p", "/usr/"], host).paths == "files"


@pytest.mark.parametrize(
    "line", [["--no-such", ""], ["a", "b", "c", ""], ["--clear=x"], ["--", "-"], [], ["info", "a", "b"], ["-", ""]]
)
def test_a_line_that_makes_no_sense_is_no_error(host: Host, line: list[str]) -> None:
    suggest(line, host)


def test_what_plugins_give_is_suggested_too(host: Host, site: Site) -> None:
    site.install(
        "acme",
        wave="""
        class Thing:
            name = "rope"
            options = (cloche.Option("rope-length", "how long"),)
            def refusal(self, interpreter): return None
            def operations(self, interpreter, layout): return []

        @cloche.hookimpl
        def cloche_creators(): return [Thing()]

        @cloche.hookimpl
        def cloche_commands(): return [cloche.Command("wave", "wave a hand", "THIS:main")]
        """,
    )

    assert words(host, "wa") == ["wave"]
    assert words(host, "env", "--rope") == ["--rope-length"]
    assert words(host, "--creator", "ro") == ["rope"]
    assert words(host, "--no-plugin", "") == ["acme"]
    assert suggest(["wave", ""], host).paths == "files"


def test_a_name_that_a_shell_could_take_for_more_than_a_word_is_not_suggested(host: Host, site: Site) -> None:
    site.metadata("acme$(touch_PWNED)", "1.0", {"x": "x"})

    assert words(host, "--no-plugin", "") == []
    every = [word for verb in COMMANDS.values() for word in (verb.name, *verb.choices)]
    assert all(SAFE.issuperset(word) for word in every)


def test_bash_gives_an_equals_sign_as_a_word() -> None:
    assert bash_words(["--link-mode", "=", "co"]) == ["--link-mode=co"]
    assert bash_words(["-p", "x", "--link-mode", "="]) == ["-p", "x", "--link-mode="]
    assert bash_words(["--json", "env"]) == ["--json", "env"]


# In the shells

HOSTILE = ["it's $(touch PWNED)", "a b;touch PWNED", "`touch PWNED`!x", "-n", "star*[x]"]
"""Directories whose names begin with letters that no other name begins with."""


@pytest.fixture
def world(tmp_path: Path) -> dict[str, str]:
    """A directory with hostile names, and the variables for a shell in which `cloche` and `args` are commands."""
    place = tmp_path / "here"
    place.mkdir()
    for name in HOSTILE:
        (place / name).mkdir()
    (place / "file.txt").touch()
    furnish(place / "venv")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "cloche").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cloche "$@"\n')
    (tools / "args").write_text('#!/bin/sh\nprintf "%s\\0" "$@" >"$ARGS.new" && mv "$ARGS.new" "$ARGS"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    return {
        **{name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "ENV", "BASH_ENV", "INPUTRC")},
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(place),
        "ZDOTDIR": str(place),
        "ARGS": str(tmp_path / "args"),
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
    }


class Typist:
    """Somebody at a shell who types lines with Tabs in them; `args` is a command that notes what it was given."""

    def __init__(self, command: list[str], world: dict[str, str], *setup: str) -> None:
        self.noted = Path(world["ARGS"])
        self.shell = pexpect.spawn(
            require(command[0]), command[1:], cwd=world["HOME"], env=world, encoding="utf-8", dimensions=(100, 400)
        )
        for line in setup:
            self.shell.send(f"{line}\r")
        self.shell.send("args ready\r")
        assert self.note() == ["ready"]

    def note(self) -> list[str]:
        """Return what `args` was given, once it was."""
        end = time.monotonic() + 60
        while not self.noted.exists():
            assert time.monotonic() < end, self.seen()
            time.sleep(0.01)
        said = self.noted.read_bytes().decode().split("\0")[:-1]
        self.noted.unlink()
        return said

    def seen(self) -> str:
        """Return what was drawn since this was last asked for."""
        drawn = ""
        try:
            while True:
                drawn += self.shell.read_nonblocking(1 << 16, 0)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return drawn

    def inserted(self, line: str) -> list[str]:
        """Return the words of a line as a command would get them, after Tab was pressed at its end."""
        self.shell.send(f"{line}\t\x01args \r")
        return self.note()

    def lists(self, line: str, *words: str) -> None:
        """Wait until all of some words are drawn after Tab was pressed at the end of a line, and give the line up."""
        self.seen()
        self.shell.send(f"{line}\t")
        drawn, end = "", time.monotonic() + 60
        while not all(word in drawn for word in words):
            assert time.monotonic() < end, drawn
            time.sleep(0.01)
            drawn += self.seen()
        self.shell.send("\x15args drawn\r")
        assert self.note() == ["drawn"]


BASH = (["bash", "--norc", "--noprofile"], "bind 'set show-all-if-ambiguous on'", 'eval "$(cloche completion bash)"')
ZSH = (["zsh", "-f", "-i"], "bindkey -e; autoload -U compinit; compinit -D -u", 'eval "$(cloche completion zsh)"')
TCSH = (["tcsh", "-f"], "bindkey -e; set autolist", 'eval "`cloche completion tcsh`"')


@pytest.fixture(params=[BASH, ZSH, TCSH], ids=["bash", "zsh", "tcsh"])
def typist(request: pytest.FixtureRequest, world: dict[str, str]) -> Iterator[Typist]:
    command, *setup = request.param
    typist = Typist(command, world, *setup)
    yield typist
    typist.shell.close(force=True)


def test_the_tab_key_inserts_what_alone_fits(typist: Typist) -> None:
    assert typist.inserted("cloche doc") == ["cloche", "doctor"]
    assert typist.inserted("cloche --link-mode har") == ["cloche", "--link-mode", "hardlink"]
    assert typist.inserted("cloche --link-mode=har") == ["cloche", "--link-mode=hardlink"]
    assert typist.inserted("cloche env --dry") == ["cloche", "env", "--dry-run"]
    assert typist.inserted("cloche cache ver") == ["cloche", "cache", "verify"]
    assert typist.inserted("cloche run venv -- pyte") == ["cloche", "run", "venv", "--", "pytest"]


def test_the_tab_key_lists_what_fits_if_it_is_more(typist: Typist) -> None:
    typist.lists("cloche cache ", "dir", "size", "verify", "prune", "clear")
    typist.lists("cloche --link-mode ", *LINKS)


@pytest.mark.parametrize(
    ("begin", "name"), [(name[:1] if name[0].isalpha() else f"./{name[0]}", name) for name in HOSTILE if name[0] != "`"]
)
def test_names_of_directories_are_inserted_as_names(
    typist: Typist, begin: str, name: str, world: dict[str, str]
) -> None:
    expected = f"./{name}" if begin.startswith("./") else name

    for command in ("info", "--cache-dir"):
        *before, inserted = typist.inserted(f"cloche {command} {begin}")
        assert (before, inserted.removesuffix("/")) == (["cloche", command], expected)
    assert sorted(path.name for path in Path(world["HOME"]).iterdir() if path.name == "PWNED") == []


FISH = """
cloche completion fish | source
for line in $argv
    complete --do-complete $line | string join \\x1f
    printf '\\x1e'
end
"""


def fish(world: dict[str, str], *lines: str) -> list[list[str]]:
    """Return what fish offers for each line, without what each is for."""
    command = [require("fish"), "--no-config", "-c", FISH, *lines]
    done = subprocess.run(command, cwd=world["HOME"], env=world, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    offers = [section.strip("\n").split("\x1f") for section in done.stdout.split("\x1e")[:-1]]
    return [[offer.partition("\t")[0] for offer in section if offer] for section in offers]


def test_fish_offers_the_same(world: dict[str, str]) -> None:
    offers = fish(
        world, "cloche doc", "cloche --link-mode har", "cloche --link-mode=har", "cloche cache ", "cloche info ./s"
    )
    programs = fish(world, "cloche run venv -- r")

    assert offers[0] == ["doctor"]
    assert offers[1] == ["hardlink"]
    assert offers[2] == ["--link-mode=hardlink"]
    assert offers[3] == ["clear", "dir", "prune", "size", "verify"]
    assert offers[4] == ["./star*[x]/"]
    assert programs == [["ruff"]]
    assert fish(world, "cloche --cache-dir=./s") == [["--cache-dir=./star*[x]/"]]


PWSH = """
. ([scriptblock]::Create((cloche completion powershell) -join "`n"))
foreach ($line in $env:LINES_TO_COMPLETE -split "`n") {
    $done = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null)
    [Console]::WriteLine(($done.CompletionMatches | ForEach-Object { $_.CompletionText }) -join "`t")
}
"""


def test_powershell_offers_the_same(world: dict[str, str]) -> None:
    lines = [
        "cloche doc",
        "cloche --link-mode har",
        "cloche --link-mode=har",
        "cloche cache ",
        "cloche run venv -- r",
        "cloche info ./i",
        "cloche '",
    ]
    done = subprocess.run(
        [require("pwsh"), "-NoProfile", "-NonInteractive", "-Command", PWSH],
        cwd=world["HOME"],
        env={**world, "LINES_TO_COMPLETE": "\n".join(lines)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    offers = [line.split("\t") for line in done.stdout.splitlines()]

    assert offers[0] == ["doctor"]
    assert offers[1] == ["hardlink"]
    assert offers[2] == ["--link-mode=hardlink"]
    assert sorted(offers[3]) == ["clear", "dir", "prune", "size", "verify"]
    assert offers[4] == ["ruff"]
    assert offers[5:] == [
        [""],
        [""],
    ]  # names of files are left to PowerShell, in whose engine alone there is no cmdlet for them


def test_the_scripts_for_bash_and_zsh_are_sound(tmp_path: Path) -> None:
    (tmp_path / "complete.bash").write_text(completion_script("bash"))
    (tmp_path / "complete.zsh").write_text(completion_script("zsh"))
    checked = subprocess.run(
        [require("shellcheck"), "--shell=bash", str(tmp_path / "complete.bash")],
        capture_output=True,
        text=True,
        check=False,
    )
    parsed = subprocess.run([require("zsh"), "-n", str(tmp_path / "complete.zsh")], check=False)

    assert (checked.stdout, parsed.returncode) == ("", 0)
