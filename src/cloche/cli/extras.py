"""Options and commands that plugins give; looked for only when a run says something that the tables here do not know."""

from __future__ import annotations

import itertools
import sys

from cloche.cli.vocabulary import COMMON, VERBS
from cloche.entrypoints import Installed
from cloche.extension import blocked
from cloche.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model import Host
    from cloche.options import Option
    from cloche.provided import Provided


def declared(argv: Sequence[str], host: Host) -> tuple[Option, ...]:
    """Return the options of all plugins that are not left out; one that has the name of one of ours is passed over.

    A plugin is imported for this only if the text of its module can declare one.
    """
    installed = Installed(sys.path)
    if "--no-plugins" in argv or not any(installed.mentions(source, b"ption") for source in installed.sources()):
        return ()
    from contextlib import redirect_stdout

    from cloche.plugins import load
    from cloche.provided import KINDS

    taken = {option.name for option in (*COMMON, *VERBS["create"].options)}
    with redirect_stdout(sys.stderr):  # it is not known yet whether it is to hold JSON alone
        registry = load(sys.path, blocked(host, left_out(argv)))
        options = [option for kind in KINDS for provided in registry.all(kind) for option in provided.options]
    return tuple(option for option in options if option.name not in taken)


def commands(argv: Sequence[str], host: Host) -> list[Provided]:
    """Return the commands of all plugins that are not left out, those too that have the name of one of ours.

    A plugin is imported for this only if the text of its module can give one; a broken one gives none.
    """
    installed = Installed(sys.path)
    sources = [source for source in installed.sources() if installed.mentions(source, b"cloche_commands")]
    if not sources or "--no-plugins" in argv:
        return []
    from cloche.plugins import load_sources

    return list(load_sources(sources, blocked(host, left_out(argv))).all("command"))


def left_out(argv: Sequence[str]) -> list[str]:
    """Return the names after `--no-plugin`."""
    names = [after for word, after in itertools.pairwise(argv) if word == "--no-plugin"]
    return names + [word.partition("=")[2] for word in argv if word.startswith("--no-plugin=")]
