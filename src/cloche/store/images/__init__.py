"""Images: files that environments share. They are created once for each ABI, published atomically, and never changed.

An image contains a distribution, which is described here, or the runtime of an interpreter (`cloche.store.runtimes`).

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
import hashlib
import json
import os
import re
import stat
from typing import TYPE_CHECKING

from cloche.apply.file_list import FileList, read_file_list
from cloche.errors import ClocheError, SeedError, reason_of
from cloche.fs import read_regular_file, remove_path
from cloche.model.distribution import EntryPoint, Image, StartupCode
from cloche.store import bytecode
from cloche.store.check import FILE_LIST_SUFFIX, OWN_FILE_LIST, check_image, check_own_files, check_tree, own_files
from cloche.store.images.sources import DistributionSource, ImageSource, StoredSource
from cloche.store.images.writer import READ_ONLY, SHEBANGS, ImageWriter, flush_path, flush_tree, parents_of
from cloche.store.staging import DISCARDED, UNFINISHED, cache_remedy, discard_directory, staging_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from cloche.model.aliases import Bytecode, Compile
    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.archives import Archive
    from cloche.store.distributions import Distribution

FORMAT = 6
"""Increased when images of an earlier version must not be used."""


def complete_bytecode(image: Image, interpreter: Interpreter, store: Store, policy: Compile) -> Image:
    """Return an image, compiled if it `needs_bytecode`."""
    abi, name = os.path.split(image.root)
    if not needs_bytecode(image, policy) or not store.is_persistent or not store.is_persistent_path(image.root):
        return image
    trees = [tree for tree in own_files(image.root) if tree.endswith(FILE_LIST_SUFFIX)]
    lists = {tree.removesuffix(FILE_LIST_SUFFIX): read_file_list(f"{image.root}/{tree}") for tree in trees}
    scripts = [path.partition("/")[2] for path in own_files(image.root) if path.startswith(f"{SHEBANGS}/")]
    if scripts:
        lists[SHEBANGS] = _file_list_of_scripts(image.root, scripts)
    store.progress(f"compiling {image.distribution} {image.version} for {interpreter.name}")
    try:
        with store.lock(f"{os.path.basename(abi)}-{name}"):
            if (meanwhile := load_image(image.root)) and meanwhile.bytecode == "complete":
                return meanwhile
            _build_and_publish(StoredSource(image, lists), interpreter, store, abi, name, compiling=True)
    except (ClocheError, OSError) as error:
        reason = error.message if isinstance(error, ClocheError) else reason_of(error)
        store.warnings.append(f"{image.distribution} is installed without bytecode: {reason}")
        return image
    store.compiled.append(image.distribution)
    return load_image(image.root) or image


def _file_list_of_scripts(root: str, scripts: Sequence[str]) -> FileList:
    """Return a file list of the scripts in an image that need a first line; the image lists them among its own files."""
    own = read_file_list(f"{root}/{OWN_FILE_LIST}")
    entries = {path: (size, digest) for path, size, digest in zip(own.paths, own.sizes, own.hashes, strict=True)}
    sizes, hashes = zip(*(entries[f"{SHEBANGS}/{path}"] for path in scripts), strict=True)
    return FileList((), scripts, sizes, hashes, own.mtime_ns)


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
    if found := _find_image(store, abi_name(interpreter), image_name(source)):
        return complete_bytecode(found, interpreter, store, policy)
    return find_or_build(source, interpreter, store, policy)


def find_or_build(source: ImageSource, interpreter: Interpreter, store: Store, policy: Compile) -> Image:
    """Return the image of a source for an interpreter's ABI, and build it if the store has no intact one.

    An image without bytecode that an environment already uses is built again with bytecode. If that fails, the
    existing image is returned, with a warning. When several processes need the same image, one of them builds it.

    :raises ClocheError: the source is damaged or unsafe, or the image cannot be created.
    """
    name = image_name(source)
    abi = abi_name(interpreter)
    attempts = 3
    while True:
        attempts -= 1
        found = _find_image(store, abi, name)
        if found and (not needs_bytecode(found, policy) or not store.is_persistent):
            return found
        images = os.path.join(store.writable_directory("images"), abi)
        if found and not store.is_persistent_path(images):
            return found
        try:
            _create_real_directory(images)
            with store.lock(f"{abi}-{name}") as state:
                meanwhile = _find_image(store, abi, name)
                if meanwhile and (meanwhile.bytecode == "complete" or not found):
                    return meanwhile
                if state == "locked":
                    _remove_leftovers(images, name, store)
                elif state == "busy":
                    store.warnings.append(f"the image `{name}` is still locked by another process; building it anyway")
                exists = os.path.lexists(os.path.join(images, name))
                compiling = policy == "now" or (exists and policy == "auto")
                action = "compiling" if compiling else "unpacking"
                store.progress(f"{action} {source.name} {source.version} for {interpreter.name}")
                _build_and_publish(source, interpreter, store, images, name, compiling=compiling)
                if compiling:
                    store.compiled.append(source.name)
            if built := listed_image(os.path.join(images, name)):
                return built
        except ClocheError as error:
            if not found:
                raise
            store.warnings.append(f"{source.name} is installed without bytecode: {error.message}")
            return found
        except FileNotFoundError as error:  # another process is clearing the store
            if not attempts:
                raise _image_creation_error(source, images, error) from error
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or not store.is_persistent_path(images):
                raise _image_creation_error(source, images, error) from error
            store.fall_back_to_temporary("images", f"is not writable ({reason_of(error)})")
        if not attempts:
            raise SeedError(
                f"the image `{images}/{name}` was removed or damaged each time it was built", hint="try again"
            )


def find_named_image(
    name: str, interpreter: Interpreter, store: Store, checked: Literal["all", "lists"] = "all"
) -> Image | None:
    """Return the intact image with this directory name, for an interpreter's ABI; None if the store has none.

    :param checked: whether all files are checked, or only the lists of them. That is enough before an installation.
    """
    if checked == "all":
        return _find_image(store, abi_name(interpreter), name)
    for images in store.readable_directories("images"):
        if image := listed_image(os.path.join(images, abi_name(interpreter), name)):
            return image
    return None


def find_image(distribution: Distribution, interpreter: Interpreter, store: Store) -> Image:
    """Return the image of a distribution that is not going to be installed; its root is empty if the store has none."""
    return _find_image(store, abi_name(interpreter), image_name(DistributionSource(distribution))) or Image(
        distribution.name,
        distribution.version,
        root="",
        entry_points=distribution.entry_points,
        dist_info=distribution.dist_info,
        files=0,
        size=0,
        bytecode="missing",
    )


def _build_and_publish(
    source: ImageSource, interpreter: Interpreter, store: Store, images: str, name: str, *, compiling: bool
) -> None:
    """Build an image in a staging directory and rename it to `name`; in any case, remove the staging directory.

    :raises FileNotFoundError: another process removed the staging directory.
    """
    with staging_directory(store.staging, images, prefix=f"{name}.") as stage:
        try:
            code = _build(source, interpreter, store, stage, compiling=compiling)
            if isinstance(source, DistributionSource) and source.name == "pip" and not compiling:
                from cloche.store.seed_start import is_known_to_start, refuse_broken_seed

                distribution = source.distribution
                if not is_known_to_start(distribution, interpreter):
                    tree = os.path.join(stage, distribution.root_tree)
                    refuse_broken_seed("pip", distribution.version, interpreter, store.host, [tree])
            _publish(stage, os.path.join(images, name), code)
        except ClocheError as error:
            if os.path.isdir(stage):
                raise
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), stage) from error


class ImageNotWritten(SeedError):
    """The store could not write an image; the distribution itself may be intact."""


def _image_creation_error(source: ImageSource, images: str, error: OSError) -> ImageNotWritten:
    return ImageNotWritten(
        f"cannot create the image of {source.name} {source.version} in `{images}`: {reason_of(error)}",
        hint=cache_remedy(error),
    )


def _was_installed(image: Image) -> bool:
    """Return whether an environment has used the image; also True if the image was removed meanwhile."""
    try:
        return os.stat(image.root).st_mtime_ns != os.stat(os.path.join(image.root, "image.json")).st_mtime_ns
    except OSError:
        return True


def load_image(root: str) -> Image | None:
    """Return the image in the directory `root`; None if there is none or it is damaged."""
    image = _described_image(root)
    return None if image is None or check_image(image) else image


def listed_image(root: str) -> Image | None:
    """Return the image in the directory `root` if the lists of its files are intact; the files themselves may be damaged."""
    return _described_image(root) if os.path.lexists(root) and check_own_files(root) is None else None


def _described_image(root: str) -> Image | None:
    """Return the image in the directory `root` according to its description; None if that cannot be read."""
    try:
        description = json.loads(read_regular_file(os.path.join(root, "image.json")))
        points = tuple(EntryPoint(**point) for point in description.pop("entry_points"))
        codes = tuple(StartupCode(**code) for code in description.pop("startup_code"))
        return Image(root=root, entry_points=points, startup_code=codes, **description)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def verify_image(root: str) -> list[str]:
    """Compare the hash of every file of an image; return one line for each problem."""
    if problem := check_tree(root):
        return [problem]
    names = own_files(root)
    problems = []
    known = {OWN_FILE_LIST, *names, *(parent for name in names for parent in parents_of(name))}
    for name in names:
        if name.endswith(FILE_LIST_SUFFIX):
            tree = name.removesuffix(FILE_LIST_SUFFIX)
            file_list = read_file_list(f"{root}/{name}")
            problems += _changed_files(f"{root}/{tree}", file_list)
            known |= {tree, *(f"{tree}/{path}" for path in (*file_list.directories, *file_list.paths))}
            directories = (f"{root}/{tree}/{path}" for path in file_list.directories)
            problems += [f"`{path}` is a symbolic link" for path in filter(os.path.islink, directories)]
    problems += [f"`{root}/{path}` is not part of the image" for path in sorted(_walk(root) - known)]
    return problems + _changed_files(root, read_file_list(f"{root}/{OWN_FILE_LIST}"))


def abi_name(interpreter: Interpreter) -> str:
    """Return the name of the directory for images whose bytecode this interpreter can use: `cpython-312-cb0d0d0a`."""
    name = f"{interpreter.cache_tag}-{interpreter.magic}"
    return name if re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name) else hashlib.sha256(name.encode()).hexdigest()[:32]


def image_name(source: ImageSource) -> str:
    """Return the directory name of an image: name, version, and a hash of what decides its content."""
    content = hashlib.sha256(f"{FORMAT} {source.digest}".encode()).hexdigest()
    return f"{source.name}-{source.version}-{content[:16]}"


def needs_bytecode(image: Image, policy: Compile) -> bool:
    """Return whether an image has to be compiled before its next installation."""
    if image.bytecode == "complete" or policy == "never":
        return False
    return policy == "now" or _was_installed(image)


def _find_image(store: Store, abi: str, name: str) -> Image | None:
    for images in store.readable_directories("images"):
        if image := load_image(os.path.join(images, abi, name)):
            return image
    return None


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


def _create_real_directory(path: str) -> None:
    """Create a private directory; replace a link or file at `path`, because a link would lead out of the store."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            os.mkdir(path, 0o700)


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


def _changed_files(root: str, file_list: FileList) -> list[str]:
    problems = []
    for path, digest in zip(file_list.paths, file_list.hashes, strict=True):
        if hashlib.sha256(read_regular_file(f"{root}/{path}")).hexdigest() != digest:
            problems.append(f"`{root}/{path}` was modified after it was created")
    return problems


def _walk(root: str) -> set[str]:
    """Return every file and directory below `root`, relative and with `/`."""
    found = set()
    for parent, directories, names in os.walk(root):
        inside = os.path.relpath(parent, root).replace(os.sep, "/")
        found |= {name if inside == "." else f"{inside}/{name}" for name in [*directories, *names]}
    return found
