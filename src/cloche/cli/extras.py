"""Options that plugins declare; looked for only when a run says something that the tables here do not know."""

from __future__ import annotations

import itertools
import sys

from cloche.cli.vocabulary import COMMON, VERBS
from cloche.plugins import KINDS, blocked, find_sources, load, mentions
from cloche.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model import Host
    from cloche.options import Option


def declared(argv: Sequence[str], host: Host) -> tuple[Option, ...]:
    """Return the options of all plugins that are not left out; one that has the name of one of ours is passed over.

    A plugin is imported for this only if the text of its module can declare one.
    """
    if "--no-plugins" in argv or not any(mentions(source, sys.path, b"ption") for source in find_sources(sys.path)):
        return ()
    left_out = [after for word, after in itertools.pairwise(argv) if word == "--no-plugin"]
    left_out += [word.partition("=")[2] for word in argv if word.startswith("--no-plugin=")]
    registry = load(sys.path, blocked(host, left_out))
    taken = {option.name for option in (*COMMON, *VERBS["create"].options)}
    options = [option for kind in KINDS for provided in registry.all(kind) for option in provided.options]
    return tuple(option for option in options if option.name not in taken)
