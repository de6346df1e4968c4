"""The values that travel through cloche, from what was asked for to what was made; no I/O happens here.

Paths inside an environment are relative to its root and written with `/` whatever the platform, so that an environment
for any system can be planned on any other. Words (`"auto"`, `"replace"`) stand where a flag would hide its meaning.
"""

from __future__ import annotations

from cloche.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any, Literal, TypeAlias

    from cloche.operations import LinkMode, Operation

    Way: TypeAlias = Literal["new", "exchange", "merge", "merge-emptied"]
    """How a staged tree reaches its place (see `cloche.transaction`); `merge-emptied` first takes away what is there."""

    OnExisting: TypeAlias = Literal["keep", "replace", "replace-anything"]
    """What to do with what stands at the destination: keep it and add, replace an environment, replace whatever it is."""

    SitePackages: TypeAlias = Literal["isolated", "system"]
    """Whether the environment sees the base interpreter's own packages."""

    Bytecode: TypeAlias = Literal["complete", "missing"]
    """Of an image; `missing` leaves it to Python's first import. For the next environment the image is made with all of it."""

    Network: TypeAlias = Literal["never", "last-resort", "newest"]
    """When seeds may be downloaded: never, if nothing local serves, or always to get the newest."""

    Consult: TypeAlias = Literal["nothing", "project"]
    """What decides on the Python if none is asked for: nothing but the running one, or the project's files."""

    Placement: TypeAlias = Literal["fixed", "relocatable"]
    """Whether what is generated in an environment names the place where it is, or finds it each time it runs."""

    Naming: TypeAlias = Literal["chosen", "directory"]
    """Where a prompt comes from: somebody chose it, or it is the name of the directory."""

    Version: TypeAlias = tuple[int, int, int, str, int]
    """`sys.version_info` as a plain tuple: `(3, 12, 1, "final", 0)`."""


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


@value
class Layout:
    """Where things stand in an environment: paths relative to the root, with `/`, as the interpreter's scheme has them."""

    bin: str
    """`bin` or `Scripts`."""
    executable: str
    """The Python in it: `bin/python`, `Scripts/python.exe`."""
    names: tuple[str, ...]
    """Every name the Python has in `bin`: `python`, `python3`, `python3.12`."""
    purelib: str
    platlib: str
    include: str
    links: tuple[tuple[str, str], ...] = ()
    """Links between the environment's own directories, as (path, target): `lib64 -> lib` where venv makes one."""
    config: str = "pyvenv.cfg"
    options: Mapping[str, object] = {}
    """What the user chose among the creator's own options."""


@value
class Environment:
    """An environment on disk, or one that a plan describes; whoever made it."""

    location: str
    """The root, absolute, as text."""
    layout: Layout
    os_name: str
    prompt: str
    """What an activated shell shows; the name of the root directory if none was chosen."""
    interpreter: Interpreter | None = None
    """The base interpreter; None where the environment names one that is gone."""
    options: Mapping[str, object] = {}
    """What the user chose among the options of the activator that is asked."""
    placement: Placement = "fixed"
    """`relocatable`: its scripts are to find it when they run, since it may have been moved or copied by then."""
    naming: Naming = "chosen"
    """`directory`: nobody chose the prompt, which is the name of the root directory."""

    def place(self, relative: str) -> str:
        """Return the absolute path, in the target's own spelling, of a path relative to the root."""
        separator = "\\" if self.os_name == "nt" else "/"
        return separator.join([self.location.rstrip(separator) or separator, *relative.split("/")])

    @property
    def values(self) -> dict[str, str]:
        """The slots that activation scripts may use, by name (see `cloche.template`).

        `ROOT` the environment, `BIN` its executables' directory (absolute), `BIN_NAME` the same relative to the root,
        `PROMPT` what to show, `PKG_CONFIG` its pkg-config directory, `TCL_LIBRARY` and `TK_LIBRARY` (may be empty),
        `SITE` its purelib relative to `BIN`, `PLATSITE` its platlib relative to `BIN`, `NAMING` always `chosen`: the
        prompt stands as it is.
        """
        up = "/".join([".."] * (self.layout.bin.count("/") + 1))
        return {
            "ROOT": self.location,
            "BIN": self.place(self.layout.bin),
            "BIN_NAME": self.layout.bin,
            "PROMPT": self.prompt,
            "PKG_CONFIG": self.place("lib/pkgconfig"),
            "TCL_LIBRARY": self.interpreter.tcl_library if self.interpreter else "",
            "TK_LIBRARY": self.interpreter.tk_library if self.interpreter else "",
            "SITE": f"{up}/{self.layout.purelib}",
            "PLATSITE": f"{up}/{self.layout.platlib}",
            "NAMING": "chosen",
        }

    @property
    def values_anywhere(self) -> dict[str, str]:
        """The slots that mean the same wherever the environment is, for scripts of a relocatable one.

        As `values`, without those that name the place. `PROMPT` is what was chosen, and empty if it is to be the name of
        the directory; which of the two, `NAMING` tells (`chosen`, `directory`).
        """
        here = ("ROOT", "BIN", "PKG_CONFIG")
        values = {name: text for name, text in self.values.items() if name not in here}
        return {**values, "PROMPT": self.prompt if self.naming == "chosen" else "", "NAMING": self.naming}

    def _path(self, relative: str) -> Path:
        from pathlib import Path  # 8 ms that the command line need not pay

        return Path(self.place(relative)) if relative else Path(self.location)

    @property
    def root(self) -> Path:
        return self._path("")

    @property
    def executable(self) -> Path:
        """The environment's own Python."""
        return self._path(self.layout.executable)

    @property
    def bin(self) -> Path:
        """Where console scripts stand: `bin` or `Scripts`."""
        return self._path(self.layout.bin)

    @property
    def purelib(self) -> Path:
        return self._path(self.layout.purelib)

    @property
    def platlib(self) -> Path:
        return self._path(self.layout.platlib)

    @property
    def include(self) -> Path:
        return self._path(self.layout.include)

    @property
    def config(self) -> Path:
        """Its `pyvenv.cfg` (PEP 405)."""
        return self._path(self.layout.config)


