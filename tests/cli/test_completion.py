"""Test completion: the suggestions, and in real shells what the Tab key inserts and lists."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from cloche.cli.command_spec import COMMON, CREATE
from cloche.cli.commands import COMMANDS
from cloche.cli.completion import bash_words, completion_script
from cloche.cli.completion.suggestions import SAFE, suggest
from cloche.model.interpreter import Host
from cloche.model.value import replace
from tests.plugins.site import Site, offering, site
from tests.run import Cloche
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["site"]

LINKS = ["auto", "clone", "copy", "hardlink", "symlink"]

# Suggestions


@pytest.fixture
def host(tmp_path: Path) -> Host:
    variables = {"HOME": str(tmp_path), "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"]}
    return Host(variables, str(tmp_path), sys.platform, os.name, sys.executable)


def suggested_words(host: Host, *line: str) -> list[str]:
    return sorted(word for word, _ in suggest(line, host).words)


def test_the_first_word_is_a_command_or_a_directory(host: Host) -> None:
    assert suggested_words(host, "") == sorted(COMMANDS)
    assert suggest([""], host).paths == "directories"
    assert suggested_words(host, "co") == ["completion", "config"]
    assert suggested_words(host, "-q", "do") == ["doctor"]


def test_every_option_of_a_command_is_suggested_except_hidden_ones(host: Host) -> None:
    for command in COMMANDS.values():
        shown = {f"--{option.name}" for option in (*command.common_options, *command.options) if not option.hidden}
        assert set(suggested_words(host, command.name, "--")) == shown
    assert set(suggested_words(host, "--")) == {f"--{option.name}" for option in (*COMMON, *CREATE.own_options)}


def test_an_option_is_described_as_it_works_for_the_command(host: Host) -> None:
    descriptions = {name: dict(suggest([name, "--json"], host).words)["--json"] for name in ("run", "info")}

    assert descriptions["run"] == "print an error of cloche as a JSON object"
    assert descriptions["info"] != descriptions["run"]


def test_a_given_option_is_suggested_again_only_if_it_is_repeatable(host: Host) -> None:
    found = suggested_words(host, "env", "--clear", "--seed", "x", "--")

    assert "--clear" not in found
    assert "--seed" in found


def test_values_of_an_option_are_suggested(host: Host) -> None:
    assert suggested_words(host, "--link-mode", "") == LINKS
    assert suggested_words(host, "env", "--link-mode=c") == ["clone", "copy"]
    assert suggested_words(host, "--creator", "") == ["copy", "portable", "symlink", "venv"]
    assert suggested_words(host, "--seeder", "p") == ["pip"]
    assert suggested_words(host, "--activators", "f") == ["fish"]
    assert suggested_words(host, "--activators", "bash,f") == ["bash,fish"]
    assert "bash,bash" not in suggested_words(host, "--activators", "bash,b")
    assert suggest(["--find-links", ""], host).paths == "directories"
    assert suggest(["--lock", ""], host).paths == "files"
    assert suggest(["--try-first-with", ""], host).paths == "files"


def test_actions_and_shells_are_suggested_for_their_commands(host: Host) -> None:
    assert suggested_words(host, "cache", "") == ["clear", "dir", "prune", "size", "verify"]
    assert suggested_words(host, "completion", "") == ["bash", "fish", "nushell", "powershell", "tcsh", "zsh"]
    assert suggested_words(host, "cache", "dir", "") == []


@pytest.mark.parametrize("line", [["info", ""], ["doctor", "a", ""], ["move", "a", ""], ["create", ""], ["run", ""]])
def test_directories_are_suggested_for_environments(host: Host, line: list[str]) -> None:
    assert (suggest(line, host).words, suggest(line, host).paths) == ((), "directories")


def make_environment(path: Path, version: str = "3.12.1") -> None:
    path.mkdir(parents=True)
    (path / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {version}\n")


@pytest.mark.parametrize("command", ["info", "doctor", "verify", "move", "upgrade", "pack", "run", "activate"])
def test_environments_are_suggested_where_a_command_expects_one(host: Host, command: str) -> None:
    here = Path(host.cwd)
    for name in (".venv", "tools", "services/api/.venv", "it's", "$(touch PWNED)"):
        make_environment(here / name)
    (here / "docs").mkdir()

    assert suggested_words(host, command, "") == [".venv", "tools"]
    assert suggested_words(host, command, ".v") == [".venv"]
    assert dict(suggest([command, "too"], host).words) == {"tools": "Python 3.12.1"}
    assert suggested_words(host, command, "services/") == ["services/api/.venv"]
    assert suggested_words(host, command, f"{here}/t") == ([f"{here}/tools"] if SAFE.issuperset(str(here)) else [])


def test_the_shell_completes_directories_too_where_the_name_of_an_environment_needs_quotes(host: Host) -> None:
    for name in ("tools", "my tools"):
        make_environment(Path(host.cwd) / name)

    assert (suggested_words(host, "info", ""), suggest(["info", ""], host).paths) == (["tools"], "directories")
    assert suggest(["info", "t"], host).paths == "none"


@pytest.mark.parametrize("word", ["do", "it", "$(", "nowhere/", "~/", "a\0b/"])
def test_directories_are_suggested_where_no_environment_matches(host: Host, word: str) -> None:
    make_environment(Path(host.cwd) / ".venv")
    make_environment(Path(host.cwd) / "it's")

    assert suggest(["info", word], host) == suggest(["doctor", ".venv", word], host)
    assert (suggest(["info", word], host).words, suggest(["info", word], host).paths) == ((), "directories")


def test_the_destination_of_a_move_is_any_directory(host: Host) -> None:
    make_environment(Path(host.cwd) / ".venv")

    assert suggest(["move", ".venv", ""], host).words == ()
    assert sorted(COMMANDS) == suggested_words(host, "")


def test_arguments_of_a_program_to_run_are_files(host: Host) -> None:
    assert (suggest(["run", "env", "--", "--"], host).words, suggest(["run", "env", "--", "x"], host).paths) == (
        (),
        "files",
    )


def make_bin_directory(environment: Path) -> None:
    """Create a `bin` directory with programs, and with entries that must not be suggested."""
    (environment / "bin").mkdir(parents=True)
    for name in ("pytest", "python", "ruff", "a b", "$(touch PWNED)"):
        (environment / "bin" / name).touch(0o755)
    (environment / "bin" / "activate").touch(0o644)
    (environment / "bin" / "pycache").mkdir()
    (environment / "bin" / "pygone").symlink_to("/nowhere")


def test_programs_of_the_environment_are_suggested_for_run(host: Host) -> None:
    make_bin_directory(Path(host.cwd) / "env")

    assert suggested_words(host, "run", "env", "--", "") == ["pytest", "python", "ruff"]
    assert (
        suggested_words(host, "run", "./env/", "--", "py")
        == suggested_words(host, "run", "env", "py")
        == ["pytest", "python"]
    )
    assert suggest(["run", "env", "--", "py"], host).paths == "files"
    assert suggested_words(host, "run", "env", "--", "python", "") == []
    assert suggested_words(host, "run", "nowhere", "--", "") == suggested_words(host, "run", "a\0b", "--", "") == []
    assert "--json" in suggested_words(host, "run", "env", "--")


def test_programs_on_windows_are_suggested_without_their_suffix(host: Host) -> None:
    scripts = Path(host.cwd) / "env" / "Scripts"
    scripts.mkdir(parents=True)
    for name in ("python.exe", "Activate.ps1", "pip.EXE"):
        (scripts / name).touch()

    assert suggested_words(replace(host, os_name="nt"), "run", "env", "--", "p") == ["pip", "python"]


def test_versions_of_cached_interpreters_are_suggested(host: Host) -> None:
    subprocess.run([sys.executable, "-m", "cloche", "-p", sys.executable, "--dry-run", host.cwd + "/x"], check=True)
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"

    assert ours in suggested_words(host, "-p", "")
    assert ours in suggested_words(host, f"-p{ours[:2]}")
    assert ours in suggested_words(host, "pythons", "3")
    assert suggest(["-p", "/usr/"], host).paths == "files"


@pytest.mark.parametrize("where", ["variable", "config file", "command line"])
def test_the_interpreters_are_those_in_the_cache_that_the_settings_name(host: Host, where: str) -> None:
    cache = f"{host.cwd}/another cache"
    command = [sys.executable, "-m", "cloche", "-p", sys.executable, "--dry-run", f"{host.cwd}/x"]
    subprocess.run([*command, "--cache-dir", cache], check=True)
    variables = {"HOME": host.cwd, "XDG_CACHE_HOME": f"{host.cwd}/empty"}
    if where == "variable":
        variables["CLOCHE_CACHE_DIR"] = cache
    elif where == "config file":
        Path(host.cwd, "pyproject.toml").write_text(f"[tool.cloche]\ncache-dir = '{cache}'\n")
    given = ["--cache-dir", cache] if where == "command line" else []

    found = suggested_words(replace(host, environ=variables), *given, "-p", "")

    assert found == [f"{sys.version_info[0]}.{sys.version_info[1]}"]


def test_words_are_read_as_the_parser_reads_them(host: Host) -> None:
    assert suggested_words(host, "-vp", "x", "--link-mode", "cl") == ["clone"]
    assert suggested_words(host, "-q", "--link-mode", "cop") == ["copy"]
    assert suggested_words(host, "--link-mode", "no-such-mode", "--clea") == ["--clear"]
    assert suggested_words(host, "-qp", "/nowhere", "do") == ["doctor"]


def test_plugins_that_the_settings_leave_out_are_not_suggested(host: Host, site: Site) -> None:
    site.install("acme", rope=offering("creator", "rope"))

    assert suggested_words(host, "--creator", "ro") == ["rope"]
    assert suggested_words(host, "--no-plugins", "--creator", "ro") == []
    Path(host.cwd, "pyproject.toml").write_text("[tool.cloche]\nno-plugin = ['rope']\n")
    assert suggested_words(host, "--creator", "ro") == []
    Path(host.cwd, "pyproject.toml").write_text("[tool.cloche]\nno-plugins = 'perhaps'\n")
    assert suggested_words(host, "--creator", "") == []


@pytest.mark.parametrize(
    "line", [["--no-such", ""], ["a", "b", "c", ""], ["--clear=x"], ["--", "-"], [], ["info", "a", "b"], ["-", ""]]
)
def test_an_invalid_command_line_is_not_an_error(host: Host, line: list[str]) -> None:
    suggest(line, host)


@pytest.mark.parametrize(
    "words", [["-"], ["venv", "-"], ["upgrade", "-"], ["\u2013"], ["run", "venv", "--", "-"]], ids=str
)
def test_the_words_of_another_command_line_can_be_any_text(words: list[str], tmp_path: Path) -> None:
    """A single `-` is the beginning of an option."""
    done = Cloche(tmp_path, os.environ)("completion", "zsh", "--", *words)

    assert (done.code, done.err) == (0, "")
    assert ("\n--json\t" in done.out) is (words[-1] == "-" and words[0] != "run")


def test_components_and_commands_of_plugins_are_suggested(host: Host, site: Site) -> None:
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

    assert suggested_words(host, "wa") == ["wave"]
    assert suggested_words(host, "env", "--rope") == ["--rope-length"]
    assert suggested_words(host, "--creator", "ro") == ["rope"]
    assert suggested_words(host, "--no-plugin", "") == ["acme"]
    assert suggest(["wave", ""], host).paths == "files"


def test_a_name_with_special_characters_is_not_suggested(host: Host, site: Site) -> None:
    site.metadata("acme$(touch_PWNED)", "1.0", {"x": "x"})

    assert suggested_words(host, "--no-plugin", "") == []
    words = [word for command in COMMANDS.values() for word in (command.name, *command.choices)]
    assert all(SAFE.issuperset(word) for word in words)


def test_words_that_bash_splits_at_an_equals_sign_are_joined() -> None:
    assert bash_words(["--link-mode", "=", "co"]) == ["--link-mode=co"]
    assert bash_words(["-p", "x", "--link-mode", "="]) == ["-p", "x", "--link-mode="]
    assert bash_words(["--json", "env"]) == ["--json", "env"]


# Real shells

HOSTILE = ["it's $(touch PWNED)", "a b;touch PWNED", "`touch PWNED`!x", "-n", "star*[x]"]
"""Names of directories; each begins with a different character."""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Environment variables for a shell with the commands `cloche` and `args`, and a home with hostile file names.

    `args` writes its arguments to the file `$ARGS`.
    """
    home = tmp_path / "here"
    home.mkdir()
    for name in HOSTILE:
        (home / name).mkdir()
    (home / "file.txt").touch()
    make_bin_directory(home / "venv")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "cloche").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cloche "$@"\n')
    (tools / "args").write_text('#!/bin/sh\nprintf "%s\\0" "$@" >"$ARGS.new" && mv "$ARGS.new" "$ARGS"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    return {
        **{name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "ENV", "BASH_ENV", "INPUTRC")},
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(home),
        "ZDOTDIR": str(home),
        "ARGS": str(tmp_path / "args"),
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
    }


