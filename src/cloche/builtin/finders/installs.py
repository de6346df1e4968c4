"""What the names and the files of installations say about the Pythons in them, without starting any.

It only leaves out what certainly does not satisfy a request; what is doubtful is a candidate, and the probe decides.
"""

from __future__ import annotations

import os

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec

COMMANDS = {"cpython": "python", "pypy": "pypy", "graalpy": "graalpy", "rustpython": "rustpython"}
PREFIXES = {
    "pypy": "pypy",
    "graalpy": "graalpy",
    "graalvm": "graalpy",
    "cpython": "cpython",
    "pythoncore": "cpython",
    "python": "cpython",
    "rustpython": "rustpython",
}
"""How the name of an installation may begin, with the implementation that this means."""


@value
class Described:
    """What the name of an installation says."""

    implementation: str
    version: tuple[int, ...]
    """As many numbers as the name has; none where it counts something else (GraalPy 24.1 is Python 3.11)."""
    free_threaded: bool


def described(name: str) -> Described | None:
    """Return what the name of an installation says, None if it says nothing.

    `3.12.1`, `3.13.0t`, `cpython-3.12.4-linux-x86_64-gnu`, `pypy3.10-7.3.12`, `graalpy-24.1.0`, `python@3.12`.
    """
    lowered = name.lower()
    implementation = "cpython"
    for prefix, meaning in PREFIXES.items():
        if lowered.startswith(prefix):
            implementation, lowered = meaning, lowered[len(prefix) :].lstrip("-@")
            break
    else:
        if not lowered[:1].isdigit():
            return None
    length = next((at for at, character in enumerate(lowered) if character not in "0123456789."), len(lowered))
    version = tuple(int(part) for part in lowered[:length].split(".") if part.isdigit())
    free_threaded = lowered[length : length + 1] == "t" or lowered[length:].startswith("+freethreaded")
    return Described(implementation, () if implementation == "graalpy" else version, free_threaded)


def may_satisfy(name: str, spec: InterpreterSpec) -> bool:
    """Whether the name of an installation leaves it open that the request is satisfied there."""
    if (told := described(name)) is None:
        return True
    if spec.implementation and told.implementation != spec.implementation:
        return False
    length = min(len(told.version), len(spec.release))
    return told.version[:length] == spec.release[:length] and (
        spec.free_threaded is not False or not told.free_threaded
    )


def newest_first(names: list[str]) -> list[str]:
    """Return names of installations: CPython first, newest version first, what says no version last."""

    def order(name: str) -> tuple[object, ...]:
        told = described(name) or Described("~", (), free_threaded=False)
        numbers = [-part for part in told.version]
        return (told.implementation, [*numbers, *[1] * (4 - len(numbers))], len(name), name)

    return sorted(names, key=order)


def installed(root: str, spec: InterpreterSpec, host: Host) -> Iterator[str]:
    """Yield the executable of each installation in a directory that may satisfy a request, newest first.

    A link that stands for a minor version (`3.12 -> 3.12.4`) moves on when the next patch is installed: environments
    should name it, unless the request names the patch.
    """
    links, names = _entries(root)
    aliases = {target: link for link, target in links.items() if _is_minor(link) and len(spec.release) < 3}
    for name in newest_first([name for name in names if may_satisfy(name, spec)]):
        if path := executable(os.path.join(root, aliases.get(name, name)), spec, host):
            yield path


def _entries(root: str) -> tuple[dict[str, str], list[str]]:
    """Return the links in a directory that name another entry, with that, and the other directories."""
    links: dict[str, str] = {}
    names: list[str] = []
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not _is_directory(entry):
                    continue
                target = os.readlink(entry.path) if entry.is_symlink() or _is_junction(entry) else ""
                if target and os.path.dirname(os.path.normpath(os.path.join(root, target))) == os.path.normpath(root):
                    links[entry.name] = os.path.basename(os.path.normpath(target))
                else:
                    names.append(entry.name)
    except OSError:
        pass
    return links, names


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Whether it is Windows' other kind of link to a directory, which uv makes there."""
    return getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) == 0xA0000003


def _is_minor(name: str) -> bool:
    told = described(name)
    return told is not None and len(told.version) == 2


def text_of(path: str, largest: int = 1 << 16) -> str:
    """Return the text of a file that a project or a tool may have; empty if it is none, or is too large.

    It may be anything: a FIFO would hold whoever opens it up.
    """
    try:
        if not os.path.isfile(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(largest + 1)
    except OSError:
        return ""
    return text if len(text) <= largest else ""


def executable(prefix: str, spec: InterpreterSpec, host: Host) -> str | None:
    """Return the Python in an installation's directory; it does not matter by which of its names."""
    directories = [prefix, os.path.join(prefix, "bin")] if host.os_name == "nt" else [os.path.join(prefix, "bin")]
    suffix = ".exe" if host.os_name == "nt" else ""
    generic = [f"{kind}{digit}{suffix}" for kind in ("python", "pypy", "graalpy") for digit in ("3", "")]
    for directory in directories:
        for name in [*commands(spec, host), *generic]:
            if os.path.isfile(path := os.path.join(directory, name)):
                return path
        for name in numbered(directory, spec):
            if os.path.isfile(path := os.path.join(directory, name)):
                return path
    return None


def commands(spec: InterpreterSpec, host: Host) -> list[str]:
    """Return the names under which an executable for a request may stand in a directory, most specific first."""
    suffix = ".exe" if host.os_name == "nt" else ""
    if spec.name:
        return [spec.name, *[f"{spec.name}{suffix}"] * (host.os_name == "nt")]
    threads, debug = "t" * bool(spec.free_threaded), "d" * bool(spec.debug)
    variants = [f"{threads}{debug}", threads, debug, ""]
    minor = f"{spec.release[0]}.{spec.release[1]}" if len(spec.release) > 1 else ""
    numbers = [minor] * bool(minor) + ["3"] * (spec.release[:1] in ((), (3,))) + [""]
    names = [f"{kind}{number}{variant}{suffix}" for kind in _kinds(spec) for number in numbers for variant in variants]
    return list(dict.fromkeys(names))


def _kinds(spec: InterpreterSpec) -> list[str]:
    if spec.implementation:
        return list(dict.fromkeys([COMMANDS[spec.implementation], "python"]))
    return ["python", "pypy", "graalpy"]


def numbered(directory: str, spec: InterpreterSpec) -> list[str]:
    """Return the `python3.N` in a directory that a request may mean, newest first."""
    kinds = _kinds(spec)
    try:
        names = [(name, told) for name in os.listdir(directory) if (told := minor_of(name)) is not None]
    except OSError:
        return []
    found = sorted((-minor, kinds.index(kind), name) for name, (kind, minor) in names if kind in kinds)
    return [name for _, _, name in found]


def minor_of(command: str) -> tuple[str, int] | None:
    """Return (`python`, N) for `python3.N`, with what may follow (`t`, `d`, `.exe`); None if it is not such a name."""
    kind, found, rest = command.removesuffix(".exe").partition("3.")
    number = rest.rstrip("td")
    return (kind, int(number)) if found and number.isascii() and number.isdigit() else None
