"""Read pages of the documentation and do what they tell the reader to do; what a page is about is not known here.

A page is followed from its beginning in an empty directory, as by a reader:

- a block of `console` is typed into one bash that lasts for the whole page; lines that begin with a prompt (`$ `,
  `(.venv) $ `) are commands, `> ` goes on with the last one; other lines are what it prints, `...` being anything;
- so are the lines of a `terminal`, whatever comes of them: what they print is in the picture that is taken of it;
- a block of `rc`, `fish`, ... is given to that shell as a script;
- a block with a `:caption:` is a file of that name, be it written there (`code-block`) or included (`literalinclude`);
- a block after `<!-- not followed: REASON -->` is left alone, and so are the languages that are no commands (`text`).

A command has to succeed, unless the page shows the error that cloche prints. `~/cloche` is the checkout.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

import cloche_errors  # noqa: E402, F401
import cloche_reference  # noqa: E402

FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL)
LEFT_ALONE = re.compile(r"<!-- not followed: .+ -->\s*\Z")
PROMPT = re.compile(r"(?:\([^)]*\) )?\$ ")
SHELLS = {"fish": ["fish", "--no-config"], "rc": ["rc", "-e"], "zsh": ["zsh", "-f", "-e"], "tcsh": ["tcsh", "-f", "-e"]}
ANY, ANY_LINES = ".*", r"(?:.*\n)*?"
DONE = "-- done --"


@cache
def page(name: str) -> str:
    """Return a page of the documentation as it is built, with what is generated in it."""
    return cloche_reference.expand_markers((DOCS / name).read_text(encoding="utf-8"))


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    caption: str
    body: str
    line: int


class Command(NamedTuple):
    """One command of a console block, and what the page says that it prints."""

    text: str
    prints: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page that are to be followed, in order."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        if LEFT_ALONE.search(text[: match.start()]):
            continue
        info, body = match["info"].strip(), match["body"]
        options = dict(re.findall(r"^:([a-z-]+): *(.*)\n", body, re.MULTILINE))
        content = re.sub(r"\A(?::[a-z-]+:.*\n)+\n?", "", body)
        directive, _, argument = info.partition("} ")
        if directive == "{literalinclude":
            content = (page.parent / argument).read_text(encoding="utf-8")
        language = argument if directive == "{code-block" else info
        yield Block(language, options.get("caption", ""), content, text.count("\n", 0, match.start()) + 1)


def commands(body: str) -> Iterator[Command]:
    """Yield the commands of a console block."""
    text, prints = "", ""
    for line in body.splitlines():
        if prompt := PROMPT.match(line):
            if text:
                yield Command(text, prints)
            text, prints = line[prompt.end() :], ""
        elif line.startswith("> ") and not prints:
            text += f"\n{line[2:]}"
        else:
            assert text, f"a console block begins with a command, not with {line!r}"
            prints += f"{line}\n"
    if text:
        yield Command(text, prints)


class Reader:
    """Somebody who follows a page: with a home directory, a current directory, and a terminal."""

    def __init__(self, home: Path, environ: dict[str, str]) -> None:
        home.mkdir()
        (home / "cloche").symlink_to(REPOSITORY)
        self.directory = home / "here"
        self.directory.mkdir()
        path = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
        self.environ = {
            **environ,
            "HOME": str(home),
            "PATH": path,
            "PWD": str(self.directory),
            "SHELL": require("bash"),
        }
        self.terminal = subprocess.Popen(
            [self.environ["SHELL"], "--norc", "--noprofile"],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    def close(self) -> None:
        self.terminal.communicate()

    def follow(self, page: Path) -> int:
        """Do everything that a page says, and return how many things that were."""
        done = 0
        for block in blocks(page):
            where = f"{page.name}:{block.line}"
            if block.caption:
                path = self.directory / block.caption
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.body, encoding="utf-8")
            elif block.language == "console":
                for command in commands(block.body):
                    self.type(command, where)
                    done += 1
            elif block.language == "{terminal}":
                for line in block.body.splitlines():
                    self.type(Command(f"{line} || [ $? != 127 ]", ""), where)
                    done += 1
            elif block.language in SHELLS:
                self.run_script(block, where)
            elif block.language == "python":
                self.type(Command(f"python - <<'END'\n{block.body}END", ""), where)
            else:
                continue
            done += 1
        return done

    def type(self, command: Command, where: str) -> None:
        """Type one command into the terminal and compare what it prints.

        :raises AssertionError: it fails, or prints something else than the page says.
        """
        assert self.terminal.stdin is not None
        assert self.terminal.stdout is not None
        self.terminal.stdin.write(f"{{ {command.text}\n}} </dev/null; printf '\\n%s%d\\n' '{DONE}' $?\n")
        self.terminal.stdin.flush()
        printed = ""
        for line in self.terminal.stdout:
            if line.startswith(DONE):
                break
            printed += line
        else:
            raise AssertionError(f"{where}: `{command.text}` ended the shell: {printed}")
        code = int(line.removeprefix(DONE))
        printed = printed.removesuffix("\n")
        assert code == 0 or "cloche: error: " in command.prints, (
            f"{where}: `{command.text}` exits with {code}: {printed}"
        )
        if command.prints:
            assert matches(printed, command.prints), f"{where}: `{command.text}` prints\n{printed}not\n{command.prints}"

    def run_script(self, block: Block, where: str) -> None:
        """Give a block to the shell that it is written for.

        :raises AssertionError: it fails.
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


def matches(printed: str, shown: str) -> bool:
    """Return whether a page shows what was printed; `...` is anything in a line, alone it is any lines, or none."""
    lines = [
        ANY_LINES if line == "..." else f"{ANY.join(map(re.escape, line.split('...')))}\n"
        for line in shown.splitlines()
    ]
    return re.fullmatch("".join(lines), f"{printed.rstrip()}\n") is not None
