"""Build images in staging directories, and publish them by a rename."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from cloche.errors import ClocheError
from cloche.fs import remove_path
from cloche.store import bytecode
from cloche.store.images.lookup import find_intact_image, listed_image, load_image
from cloche.store.images.sources import DistributionSource
from cloche.store.images.writer import READ_ONLY, ImageWriter, flush_path, flush_tree
from cloche.store.staging import DISCARDED, UNFINISHED, discard_directory, staging_directory

if TYPE_CHECKING:
    from cloche.model.aliases import Bytecode, Compile
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.distributions import Distribution
    from cloche.store.images.sources import ImageSource


def build_unless_built(
    source: ImageSource,
    interpreter: Interpreter,
    store: Store,
    target: str,
    policy: Compile,
    replaced: Image | None,
) -> Image | None:
    """Build the image `target`, unless another process has built it meanwhile; return None if it was removed or damaged since.

    :param target: the path of the image in the store: a directory for an ABI, and in it, the directory of the image.
    :param replaced: the image without bytecode that is built again.
    :raises ClocheError: the source is damaged or unsafe.
    :raises FileNotFoundError: another process is clearing the store.
    :raises OSError: a file cannot be written.
    """
    images, name = os.path.split(target)
    abi = os.path.basename(images)
    _create_real_directory(images)
    with store.lock(f"{abi}-{name}") as state:
        meanwhile = find_intact_image(store, abi, name)
        if meanwhile and (meanwhile.bytecode == "complete" or not replaced):
            return meanwhile
        if state == "locked":
            _remove_leftovers(images, name, store)
        elif state == "busy":
            store.warnings.append(f"the image `{name}` is still locked by another process; building it anyway")
        compiling = policy == "now" or (os.path.lexists(target) and policy == "auto")
        action = "compiling" if compiling else "unpacking"
        store.progress(f"{action} {source.name} {source.version} for {interpreter.name}")
        build_and_publish(source, interpreter, store, target, compiling=compiling)
        if compiling:
            store.compiled.append(source.name)
    return listed_image(target)


def build_and_publish(
    source: ImageSource, interpreter: Interpreter, store: Store, target: str, *, compiling: bool
) -> None:
    """Build an image in a staging directory and rename it to `target`; in any case, remove the staging directory.

    :raises FileNotFoundError: another process removed the staging directory.
    """
    images, name = os.path.split(target)
    with staging_directory(store.staging, images, prefix=f"{name}.") as stage:
        try:
            code = _build(source, interpreter, store, stage, compiling=compiling)
            if isinstance(source, DistributionSource) and source.name == "pip" and not compiling:
                _refuse_broken_pip(source.distribution, interpreter, store, stage)
            _publish(stage, target, code)
        except ClocheError as error:
            if os.path.isdir(stage):
                raise
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), stage) from error


def _build(source: ImageSource, interpreter: Interpreter, store: Store, stage: str, *, compiling: bool) -> Bytecode:
    """Create the image of a source in the empty directory `stage`; return whether its bytecode is complete."""
    writer = ImageWriter(stage, source.seconds)
    mode = 0o444 if READ_ONLY else 0
    compiler = bytecode.Compiler(interpreter, store, stage, writer.seconds, mode, source.validation)
    try:
        code = source.write(writer, compiler, interpreter, compiling=compiling)
        for size, digest, path in compiler.results():
            name, _, inside = path.partition("/")
            writer.register(name, inside, size, digest)
    finally:
        compiler.close()
    description = {"distribution": source.name, "version": source.version, **source.description, "bytecode": code}
    writer.finish(description, interpreter.version)
    os.utime(stage, (writer.seconds, writer.seconds))
    flush_tree(stage)
    return code


def _refuse_broken_pip(distribution: Distribution, interpreter: Interpreter, store: Store, stage: str) -> None:
    """Refuse a pip that does not start with the interpreter.

    :param stage: the directory with its unpacked files.
    :raises SeedError: it does not start.
    """
    from cloche.store.seed_start import is_known_to_start, refuse_broken_seed

    if not is_known_to_start(distribution, interpreter):
        tree = os.path.join(stage, distribution.root_tree)
        refuse_broken_seed("pip", distribution.version, interpreter, store.host, [tree])


def _publish(stage: str, target: str, code: Bytecode) -> None:
    """Rename a finished image to `target`, unless an intact image with at least as much bytecode exists there."""
    if os.path.lexists(target):
        if (existing := load_image(target)) and existing.bytecode in ("complete", code):
            remove_path(stage)
            return
        discard_directory(target)
    try:
        os.rename(stage, target)
    except OSError:
        if not load_image(target):  # otherwise another process published an equal image first
            raise
        remove_path(stage)
    flush_path(os.path.dirname(target))


def _create_real_directory(path: str) -> None:
    """Create a private directory; replace a link or file at `path`, because a link would lead out of the store."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            os.mkdir(path, 0o700)


def _remove_leftovers(images: str, name: str, store: Store) -> None:
    """Remove what killed processes left of this image; the caller owns the lock, so no process is building it.

    The directory is listed once, because it may have thousands of images. What is left later is removed by a later run.
    """
    if images not in store.leftovers:
        found: dict[str, list[str]] = {}
        for entry in os.listdir(images):
            if entry.endswith((UNFINISHED, DISCARDED)):
                found.setdefault(entry.rpartition(".")[0].rpartition(".")[0], []).append(entry)
        store.leftovers[images] = found
    for entry in store.leftovers[images].pop(name, ()):
        remove_path(os.path.join(images, entry))
