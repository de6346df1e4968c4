"""The probe cache: one file on disk per executable. Entries that may be stale or damaged are ignored without an error.

An entry is valid as long as everything that its result depends on is unchanged: the executable, its libpython, the
standard library's `os.py`, a `pyvenv.cfg` beside or above the executable (or the absence of one), the probe itself, and
the variables that dynamic loaders read.

Entries are lines of text instead of JSON because importing `json` takes longer than a whole run may take.
"""

from __future__ import annotations

import os
import stat
import sys

from cloche.cpython import keyed_hash
from cloche.discovery import serialization
from cloche.fs import read_regular_file, replace_file
from cloche.fs.signatures import matching_variables, signature_of
from cloche.model import PYVENV_CFG
from cloche.model.value import TYPE_CHECKING, Value
from cloche.shells.template import resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    from cloche.model.aliases import ReportProgress
    from cloche.model.interpreter import Interpreter

    Prober: TypeAlias = Callable[[list[str], Mapping[str, str]], list["ProbeResult"]]
    """Probes the executables at some paths, with the variables of the user; returns a result for each, in the same order."""

FORMAT = "cloche probe 6"
MAX_ENTRY_BYTES = 1 << 16
"""The maximum size of an entry in bytes."""


class ProbeResult(Value):
    """The result of probing an executable."""

    interpreter: Interpreter | None = None
    reason: str = ""
    """Why there is no interpreter, phrased to follow the path: `is Python 2.7.18, but environments need ...`."""
    too_old: str = ""
    """The version of a Python that is too old for environments (`2.7.18`); the only failure that is cached."""


def too_old_result(version: str) -> ProbeResult:
    """Return the result for a Python that is too old for environments."""
    return ProbeResult(reason=f"is Python {version}, but environments need 3.6 or later", too_old=version)


class ProbeCache:
    """Probe results by executable, in one private directory; without a directory, nothing is cached."""

    def __init__(
        self,
        directory: str | None,
        writable: bool = True,
        environ: Mapping[str, str] | None = None,
        prober: Prober | None = None,
    ) -> None:
        self._directory = directory
        self._loader = matching_variables(environ or {}, LOADER_VARIABLES)
        self._writable = writable
        self._probe = ""
        self.prober = prober
        """Probes what is not cached; None for the probe itself, which is loaded only if it is needed."""
        self.progress: ReportProgress = lambda text, /, **amounts: None

    def get(self, executable: str) -> ProbeResult | None:
        """Return the cached result for an executable, None if there is none or if it may be out of date."""
        if self._directory is None or not _is_private(self._directory):
            return None
        try:
            lines = _read_entry(os.path.join(self._directory, _entry_name(executable + self._loader)))
            files = [line[len("depends on ") :] for line in lines if line.startswith("depends on ")]
            head = self._expected_header(executable, files)
            if lines[: len(head)] != head:
                return None
            kind, _, version = lines[len(head)].partition(" ")
            if kind == "too-old" and version:
                return too_old_result(version)
            return ProbeResult(serialization.interpreter_from_dict(serialization.dict_from_lines(lines[len(head) :])))
        except (OSError, ValueError, LookupError):
            return None

    def put(self, executable: str, result: ProbeResult, before: list[str]) -> None:
        """Store a result, unless it may be out of date already.

        :param before: the result of `executable_fingerprint` from before the executable was probed.
        """
        if self._directory is None or not self._writable or not (result.interpreter or result.too_old):
            return
        if executable_fingerprint(executable) != before:
            return
        found = result.interpreter
        files = interpreter_files(found)
        body = serialization.interpreter_to_lines(found) if found else [f"too-old {result.too_old}"]
        lines = [*self._expected_header(executable, files), *body]
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            if _is_private(self._directory):
                _write_entry(os.path.join(self._directory, _entry_name(executable + self._loader)), lines)
        except (OSError, ValueError):
            return

    def cached_interpreters(self) -> Iterator[Interpreter]:
        """Yield the cached interpreters whose executables exist, even if they have changed since."""
        if self._directory is None or not _is_private(self._directory):
            return
        for name in sorted(os.listdir(self._directory)):
            try:
                lines = _read_entry(os.path.join(self._directory, name))
                last = max(number for number, line in enumerate(lines) if line.startswith(("seen ", "absent")))
                found = serialization.interpreter_from_dict(serialization.dict_from_lines(lines[last + 1 :]))
            except (OSError, ValueError, LookupError):
                continue
            if os.path.exists(found.executable):
                yield found

    def _expected_header(self, executable: str, files: list[str]) -> list[str]:
        """Return the lines before the result, as they must be for the entry to be valid now."""
        self._probe = self._probe or _hash(resource("cloche.discovery.cache", "_probe.py"))
        depends = [f"depends on {path}" for path in files]
        return [
            f"{FORMAT} {self._probe}",
            f"executable {executable}",
            f"loader {self._loader}",
            *executable_fingerprint(executable),
            *depends,
            *map(_file_fingerprint, files),
        ]


