"""The bytecode of an archive: for every module, what its source compiles to, whatever bytecode is in the environment.

The packages and the standard library that cloche installed have such bytecode already, with a seal (`cloche.store.bytecode`).
It is packed if the seal fits the source that is packed. All other modules are compiled, and the store keeps the result for
the next archive.
"""

from __future__ import annotations

import errno
import os
import posixpath
from hashlib import sha256
from typing import TYPE_CHECKING

from cloche.errors import ClocheError, SeedError
from cloche.lifecycle.installed import site_directories
from cloche.lifecycle.pack.entries import Entry, changed_error, matching_patterns, read_exactly
from cloche.model.archive import LONGEST_NAME
from cloche.model.value import replace
from cloche.store.bytecode import (
    SUPPORTS_HASHES,
    Compiler,
    bytecode_key,
    bytecode_path,
    compiler_name,
    find_bytecode,
    store_bytecode,
    unchecked_bytecode,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloche.model.environment import Environment
    from cloche.store import Store


class BytecodeSource:
    """Decides where the bytecode of each module comes from, and provides it."""

    def __init__(
        self, environment: Environment, entries: Iterable[Entry], exclude: Sequence[str], time: int, store: Store
    ) -> None:
        """Find the modules among these entries.

        :param exclude: patterns; bytecode that they match is left out.
        :param time: the modification time of the members, in seconds.
        """
        self.environment = environment
        self.time = time
        self.store = store
        self.taken: dict[str, Entry] = {}
        """Bytecode in the environment or the store that probably has a fitting seal, by the path of the module."""
        self.modules: dict[str, Entry] = {}
        """All modules that get bytecode, by path."""
        self.directories = store.readable_directories("bytecode")
        """The directories of the store for bytecode."""
        self.compiled_later: dict[str, Entry] | None = None
        """The bytecode of modules whose seals do not fit, by the path of the module; None as long as all fit."""
        interpreter = environment.interpreter
        if interpreter is None or not interpreter.cache_tag or interpreter.version[:2] < SUPPORTS_HASHES:
            return
        self.compiler = compiler_name(interpreter)
        self.sites = tuple(f"{site}/" for site in site_directories(environment.layout))
        libraries = tuple(f"{posixpath.dirname(site[:-1])}/" for site in self.sites)
        found = {entry.path: entry for entry in entries}
        for path, entry in found.items():
            if not path.endswith(".py") or not path.startswith(libraries) or entry.kind != "file":
                continue
            target = bytecode_path(path, interpreter.cache_tag)
            if entry.content is not None or "\n" in self.path_on_disk(entry) or has_left_out_part(target, exclude):
                continue
            if len(os.fsencode(posixpath.basename(target))) > LONGEST_NAME:  # Python cannot write it either
                continue
            self.modules[path] = entry
            existing = found.get(target)
            # Only bytecode that comes from an image or an archive has the time of its source.
            if existing and existing.kind == "bytecode" and existing.time_ns == entry.time_ns:
                self.taken[path] = existing
        if self.directories:
            for path in [path for path in self.modules if path not in self.taken]:
                if stored := self.stored(path, self.source_digest(path)):
                    self.taken[path] = stored

    def path_on_disk(self, entry: Entry) -> str:
        """Return the path of a source for the compiler: relative to the environment if it is in it."""
        location = self.environment.location
        return entry.path if entry.source == os.path.join(location, entry.path) else entry.source

    def name(self, path: str) -> str:
        """Return the name of a module's file in its bytecode: relative to its site directory, else to the environment."""
        return next((path[len(site) :] for site in self.sites if path.startswith(site)), path)

    def source_digest(self, path: str) -> bytes:
        """Return the SHA-256 of the source of a module.

        :raises ClocheError: it cannot be read, or has changed.
        """
        module = self.modules[path]
        return sha256(read_exactly(module.source, module.size)).digest()

    def key(self, path: str, source_digest: bytes) -> str:
        """Return the key of a module's bytecode in the store."""
        return bytecode_key(self.compiler, self.name(path), source_digest)

    def stored(self, path: str, source_digest: bytes) -> Entry | None:
        """Return the bytecode of a module that the store keeps because an earlier run compiled it; None if there is none."""
        interpreter = self.environment.interpreter
        assert interpreter is not None
        found = find_bytecode(self.key(path, source_digest), self.store, self.directories)
        if found is None:
            return None
        return Entry(bytecode_path(path, interpreter.cache_tag), "bytecode", found[0], size=found[1], module=path)

    def compiled(self, paths: Iterable[str], directory: str) -> list[Entry]:
        """Compile these modules in a directory; return the bytecode of those that can be compiled.

        :raises ClocheError: the interpreter failed.
        :raises OSError: the disk is full.
        """
        interpreter = self.environment.interpreter
        assert interpreter is not None
        compiler = Compiler(interpreter, self.store, self.environment.location, self.time, 0o644, "unchecked-hash")
        targets: dict[str, str] = {}
        try:
            for number, path in enumerate(paths):
                target = os.path.join(directory, f"{number}.pyc")
                targets[target] = path
                compiler.add(self.path_on_disk(self.modules[path]), target, self.name(path), self.modules[path].size)
            return [
                Entry(
                    bytecode_path(targets[target], interpreter.cache_tag),
                    "file",
                    target,
                    size=size,
                    module=targets[target],
                )
                for size, _, target in compiler.results()
            ]
        except SeedError as error:
            if os.strerror(errno.ENOSPC) in error.message:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            location = self.environment.location
            raise ClocheError(f"cannot pack `{location}`: {error.message}", hint=error.hint) from error
        finally:
            compiler.close()

    def entries(self, directory: str) -> list[Entry]:
        """Return the bytecode of every module that can be compiled; compile in a directory what has none with a seal.

        Whether it fits the source is checked by `read`.
        """
        left = [path for path in self.modules if path not in self.taken]
        taken = [
            Entry(file.path, "file", file.source, size=file.size, module=path) for path, file in self.taken.items()
        ]
        return taken + (self.compiled(left, directory) if left else [])

    def read(self, entry: Entry, source_digest: bytes, scratch: str) -> bytes | None:
        """Return the bytecode for the source of a module; None if it cannot be compiled.

        If the seal does not fit, because pip compiled it for example, the store may have bytecode that an earlier run compiled.
        The modules for which it has none either are compiled together.

        :param source_digest: the SHA-256 of the source.
        :param scratch: the path of a new directory to compile in.
        :raises ClocheError: a file cannot be read, the interpreter failed, or the source has changed.
        """
        module = entry.module
        data = self.fitting(entry, source_digest)
        is_new = module not in self.taken
        if data is None and not is_new:
            data = self.fitting_stored(module, source_digest)
        if data is None and not is_new:
            if self.compiled_later is None:
                os.mkdir(scratch)
                left = [path for path, file in self.taken.items() if not self.is_available(path, file)]
                self.compiled_later = {file.module: file for file in self.compiled(left, scratch)}
            if module not in self.compiled_later:
                return None
            data = self.fitting(self.compiled_later[module], source_digest)
            is_new = True
        if data is None:
            raise changed_error(self.modules[module].source)
        if is_new:
            store_bytecode(self.key(module, source_digest), data, self.store)
        return data

    def is_available(self, path: str, file: Entry) -> bool:
        """Return whether a module has bytecode whose seal fits: this file, or one in the store."""
        digest = self.source_digest(path)
        own = self.fitting(replace(file, module=path), digest)
        return own is not None or self.fitting_stored(path, digest) is not None

    def fitting_stored(self, path: str, source_digest: bytes) -> bytes | None:
        """Return the bytecode of a module that the store keeps, if its seal fits."""
        found = self.stored(path, source_digest)
        return None if found is None else self.fitting(found, source_digest)

    def fitting(self, entry: Entry, source_digest: bytes) -> bytes | None:
        """Return the bytecode in a file, in the form that is packed; None if its seal does not fit the source."""
        try:
            data = read_exactly(entry.source, entry.size)
        except ClocheError:
            if not self.store.is_persistent_path(entry.source):
                raise
            return None  # another process has removed it from the store, or replaced it
        return unchecked_bytecode(data, self.compiler, self.name(entry.module), source_digest)


def has_left_out_part(path: str, patterns: Sequence[str]) -> bool:
    """Return whether a pattern matches a bytecode file or its directory."""
    directory, _, name = path.rpartition("/")
    by_name = matching_patterns(path, name, patterns)
    return bool(by_name or matching_patterns(directory, posixpath.basename(directory), patterns))
