"""Options as data: one description serves the command line, `CLOCHE_*` variables, the config files, help and the docs."""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    Kind: TypeAlias = Literal["text", "flag", "list", "words", "count"]
    """`text` one value, the last one wins; `flag` takes none; `list` may be repeated; `words` is one comma-separated
    value; `count` counts."""


@value
class Option:
    """One thing that a user may choose."""

    name: str
    """`link-mode`: `--link-mode`, `CLOCHE_LINK_MODE` and `link-mode` in a config file."""
    help: str
    """What it does, as a lower-case fragment."""
    kind: Kind = "text"
    metavar: str = ""
    """What stands for the value in help: `SPEC`."""
    choices: tuple[str, ...] = ()
    """The only values it takes; empty: any."""
    short: str = ""
    """A one-letter spelling: `p` for `-p`."""
    negation: str = ""
    """For a flag: the option whose effect it undoes (`no-download` undoes `download`)."""
    group: str = "options"
    """Heading in help."""
    sources: Literal["all", "argv"] = "all"
    """`argv`: it makes no sense in a variable or a config file."""
    alias_of: str = ""
    """The option that this is another spelling of; the value is handed on."""
    implies: tuple[tuple[str, str], ...] = ()
    """For an alias that takes no value: what it stands for, as (option, value)."""
    hidden: bool = False
    """Accepted, and absent from the short help (another tool's spelling)."""

    @property
    def is_path(self) -> bool:
        """Whether its value is the path of a file or a directory: a blank one would be the current directory's."""
        return self.metavar in ("DIR", "EXE")
