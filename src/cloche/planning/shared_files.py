"""Files that two seeds contain: an environment can have only one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.apply.file_list import read_file_list
from cloche.errors import SeedError
from cloche.store.check import FILE_LIST_SUFFIX, own_files
from cloche.store.installation import script_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloche.model.distribution import Image
    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter

CASE_INSENSITIVE = frozenset(("darwin", "win32"))
"""Platforms whose file systems usually do not distinguish case."""


def refuse_shared_files(images: Sequence[Image], interpreter: Interpreter, layout: Layout) -> None:
    """Refuse two seeds that contain the same path: one would replace the file of the other.

    :raises SeedError: two images contain the same path, one contains a file where another has a directory, or an image is
        damaged.
    """
    files: dict[str, Image] = {}
    directories: dict[str, Image] = {}
    for image in images:
        if not image.root:
            continue  # not built, because the environment keeps the one that it has
        try:
            paths = sorted(installed_paths(image, interpreter, layout))
        except (OSError, ValueError) as error:
            raise SeedError(f"`{image.root}` is damaged: {error}", hint="try again") from error
        own = {path.lower() if interpreter.platform in CASE_INSENSITIVE else path: path for path in paths}
        parents = {path[:at] for path in own for at, letter in enumerate(path) if letter == "/"}
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


def installed_paths(image: Image, interpreter: Interpreter, layout: Layout) -> Iterator[str]:
    """Yield the files of an image, relative to the environment, but not its headers, which have a directory of their own.

    :raises OSError, ValueError: the image is damaged.
    """
    prefixes = {
        "purelib": f"{layout.purelib}/",
        "platlib": f"{layout.platlib}/",
        "scripts": f"{layout.bin}/",
        "data": "",
    }
    windows = interpreter.os_name == "nt"
    for name in own_files(image.root):
        tree = name.removesuffix(FILE_LIST_SUFFIX)
        if name.startswith("shebangs/"):
            script = name.partition("/")[2]
            yield f"{layout.bin}/{script.removesuffix('.py')}.exe" if windows else f"{layout.bin}/{script}"
        elif tree != name and tree in prefixes:
            for path in read_file_list(f"{image.root}/{name}").paths:
                yield prefixes[tree] + path
    for script in script_names(image.entry_points, interpreter.python_version):
        yield f"{layout.bin}/{script}{'.exe' if windows else ''}"
