"""The creator `portable`: an environment that contains its interpreter, and needs nothing from the base afterwards.

The modules of this package describe the files of an interpreter: `executables` its programs and libraries, `stdlib` its
modules, `prefix` the text that contains its path, `debian` what a distribution changed, and `libraries` what the system
provides. The store copies and edits the files (`cloche.store.runtimes`).
"""

from __future__ import annotations

import os

from cloche.builtin.creators import distutils_guard, posix
from cloche.builtin.creators.portable import certificates, debian, executables, stdlib
from cloche.builtin.creators.portable.names import directory, expected_directory, is_wanted, library_links, program_name
from cloche.builtin.creators.portable.prefix import Prefix
from cloche.model.operations import Link
from cloche.model.runtime import Runtime
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation

OLDEST = (3, 9)

LOADER_CACHE = "/etc/ld.so.cache"
"""The list of libraries that the loader reads; it changes when a library is installed or upgraded."""


class Portable:
    name = "portable"

    def refusal(self, interpreter: Interpreter) -> str | None:
        if interpreter.platform != "linux":
            return f"works only on Linux so far, got {interpreter.name} for {interpreter.platform}"
        if reason := posix.platform_refusal(interpreter):
            return reason
        if interpreter.version[:2] < OLDEST:
            return f"needs Python 3.9 or later, got {interpreter.name}"
        if os.path.isdir(os.path.join(interpreter.prefix, "conda-meta")):
            return "the libraries of a conda environment are managed by conda; use `conda-pack`, or another Python"
        if interpreter.prefix.startswith(("/nix/", "/gnu/store/")):
            return "the files of this Python refer to other directories of its package manager; use another Python"
        if interpreter.prefix in ("/", "/usr") and not debian.is_debian(interpreter):
            return "the Python of this Linux distribution is not supported; use one that uv or pyenv installs"
        if loader := executables.own_loader(interpreter):
            return f"it is started by a loader of its own, `{loader}`, whose path would be lost; use another Python"
        if not os.path.isfile(os.path.join(interpreter.stdlib, "os.py")):
            return f"its standard library in `{interpreter.stdlib}` cannot be read as files"
        if directory(interpreter) != expected_directory(interpreter):
            return (
                f"its standard library is not in `{expected_directory(interpreter)}` below its prefix "
                f"`{interpreter.prefix}`; use another build of this Python"
            )
        return None

    def inputs(self, interpreter: Interpreter, layout: Layout) -> tuple[str, ...]:
        """Return the executable, its library, and every directory that files are copied from."""
        files = [os.path.realpath(interpreter.executable), interpreter.library]
        if is_wanted(layout, "carry-libraries"):
            files += (LOADER_CACHE, *certificates.KNOWN_BUNDLES)
        return tuple(filter(None, (*files, *stdlib.directories(interpreter, layout))))

    def operations(self, interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
        """Yield the directories, and the names of the Python; the runtime has the files."""
        yield from posix.directories(layout)
        yield from distutils_guard.files(interpreter, layout)
        program = program_name(interpreter)
        for name in layout.names:
            if name != program:
                yield Link(f"{layout.bin}/{name}", program)
        for path, target in library_links(interpreter):
            yield Link(path, target)

    def runtime(self, interpreter: Interpreter, layout: Layout) -> Runtime:
        """Return the files of the interpreter.

        :raises ClocheError: a file cannot be read, or its content is not as in the builds that cloche knows.
        """
        prefix = Prefix.of(interpreter)
        files = [*executables.files(interpreter, layout, prefix), *stdlib.files(interpreter, layout, prefix)]
        if is_wanted(layout, "carry-libraries"):
            from cloche.builtin.creators.portable import libraries

            files += libraries.carried(interpreter, files)
        changed = {file.path: file for file in debian.changes(interpreter, files)}
        unchanged = [file for file in files if file.path not in changed]
        chosen = sorted((*unchanged, *changed.values()), key=lambda file: file.path)
        return Runtime(interpreter.implementation, interpreter.version_text, tuple(chosen))


creator = Portable()
