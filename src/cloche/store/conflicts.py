"""Conflicts: files that several distributions of one environment contain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.apply.file_list import read_file_list
from cloche.errors import SeedError
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


def settle_conflicts(images: list[Image], interpreter: Interpreter, store: Store) -> list[Image]:
    """Give each file to one image, the last one that has it; warn if the contents differ.

    pip and uv install the packages one after the other, and the last file wins. With one owner for each file, every RECORD
    is true, and the result does not depend on the order.
    """
    owners: dict[str, tuple[int, str, str]] = {}
    left_out: dict[int, list[str]] = {}
    folds = interpreter.platform in ("darwin", "win32")
    for number, image in enumerate(images):
        for path, member, digest in installed_files(image, interpreter):
            key = path.casefold() if folds else path
            if (other := owners.get(key)) and other[0] != number:
                left_out.setdefault(other[0], []).append(other[1])
                if other[2] != digest and not path.endswith(".pyc"):
                    store.warnings.append(
                        f"`{images[other[0]].distribution}` and `{image.distribution}` both contain `{path}`; "
                        f"the one of `{image.distribution}` is installed"
                    )
            owners[key] = number, member, digest
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
    """Refuse two seeds that contain the same path: one would replace the file of the other.

    :raises SeedError: two images contain the same path, one contains a file where another has a directory, or an image is
        damaged.
    """
    files: dict[str, Image] = {}
    directories: dict[str, Image] = {}
    folds = interpreter.platform in ("darwin", "win32")
    for image in images:
        if not image.root:
            continue  # not built, because the environment keeps the one that it has
        try:
            installed = list(installed_files(image, interpreter))
        except (OSError, ValueError) as error:
            raise SeedError(f"`{image.root}` is damaged: {error}", hint="try again") from error
        paths = [path for path, member, _ in installed if member not in image.left_out]
        own = {path.casefold() if folds else path: path for path in paths}
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