class InteractiveShell:
    """A shell in a pseudo-terminal, into which tests type lines and Tab."""

    def __init__(self, command: list[str], environ: dict[str, str], *setup: str) -> None:
        self.args_file = Path(environ["ARGS"])
        self.process = pexpect.spawn(
            require(command[0]), command[1:], cwd=environ["HOME"], env=environ, encoding="utf-8", dimensions=(100, 400)
        )
        for line in setup:
            self.process.send(f"{line}\r")
        self.process.send("args ready\r")
        assert self.read_args() == ["ready"]

    def read_args(self) -> list[str]:
        """Wait until `args` has run, and return its arguments."""
        end = time.monotonic() + 60
        while not self.args_file.exists():
            assert time.monotonic() < end, self.read_output()
            time.sleep(0.01)
        arguments = self.args_file.read_bytes().decode().split("\0")[:-1]
        self.args_file.unlink()
        return arguments

    def read_output(self) -> str:
        """Return what the shell printed since the last call."""
        output = ""
        try:
            while True:
                output += self.process.read_nonblocking(1 << 16, 0)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return output

    def complete(self, line: str) -> list[str]:
        """Press Tab at the end of a line; return the words of the completed line, as a command gets them."""
        self.process.send(f"{line}\t\x01args \r")
        return self.read_args()

    def expect_list(self, line: str, *words: str) -> None:
        """Press Tab at the end of a line, wait until the shell has listed all of these words, and discard the line."""
        self.read_output()
        self.process.send(f"{line}\t")
        output, end = "", time.monotonic() + 60
        while not all(word in output for word in words):
            assert time.monotonic() < end, output
            time.sleep(0.01)
            output += self.read_output()
        self.process.send("\x15args discarded\r")
        assert self.read_args() == ["discarded"]


