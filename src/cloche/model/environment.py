"""The layout of an environment on disk, for every platform and independent of the platform that cloche runs on.

Paths inside an environment are relative to its root and use `/` on every platform.
"""

from __future__ import annotations

import sys

from cloche.model import PYVENV_CFG
from cloche.model.interpreter import path_module
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cloche.model.aliases import Naming, Placement
    from cloche.model.interpreter import Interpreter


def as_written(text: str) -> str:
    """Return the text whose bytes in UTF-8 are those of a path or an argument, for scripts that other programs read.

    It differs from `text` only if the file-system encoding is not UTF-8. Bytes that are not UTF-8 are lone surrogates.
    """
    return recode(text, sys.getfilesystemencoding(), "utf-8")


def as_read(text: str) -> str:
    """Return the path or argument for which `as_written` returns this text."""
    return recode(text, "utf-8", sys.getfilesystemencoding())


def recode(text: str, old: str, new: str) -> str:
    """Return the text that has the same bytes in one encoding as `text` has in another."""
    return text if old == new else text.encode(old, "surrogateescape").decode(new, "surrogateescape")


def locale_encoding() -> str:
    """Return the file-system encoding of Python 3.14 and older in this locale."""
    if sys.hexversion < 0x030F0000:
        return sys.getfilesystemencoding()
    import locale
    from codecs import lookup

    if not hasattr(locale, "nl_langinfo"):
        return sys.getfilesystemencoding()  # Windows, where it is always UTF-8
    name = lookup(locale.nl_langinfo(locale.CODESET)).name
    return "utf-8" if name == "ascii" else name  # they use UTF-8 in the locale `C`


class Layout(Value):
    """The paths in an environment, relative to its root; most of them come from the interpreter's sysconfig scheme."""

    bin: str
    """`bin` or `Scripts`."""
    executable: str
    """Its Python: `bin/python`, `Scripts/python.exe`."""
    names: tuple[str, ...]
    """All names of the Python in `bin`: `python`, `python3`, `python3.12`."""
    purelib: str
    """The directory for pure-Python packages: `lib/python3.12/site-packages`."""
    platlib: str
    """The directory for packages with extension modules; usually the same."""
    include: str
    """The directory for C headers."""
    links: tuple[tuple[str, str], ...] = ()
    """Symbolic links between directories of the environment, as (path, target): `lib64 -> lib` where `venv` creates it."""
    config: str = PYVENV_CFG
    """Its settings (PEP 405)."""
    options: Mapping[str, object] = {}
    """The values of the creator's own options."""


class Environment(Value):
    """An environment: one on disk, created by any tool, or one that a plan describes."""

    location: str
    """Absolute path of the root."""
    layout: Layout
    """The paths in it."""
    os_name: str
    """`os.name` of its Python: `posix` or `nt`."""
    prompt: str
    """The text that an activated shell shows; by default, the name of the root directory."""
    interpreter: Interpreter | None = None
    """The base interpreter; None if it no longer exists."""
    options: Mapping[str, object] = {}
    """The option values of the activator that gets this environment."""
    placement: Placement = "fixed"
    """`relocatable` if its scripts must find it when they run, because it may have been moved or copied."""
    naming: Naming = "chosen"
    """`directory` if the prompt is the name of the root directory."""

    def path_to(self, relative: str) -> str:
        """Return the absolute path of a path relative to the root, with the separators of the target platform."""
        separator: str = path_module(self.os_name).sep
        return separator.join([self.location.rstrip(separator), *relative.split("/")])

    def place(self, relative: str) -> str:
        """Return the same as `path_to`; the name in version 0.1, kept for plugins."""
        return self.path_to(relative)

    @property
    def values(self) -> dict[str, str]:
        """The values for the slots of activation scripts, by name (see `cloche.shells.template`).

        - `ROOT`: the absolute path of the environment, the value of `VIRTUAL_ENV`;
        - `BIN`: the absolute path of its directory of executables, the first entry of `PATH`;
        - `BIN_NAME`: the name of that directory, relative to the root;
        - `PROMPT`: the text that the prompt shows, the value of `VIRTUAL_ENV_PROMPT`;
        - `PKG_CONFIG`: the first entry of `PKG_CONFIG_PATH`;
        - `TCL_LIBRARY`: the value of this variable, or empty if it must not be changed;
        - `TK_LIBRARY`: the value of this variable, or empty if it must not be changed;
        - `SITE`: the directory of pure-Python packages, relative to `BIN`;
        - `PLATSITE`: the directory of packages with extension modules, relative to `BIN`;
        - `NAMING`: `chosen` if scripts show the prompt as it is, `directory` if they show the name of the directory instead.

        Paths and the prompt are as `as_written` returns them. `NAMING` is always `chosen` here; see `values_anywhere`.
        """
        up = "/".join([".."] * (self.layout.bin.count("/") + 1))
        written = as_written if self.os_name == "posix" else str
        return {
            "ROOT": written(self.location),
            "BIN": written(self.path_to(self.layout.bin)),
            "BIN_NAME": self.layout.bin,
            "PROMPT": written(self.prompt),
            "PKG_CONFIG": written(self.path_to("lib/pkgconfig")),
            "TCL_LIBRARY": written(self.interpreter.tcl_library if self.interpreter else ""),
            "TK_LIBRARY": written(self.interpreter.tk_library if self.interpreter else ""),
            "SITE": f"{up}/{self.layout.purelib}",
            "PLATSITE": f"{up}/{self.layout.platlib}",
            "NAMING": "chosen",
        }

    @property
    def values_anywhere(self) -> dict[str, str]:
        """The values for the slots of a relocatable environment's scripts: those of `values` without absolute paths.

        `PROMPT` is the chosen prompt, or empty if scripts must show the name of the directory. `NAMING` says which:
        `chosen` or `directory`.
        """
        absolute = ("ROOT", "BIN", "PKG_CONFIG")
        values = {name: text for name, text in self.values.items() if name not in absolute}
        return {**values, "PROMPT": values["PROMPT"] if self.naming == "chosen" else "", "NAMING": self.naming}

    def _path(self, relative: str) -> Path:
        from pathlib import Path  # takes 8 ms to import; the command line does not need it

        return Path(self.path_to(relative)) if relative else Path(self.location)

    @property
    def root(self) -> Path:
        """The root directory."""
        return self._path("")

    @property
    def executable(self) -> Path:
        """The Python of the environment."""
        return self._path(self.layout.executable)

    @property
    def bin(self) -> Path:
        """The directory of executables and scripts: `bin` or `Scripts`."""
        return self._path(self.layout.bin)

    @property
    def purelib(self) -> Path:
        """The directory for pure-Python packages."""
        return self._path(self.layout.purelib)

    @property
    def platlib(self) -> Path:
        """The directory for packages with extension modules; usually the same as `purelib`."""
        return self._path(self.layout.platlib)

    @property
    def include(self) -> Path:
        """The directory for C headers."""
        return self._path(self.layout.include)

    @property
    def config(self) -> Path:
        """Its `pyvenv.cfg` (PEP 405)."""
        return self._path(self.layout.config)


class Script(Value):
    """A file that an activator adds to the directory of executables."""

    name: str
    """The file name, without a directory: `activate.fish`."""
    text: str
    """The content, with `\\n` as the line ending."""
    newline: str = "\n"
    """The line ending in the file: `\\n` or `\\r\\n`."""
    byte_order_mark: bool = False
    """Whether the file begins with a byte order mark. Windows PowerShell 5.1 needs it to read non-ASCII text correctly."""
