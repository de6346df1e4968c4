"""`pyvenv.cfg` (PEP 405): values to text and text to values; where the file stands is not known here.

One line a key whatever the values hold: what would break a line is written as a space, except in `prompt`, which is
written as a Python literal, as `venv` does, and read back exactly.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "pyvenv.cfg"


def format_settings(settings: Mapping[str, str]) -> str:
    """Return the text of a `pyvenv.cfg` with these settings in this order."""
    return "".join(f"{key} = {repr(text) if key == 'prompt' else join_lines(text)}\n" for key, text in settings.items())


def join_lines(text: str) -> str:
    """Return `text` with every boundary that a reader may take for the end of a line as a space."""
    return " ".join(text.splitlines()).strip()


def parse_settings(text: str) -> dict[str, str]:
    """Return the settings of a `pyvenv.cfg` by lower-case key, whoever wrote it; the first of two wins.

    Lines without `=` are passed over, as CPython's `site` and `getpath` do. A prompt in quotes is unquoted.
    """
    settings: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").split("\n"):
        key, found, setting = line.partition("=")
        key, setting = key.strip().lower(), setting.strip()
        if found and key and not key.startswith("#"):
            settings.setdefault(key, unquote_prompt(setting) if key == "prompt" else setting)
    return settings


def unquote_prompt(text: str) -> str:
    """Return what a quoted prompt stands for: a Python literal (`venv`), plain quotes (`virtualenv`), or bare (`uv`)."""
    if len(text) < 2 or text[0] not in "'\"" or text[-1] != text[0]:
        return text
    if "\\" in text:
        from ast import literal_eval  # only for a prompt that needs it

        try:
            return str(literal_eval(text))
        except (ValueError, SyntaxError):
            pass
    return text[1:-1]
