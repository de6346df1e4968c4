"""What interpreters answered before, on disk, one file each; a doubtful entry is no entry, and nothing here raises.

An entry is good as long as every file that its answer depends on is untouched: the executable, its libpython, the
standard library's `os.py`, a `pyvenv.cfg` beside or above it (or the absence of one), and the probe itself.

Entries are lines of text and not JSON, because `json` costs more to import than a whole run has to spend.
"""

from __future__ import annotations

import os
import sys

from cloche.cpython import keyed_hash
from cloche.discovery import record
from cloche.fs.files import read_plain, replace_file
from cloche.model.value import TYPE_CHECKING, value
from cloche.shells.template import resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloche.model.interpreter import Interpreter

FORMAT = "cloche probe 4"
LARGEST = 1 << 16
"""Bytes of an entry that are read."""


@value
class Answer:
    """What became of asking an executable what it is."""

    interpreter: Interpreter | None = None
    reason: str = ""
    """Why there is no interpreter, to be read after the path (`is Python 2.7.18, and environments need ...`)."""
    too_old: str = ""
    """Version of a Python that is too old for environments (`2.7.18`); no other reason is kept."""


def too_old(version: str) -> Answer:
    """Return the answer of a Python that is too old."""
    return Answer(reason=f"is Python {version}, and environments need 3.6 or later", too_old=version)


class ProbeCache:
    """Answers by executable, in one private directory; without a directory it holds nothing."""

    def __init__(self, directory: str | None, writable: bool = True) -> None:
        self._directory = directory
        self._writable = writable
        self._probe = ""
        self.progress: Callable[[str], object] = str
        """Is told when interpreters are asked, because nothing here has their answers."""

    def get(self, executable: str) -> Answer | None:
        """Return what was answered before, None if nothing was or if anything has changed since."""
        if self._directory is None or not _is_private(self._directory):
            return None
        try:
            lines = _read(os.path.join(self._directory, _name(executable)))
            files = [line[len("depends on ") :] for line in lines if line.startswith("depends on ")]
            head = self._head(executable, files)
            if lines[: len(head)] != head:
                return None
            kind, _, version = lines[len(head)].partition(" ")
            if kind == "too-old" and version:
                return too_old(version)
            return Answer(record.load(record.unflatten(lines[len(head) :])))
        except (OSError, ValueError, LookupError):
            return None

    def put(self, executable: str, answer: Answer, before: list[str]) -> None:
        """Keep an answer, if it may be kept; `before` is what `witnesses` said before the executable was asked."""
        if self._directory is None or not self._writable or not (answer.interpreter or answer.too_old):
            return
        if witnesses(executable) != before:
            return
        found = answer.interpreter
        files = [found.executable, os.path.join(found.stdlib, "os.py"), found.library] if found else []
        body = record.flatten(found) if found else [f"too-old {answer.too_old}"]
        lines = [*self._head(executable, [path for path in files if path]), *body]
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            if _is_private(self._directory):
                _write(os.path.join(self._directory, _name(executable)), lines)
        except (OSError, ValueError):
            return

    def remembered(self) -> Iterator[Interpreter]:
        """Yield the interpreters that were ever met and whose executables are there, whatever has become of them since."""
        if self._directory is None or not _is_private(self._directory):
            return
        for name in sorted(os.listdir(self._directory)):
            try:
                lines = _read(os.path.join(self._directory, name))
                last = max(number for number, line in enumerate(lines) if line.startswith(("seen ", "absent")))
                found = record.load(record.unflatten(lines[last + 1 :]))
            except (OSError, ValueError, LookupError):
                continue
            if os.path.exists(found.executable):
                yield found

    def _head(self, executable: str, files: list[str]) -> list[str]:
        """Return the lines that stand before the answer, as they would have to be now."""
        self._probe = self._probe or _hash(resource("cloche.discovery.cache", "_probe.py"))
        depends = [f"depends on {path}" for path in files]
        return [
            f"{FORMAT} {self._probe}",
            f"executable {executable}",
            *witnesses(executable),
            *depends,
            *map(_seen, files),
        ]


def witnesses(executable: str) -> list[str]:
    """Return what would be different if the executable were another, or belonged to another environment."""
    real = os.path.realpath(executable)
    directory = os.path.dirname(executable)
    configs = [os.path.join(place, "pyvenv.cfg") for place in (directory, os.path.dirname(directory))]
    return [f"real {real}", *map(_seen, (real, *configs))]


def _seen(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return "absent"
    changed = status.st_ctime_ns if os.name == "posix" else 0  # elsewhere it is the time of creation
    return f"seen {status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {changed}"


def _hash(text: str) -> str:
    return keyed_hash(1, text.encode("utf-8", "surrogatepass")).hex()


def _name(executable: str) -> str:
    return f"{_hash(executable)}.probe"


def _is_private(directory: str) -> bool:
    """Whether only the user, or root, can have put something there."""
    try:
        status = os.lstat(directory)
    except OSError:
        return False
    owned = not hasattr(os, "geteuid") or (status.st_uid in (os.geteuid(), 0) and not status.st_mode & 0o022)
    return status.st_mode & 0o170000 == 0o040000 and owned


def _read(path: str) -> list[str]:
    """Return the lines of an entry.

    :raises OSError, ValueError: there is none, it is a link or too large, it is not what was written, it is not text.
    """
    data = read_plain(path)
    text, _, seal = data.decode("ascii").rpartition("\nend ")
    if len(data) > LARGEST or seal != _seal(text):
        raise ValueError("the entry is damaged")
    return [line.encode().decode("unicode_escape") if "\\" in line else line for line in text.split("\n")]


def is_whole(entry: bytes) -> bool:
    """Whether an entry is what was written; one of a Python with another hash function cannot be told, and is none of ours."""
    text, _, seal = entry.decode("ascii", "replace").rpartition("\nend ")
    algorithm = seal.partition(" ")[0]
    return len(entry) <= LARGEST and (seal == _seal(text) or algorithm in OTHER_ALGORITHMS)


OTHER_ALGORITHMS = frozenset(("siphash13", "siphash24", "fnv")) - {sys.hash_info.algorithm}
"""Names of hash functions that other Pythons have (PEP 456; 3.11 changed from one to another)."""


def _seal(text: str) -> str:
    """Return what stands after `end`."""
    return f"{sys.hash_info.algorithm} {_hash(text)}\n"


def _write(path: str, lines: list[str]) -> None:
    """:raises OSError: the system refused."""
    text = b"\n".join(line.encode("unicode_escape") for line in lines).decode("ascii")
    replace_file(path, f"{text}\nend {_seal(text)}".encode("ascii"))
