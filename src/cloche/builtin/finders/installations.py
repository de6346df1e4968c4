"""Installation directories: the Python version in their names, and the executables in them; nothing is started.

An installation is left out only if it certainly does not satisfy a request. In doubt it is a candidate, and the probe
decides.
"""

from __future__ import annotations

import os

from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec

COMMAND_NAMES = {"cpython": "python", "pypy": "pypy", "graalpy": "graalpy", "rustpython": "rustpython"}
IMPLEMENTATIONS_BY_PREFIX = {
    "pypy": "pypy",
    "graalpy": "graalpy",
    "graalvm": "graalpy",
    "cpython": "cpython",
    "pythoncore": "cpython",
    "python": "cpython",
    "rustpython": "rustpython",
}
"""The prefixes of installation names, with the implementation that each stands for."""


class InstallationName(Value):
    """The parts of an installation's name."""

    implementation: str
    version: tuple[int, ...]
    """As many numbers as the name has; empty for GraalPy, whose version is not a Python version (24.1 is 3.11)."""
    free_threaded: bool


def parse_installation_name(name: str) -> InstallationName | None:
    """Return the parts of an installation's name, None if it has no known form.

    Examples: `3.12.1`, `3.13.0t`, `cpython-3.12.4-linux-x86_64-gnu`, `pypy3.10-7.3.12`, `graalpy-24.1.0`, `python@3.12`.
    """
    lowered = name.lower()
    implementation = "cpython"
    for prefix, meaning in IMPLEMENTATIONS_BY_PREFIX.items():
        if lowered.startswith(prefix):
            implementation, lowered = meaning, lowered[len(prefix) :].lstrip("-@")
            break
    else:
        if not lowered[:1].isdigit():
            return None
    length = next((at for at, character in enumerate(lowered) if character not in "0123456789."), len(lowered))
    version = tuple(int(part) for part in lowered[:length].split(".") if part.isdigit())
    free_threaded = lowered[length : length + 1] == "t" or lowered[length:].startswith("+freethreaded")
    return InstallationName(implementation, () if implementation == "graalpy" else version, free_threaded)


def may_satisfy(name: str, spec: InterpreterSpec) -> bool:
    """Return whether an installation may satisfy a request, judging by its name."""
    if (parsed := parse_installation_name(name)) is None:
        return True
    if spec.implementation and parsed.implementation != spec.implementation:
        return False
    length = min(len(parsed.version), len(spec.release))
    return parsed.version[:length] == spec.release[:length] and (
        spec.free_threaded is not False or not parsed.free_threaded
    )


def newest_first(names: list[str]) -> list[str]:
    """Return names of installations in order: CPython first, newest version first, names without a version last.

    Within one version of Python, a release comes before prereleases and special builds, and then the other numbers
    decide: `pypy3.9-7.3.11` is newer than `pypy3.9-7.3.9`.
    """

    def order(name: str) -> tuple[object, ...]:
        parsed = parse_installation_name(name) or InstallationName("~", (), free_threaded=False)
        version = [-part for part in parsed.version]
        numbers, level = _numbers_in(name)
        padded = [*version, *[1] * (4 - len(version))]
        return (parsed.implementation, padded, level, parsed.free_threaded, [-n for n in numbers], len(name), name)

    return sorted(names, key=order)


def _numbers_in(name: str) -> tuple[list[int], int]:
    """Return all numbers in a name, and its level: 0 for a release, then rc, beta, alpha, and other text after a version."""
    numbers: list[int] = []
    words = [""]
    for character in name.lower():
        if character.isascii() and character.isdigit():
            if words[-1] or not numbers:
                numbers.append(0)
                words.append("")
            numbers[-1] = 10 * numbers[-1] + int(character)
        else:
            words[-1] += character
    levels = [("rc", "b", "a").index(word) + 1 for word in words if word in ("rc", "b", "a")]
    return numbers, max(levels, default=4 * (words[-1] == "-dev"))


