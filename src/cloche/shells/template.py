"""Script templates: replace slots with quoted values.

A slot is `__CLOCHE_NAME__`. Write slots outside quotes: the quoter adds the quotes of the shell's syntax. Values are
inserted in one pass and never searched for slots, so a directory named like a slot is safe.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SLOT_PREFIX = "__CLOCHE_"


def render(text: str, values: Mapping[str, str], quote: Callable[[str], str]) -> str:
    """Return `text` with each slot replaced by its quoted value.

    :raises KeyError: `values` has no value for a slot, or a slot is not closed; the message is the slot.
    :raises cloche.errors.Inexpressible: `quote` cannot express a value in its shell's syntax.
    """
    first, *pieces = text.split(SLOT_PREFIX)
    rendered = [first]
    for piece in pieces:
        name, closed, rest = piece.partition("__")
        if not closed or name not in values:
            raise KeyError(f"{SLOT_PREFIX}{name[:40]}{closed}")
        rendered += [quote(values[name]), rest]
    return "".join(rendered)


def relocatable(text: str, here: str) -> str:
    """Return the template of a relocatable script, which finds its environment when it runs.

    The lines from the slot `ROOT` to the slot `PROMPT` are replaced by `here`, which must set the same variables.
    Render the result with `Environment.values_anywhere`.
    """
    start = text.rfind("\n", 0, text.index(f"{SLOT_PREFIX}ROOT__")) + 1
    end = text.index("\n", text.index(f"{SLOT_PREFIX}PROMPT__", start)) + 1
    return text[:start] + here + text[end:]


def resource(module: str, name: str) -> str:
    """Return the text of a data file in the directory of a module; the module may be in a zip archive.

    :param module: the name of an imported module.
    :raises OSError: the file cannot be read.
    """
    import os
    import sys

    spec = sys.modules[module].__spec__
    load = getattr(spec.loader, "get_data", None) if spec else None
    if spec is None or spec.origin is None or load is None:
        raise OSError(f"`{module}` has no directory with data files")
    path = os.path.join(os.path.dirname(spec.origin), name)
    data: bytes = load(path)
    return data.decode("utf-8")
