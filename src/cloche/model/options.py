"""Options as data: one description for the command line, `CLOCHE_*` variables, config files, help and documentation."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    Kind: TypeAlias = Literal["text", "flag", "list", "words", "count"]
    """The kind of value: `text` is one value, the last one wins; `flag` takes no value; `list` may be repeated; `words` is one
    comma-separated value; `count` is the number of times that it is given."""


@value
class Option:
    """One option."""

    name: str
    """`link-mode`: `--link-mode`, `CLOCHE_LINK_MODE` and `link-mode` in a config file."""
    help: str
    """Its effect, as a lower-case fragment."""
    kind: Kind = "text"
    metavar: str = ""
    """The placeholder for the value in help: `SPEC`."""
    choices: tuple[str, ...] = ()
    """The allowed values; empty if all are."""
    short: str = ""
    """The letter of its short form: `p` for `-p`."""
    negation: str = ""
    """For a flag: the option that it turns off (`no-download` turns off `download`)."""
    group: str = "options"
    """The heading under which help lists it."""
    sources: Literal["all", "argv"] = "all"
    """`argv` if it is not accepted in variables and config files."""
    alias_of: str = ""
    """The option that this one is another name of; it gets the value."""
    implies: tuple[tuple[str, str], ...] = ()
    """For an alias without a value: the options that it sets, as (option, value)."""
    hidden: bool = False
    """Whether the short help leaves it out, for example because it is another tool's name for an option."""

    @property
    def is_path(self) -> bool:
        """Whether its value is the path of a file or directory. An empty value would mean the current directory."""
        return self.metavar in ("DIR", "EXE")
