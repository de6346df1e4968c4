"""Conflicts: files that several distributions of one environment contain, even if their names differ only in case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.apply.file_list import read_file_list
from cloche.errors import DestinationError, SeedError
from cloche.fs.case import folded
from cloche.model.value import replace
from cloche.store.bytecode import bytecode_path
from cloche.store.check import FILE_LIST_SUFFIX, own_files
from cloche.store.images.writer import directories_of
from cloche.store.installation import script_names
from cloche.store.startup_code import without_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.store import Store


IGNORING_CASE = frozenset(("darwin", "win32"))
"""Platforms on which nearly every file system ignores the case of names."""


def settle_conflicts(images: list[Image], interpreter: Interpreter, store: Store) -> list[Image]:
    """Give each file to one image, the last one that has it; warn if the contents differ.

    pip and uv install the packages one after the other, and the last file wins. With one owner for each file, every RECORD
    is true, and the result does not depend on the order.

    :raises SeedError: one image contains a file where another has a directory.
    """
    owners: dict[str, tuple[int, str, str]] = {}
    left_out: dict[int, list[str]] = {}
    key_of = folded if interpreter.platform in IGNORING_CASE else str
    for number, image in enumerate(images):
        for path, member, digest in installed_files(image, interpreter):
            key = key_of(path)
            other = owners.get(key)
            if other and other[0] == number:
                raise SeedError(
                    f"`{image.distribution}` contains `{path}` twice, as `{other[1]}` and as `{member}`",
                    hint="choose another version of the package",
                )
            if other:
                left_out.setdefault(other[0], []).append(other[1])
                if other[2] != digest and not path.endswith(".pyc"):
                    store.warnings.append(
                        f"`{images[other[0]].distribution}` and `{image.distribution}` both contain `{path}`; "
                        f"the file from `{image.distribution}` is installed"
                    )
            owners[key] = number, member, digest
    for directory in directories_of(owners):
        if directory in owners:
            owner = images[owners[directory][0]].distribution
            raise SeedError(
                f"`{directory}` would be a file of `{owner}`, and also a directory",
                hint="leave one of the packages out",
            )
    if interpreter.platform in IGNORING_CASE:
        for first, path, second, other_path in find_confused_names(images, interpreter):
            if folded(path) not in owners:
                store.warnings.append(
                    f"`{first.distribution}` contains `{path}` and `{second.distribution}` contains `{other_path}`, "
                    "which are the same directory on this system; Python cannot import both"
                )
    return [
        replace(
            image,
            left_out=with_bytecode(left_out[number], image, interpreter),
            startup_code=without_files(image.startup_code, left_out[number]),
        )
        if number in left_out
        else image
        for number, image in enumerate(images)
    ]


def refuse_shared_files(images: Sequence[Image], interpreter: Interpreter) -> None:
    """Refuse seeds that contain a path more than once, because one file would replace the other.

    :raises SeedError: two images contain the same path, one contains a path twice or a file where another has a directory,
        or an image is damaged.
    """
    files: dict[str, Image] = {}
    directories: dict[str, Image] = {}
    key_of = folded if interpreter.platform in IGNORING_CASE else str
    for image in images:
        own: dict[str, str] = {}
        for path in installed_paths(image, interpreter):
            if key_of(path) in own:
                raise SeedError(
                    f"`{image.distribution}` {image.version} contains `{path}` twice",
                    hint="choose another version of the package",
                )
            own[key_of(path)] = path
        parents = directories_of(own)
        for path in sorted({*own, *parents}):
            other = files.get(path) or (directories.get(path) if path in own else None)
            if other is not None:
                raise SeedError(
                    f"`{other.distribution}` {other.version} and `{image.distribution}` {image.version} "
                    f"both contain `{own.get(path, path)}`",
                    hint="leave one of them out",
                )
        files |= dict.fromkeys(own, image)
        directories |= dict.fromkeys(parents, image)


def refuse_names_differing_in_case(images: Sequence[Image], interpreter: Interpreter, location: str) -> None:
    """Refuse packages with names that differ only in case, for a destination whose file system ignores it.

    On systems where most file systems do, `settle_conflicts` and `refuse_shared_files` have decided already.

    :raises DestinationError: two images contain such names.
    :raises SeedError: an image is damaged.
    """
    if interpreter.platform in IGNORING_CASE:
        return
    for image, path, other, other_path in find_confused_names(images, interpreter):
        raise DestinationError(
            f"`{image.distribution}` contains `{path}` and `{other.distribution}` contains `{other_path}`, "
            f"which are the same on the file system of `{location}`",
            hint="choose a destination on a file system that distinguishes upper and lower case",
        )


def find_confused_names(images: Sequence[Image], interpreter: Interpreter) -> Iterator[tuple[Image, str, Image, str]]:
    """Yield an image and a path in it, and another image with a path that differs only in case or in the form of accents.

    A path leads to a file, or to a directory with modules: Python compares the names of these exactly. Bytecode is left
    out, because the modules have the same names.

    :raises SeedError: an image is damaged.
    """
    libraries = {interpreter.scheme["purelib"], interpreter.scheme["platlib"]}
    seen: dict[str, tuple[Image, str]] = {}
    for image in images:
        paths = set(installed_paths(image, interpreter))
        paths.update(path for path in directories_of(paths) if any(path.startswith(f"{top}/") for top in libraries))
        for path in sorted(path for path in paths if not path.endswith((".pyc", "/__pycache__"))):
            other, other_path = seen.setdefault(folded(path), (image, path))
            if other_path != path:
                yield other, other_path, image, path


def installed_paths(image: Image, interpreter: Interpreter) -> list[str]:
    """Return the paths in the environment of the files that an image installs; none if it was not built.

    :raises SeedError: the image is damaged.
    """
    if not image.root:
        return []  # the environment keeps the one that it has
    try:
        installed = list(installed_files(image, interpreter))
    except (OSError, ValueError) as error:
        raise SeedError(f"`{image.root}` is damaged: {error}", hint="try again") from error
    return [path for path, member, _ in installed if member not in image.left_out]


def installed_files(image: Image, interpreter: Interpreter) -> Iterator[tuple[str, str, str]]:
    """Yield the files that an image installs, as path in the environment, path in the image, and hash.

    Headers are left out: each distribution has its own directory for them.
    """
    scheme = interpreter.scheme
    directories = {"purelib": scheme["purelib"], "platlib": scheme["platlib"], "scripts": scheme["scripts"], "data": ""}
    for name in own_files(image.root):
        tree = name.removesuffix(FILE_LIST_SUFFIX)
        if name.endswith(FILE_LIST_SUFFIX) and tree in directories:
            files = read_file_list(f"{image.root}/{name}")
            for path, digest in zip(files.paths, files.hashes, strict=True):
                yield f"{directories[tree]}/{path}".lstrip("/"), f"{tree}/{path}", digest
        elif name.startswith("shebangs/"):
            script = name.removeprefix("shebangs/")
            yield f"{scheme['scripts']}/{script}", f"scripts/{script}", f"{image.root}/{name}"
    for script, point in script_names(image.entry_points, interpreter.python_version).items():
        yield f"{scheme['scripts']}/{script}", f"scripts/{script}", f"{point.module}:{point.attribute}"


def with_bytecode(paths: Sequence[str], image: Image, interpreter: Interpreter) -> tuple[str, ...]:
    """Return these files of an image, and the bytecode of modules among them."""
    existing = {member for _, member, _ in installed_files(image, interpreter)}
    compiled = {bytecode_path(path, interpreter.cache_tag) for path in paths if path.endswith(".py")}
    return tuple(sorted({*paths, *(compiled & existing)}))
