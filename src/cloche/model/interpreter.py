"""The state of the machine that cloche runs on, and the interpreters on it."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from cloche.model.aliases import Version


def path_module(os_name: str) -> ModuleType:
    """Return the module for paths on systems with this `os.name`: `ntpath` for `nt`, otherwise `posixpath`."""
    if os_name == "nt":
        import ntpath

        return ntpath
    import posixpath

    return posixpath


class Host(Value):
    """The state of cloche's process and its machine, read once at the start of a run."""

    environ: Mapping[str, str]
    """The environment variables."""
    cwd: str
    """The current directory, absolute; empty if it was removed."""
    platform: str
    """`sys.platform` of the Python that runs cloche."""
    os_name: str
    """`os.name` of the Python that runs cloche."""
    executable: str
    """`sys.executable` of the Python that runs cloche."""


class Interpreter(Value):
    """A base interpreter (never an environment), as described by one run of the probe."""

    executable: str
    """Absolute path of the base interpreter. A stable alias such as `/usr/bin/python3` is kept; an environment is replaced by
    its base."""
    implementation: str
    """`sys.implementation.name`: `cpython`, `pypy`, `graalpy`."""
    version: Version
    platform: str
    """Its `sys.platform`."""
    os_name: str
    """Its `os.name`: `posix` or `nt`. Decisions about an environment depend on this, and not on the `os.name` of the host."""
    machine: str
    """The instruction set, as `platform.machine()` returns it: `x86_64`, `aarch64`, `AMD64`."""
    bits: int
    """Size of a pointer: 64 or 32."""
    free_threaded: bool
    """Whether it is a build without the GIL (PEP 703)."""
    debug: bool
    """Whether it is a debug build (`--with-pydebug`)."""
    prefix: str
    """`sys.base_prefix`."""
    exec_prefix: str
    """`sys.base_exec_prefix`."""
    stdlib: str
    """The directory of the standard library, which contains `os.py`."""
    scheme: Mapping[str, str]
    """The paths of its sysconfig scheme for environments (`scripts`, `purelib`, `platlib`, `include`, `data`), relative to
    the environment's root: `lib/python3.12/site-packages`."""
    cache_tag: str
    """`sys.implementation.cache_tag`, part of the names of bytecode files: `cpython-312`."""
    magic: str
    """The magic number of its bytecode files, in hexadecimal; it ignores bytecode with another one."""
    soabi: str
    """`SOABI`, part of the names of extension modules: `cpython-312-x86_64-linux-gnu`; empty if it has none."""
    library: str
    """Absolute path of the shared libpython that the executable loads; empty for a static build."""
    has_venv: bool
    """Whether its standard library has `venv`."""
    tcl_library: str
    """The value that `TCL_LIBRARY` needs in an environment; empty if Tcl finds its library without it."""
    tk_library: str
    """The same for `TK_LIBRARY`."""

    @property
    def version_text(self) -> str:
        """The version as text: `3.12.1`, `3.14.0rc2`."""
        major, minor, micro, level, serial = self.version
        suffix = "" if level == "final" else f"{ {'alpha': 'a', 'beta': 'b', 'candidate': 'rc'}[level] }{serial}"
        return f"{major}.{minor}.{micro}{suffix}"

    @property
    def python_version(self) -> str:
        """Major and minor version as text: `3.12`."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def build(self) -> str:
        """The build as letters in the names of executables: `t` (free-threaded), `d` (debug), `td`, or empty."""
        return "t" * self.free_threaded + "d" * self.debug

    @property
    def name(self) -> str:
        """A name for messages: `CPython 3.12.1`, `PyPy 3.9.16`, `CPython 3.13.0 free-threaded`."""
        names = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}
        words = [names.get(self.implementation, self.implementation), self.version_text]
        words += ["free-threaded"] * self.free_threaded + ["debug"] * self.debug
        return " ".join(words)
