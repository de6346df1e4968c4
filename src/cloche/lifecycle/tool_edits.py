"""What well-known tools do on purpose to environments: change installed files, and add files of their own.

A RECORD still describes a changed file as it was installed. Here is how to undo each change, so that the file counts as
unmodified, and so that its hash can follow a move.
"""

from __future__ import annotations

import re

from cloche.fs.installed_records import hash_like
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable


class ToolEdit(Value):
    """A change that a tool makes to installed files."""

    tool: str
    change: str
    """What the tool does, for display: a sentence without its subject."""
    undo: Callable[[bytes], bytes]
    """Returns the content as it was installed; the same content if it does not have the change."""
    redo: Callable[[bytes], bytes]
    """Returns the content with the change, for a file that was installed again; the same content if it does not apply."""


def without_isolation(content: bytes) -> bytes:
    """Return a script without `-E` at the end of its first line."""
    return re.sub(rb"\A(#![^\r\n]*[^\r\n ]) -E(?=\r?\n)", rb"\1", content)


def with_isolation(content: bytes) -> bytes:
    """Return a script that a Python runs with `-E` at the end of its first line, if it has no other argument."""
    return re.sub(rb"\A(#!/[^\r\n\t ]*python[\w.]*)(?=\r?\n)", rb"\1 -E", content)


TOOL_EDITS = (
    ToolEdit("pipx", "adds `-E` to the first line of the scripts that it exposes", without_isolation, with_isolation),
)
"""The changes to installed files that are not damage."""


TOOL_FILES = {
    "nodeenv": r"(bin|Scripts)/(node|nodejs|npm|npx|corepack|shim)(\.exe|\.cmd)?|lib/node_modules/.+|include/node/.+",
    "uv": r"uv-receipt\.toml|\.lock",
    "pipx": r"pipx_metadata\.json|.+/site-packages/pipx_shared\.pth",
    "virtualenvwrapper": r"(bin|Scripts)/((pre|post)(de)?activate(\.bat|\.ps1)?|get_env_details)|\.project|"
    r".+/site-packages/_virtualenv_path_extensions\.pth",
}
"""The files that tools add to an environment and that belong to no package, by tool, as regular expressions."""


def tool_of_file(path: str) -> str:
    """Return the tool that adds a file of this name, relative to the root; empty for any other file."""
    return next((tool for tool, pattern in TOOL_FILES.items() if re.fullmatch(pattern, path)), "")


def with_edits_of(old: bytes, content: bytes) -> bytes:
    """Return the content of a file that was installed again, with the changes that tools had made to the old file."""
    for edit in TOOL_EDITS:
        if edit.undo(old) != old and edit.undo(content) == content:
            content = edit.redo(content)
    return content


def as_it_is(content: bytes) -> bytes:
    return content


def installed_form(content: bytes, digest: str) -> Callable[[bytes], bytes] | None:
    """Return the function that turns a file into what its row in a RECORD describes; None if the file was modified.

    That function also applies to the same file with other paths in it.

    :param content: the content of the file.
    :param digest: its hash in the RECORD.
    """
    for form in (as_it_is, *(edit.undo for edit in TOOL_EDITS)):
        if hash_like(digest, form(content)) == digest.rstrip("="):
            return form
    return None