@value
class Script:
    """A file that an activator gives for the directory of executables."""

    name: str
    """File name, without a directory: `activate.fish`."""
    text: str
    newline: str = "\n"
    byte_order_mark: bool = False
    """Windows PowerShell 5.1 reads anything beyond ASCII wrongly without one."""


@value
class EntryPoint:
    """A console script that a wheel declares (entry points specification, `console_scripts` and `gui_scripts`)."""

    name: str
    module: str
    attribute: str
    kind: str = "console"
    """`console` or `gui`."""


def normalised(name: str) -> str:
    """Return a distribution's name as names are compared (PEP 503)."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


@value
class Image:
    """An unpacked wheel in the store, ready to be laid into environments of one ABI; immutable."""

    distribution: str
    """Normalised name: `pip`."""
    version: str
    root: str
    """Directory in the store; see `cloche.store.images`."""
    entry_points: tuple[EntryPoint, ...]
    dist_info: str
    """Name of its metadata directory: `pip-26.3.dist-info`."""
    files: int
    """Number of files in the tree."""
    size: int
    """Their size in bytes."""
    bytecode: Bytecode = "complete"


@value
class Wanted:
    """What the user wants seeded."""

    requirements: tuple[str, ...] = ("pip",)
    """`NAME` or `NAME==VERSION` (PEP 508 without markers), each once."""
    find_links: tuple[str, ...] = ()
    """Directories with wheels that outrank every other source, absolute."""
    network: Network = "last-resort"
    options: Mapping[str, object] = {}
    """What the user chose among the seeder's own options."""


@value
class Request:
    """What was asked for, with its meaning: every source of options resolved, nothing looked up yet."""

    destination: str
    """Absolute path."""
    pythons: tuple[str, ...] = ()
    """What may stand after `-p`, in order of preference; empty means: see `consult`."""
    try_first_with: tuple[str, ...] = ()
    consult: Consult = "nothing"
    creator: str | None = None
    seeder: str | None = None
    wanted: Wanted | None = Wanted()
    """None for an environment without seeds."""
    activators: tuple[str, ...] | None = None
    """Names in the order given; None means every one that serves the target, () none."""
    existing: OnExisting = "keep"
    site_packages: SitePackages = "isolated"
    prompt: str | None = None
    link_mode: LinkMode = "auto"
    vcs_ignore: bool = True
    """Whether the environment tells version control to ignore it."""
    placement: Placement = "fixed"
    """`relocatable`: it is to work wherever it is moved or copied to."""
    options: Mapping[str, object] = {}
    """Options that plugins declared, by option name."""
    extra_settings: Mapping[str, str] = {}
    """What `pyvenv.cfg` says besides cloche's own keys, for a program that makes environments in its own name."""


@value
class Chosen:
    """One of the things that plugins give, selected."""

    name: str
    item: Any
    """The object itself, or where it stands (`"package.module:attribute"`), to be loaded when it is used; None in the place
    of an object where it is written down."""
    asked: str = "by default"
    """`by name` if the user named it: then what it cannot do is an error, and is left out otherwise."""
    source: str = ""
    """Plugin and distribution that give it, for people."""
    options: Mapping[str, object] = {}
    """What the user chose among the options that it declared."""


@value
class Blueprint:
    """Everything that is decided about an environment before it is known where it will stand."""

    interpreter: Interpreter
    chosen_because: str
    """What decided on this interpreter, for people: "`.python-version` in /home/me/project"; empty if it was asked."""
    layout: Layout
    creator: str
    operations: tuple[Operation, ...]
    """The creator's."""
    seeder: str | None
    images: tuple[Image, ...]
    activators: tuple[Chosen, ...]
    notes: tuple[str, ...] = ()


@value
class Plan:
    """Every decision taken and nothing done: what `--dry-run` prints and the driver performs."""

    environment: Environment
    target: str
    """Absolute path of the directory to fill: the environment's own, or what its symbolic link points to."""
    way: Way
    """How the new tree reaches its place; see `cloche.transaction`."""
    outcome: str
    """What it amounts to, for people: `created`, `replaced`, `refreshed`, `added`."""
    operations: tuple[Operation, ...]
    creator: str
    seeder: str | None
    images: tuple[Image, ...]
    activators: tuple[str, ...]
    link_mode: LinkMode
    chosen_because: str = ""
    notes: tuple[str, ...] = ()
    """What was left out or is otherwise than asked, and why."""


@value
class Result:
    """What happened."""

    environment: Environment
    plan: Plan
    seconds: float
    """Wall time in this process."""
    warnings: tuple[str, ...] = ()
