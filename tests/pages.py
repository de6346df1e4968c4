"""Read pages of the documentation, and follow their instructions.

A page is followed from the beginning, in an empty directory:

- A `console` block is typed into a bash session, one for the whole page. Lines with a prompt (`$ `, `(.venv) $ `) are
  commands, and `> ` continues a command. Other lines are the expected output, in which `...` matches anything.
- The lines of a `terminal` block are also typed, but may fail and print anything: the picture shows the real output.
- A block in the language of another shell (`fish`, `rc`, …) is run by that shell as a script.
- A block with a `:caption:` is written to a file of that name, whether it is inline (`code-block`) or included
  (`literalinclude`).
- A block after `<!-- not followed: REASON -->`, or in another language (`text`), is skipped. After
  `<!-- at night: REASON -->`, it is followed only by `pytest -m nightly`.
- Commands in such a comment, or in `<!-- set-up: … -->`, are typed before the block. They create what the reader of the page
  already has, and the site does not show them.

A command must succeed, unless the page shows an error of cloche, or a finding. `~/cloche` is the checkout.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

import cloche_errors  # noqa: E402, F401
import cloche_reference  # noqa: E402

FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL)
REMARK = re.compile(
    r"<!-- (?P<kind>not followed|at night|set-up): (?P<reason>.*)(?P<commands>(?:\n[$>] .*)*)\s*-->\s*\Z"
)
"""A comment about the block that follows it."""
FINDING = re.compile(r"^\.\.\.\S*: (?!repaired)[a-z]+(?:-[a-z]+)*: ", re.MULTILINE)
PROMPT = re.compile(r"(?:\([^)]*\) )?\$ ")
SHELLS = {"fish": ["fish", "--no-config"], "rc": ["rc", "-e"], "zsh": ["zsh", "-f", "-e"], "tcsh": ["tcsh", "-f", "-e"]}
ANY, ANY_LINES = ".*", r"(?:.*\n)*?"
END_MARKER = "-- done --"
OLD_PIP = re.compile(r"^  pip \S+ is the newest on this machine; .+\n?", re.MULTILINE)
"""A line that depends on the pip of this machine."""


@cache
def built_page(name: str) -> str:
    """Return a page of the documentation including its generated parts."""
    return cloche_reference.expand_markers((DOCS / name).read_text(encoding="utf-8"))


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    caption: str
    body: str
    line: int
    set_up: str = ""
    """Commands that create what the reader already has, as in a console block."""
    nightly: bool = False


class Command(NamedTuple):
    """One command of a console block."""

    text: str
    output: str
    """The output that the page shows."""


def blocks(page: Path, *, which: Literal["followed", "not followed"] = "followed") -> Iterator[Block]:
    """Yield the blocks of a page in order, without those that the page marks as not followed, or only those."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        remark = REMARK.search(text, text.rfind("<!--", 0, match.start()), match.start())
        kind, set_up = (remark["kind"], remark["commands"].lstrip("\n")) if remark else ("", "")
        if (kind == "not followed") is (which == "followed"):
            continue
        info, body = match["info"].strip(), match["body"]
        options = dict(re.findall(r"^:([a-z-]+): *(.*)\n", body, re.MULTILINE))
        content = re.sub(r"\A(?::[a-z-]+:.*\n)+\n?", "", body)
        directive, _, argument = info.partition("} ")
        if directive == "{literalinclude":
            content = (page.parent / argument).read_text(encoding="utf-8")
        language = argument if directive == "{code-block" else info
        line = text.count("\n", 0, match.start()) + 1
        yield Block(language, options.get("caption", "").strip("`"), content, line, set_up, kind == "at night")


def console_commands(body: str) -> Iterator[Command]:
    """Yield the commands of a console block."""
    text, output = "", ""
    for line in body.splitlines():
        if prompt := PROMPT.match(line):
            if text:
                yield Command(text, output)
            text, output = line[prompt.end() :], ""
        elif line.startswith("> ") and not output:
            text += f"\n{line[2:]}"
        else:
            assert text, f"a console block begins with a command, not with {line!r}"
            output += f"{line}\n"
    if text:
        yield Command(text, output)


