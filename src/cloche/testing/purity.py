"""Detection of side effects: changes to files, processes, variables and the network; nothing is prevented."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from typing_extensions import Self

EVENTS = {
    "os.mkdir": "creates the directory `{}`",
    "os.rmdir": "removes the directory `{}`",
    "os.remove": "removes `{}`",
    "os.rename": "renames `{}`",
    "os.link": "creates a hard link to `{}`",
    "os.symlink": "creates a link to `{}`",
    "os.chmod": "changes the mode of `{}`",
    "os.chown": "changes the owner of `{}`",
    "os.utime": "changes the times of `{}`",
    "os.truncate": "truncates `{}`",
    "os.setxattr": "changes attributes of `{}`",
    "os.removexattr": "changes attributes of `{}`",
    "os.putenv": "sets the variable `{}` of this process",
    "os.unsetenv": "removes the variable `{}` of this process",
    "os.chdir": "changes the current directory to `{}`",
    "subprocess.Popen": "starts the program `{}`",
    "os.system": "starts the program `{}`",
    "os.exec": "starts the program `{}`",
    "os.posix_spawn": "starts the program `{}`",
    "os.spawn": "starts a program",
    "os.startfile": "starts the program `{}`",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "socket.connect": "uses the network",
    "socket.bind": "uses the network",
    "socket.getaddrinfo": "uses the network",
    "winreg.CreateKey": "writes to the registry",
    "winreg.SetValue": "writes to the registry",
    "winreg.DeleteKey": "writes to the registry",
    "winreg.DeleteValue": "writes to the registry",
}
"""The audit events that are side effects (PEP 578), with a description; `{}` is replaced by the affected object."""

PROCESS_EVENTS = frozenset(event for event, phrase in EVENTS.items() if phrase.startswith("starts "))
"""The events that start a process."""

WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """A context manager that collects the side effects of the current thread.

    Reading is not a side effect, and neither is importing a module. When the context ends, changes to the environment
    variables, the current directory and `sys.path` are undone.

    :param allowed: directories in which everything is permitted.
    :param ignored_events: audit events that are not collected.
    """

    def __init__(self, allowed: Iterable[str] = (), ignored_events: Container[str] = ()) -> None:
        self.side_effects: list[str] = []
        """Descriptions of what happened, each once: "creates the directory `/tmp/x`"."""
        self._ignored_events = ignored_events
        self._allowed = tuple(os.path.join(directory, "") for directory in allowed)
        self._thread = threading.get_ident()
        self._variables: dict[str, str] = {}
        self._cwd = ""
        self._path: list[str] = []
        self._byte_code = False

    def __enter__(self) -> Self:
        global _hook_installed
        if not _hook_installed:
            _hook_installed = True
            sys.addaudithook(_audit)
        self._variables, self._cwd, self._path = dict(os.environ), os.getcwd(), list(sys.path)
        self._byte_code, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        _active.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _active.remove(self)
        sys.dont_write_bytecode = self._byte_code
        for name in sorted(self._variables.keys() | os.environ.keys()):
            if self._variables.get(name) != os.environ.get(name):
                self._add(f"leaves the variable `{name}` of this process changed")
        if os.getcwd() != self._cwd:
            self._add(f"leaves the current directory changed to `{os.getcwd()}`")
            os.chdir(self._cwd)
        if sys.path != self._path:
            self._add("leaves `sys.path` changed")
            sys.path[:] = self._path
        if dict(os.environ) != self._variables:
            os.environ.clear()
            os.environ.update(self._variables)

    @property
    def deeds(self) -> list[str]:
        """The name of the attribute `side_effects` in version 0.1: what happened, each once."""
        return self.side_effects

    def record(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Collect an audit event of the interpreter (PEP 578), if it is a side effect."""
        if threading.get_ident() != self._thread or event in self._ignored_events:
            return
        first = arguments[0] if arguments else ""
        if isinstance(first, int):  # a file descriptor: opening it has already been collected
            return
        subject = os.fsdecode(first) if isinstance(first, (str, bytes, os.PathLike)) else ""
        if event == "open":
            flags = arguments[2] if isinstance(arguments[2], int) else 0
            if subject and subject != os.devnull and flags & WRITE_FLAGS and not self._is_allowed(subject):
                self._add(f"opens `{subject}` for writing")
        elif not (subject and self._is_allowed(subject)):
            self._add(EVENTS[event].format(subject or "?"))

    def _is_allowed(self, path: str) -> bool:
        return os.path.join(os.path.abspath(path), "").startswith(self._allowed) if self._allowed else False

    def _add(self, phrase: str) -> None:
        if phrase not in self.side_effects:
            self.side_effects.append(phrase)


_active: list[Watch] = []
_hook_installed = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Pass an event to the active watches; audit hooks cannot be removed, so this must be fast without any."""
    if _active and (event == "open" or event in EVENTS):
        for watch in _active:
            watch.record(event, arguments)
