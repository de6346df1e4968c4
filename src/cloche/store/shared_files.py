"""Files that two seeds contain: an environment can have only one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.apply.file_list import read_file_list
from cloche.errors import SeedError
from cloche.store.check import FILE_LIST_SUFFIX, own_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model.distribution import Image


def refuse_shared_files(images: Sequence[Image]) -> None:
    """Refuse two seeds that contain the same file: one would replace that of the other.

    :raises SeedError: two images contain the same path, or an image is damaged.
    """
    if len(images) < 2:
        return
    owners: dict[tuple[str, str], Image] = {}
    for image in images:
        try:
            trees = [name for name in own_files(image.root) if name.endswith(FILE_LIST_SUFFIX)]
            found = {
                ("lib" if tree.startswith(("purelib", "platlib")) else tree.removesuffix(FILE_LIST_SUFFIX), path)
                for tree in trees
                if not tree.startswith("headers")  # each distribution has a directory of its own
                for path in read_file_list(f"{image.root}/{tree}").paths
            }
        except (OSError, ValueError) as error:
            raise SeedError(f"`{image.root}` is damaged: {error}", hint="try again") from error
        found |= {("scripts", point.name) for point in image.entry_points}
        for tree, path in sorted(found & owners.keys()):
            other = owners[tree, path]
            raise SeedError(
                f"`{other.distribution}` {other.version} and `{image.distribution}` {image.version} "
                f"both contain `{path}`",
                hint="leave one of them out",
            )
        owners |= dict.fromkeys(found, image)
