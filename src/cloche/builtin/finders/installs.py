"""What the name and the files of an installation say about the Python in it, without starting it.

It only leaves out what certainly does not satisfy a request; what is doubtful is a candidate, and the probe decides.
"""

from __future__ import annotations

import os

from cloche.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model import Host
    from cloche.spec import InterpreterSpec

COMMANDS = {"cpython": "python", "pypy": "pypy", "graalpy": "graalpy", "rustpython": "rustpython"}
PREFIXES = {
    "pypy": "pypy",
    "graalpy": "graalpy",
    "graalvm": "graalpy",
    "cpython": "cpython",
    "python": "cpython",
    "rustpython": "rustpython",
}
"""How the name of an installation may begin, with the implementation that this means."""


def commands(spec: InterpreterSpec, host: Host) -> list[str]:
    """Return the names under which an executable for a request may stand in a directory, most specific first."""
    if spec.name:
        return [spec.name, f"{spec.name}.exe"] if host.os_name == "nt" else [spec.name]
    names: list[str] = []
    variant = "t" if spec.free_threaded else ""
    kinds = [COMMANDS[spec.implementation]] if spec.implementation else ["python"]
    if spec.implementation and spec.implementation != "cpython":
        kinds.append("python")
    for kind in kinds:
        if len(spec.release) > 1:
            minor = f"{kind}{spec.release[0]}.{spec.release[1]}"
            names += [f"{minor}{variant}d"] * spec.debug + [f"{minor}{variant}", minor]
        if spec.release[:1] in ((), (3,)):
            names += [f"{kind}3{variant}", f"{kind}3"]
        names.append(kind)
    if not spec.implementation and spec.release:
        names += [f"pypy{spec.release[0]}.{spec.release[1]}"] * (len(spec.release) > 1) + ["pypy3", "graalpy"]
    suffix = ".exe" if host.os_name == "nt" else ""
    return [f"{name}{suffix}" for name in dict.fromkeys(names)]


def minor_of(command: str) -> int | None:
    """Return N of `python3.N`, `pypy3.N`, with what may follow (`t`, `d`, `.exe`); None if it is not such a name."""
    kind, found, rest = command.removesuffix(".exe").partition("3.")
    number = rest.rstrip("td")
    return int(number) if found and kind in COMMANDS.values() and number.isascii() and number.isdigit() else None


def executable(prefix: str, spec: InterpreterSpec, host: Host) -> str | None:
    """Return the Python in an installation's directory; it does not matter by which of its names."""
    directories = [prefix, os.path.join(prefix, "bin")] if host.os_name == "nt" else [os.path.join(prefix, "bin")]
    generic = [f"{kind}{digit}" for kind in ("python", "pypy", "graalpy") for digit in ("3", "")]
    suffix = ".exe" if host.os_name == "nt" else ""
    for directory in directories:
        for name in [*commands(spec, host), *(f"{name}{suffix}" for name in generic)]:
            if os.path.isfile(path := os.path.join(directory, name)):
                return path
    return None


def described(name: str) -> tuple[str, tuple[int, ...]] | None:
    """Return implementation and version that the name of an installation speaks of, None if it does not.

    `3.12.1`, `3.13.0t`, `cpython-3.12.4-linux-x86_64-gnu`, `pypy3.10-7.3.12`, `graalpy-24.1.0`, `miniconda3-3.12-24.1`.
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
    digits = lowered[: next((at for at, char in enumerate(lowered) if char not in "0123456789."), len(lowered))]
    version = tuple(int(part) for part in digits.split(".") if part.isdigit())
    if implementation == "graalpy":  # its names have its own version: GraalPy 24.1 is Python 3.11
        return implementation, ()
    return implementation, version


def may_satisfy(name: str, spec: InterpreterSpec) -> bool:
    """Whether the name of an installation leaves it open that the request is satisfied there."""
    if (told := described(name)) is None:
        return True
    implementation, version = told
    if spec.implementation and implementation != spec.implementation:
        return False
    length = min(len(version), len(spec.release))
    return version[:length] == spec.release[:length]


def newest_first(names: list[str]) -> list[str]:
    """Return names of installations, CPython first, newest version first, prereleases behind their release."""

    def order(name: str) -> tuple[object, ...]:
        implementation, version = described(name) or ("~", ())
        numbers = [-part for part in version]
        return (implementation, [*numbers, *[1] * (4 - len(numbers))], len(name), name)

    return sorted(names, key=order)


def directories(root: str) -> list[str]:
    """Return the names of the directories, and links to directories, in a directory; none if it cannot be read."""
    try:
        with os.scandir(root) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".") and _is_directory(entry)]
    except OSError:
        return []


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def installed(root: str, spec: InterpreterSpec, host: Host) -> Iterator[str]:
    """Yield the executable of each installation in a directory that may satisfy a request, newest first."""
    for name in newest_first([name for name in directories(root) if may_satisfy(name, spec)]):
        if path := executable(os.path.join(root, name), spec, host):
            yield path