class Reader:
    """Follows pages in a new home directory, with one bash session."""

    def __init__(self, home: Path, environ: dict[str, str], tools: Path = Path(sys.executable).parent) -> None:
        """Start the session; the programs in `tools` come first on `PATH`."""
        home.mkdir()
        (home / "cloche").symlink_to(REPOSITORY)
        self.directory = home / "here"
        self.directory.mkdir()
        path = os.pathsep.join([str(tools), environ.get("PATH", os.defpath)])
        self.environ = {
            **environ,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "PATH": path,
            "PWD": str(self.directory),
            "SHELL": require("bash"),
        }
        self.shell = subprocess.Popen(
            [self.environ["SHELL"], "--norc", "--noprofile"],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )

    def close(self) -> None:
        """End the shell, and the programs that it has started in the background."""
        self.shell.communicate()
        try:
            os.killpg(self.shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def follow(self, page: Path, *, nightly: bool = False) -> int:
        """Follow a page; return the number of steps, which are commands, scripts and files.

        :param nightly: also follow the blocks that are only followed at night.
        :raises AssertionError: a step fails, or its output is not the one on the page.
        """
        steps = 0
        for block in blocks(page):
            where = f"{page.name}:{block.line}"
            if block.nightly and not nightly:
                continue
            for command in console_commands(block.set_up):
                self.type(command, where)
            if block.caption:
                path = self.directory / block.caption
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.body, encoding="utf-8")
            elif block.language == "console":
                for command in console_commands(block.body):
                    self.type(command, where)
                    steps += 1
            elif block.language == "{terminal}":
                for line in block.body.splitlines():
                    self.type(Command(f"{line} || [ $? != 127 ]", ""), where)
                    steps += 1
            elif block.language in SHELLS:
                self.run_script(block, where)
            elif block.language == "python":
                self.type(Command(f"python - <<'END'\n{block.body}END", ""), where)
            else:
                continue
            steps += 1
        return steps

    def type(self, command: Command, where: str) -> None:
        """Type one command into the shell, and compare its output.

        :raises AssertionError: it fails, or its output is not the one on the page.
        """
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{{ {command.text}\n}} </dev/null; printf '\\n%s%d\\n' '{END_MARKER}' $?\n")
        self.shell.stdin.flush()
        printed = ""
        for line in self.shell.stdout:
            if line.startswith(END_MARKER):
                break
            printed += line
        else:
            raise AssertionError(f"{where}: `{command.text}` ended the shell: {printed}")
        code = int(line.removeprefix(END_MARKER))
        printed = OLD_PIP.sub("", printed.removesuffix("\n"))
        assert code == 0 or "cloche: error: " in command.output or (code == 1 and FINDING.search(command.output)), (
            f"{where}: `{command.text}` exits with {code}: {printed}"
        )
        if command.output:
            assert output_matches(printed, command.output), (
                f"{where}: `{command.text}` prints\n{printed}not\n{command.output}"
            )

    def run_script(self, block: Block, where: str) -> None:
        """Run a block in the shell that it is written for.

        :raises AssertionError: it fails, or prints to standard error.
        """
        program, *arguments = SHELLS[block.language]
        done = subprocess.run(
            [require(program), *arguments],
            input=block.body,
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{where}: exits with {done.returncode}: {done.stderr}"


def output_matches(printed: str, shown: str) -> bool:
    """Return whether output matches a page: `...` matches any text in a line, and any number of lines if it is alone."""
    lines = [
        ANY_LINES if line == "..." else f"{ANY.join(map(re.escape, line.split('...')))}\n"
        for line in shown.splitlines()
    ]
    return re.fullmatch("".join(lines), f"{printed.rstrip()}\n") is not None
