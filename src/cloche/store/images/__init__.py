"""Images: files that environments share. They are created once for each ABI, published atomically, and never changed.

An image contains a distribution, which is described here, or the runtime of an interpreter (`cloche.store.runtimes`).

This module finds an image or has it built. `lookup` finds images, `sources` says what they are built from, `building` builds
and publishes them, `writer` writes their files, and `verification` compares their contents.

An image is a directory `images/<bytecode ABI>/<name>-<version>-<content>`. For each tree of the wheel that has files, it
holds the files in `purelib/…`, a list of them with size, time and hash in `purelib.files`, and their rows of a RECORD,
relative to the tree, in `purelib.record`. `shebangs/` holds the scripts whose first line must name the environment's
Python, `image.json` describes the image, and `image.files` lists the image's own files (`shebangs/`, lists, records,
description).

Bytecode that already exists for exactly this ABI is reused. Compiling takes longer than everything else, so a new image is
published without the missing bytecode. The first environment that uses the image marks it (see `Store.mark_installed`), and
the second one triggers the compilation. If you create one environment, say in a fresh container, you do not pay for the next
thousand. That is the policy `auto`; `now` and `never` do what they say. The mark is a changed time of the image's
directory, which until then equals the time of its files.

All files of an image have the same time, which for a distribution is derived from the content. So equal images are equal
on every machine, and bytecode of one image is never valid for another. The time is an even number of seconds, which every
file system can store.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from cloche.errors import ClocheError, SeedError, reason_of
from cloche.store.images.building import build_and_publish, build_unless_built
from cloche.store.images.lookup import abi_name, find_intact_image, image_name, load_image
from cloche.store.images.sources import DistributionSource, stored_source
from cloche.store.staging import cache_remedy

if TYPE_CHECKING:
    from cloche.model.aliases import Compile
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.archives import Archive
    from cloche.store.distributions import Distribution
    from cloche.store.images.sources import ImageSource


def find_or_build_image(
    distribution: Distribution,
    interpreter: Interpreter,
    store: Store,
    archive: Archive | None = None,
    *,
    policy: Compile = "auto",
) -> Image:
    """Return the image of a distribution for an interpreter's ABI, and build it if the store has no intact one.

    An image without bytecode that an environment already uses gets bytecode, if that is possible.

    :param archive: the archive of a wheel if it is open already.
    :param policy: when it is compiled to bytecode.
    :raises SeedError: the distribution is damaged or unsafe, or the image cannot be created.
    """
    source = DistributionSource(distribution, archive)
    if found := find_intact_image(store, abi_name(interpreter), image_name(source)):
        return complete_bytecode(found, interpreter, store, policy)
    return find_or_build(source, interpreter, store, policy)


def find_or_build(source: ImageSource, interpreter: Interpreter, store: Store, policy: Compile) -> Image:
    """Return the image of a source for an interpreter's ABI, and build it if the store has no intact one.

    An image without bytecode that an environment already uses is built again with bytecode. If that fails, the
    existing image is returned, with a warning. When several processes need the same image, one of them builds it.

    :raises ClocheError: the source is damaged or unsafe, or the image cannot be created.
    """
    abi, name = abi_name(interpreter), image_name(source)
    for is_last_attempt in (False, False, True):
        found = find_intact_image(store, abi, name)
        if found and (not needs_bytecode(found, policy) or not store.is_persistent):
            return found
        images = os.path.join(store.writable_directory("images"), abi)
        if found and not store.is_persistent_path(images):
            return found
        try:
            if built := build_unless_built(source, interpreter, store, os.path.join(images, name), policy, found):
                return built
        except ClocheError as error:
            if not found:
                raise
            store.warnings.append(f"{source.name} is installed without bytecode: {error.message}")
            return found
        except FileNotFoundError as error:  # another process is clearing the store
            if is_last_attempt:
                raise _image_creation_error(source, images, error) from error
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or not store.is_persistent_path(images):
                raise _image_creation_error(source, images, error) from error
            store.fall_back_to_temporary("images", f"is not writable ({reason_of(error)})")
    raise SeedError(f"the image `{images}/{name}` was removed or damaged each time it was built", hint="try again")


def complete_bytecode(image: Image, interpreter: Interpreter, store: Store, policy: Compile) -> Image:
    """Return an image, compiled if it `needs_bytecode`."""
    if not needs_bytecode(image, policy) or not store.is_persistent or not store.is_persistent_path(image.root):
        return image
    images, name = os.path.split(image.root)
    source = stored_source(image)
    store.progress(f"compiling {image.distribution} {image.version} for {interpreter.name}")
    try:
        with store.lock(f"{os.path.basename(images)}-{name}"):
            if (meanwhile := load_image(image.root)) and meanwhile.bytecode == "complete":
                return meanwhile
            build_and_publish(source, interpreter, store, image.root, compiling=True)
    except (ClocheError, OSError) as error:
        reason = error.message if isinstance(error, ClocheError) else reason_of(error)
        store.warnings.append(f"{image.distribution} is installed without bytecode: {reason}")
        return image
    store.compiled.append(image.distribution)
    return load_image(image.root) or image


def needs_bytecode(image: Image, policy: Compile) -> bool:
    """Return whether an image has to be compiled before its next installation."""
    if image.bytecode == "complete" or policy == "never":
        return False
    return policy == "now" or _was_installed(image)


def _was_installed(image: Image) -> bool:
    """Return whether an environment has used the image; also True if the image was removed meanwhile."""
    try:
        return os.stat(image.root).st_mtime_ns != os.stat(os.path.join(image.root, "image.json")).st_mtime_ns
    except OSError:
        return True


class ImageNotWritten(SeedError):
    """The store could not write an image; the distribution itself may be intact."""


def _image_creation_error(source: ImageSource, images: str, error: OSError) -> ImageNotWritten:
    return ImageNotWritten(
        f"cannot create the image of {source.name} {source.version} in `{images}`: {reason_of(error)}",
        hint=cache_remedy(error),
    )
