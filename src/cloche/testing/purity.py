"""Notice what code does to the world outside it: files, processes, variables, network; it hinders nothing."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from typing_extensions import Self

DEEDS = {
    "os.mkdir": "makes the directory `{}`",
    "os.rmdir": "removes the directory `{}`",
    "os.remove": "removes `{}`",
    "os.rename": "renames `{}`",
    "os.link": "links `{}`",
    "os.symlink": "links `{}`",
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
"""What the interpreter tells of (PEP 578), as words; `{}` is what it is done to."""

STARTS = frozenset(event for event, deed in DEEDS.items() if deed.startswith("starts "))
"""Those that start a program."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """A context that collects in `deeds`, as phrases, what the thread that entered it does to the world.

    Reading is no deed, nor is what the import system does. Deeds below one of the `allowed` directories are left out,
    and so are those of the kinds in `unheard`.
    """

    def __init__(self, allowed: Iterable[str] = (), unheard: Container[str] = ()) -> None:
        self.deeds: list[str] = []
        self._unheard = unheard
        self._allowed = tuple(os.path.join(directory, "") for directory in allowed)
        self._thread = threading.get_ident()
        self._variables: dict[str, str] = {}
        self._cwd = ""
        self._path: list[str] = []
        self._byte_code = False

    def __enter__(self) -> Self:
        global _listening
        if not _listening:
            _listening = True
            sys.addaudithook(_hear)
        self._variables, self._cwd, self._path = dict(os.environ), os.getcwd(), list(sys.path)
        self._byte_code, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        _watches.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _watches.remove(self)
        sys.dont_write_bytecode = self._byte_code
        for name in sorted(self._variables.keys() | os.environ.keys()):
            if self._variables.get(name) != os.environ.get(name):
                self._note(f"leaves the variable `{name}` of this process changed")
        if os.getcwd() != self._cwd:
            self._note(f"leaves the current directory changed to `{os.getcwd()}`")
            os.chdir(self._cwd)
        if sys.path != self._path:
            self._note("leaves `sys.path` changed")
            sys.path[:] = self._path
        if dict(os.environ) != self._variables:
            os.environ.clear()
            os.environ.update(self._variables)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take notice of one event of the interpreter."""
        if threading.get_ident() != self._thread or event in self._unheard:
            return
        first = arguments[0] if arguments else ""
        if isinstance(first, int):  # a descriptor: opening it has been heard
            return
        subject = os.fsdecode(first) if isinstance(first, (str, bytes, os.PathLike)) else ""
        if event == "open":
            flags = arguments[2] if isinstance(arguments[2], int) else 0
            if subject and subject != os.devnull and flags & WRITING and not self._may(subject):
                self._note(f"opens `{subject}` for writing")
        elif not (subject and self._may(subject)):
            self._note(DEEDS[event].format(subject or "?"))

    def _may(self, path: str) -> bool:
        return os.path.join(os.path.abspath(path), "").startswith(self._allowed) if self._allowed else False

    def _note(self, deed: str) -> None:
        if deed not in self.deeds:
            self.deeds.append(deed)


_watches: list[Watch] = []
_listening = False


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Hand an event on; a hook cannot be taken away again, so it has to cost nothing while nobody watches."""
    if _watches and (event == "open" or event in DEEDS):
        for watch in _watches:
            watch.hear(event, arguments)
