"""The machine as cloche sees it, and the interpreters on it."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import TypeAlias

    Version: TypeAlias = tuple[int, int, int, str, int]
    """`sys.version_info` as a plain tuple: `(3, 12, 1, "final", 0)`."""


def path_module(os_name: str) -> ModuleType:
    """Return `ntpath` or `posixpath`: the functions for paths of a system with that `os.name`, on whatever system."""
    if os_name == "nt":
        import ntpath

        return ntpath
    import posixpath

    return posixpath


@value
class Host:
    """Everything that is read from the world outside, taken once at the border."""

    environ: Mapping[str, str]
    """The environment variables."""
    cwd: str
    """The current directory, absolute; empty if it has been removed."""
    platform: str
    """`sys.platform` of the Python that runs cloche."""
    os_name: str
    """`os.name` of the Python that runs cloche."""
    executable: str
    """`sys.executable` of the Python that runs cloche."""


@value
class Interpreter:
    """A base interpreter (never an environment), as one run of the probe described it."""

    executable: str
    """Absolute path of the base interpreter, as the user sees it: a stable alias is kept, an environment is not."""
    implementation: str
    """`sys.implementation.name`: `cpython`, `pypy`, `graalpy`."""
    version: Version
    platform: str
    """`sys.platform` of the target."""
    os_name: str
    """`os.name` of the target: `posix` or `nt`. Every decision about an environment follows this, never our own."""
    machine: str
    """The instruction set, as `platform.machine()` spells it: `x86_64`, `aarch64`, `AMD64`."""
    bits: int
    """Width of a pointer: 64 or 32."""
    free_threaded: bool
    """Built without the GIL (PEP 703)."""
    debug: bool
    """Built with assertions and reference counts (`--with-pydebug`)."""
    prefix: str
    """`sys.base_prefix`."""
    exec_prefix: str
    """`sys.base_exec_prefix`."""
    stdlib: str
    """Directory of the standard library (holds `os.py`)."""
    scheme: Mapping[str, str]
    """Where things go inside an environment (`scripts`, `purelib`, `platlib`, `include`, `data`): its own sysconfig
    scheme for environments, made relative to the root (`lib/python3.12/site-packages`)."""
    cache_tag: str
    """`sys.implementation.cache_tag`: names byte-code files (`cpython-312`)."""
    magic: str
    """The byte-code magic number in hexadecimal; byte-code is valid for exactly one."""
    soabi: str
    """`SOABI`: names extension modules (`cpython-312-x86_64-linux-gnu`); empty where there is none."""
    library: str
    """The shared libpython that the executable needs at start, absolute; empty for a static build."""
    has_venv: bool
    """Whether its standard library has `venv`."""
    tcl_library: str
    """Directory that Tcl must be told of inside an environment; empty where it finds its own way."""
    tk_library: str
    """As `tcl_library`, for Tk."""

    @property
    def version_text(self) -> str:
        """The version as releases are named: `3.12.1`, `3.14.0rc2`."""
        major, minor, micro, level, serial = self.version
        suffix = "" if level == "final" else f"{ {'alpha': 'a', 'beta': 'b', 'candidate': 'rc'}[level] }{serial}"
        return f"{major}.{minor}.{micro}{suffix}"

    @property
    def python_version(self) -> str:
        """Major and minor version: `3.12`."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def name(self) -> str:
        """What people call it: `CPython 3.12.1`, `PyPy 3.9.16`, `CPython 3.13.0 free-threaded`."""
        known = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}
        words = [known.get(self.implementation, self.implementation), self.version_text]
        words += ["free-threaded"] * self.free_threaded + ["debug"] * self.debug
        return " ".join(words)


@value
class Candidate:
    """An executable that may be an interpreter, and who says so."""

    path: str
    found_by: str
    """Name of the finder."""
    note: str = ""
    """Why it is passed over without being asked (a shim with nothing behind it, say); empty for a real candidate."""