BASH = (["bash", "--norc", "--noprofile"], "bind 'set show-all-if-ambiguous on'", 'eval "$(cloche completion bash)"')
ZSH = (["zsh", "-f", "-i"], "bindkey -e; autoload -U compinit; compinit -D -u", 'eval "$(cloche completion zsh)"')
TCSH = (["tcsh", "-f"], "bindkey -e; set autolist", 'eval "`cloche completion tcsh`"')


@pytest.fixture(params=[BASH, ZSH, TCSH], ids=["bash", "zsh", "tcsh"])
def shell(request: pytest.FixtureRequest, environ: dict[str, str]) -> Iterator[InteractiveShell]:
    command, *setup = request.param
    shell = InteractiveShell(command, environ, *setup)
    yield shell
    shell.process.close(force=True)


def test_the_tab_key_inserts_the_only_match(shell: InteractiveShell) -> None:
    assert shell.complete("cloche doc") == ["cloche", "doctor"]
    assert shell.complete("cloche -") == ["cloche", "--"]
    assert shell.complete("cloche --link-mode har") == ["cloche", "--link-mode", "hardlink"]
    assert shell.complete("cloche --link-mode=har") == ["cloche", "--link-mode=hardlink"]
    assert shell.complete("cloche env --dry") == ["cloche", "env", "--dry-run"]
    assert shell.complete("cloche cache ver") == ["cloche", "cache", "verify"]
    assert shell.complete("cloche run venv -- pyte") == ["cloche", "run", "venv", "--", "pytest"]


