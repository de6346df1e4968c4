"""Compatibility of a distribution with an interpreter, based on its Requires-Python and its wheel tags."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator

    from packaging.tags import Tag

    from cloche.model.interpreter import Interpreter
    from cloche.store.distributions import Distribution

WINDOWS_PLATFORMS = {
    ("amd64", 64): "win_amd64",
    ("x86_64", 64): "win_amd64",
    ("arm64", 64): "win_arm64",
    ("aarch64", 64): "win_arm64",
    ("amd64", 32): "win32",
    ("x86_64", 32): "win32",
    ("x86", 32): "win32",
    ("i386", 32): "win32",
    ("i686", 32): "win32",
}
"""The platform tag of a Python on Windows, by machine in lower case and by size of a pointer in bits."""

_PURE = re.compile(r"(?:py\d+\.)*py3(?:\.py\d+)*-none-any")


def incompatibility(distribution: Distribution, interpreter: Interpreter) -> str | None:
    """Return why a distribution does not run on an interpreter (`needs Python >=3.9`); None if it does."""
    if not satisfies_requires_python(distribution.requires_python, interpreter):
        return f"needs Python {distribution.requires_python}"
    return tag_incompatibility(distribution.tags, interpreter)


def tag_incompatibility(tags: Iterable[str], interpreter: Interpreter) -> str | None:
    """Return why no tag of a wheel (`py2.py3-none-any`) is compatible with an interpreter; None if one is."""
    tags = list(tags)
    if any(_PURE.fullmatch(tag) for tag in tags):
        return None
    from packaging.tags import parse_tag

    from cloche.store.fetch.artifacts import MAX_FILE_NAME

    valid = [text for text in tags if text.count("-") == 2 and len(text) <= MAX_FILE_NAME]
    provided = {tag for text in valid for tag in parse_tag(text)}
    if provided.isdisjoint(tag for text in supported_tags(interpreter) for tag in parse_tag(text)):
        return f"is built for {', '.join(sorted(tags))}" if tags else "has no wheel tags"
    return None


def supported_tags(interpreter: Interpreter) -> Iterator[str]:
    """Yield the tags that an interpreter supports, most specific first (PEP 425).

    Platform tags are only known for the platform that cloche runs on, and for Windows. For another platform, only pure
    wheels match.
    """
    from packaging import tags

    version = interpreter.version[:2]
    if _has_our_platform(interpreter):
        platforms = list(tags.platform_tags())
    elif interpreter.platform == "win32":
        platforms = [WINDOWS_PLATFORMS.get((interpreter.machine.lower(), interpreter.bits), "any")]
    else:
        platforms = ["any"]
    own = abi_tags(interpreter)
    short = f"{'pp' if interpreter.implementation == 'pypy' else 'cp'}{version[0]}{version[1]}"
    if interpreter.implementation == "cpython":
        yield from map(str, tags.cpython_tags(version, own, platforms))
    elif own:
        yield from map(str, tags.generic_tags(short, [*own, "none"], platforms))
    yield from map(str, tags.compatible_tags(version, short, platforms))


def abi_tags(interpreter: Interpreter) -> list[str]:
    """Return the ABI tags of the extension modules that an interpreter loads, except `abi3`, best first.

    Since CPython 3.8, a debug build also loads the modules of other builds, except on Windows.
    """
    own = abi_tag(interpreter)
    loads_others = interpreter.debug and interpreter.version >= (3, 8) and interpreter.os_name != "nt"
    return list(dict.fromkeys(filter(None, (own, own.removesuffix("d") if loads_others else ""))))


def abi_tag(interpreter: Interpreter) -> str:
    """Return an interpreter's ABI tag (`cp312`, `cp313t`, `cp36m`, `pypy39_pp73`); empty if it has none."""
    parts = interpreter.soabi.split("-")
    if len(parts) < 2:
        if interpreter.implementation != "cpython":
            return ""
        major, minor = interpreter.version[:2]
        return f"cp{major}{minor}{'t' * interpreter.free_threaded}{'d' * interpreter.debug}"
    if parts[0] == "cpython":
        return f"cp{parts[1]}"
    return parts[0] if parts[0].startswith("cp") else "_".join(parts[:2])  # `cp312-win_amd64`, `pypy39-pp73-linux`


def _has_our_platform(interpreter: Interpreter) -> bool:
    """Return whether an interpreter has the platform, machine and pointer size of the Python that runs cloche."""
    import platform

    ours = (sys.platform, platform.machine().lower(), 64 if sys.maxsize > 2**32 else 32)
    return ours == (interpreter.platform, interpreter.machine.lower(), interpreter.bits)


def unsupported_part(tags: Collection[Tag], platforms: Container[str]) -> str:
    """Return what a wheel with these tags is for: its platforms, or its Pythons if a platform is supported."""
    if not any(tag.platform in platforms for tag in tags):
        return ", ".join(sorted({tag.platform for tag in tags}))
    return ", ".join(sorted({f"{tag.interpreter}-{tag.abi}" for tag in tags}))


def satisfies_requires_python(requires_python: str, interpreter: Interpreter) -> bool:
    """Return whether an interpreter satisfies a Requires-Python; like pip, ignore one that cannot be parsed."""
    from cloche.model.spec import range_contains

    try:
        return not requires_python or range_contains(
            requires_python.replace(" ", ""), interpreter.version, prereleases=True
        )
    except ValueError:
        return True
