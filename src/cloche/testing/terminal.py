"""A shell at a terminal, and what stands on its screen: prompts can only be judged by what is drawn.

It needs `pexpect` and `pyte`, which the author's tests have to bring.
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
    """A program at a terminal of its own; a context, at the end of which the program is ended."""

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
        self._screen.write_process_input = self._program.send  # the answers to questions such as where the cursor is

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._program.close(force=True)

    @property
    def shown(self) -> str:
        """Everything on the screen, without what is blank at the end of lines and of the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def line(self) -> str:
        """The line of the cursor, without what is blank at its end."""
        return str(self._screen.display[self._screen.cursor.y]).rstrip()

    def enter(self, line: str) -> None:
        """Type a line."""
        self._watch(0.05)
        self._program.send(line)
        self._watch(0.05)
        self._program.send("\r")

    def rest(self, seconds: float = 20) -> None:
        """Wait until the cursor stands behind some prompt and nothing has been drawn for a second.

        :raises Broken: that does not happen in this time; shows the screen.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before = self.shown
            self._watch(1)
            if self.line and self.shown == before:
                return
        broken(f"no prompt is drawn; the screen is\n{self.shown}")

    def expect(self, prompt: str, seconds: float = 20) -> None:
        """Wait until the cursor stands behind this prompt, alone in its line, and stays there.

        :raises Broken: it does not in this time; shows the screen.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._watch(0.1)
            if self.line == prompt.rstrip():
                self._watch(0.25)
                if self.line == prompt.rstrip():
                    return
        broken(f"the prompt is not drawn as {prompt!r}; the screen is\n{self.shown}")

    def _watch(self, seconds: float) -> None:
        """Draw what the program says until it says nothing for so long, or has ended."""
        try:
            while True:
                self._stream.feed(self._program.read_nonblocking(1 << 16, seconds))
        except (self._silent, *self._ended):
            return