def test_the_tab_key_lists_several_matches(shell: InteractiveShell) -> None:
    shell.expect_list("cloche cache ", "dir", "size", "verify", "prune", "clear")
    shell.expect_list("cloche --link-mode ", *LINKS)


@pytest.mark.parametrize(
    ("prefix", "name"),
    [(name[:1] if name[0].isalpha() else f"./{name[0]}", name) for name in HOSTILE if name[0] != "`"],
)
def test_names_of_directories_are_quoted(
    shell: InteractiveShell, prefix: str, name: str, environ: dict[str, str]
) -> None:
    expected = f"./{name}" if prefix.startswith("./") else name

    for command in ("info", "--cache-dir"):
        *before, inserted = shell.complete(f"cloche {command} {prefix}")
        assert (before, inserted.removesuffix("/")) == (["cloche", command], expected)
    assert sorted(path.name for path in Path(environ["HOME"]).iterdir() if path.name == "PWNED") == []


FISH = """
cloche completion fish | source
for line in $argv
    complete --do-complete $line | string join \\x1f
    printf '\\x1e'
end
"""


def fish_completions(environ: dict[str, str], *lines: str) -> list[list[str]]:
    """Return the completions that fish offers for each line, without descriptions."""
    command = [require("fish"), "--no-config", "-c", FISH, *lines]
    done = subprocess.run(command, cwd=environ["HOME"], env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    sections = [section.strip("\n").split("\x1f") for section in done.stdout.split("\x1e")[:-1]]
    return [[offer.partition("\t")[0] for offer in section if offer] for section in sections]


def test_fish_offers_the_suggestions(environ: dict[str, str]) -> None:
    offers = fish_completions(
        environ, "cloche doc", "cloche --link-mode har", "cloche --link-mode=har", "cloche cache ", "cloche info ./s"
    )
    programs = fish_completions(environ, "cloche run venv -- r")

    assert offers[0] == ["doctor"]
    assert offers[1] == ["hardlink"]
    assert offers[2] == ["--link-mode=hardlink"]
    assert offers[3] == ["clear", "dir", "prune", "size", "verify"]
    assert offers[4] == ["./star*[x]/"]
    assert programs == [["ruff"]]
    assert fish_completions(environ, "cloche --cache-dir=./s") == [["--cache-dir=./star*[x]/"]]


PWSH = """
. ([scriptblock]::Create((cloche completion powershell) -join "`n"))
foreach ($line in $env:LINES_TO_COMPLETE -split "`n") {
    $done = [System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null)
    [Console]::WriteLine(($done.CompletionMatches | ForEach-Object { $_.CompletionText }) -join "`t")
}
"""


def test_powershell_offers_the_suggestions(environ: dict[str, str]) -> None:
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
        cwd=environ["HOME"],
        env={**environ, "LINES_TO_COMPLETE": "\n".join(lines)},
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
    ]  # PowerShell completes file names itself, but not without the cmdlets of an interactive session


@pytest.mark.parametrize("options", ["", "ksharrays", "nounset errexit", "shwordsplit globsubst"])
def test_the_script_for_zsh_registers_itself_with_any_options(tmp_path: Path, options: str) -> None:
    (tmp_path / "complete.zsh").write_text(completion_script("zsh"))
    lines = ["autoload -U compinit", "compinit -D -u", *(f"setopt {option}" for option in options.split())]
    lines += ["source ./complete.zsh", "unsetopt ksharrays", "print $_comps[cloche]"]
    done = subprocess.run(
        [require("zsh"), "-f", "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("_cloche\n", "")


def test_the_scripts_for_bash_and_zsh_have_no_errors(tmp_path: Path) -> None:
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
