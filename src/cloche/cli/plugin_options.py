"""Options and commands that plugins give; looked for only when a run says something that the tables here do not know."""

from __future__ import annotations

import itertools
import sys

from cloche.cli.commands import COMMANDS, COMMON
from cloche.model.value import TYPE_CHECKING
from cloche.plugins.entry_points import Installed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model.interpreter import Host
    from cloche.model.options import Option
    from cloche.plugins.components import Component


def declared(argv: Sequence[str], host: Host) -> tuple[Option, ...]:
    """Return the options of all plugins that are not left out; one that has the name of one of ours is passed over.

    A plugin is imported for this only if the text of its module can declare one.
    """
    installed = Installed(sys.path)
    if not any(installed.mentions(source, b"ption") for source in installed.sources()):
        return ()
    from contextlib import redirect_stdout

    from cloche.plugins.components import KINDS
    from cloche.plugins.registry import load_plugins

    taken = {option.name for option in (*COMMON, *COMMANDS["create"].options)}
    with redirect_stdout(sys.stderr):  # it is not known yet whether it is to hold JSON alone
        registry = load_plugins(sys.path, left_out(argv, host))
        options = [option for kind in KINDS for provided in registry.all(kind) for option in provided.options]
    return tuple(option for option in options if option.name not in taken)


def commands(argv: Sequence[str], host: Host) -> list[Component]:
    """Return the commands of all plugins that are not left out, those too that have the name of one of ours.

    A plugin is imported for this only if the text of its module can give one; a broken one gives none.
    """
    installed = Installed(sys.path)
    sources = [source for source in installed.sources() if installed.mentions(source, b"cloche_commands")]
    if not sources:
        return []
    from cloche.plugins.registry import load_sources

    return list(load_sources(sources, left_out(argv, host)).all("command"))


def left_out(argv: Sequence[str], host: Host) -> frozenset[str]:
    """Return the names of plugins to leave out, of a command line that may only be understood with their help.

    :raises UsageError: a variable or a config file says of `no-plugins` what makes no sense.
    """
    from cloche.cli.parser import ParsedArguments
    from cloche.cli.settings import blocklist_of, resolve

    names = [after for word, after in itertools.pairwise(argv) if word == "--no-plugin"]
    names += [word.partition("=")[2] for word in argv if word.startswith("--no-plugin=")]
    given = {"no-plugin": tuple(names)} if names else {}
    if "--no-plugins" in argv:
        given["no-plugins"] = ("true",)
    about_plugins = [option for option in COMMON if option.group == "plugins"]
    return blocklist_of(resolve(ParsedArguments(COMMANDS["create"], given, ()), host, about_plugins), host)
