"""Replace the embedded paths of an environment with relative ones, in files whose format allows it.

A packed file cannot get a new absolute path, because nobody knows where the archive will be unpacked.
"""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING

from cloche.fs import lines_of
from cloche.lifecycle.embedded_paths import relocate_library, relocate_line
from cloche.lifecycle.relocation import Relocation
from cloche.store.startup_code import is_import_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ANYWHERE = "/anywhere"
"""A stand-in for the new root: what is written depends only on the way from the file to the root."""

SITES = ("/site-packages", "/dist-packages")
"""The ends of the directories in which Python reads `.pth` files."""


def relative_content(path: str, content: bytes, roots: Sequence[str]) -> bytes:
    """Return the content of a file with the embedded paths of its environment replaced with relative ones.

    Unchanged if the format of the file has no relative paths.

    :param path: the path of the file, relative to the root, with `/`.
    :param roots: the paths of the environment.
    """
    if b"\0" in content:
        return relocate_library(path, content, Relocation(tuple((root, ANYWHERE) for root in roots)), ANYWHERE)
    name = posixpath.basename(path).lower()
    text = content.decode("utf-8", "surrogateescape")
    above = posixpath.relpath(".", posixpath.dirname(path) or ".")
    if name.endswith(".pth") and posixpath.dirname(path).endswith(SITES):
        text = relative_pth(text, relocation_to(above, roots))
    elif name.endswith(".pc"):
        text = relocation_to(f"${{pcfiledir}}/{above}", roots).string(text)
    elif name == "kernel.json":
        text = relative_kernel(text, relocation_to(f"{{resource_dir}}/{above}", roots))
    return text.encode("utf-8", "surrogateescape")


def relocation_to(new: str, roots: Iterable[str]) -> Relocation:
    """Return the relocation of an environment to a path that the reader of a file completes."""
    return Relocation(tuple((root, new) for root in roots))


def relative_pth(text: str, relocation: Relocation) -> str:
    """Return a `.pth` file, whose paths are relative to its directory; its lines of Python code are unchanged."""
    return "".join(line if is_import_line(line) else relocate_line(line, relocation) for line in lines_of(text))


def relative_kernel(text: str, relocation: Relocation) -> str:
    """Return a kernel specification of Jupyter, which replaces `{resource_dir}` in the command, and only there."""
    changed = relocation.json(text)
    try:
        before, after = json.loads(text), json.loads(changed)
    except (ValueError, RecursionError):
        return text
    if not isinstance(before, dict) or not isinstance(after, dict):
        return text
    is_only_command = {**before, "argv": None} == {**after, "argv": None}
    return changed if is_only_command else text
