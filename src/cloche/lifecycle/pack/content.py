"""The content of packed files that must not tell where, when or how an environment was created.

These are scripts, which find the Python beside them; `pyvenv.cfg`; other files that contain the path of the environment;
and the files that list others with their hashes.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from cloche.fs import is_same_file
from cloche.fs.installed_records import path_from_root, rows_of_paths, update_record
from cloche.fs.manifests import MANIFEST, RUNTIME_MANIFEST, update_manifest
from cloche.lifecycle.embedded_paths.content_search import TEXT_LIMIT
from cloche.lifecycle.embedded_paths.recorded_roots import environment_of_program, own_scripts
from cloche.lifecycle.embedded_paths.relative import relative_content
from cloche.lifecycle.embedded_paths.shebangs import parse_header, relocatable_script
from cloche.lifecycle.pack.embedded import files_with_roots, mentions_root
from cloche.lifecycle.pack.entries import content_of, read_whole
from cloche.lifecycle.relocation import spellings
from cloche.lifecycle.tool_edits import as_it_is, installed_form
from cloche.model import PYVENV_CFG
from cloche.model.value import replace
from cloche.planning import pyvenv_cfg

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from cloche.lifecycle.info import EnvironmentInfo
    from cloche.lifecycle.pack.entries import Entry
    from cloche.lifecycle.tree import Tree

RECORD = ".dist-info/RECORD"


def with_portable_content(
    entries: Iterable[Entry], info: EnvironmentInfo, tree: Tree
) -> tuple[list[Entry], tuple[str, ...]]:
    """Return entries without references to bytecode, to files that are left out, or to the path of the environment.

    Also return the paths of the files that still contain a path of the environment, because their format has no relative
    paths, sorted.

    :param tree: the status of the files in the environment.
    :raises ClocheError: a file cannot be read.
    """
    found = {entry.path: entry for entry in entries}
    environment = info.environment
    layout = environment.layout
    roots = spellings([environment.location, *info.recorded_roots])
    installed = frozenset(own_scripts(environment, info.distributions))

    def edit(paths: Iterable[str], change: Callable[[str, bytes], bytes]) -> None:
        for path in paths:
            entry = found.get(path)
            if entry is None or entry.kind != "file":
                continue
            old = content_of(entry)
            if (new := change(path, old)) != old:
                found[path] = replace(entry, content=new, size=len(new))

    def relocatable(path: str, content: bytes) -> bytes:
        header = parse_header(content)
        if header is None or not (root := environment_of_program(header.program, layout.bin)):
            return content
        # `mv` leaves scripts whose program is gone; the path of a mount point leads to the same directory.
        is_former = path in installed and not os.path.exists(header.program)
        if not (root in roots or is_former or is_same_file(root, environment.location)):
            return content
        return relocatable_script(header, posixpath.basename(header.program)) or content

    def changed() -> dict[str, bytes | None]:
        return {path: entry.content for path, entry in found.items() if entry.content is not None}

    in_bin = [path for path in found if path.startswith(f"{layout.bin}/") and posixpath.dirname(path) == layout.bin]
    edit([path for path in in_bin if is_script(found[path])], relocatable)
    edit([PYVENV_CFG], lambda _, content: packed_settings(content))
    with_roots = files_with_roots(found.values(), info, tree, roots)
    small = [path for path in with_roots if found[path].size <= TEXT_LIMIT]
    edit(small, lambda path, content: relative_content(path, content, roots))
    edited = changed()
    before = {path: read_whole(found[path].source) for path in edited if found[path].source}
    records = [path for path in found if path.endswith(RECORD)]
    edit(records, lambda path, content: packed_record(path, content, found.keys(), edited, before))
    edit([RUNTIME_MANIFEST], lambda _, content: listed_lines(content, found.keys()))
    sources = {path: entry.source for path, entry in found.items() if entry.content is not None}

    def manifest(_: str, content: bytes) -> bytes:
        text = listed_lines(content, found.keys()).decode("utf-8", "surrogateescape")
        return update_manifest(text, changed(), lambda path: read_whole(sources[path]) if sources[path] else None)

    edit([MANIFEST], manifest)
    unchanged = sorted(path for path in with_roots if mentions_root(found[path], roots))
    return list(found.values()), tuple(unchanged)


def is_script(entry: Entry) -> bool:
    """Return whether a file starts with `#!`."""
    if entry.kind != "file":
        return False
    if entry.content is not None:
        return entry.content.startswith(b"#!")
    try:
        with open(entry.source, "rb", buffering=0) as file:
            return file.read(2) == b"#!"
    except OSError:
        return False  # reading it later reports the error


def packed_settings(content: bytes) -> bytes:
    """Return a `pyvenv.cfg` without the settings that say how and where the environment was created."""
    keys = [key.encode() for key in (*pyvenv_cfg.RECORD_KEYS, pyvenv_cfg.ADDED_KEY)]
    return b"".join(line for line in content.splitlines(True) if line.partition(b"=")[0].strip() not in keys)


def packed_record(
    path: str,
    content: bytes,
    packed: Collection[str],
    changed: Mapping[str, bytes | None],
    before: Mapping[str, bytes],
) -> bytes:
    """Return a RECORD that lists only what is packed, and no bytecode.

    Whether a RECORD lists bytecode depends on when it was compiled. pip finds it without.

    :param changed: the packed content of files that differ from those on disk, and `before` their content on disk.
    """

    def form(changed_path: str, digest: str) -> Callable[[bytes], bytes] | None:
        return installed_form(before[changed_path], digest) if changed_path in before else as_it_is

    text = content.decode("utf-8", "surrogateescape")
    site = posixpath.dirname(posixpath.dirname(path))

    def is_packed(row: str) -> bool:
        return "__pycache__/" not in row and (f"{site}/{row}" in packed or path_from_root(site, row) in packed)

    return update_record(rows_of_paths(text, is_packed), site, changed, form).encode("utf-8", "surrogateescape")


def listed_lines(content: bytes, packed: Collection[str]) -> bytes:
    """Return the lines of a manifest whose files are packed."""
    paths = ((line, os.fsdecode(line.rstrip(b"\n").partition(b"  ")[2])) for line in content.splitlines(True))
    return b"".join(line for line, path in paths if path in packed)
