"""Whether a distribution runs on an interpreter: its Requires-Python and its wheel tags; it looks at nothing else."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloche.model.interpreter import Interpreter
    from cloche.store.distributions import Distribution

_PURE = re.compile(r"(?:py\d+\.)*py3(?:\.py\d+)*-none-any")


def misfit(distribution: Distribution, interpreter: Interpreter) -> str | None:
    """Return why a distribution does not run on an interpreter (`needs Python >=3.9`), None if it does."""
    if not allows(distribution.requires_python, interpreter):
        return f"needs Python {distribution.requires_python}"
    return tag_misfit(distribution.tags, interpreter)


def tag_misfit(tags: Iterable[str], interpreter: Interpreter) -> str | None:
    """Return why none of the tags of a wheel (`py2.py3-none-any`) serves an interpreter, None if one does."""
    tags = list(tags)
    if any(_PURE.fullmatch(tag) for tag in tags):
        return None
    from packaging.tags import parse_tag

    offered = {tag for text in tags if text.count("-") == 2 for tag in parse_tag(text)}
    if offered.isdisjoint(tag for text in supported(interpreter) for tag in parse_tag(text)):
        return f"is for {', '.join(sorted(tags)) or 'nothing that its tags name'}"
    return None


def supported(interpreter: Interpreter) -> Iterator[str]:
    """Yield the tags that serve an interpreter, the most specific first (PEP 425).

    Those of a platform are known for the platform that cloche itself runs on only; elsewhere pure wheels alone serve.
    """
    from packaging import tags

    version = interpreter.version[:2]
    platforms = list(tags.platform_tags()) if _is_like_ours(interpreter) else ["any"]
    own = abi(interpreter)
    short = f"{'pp' if interpreter.implementation == 'pypy' else 'cp'}{version[0]}{version[1]}"
    if interpreter.implementation == "cpython":
        yield from map(str, tags.cpython_tags(version, [own] if own else [], platforms))
    elif own:
        yield from map(str, tags.generic_tags(short, [own, "none"], platforms))
    yield from map(str, tags.compatible_tags(version, short, platforms))


def abi(interpreter: Interpreter) -> str:
    """Return the tag of an interpreter's own ABI (`cp312`, `cp313t`, `cp36m`, `pypy39_pp73`); empty if it has none."""
    parts = interpreter.soabi.split("-")
    if len(parts) < 2:
        if interpreter.implementation != "cpython":
            return ""
        major, minor = interpreter.version[:2]
        return f"cp{major}{minor}{'t' * interpreter.free_threaded}{'d' * interpreter.debug}"
    if parts[0] == "cpython":
        return f"cp{parts[1]}"
    return parts[0] if parts[0].startswith("cp") else "_".join(parts[:2])  # `cp312-win_amd64`, `pypy39-pp73-linux`


def _is_like_ours(interpreter: Interpreter) -> bool:
    """Whether what the platform of the Python that runs cloche can load, that of the interpreter can load too."""
    import platform

    ours = (sys.platform, platform.machine().lower(), 64 if sys.maxsize > 2**32 else 32)
    return ours == (interpreter.platform, interpreter.machine.lower(), interpreter.bits)


def allows(requires_python: str, interpreter: Interpreter) -> bool:
    """Whether an interpreter satisfies a Requires-Python; one that cannot be read forbids nothing, as pip has it."""
    from cloche.model.spec import contains

    try:
        return not requires_python or contains(requires_python.replace(" ", ""), interpreter.version, prereleases=True)
    except ValueError:
        return True