def installed_executables(root: str, spec: InterpreterSpec, host: Host) -> Iterator[str]:
    """Yield the executable of each installation in `root` that may satisfy a request, newest first.

    A link for a minor version (`3.12 -> 3.12.4`) is updated when a patch release is installed, so environments should
    refer to it, unless the request names a patch release.
    """
    links, names = _entries(root)
    aliases = {target: link for link, target in links.items() if _is_minor(link) and len(spec.release) < 3}
    for name in newest_first([name for name in names if may_satisfy(name, spec)]):
        if path := find_executable(os.path.join(root, aliases.get(name, name)), spec, host):
            yield path


def _entries(root: str) -> tuple[dict[str, str], list[str]]:
    """Return the links in a directory to other entries of it, with their targets, and the names of its directories."""
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
    """Return whether an entry is a Windows junction (`IO_REPARSE_TAG_MOUNT_POINT`), which uv creates on Windows."""
    return getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) == 0xA0000003


def _is_minor(name: str) -> bool:
    parsed = parse_installation_name(name)
    return parsed is not None and len(parsed.version) == 2


def read_config_file(path: str, max_bytes: int = 1 << 16) -> str:
    """Return the text of a configuration file; empty if it does not exist, or is too large or not a regular file."""
    try:
        if not os.path.isfile(path):  # opening a FIFO would block
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(max_bytes + 1)
    except OSError:
        return ""
    return text if len(text) <= max_bytes else ""


def find_executable(prefix: str, spec: InterpreterSpec, host: Host) -> str | None:
    """Return the path of the Python in an installation's directory, under any of its names; None if there is none."""
    directories = [prefix, os.path.join(prefix, "bin")] if host.os_name == "nt" else [os.path.join(prefix, "bin")]
    suffix = ".exe" if host.os_name == "nt" else ""
    generic = [f"{kind}{digit}{suffix}" for kind in ("python", "pypy", "graalpy") for digit in ("3", "")]
    for directory in directories:
        for name in [*command_names(spec, host), *generic]:
            if os.path.isfile(path := os.path.join(directory, name)):
                return path
        for name in versioned_names(directory, spec):
            if os.path.isfile(path := os.path.join(directory, name)):
                return path
    return None


def command_names(spec: InterpreterSpec, host: Host) -> list[str]:
    """Return the file names that an executable for a request may have, most specific first."""
    suffix = ".exe" if host.os_name == "nt" else ""
    if spec.name:
        names = ["python3", "python"] if spec.name == "python3" else [spec.name]  # `-p system`
        return [f"{name}{ending}" for name in names for ending in dict.fromkeys(("", suffix))]
    threads, debug = "t" * bool(spec.free_threaded), ("_d" if suffix else "d") * bool(spec.debug)
    variants = [f"{threads}{debug}", threads, debug, ""]
    minor = f"{spec.release[0]}.{spec.release[1]}" if len(spec.release) > 1 else ""
    numbers = [minor] * bool(minor) + ["3"] * (spec.release[:1] in ((), (3,))) + [""]
    names = [f"{kind}{number}{variant}{suffix}" for kind in _kinds(spec) for number in numbers for variant in variants]
    return list(dict.fromkeys(names))


def _kinds(spec: InterpreterSpec) -> list[str]:
    if spec.implementation:
        return list(dict.fromkeys([COMMAND_NAMES[spec.implementation], "python"]))
    return ["python", "pypy", "graalpy"]


def versioned_names(directory: str, spec: InterpreterSpec) -> list[str]:
    """Return the names `python3.N` in a directory that may satisfy a request, newest first."""
    kinds = _kinds(spec)
    try:
        names = [(name, parsed) for name in os.listdir(directory) if (parsed := parse_versioned_name(name)) is not None]
    except OSError:
        return []
    found = sorted((-minor, kinds.index(kind), name) for name, (kind, minor) in names if kind in kinds)
    return [name for _, _, name in found]


def parse_versioned_name(command: str) -> tuple[str, int] | None:
    """Return (`python`, N) for `python3.N`, with or without a suffix `t`, `d` or `.exe`; None for any other name."""
    kind, found, rest = command.removesuffix(".exe").partition("3.")
    number = rest.rstrip("td")
    return (kind, int(number)) if found and number.isascii() and number.isdigit() else None
