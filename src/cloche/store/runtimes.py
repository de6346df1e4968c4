"""The images of runtimes: the interpreter and the standard library of portable environments, edited and compiled once.

The key of such an image is the size and the times of every file that it is made from, together with every edit. All its
files have the same time, and the bytecode does not depend on it, so that two images of equal files are equal.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

from cloche.apply.processes import run_program
from cloche.errors import ClocheError, SeedError, reason_of
from cloche.fs import open_regular_file, remove_path
from cloche.fs.elf import MAGIC, DynamicFile, NotEditable
from cloche.fs.manifests import RUNTIME_MANIFEST, format_manifest
from cloche.fs.signatures import signature_of
from cloche.model.archive import SAME_TIME
from cloche.model.value import Value
from cloche.programs import python_environ
from cloche.store.bytecode import bytecode_path
from cloche.store.images import find_or_build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloche.model.aliases import Bytecode, Compile
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.model.runtime import BinaryEdits, Runtime, RuntimeFile
    from cloche.store import Store
    from cloche.store.bytecode import Compiler, Validation
    from cloche.store.images.writer import ImageWriter

TREE = "runtime"
"""The only tree of such an image, which is installed into the root of an environment."""

RECIPE = 3
"""Increased when runtimes are built differently."""

TIMEOUT = 60
"""Seconds to wait for the start of an interpreter."""


def find_or_build_runtime(runtime: Runtime, interpreter: Interpreter, store: Store, policy: Compile = "now") -> Image:
    """Return the image of a runtime, and build it if the store has no intact one.

    :param policy: when it is compiled to bytecode; by default now, because it may be read-only where it is used.
    :raises ClocheError: a file cannot be read or edited, or the image cannot be created.
    """
    try:
        return find_or_build(RuntimeSource(runtime, store.host.environ), interpreter, store, policy)
    except SeedError as error:  # no seed is involved
        raise ClocheError(
            f"cannot prepare the files of {interpreter.name}: {error.message}", hint=error.hint
        ) from error


class RuntimeSource(Value):
    """A runtime as the source of an image (`cloche.store.images.sources.ImageSource`)."""

    runtime: Runtime
    environ: Mapping[str, str]
    """The environment variables of the user."""

    @property
    def name(self) -> str:
        return self.runtime.name

    @property
    def version(self) -> str:
        return self.runtime.version

    @property
    def digest(self) -> str:
        """A hash of the state of every file, without its content, and of what is done to it."""
        hashed = hashlib.sha256(f"{RECIPE} {self.runtime.name} {self.runtime.version}\n".encode())
        for file in self.runtime.files:
            state = signature_of(source_status(file)) if file.source else hashlib.sha256(file.content).hexdigest()
            hashed.update(f"{file.path} {file.executable} {file.edits!r} {state}\n".encode("utf-8", "surrogateescape"))
        return hashed.hexdigest()

    @property
    def seconds(self) -> int:
        return SAME_TIME

    @property
    def validation(self) -> Validation:
        return "unchecked-hash"

    @property
    def description(self) -> dict[str, object]:
        return {"entry_points": [], "dist_info": ""}

    def write(self, writer: ImageWriter, compiler: Compiler, interpreter: Interpreter, *, compiling: bool) -> Bytecode:
        """Copy, edit and compile the files. The bytecode is always complete: a portable environment may be read-only."""
        hashes: dict[str, str] = {}
        modules: dict[str, int] = {}
        for file in self.runtime.files:
            content = read_file(file)
            hashes[file.path] = hashlib.sha256(content).hexdigest()
            writer.add(TREE, file.path, content, executable=file.executable)
            if file.path.endswith(".py"):
                modules[file.path] = len(content)
        writer.add(TREE, RUNTIME_MANIFEST, format_manifest(hashes))
        executable = os.path.realpath(interpreter.executable)
        for file in self.runtime.files:
            if file.source == executable and file.executable:
                check_program_starts(f"{writer.root}/{TREE}/{file.path}", interpreter, self.environ)
        remove_bytecode(f"{writer.root}/{TREE}")
        for path, size in modules.items():
            compiler.add(f"{TREE}/{path}", f"{TREE}/{bytecode_path(path, interpreter.cache_tag)}", path, size)
        return "complete"


def remove_bytecode(root: str) -> None:
    """Remove the bytecode that a Python has written: PyPy compiles the first modules before it reads the option `-B`."""
    for directory, names, _ in os.walk(root):
        if "__pycache__" in names:
            names.remove("__pycache__")
            remove_path(os.path.join(directory, "__pycache__"))


def check_program_starts(program: str, interpreter: Interpreter, environ: Mapping[str, str]) -> None:
    """Refuse an interpreter that does not start in its new place, for whatever reason.

    :raises ClocheError: it does not start.
    """
    command = [program, "-I", "-S", "-B", "-c", "pass"]
    try:
        done = run_program(command, python_environ(environ), "/", timeout=TIMEOUT)
    except PermissionError:
        return  # the cache is on a file system from which nothing can be executed
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = reason_of(error) if isinstance(error, OSError) else f"no answer after {TIMEOUT} s"
    else:
        if done.returncode == 0:
            return
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
    raise ClocheError(
        f"a portable copy of `{interpreter.executable}` does not start: {reason}",
        hint="use another build of this Python, for example one that uv or pyenv installs",
    )


def source_status(file: RuntimeFile) -> os.stat_result:
    """Return the status of the file that a file of a runtime is copied from.

    :raises ClocheError: it no longer exists.
    """
    try:
        return os.stat(file.source)
    except OSError as error:
        raise unreadable_error(file, error) from None


def read_file(file: RuntimeFile) -> bytes:
    """Return the content of a file of a runtime, with its edits.

    :raises ClocheError: it cannot be read or edited.
    """
    if not file.source:
        return file.content
    try:
        with open_regular_file(file.source) as opened:
            content = opened.read()
    except OSError as error:
        raise unreadable_error(file, error) from None
    try:
        return edited(content, file.edits) if file.edits else content
    except NotEditable as error:
        raise ClocheError(
            f"`{file.source}` cannot be made portable: it {error}",
            hint="use another build of this Python, for example one that uv installs",
        ) from None


def edited(content: bytes, edits: BinaryEdits) -> bytes:
    """Return an ELF file with its edits.

    :raises NotEditable: an edit is not possible.
    """
    if not (content.startswith(MAGIC) or edits.replaced_text or edits.renamed_libraries):
        return content  # its name only looks like that of a library
    for old, new in edits.replaced_text:
        if content.count(old) != 1:
            raise NotEditable(f"contains {old!r} {content.count(old)} times instead of once")
        content = content.replace(old, new)
    file = DynamicFile(content)
    for old_name, new_name in edits.renamed_libraries:
        file.rename_library(old_name, new_name)
    found = not edits.search_path or file.set_search_path(edits.search_path, edits.search_tag)
    needed = file.dependencies.needed
    by_name = any(new in needed for _, new in edits.renamed_libraries)
    if not found and (edits.add_search_path == "always" or (edits.add_search_path == "if renamed" and by_name)):
        file.add_search_path(edits.search_path, edits.search_tag)
    return bytes(file.content)


def unreadable_error(file: RuntimeFile, error: OSError) -> ClocheError:
    """Return the error for a file of the base interpreter that cannot be read."""
    return ClocheError(
        f"cannot read `{file.source}`, a file of the base interpreter: {reason_of(error)}",
        hint="check that the base interpreter is completely installed, and try again",
    )
