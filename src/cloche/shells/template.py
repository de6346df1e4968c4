"""Put values into a script's slots.

A slot is `__CLOCHE_NAME__` and stands bare in the template: the quoter supplies the quotes of the shell's own syntax.
One pass: a value is never looked at again, so a directory named like a slot stays a directory name.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MARK = "__CLOCHE_"


def render(text: str, values: Mapping[str, str], quote: Callable[[str], str]) -> str:
    """Return `text` with each slot replaced by its quoted value.

    :raises KeyError: a slot that `values` does not have, or one that is not closed; names the slot.
    :raises cloche.errors.Inexpressible: `quote` cannot write a value in its shell's syntax.
    """
    first, *pieces = text.split(MARK)
    rendered = [first]
    for piece in pieces:
        name, closed, rest = piece.partition("__")
        if not closed or name not in values:
            raise KeyError(f"{MARK}{name[:40]}{closed}")
        rendered += [quote(values[name]), rest]
    return "".join(rendered)


def relocatable(text: str, here: str) -> str:
    """Return the template of a script that finds its place when it runs, made of one that is told its place.

    The lines with the slots `ROOT` and `PROMPT`, and what is between them, are replaced by `here`, which has to set the
    same variables. What comes of it is rendered with `Environment.values_anywhere`.
    """
    start = text.rfind("\n", 0, text.index(f"{MARK}ROOT__")) + 1
    end = text.index("\n", text.index(f"{MARK}PROMPT__", start)) + 1
    return text[:start] + here + text[end:]


def resource(module: str, name: str) -> str:
    """Return the text of a data file that lies beside the module of that name, from a directory or a zip archive.

    :raises OSError: there is no such file.
    """
    import os
    import sys

    spec = sys.modules[module].__spec__
    load = getattr(spec.loader, "get_data", None) if spec else None
    if spec is None or spec.origin is None or load is None:
        raise OSError(f"`{module}` has no place where `{name}` could lie")
    path = os.path.join(os.path.dirname(spec.origin), name)
    data: bytes = load(path)
    return data.decode("utf-8")
