"""What an environment looks like on disk, for any platform on any platform.

Paths inside an environment are relative to its root and use `/` on every platform.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Literal, TypeAlias

    from cloche.model.interpreter import Interpreter

    Placement: TypeAlias = Literal["fixed", "relocatable"]
    """Whether what is generated in an environment names the place where it is, or finds it each time it runs."""

    Naming: TypeAlias = Literal["chosen", "directory"]
    """Where a prompt comes from: somebody chose it, or it is the name of the directory."""


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
        """The slots that activation scripts may use, by name (see `cloche.shells.template`).

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
