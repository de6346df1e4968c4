"""A terminal that runs a shell and shows its screen, which is the only way to test a prompt.

It needs `pexpect` and `pyte`: install them for your tests.
"""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cloche.testing.checks import broken

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence


class Terminal:
    """A context manager that runs a program in its own terminal, and stops it at the end."""

    def __init__(
        self,
        command: Sequence[str],
        cwd: str | os.PathLike[str],
        environ: Mapping[str, str],
        *,
        columns: int = 300,
        rows: int = 50,
    ) -> None:
        pexpect, pyte = import_module("pexpect"), import_module("pyte")
        self._screen: Any = pyte.Screen(columns, rows)
        self._stream: Any = pyte.Stream(self._screen)
        self._ended: tuple[type[Exception], ...] = (pexpect.EOF, OSError)
        self._silent: type[Exception] = pexpect.TIMEOUT
        self._program: Any = pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=str(cwd),
            env={"TERM": "xterm", "LANG": "C.UTF-8", **environ},
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(rows, columns),
        )
        self._screen.write_process_input = self._program.send  # answers to requests such as the cursor position

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._program.close(force=True)

    @property
    def shown(self) -> str:
        """The text on the screen, without trailing white space."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def line(self) -> str:
        """The line that the cursor is on, without trailing white space."""
        return str(self._screen.display[self._screen.cursor.y]).rstrip()

    def enter(self, line: str) -> None:
        """Type a line and press Enter."""
        self._watch(0.05)
        self._program.send(line)
        self._watch(0.05)
        self._program.send("\r")

    def rest(self, seconds: float = 20) -> None:
        """Wait until the cursor is after any prompt and the screen has not changed for a second.

        :raises Broken: this does not happen within `seconds`; the message contains the screen.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before = self.shown
            self._watch(1)
            if self.line and self.shown == before:
                return
        broken(f"no prompt appears; the screen is\n{self.shown}")

    def expect(self, prompt: str, seconds: float = 20) -> None:
        """Wait until the cursor is on a line that contains only this prompt, and stays there.

        :raises Broken: this does not happen within `seconds`; the message contains the screen.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._watch(0.1)
            if self.line == prompt.rstrip():
                self._watch(0.25)
                if self.line == prompt.rstrip():
                    return
        broken(f"the prompt {prompt!r} does not appear; the screen is\n{self.shown}")

    def _watch(self, seconds: float) -> None:
        """Update the screen until the program has printed nothing for this time, or has exited."""
        try:
            while True:
                self._stream.feed(self._program.read_nonblocking(1 << 16, seconds))
        except (self._silent, *self._ended):
            return