LOADER_VARIABLES = ("DYLD_", "LD_", "LIBPATH", "SHLIB_PATH")
"""Prefixes of the variables that dynamic loaders read. Other values may make an executable load another libpython."""


def files_read_at_start(executable: str) -> tuple[str, ...]:
    """Return the files that a Python reads at startup to find its prefix (CPython, `Modules/getpath.py`)."""
    directory = os.path.dirname(executable)
    configs = (os.path.join(parent, PYVENV_CFG) for parent in (directory, os.path.dirname(directory)))
    return os.path.realpath(executable), *configs


def interpreter_files(interpreter: Interpreter | None) -> list[str]:
    """Return the files of an interpreter that change when it is upgraded or rebuilt."""
    if interpreter is None:
        return []
    landmark = os.path.join(interpreter.stdlib, "os.py")
    return [interpreter.executable, landmark, *([interpreter.library] if interpreter.library else [])]


def executable_fingerprint(executable: str) -> list[str]:
    """Return lines that change if the executable is replaced or becomes part of another environment."""
    real, *configs = files_read_at_start(executable)
    return [f"real {real}", *map(_file_fingerprint, (real, *configs))]


def _file_fingerprint(path: str) -> str:
    try:
        return " ".join(["seen", *map(str, signature_of(os.stat(path)))])
    except OSError:
        return "absent"


def _hash(text: str) -> str:
    return keyed_hash(1, text.encode("utf-8", "surrogatepass")).hex()


def _entry_name(executable: str) -> str:
    return f"{_hash(executable)}.probe"


def _is_private(directory: str) -> bool:
    """Return whether only the user and root can write to a directory."""
    try:
        status = os.lstat(directory)
    except OSError:
        return False
    owned = not hasattr(os, "geteuid") or (status.st_uid in (os.geteuid(), 0) and not status.st_mode & 0o022)
    return stat.S_ISDIR(status.st_mode) and owned


def _read_entry(path: str) -> list[str]:
    """Return the lines of an entry.

    :raises OSError: the file does not exist, or is not a regular file.
    :raises ValueError: the entry is damaged, or too large.
    """
    data = read_regular_file(path)
    text, _, seal = data.decode("ascii").rpartition("\nend ")
    if len(data) > MAX_ENTRY_BYTES or seal != _entry_seal(text):
        raise ValueError("the entry is damaged")
    return [line.encode().decode("unicode_escape") if "\\" in line else line for line in text.split("\n")]


def is_intact_entry(entry: bytes) -> bool:
    """Return whether an entry is intact; assume so if a Python with another hash function wrote it."""
    text, _, seal = entry.decode("ascii", "replace").rpartition("\nend ")
    algorithm = seal.partition(" ")[0]
    return len(entry) <= MAX_ENTRY_BYTES and (seal == _entry_seal(text) or algorithm in OTHER_ALGORITHMS)


OTHER_ALGORITHMS = frozenset(("siphash13", "siphash24", "fnv")) - {sys.hash_info.algorithm}
"""The hash functions of other Pythons (PEP 456; CPython 3.11 changed the default)."""


def _entry_seal(text: str) -> str:
    """Return the last line of an entry after `end`: the name of the hash function and a checksum."""
    return f"{sys.hash_info.algorithm} {_hash(text)}\n"


def _write_entry(path: str, lines: list[str]) -> None:
    """Write an entry.

    :raises OSError: the file cannot be written.
    """
    text = b"\n".join(line.encode("unicode_escape") for line in lines).decode("ascii")
    replace_file(path, f"{text}\nend {_entry_seal(text)}".encode("ascii"))
