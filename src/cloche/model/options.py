"""Options as data, for the command line, `CLOCHE_*` variables, config files, help and documentation alike."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from typing import Literal

    from cloche.model.aliases import OptionKind


class Option(Value):
    """An option of the command line, which can also be set by a variable or in a config file."""

    name: str
    """`link-mode`: `--link-mode`, `CLOCHE_LINK_MODE` and `link-mode` in a config file."""
    help: str
    """Its effect, as a lower-case fragment."""
    kind: OptionKind = "text"
    """A component gets the value of one of its options as a string, for a `flag` as True or False, for a `list` as a tuple of
    strings, and for a `count` as a number."""
    metavar: str = ""
    """The placeholder for the value in help: `SPEC`."""
    choices: tuple[str, ...] = ()
    """The allowed values; empty if every value is allowed."""
    short: str = ""
    """The letter of its short form: `p` for `-p`."""
    negation: str = ""
    """The option that a flag contradicts (`no-download` contradicts `download`). In a stronger source, one of the two
    overrides the other in weaker ones."""
    group: str = "options"
    """The heading under which help lists it."""
    sources: Literal["all", "argv"] = "all"
    """`argv` if it is not accepted in variables and config files."""
    alias_of: str = ""
    """The option that gets the value, if this one is only another name for it."""
    implies: tuple[tuple[str, str], ...] = ()
    """The options that an alias without a value sets, as (option, value)."""
    hidden: bool = False
    """Whether the short help leaves it out, for example because it is another tool's name for an option."""

    @property
    def is_path(self) -> bool:
        """Whether its value is the path of a file or directory. An empty value would mean the current directory."""
        return self.metavar in ("DIR", "EXE", "FILE")


PORTABLE_OPTIONS = (
    Option(
        "stdlib",
        "the part of the standard library to include, without or with its tests and IDLE",
        metavar="PART",
        choices=("runtime", "full"),
        group="portable environments",
    ),
    Option(
        "carry-libraries",
        "include the system libraries that a portable environment needs, except the C library",
        "flag",
        group="portable environments",
    ),
)
"""The options of the creator `portable`, which `pyvenv.cfg` records."""
