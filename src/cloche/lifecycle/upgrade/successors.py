"""Find the images with which an upgrade to another Python installs the distributions of an environment.

Most distributions get an image in the store. Two kinds do not. Some have files that do not come from a wheel unchanged: they
are in directories that only the old environment has, or contain its path, as in an editable install. These are copied one by
one (`carried_files.carry_operations`). Others are not available as a wheel that the store accepts, and pip installs them.
"""

from __future__ import annotations

import os
from threading import Event
from typing import TYPE_CHECKING

from cloche.errors import SeedError
from cloche.fs import read_at_most, read_regular_file
from cloche.fs.records import digest_of
from cloche.lifecycle.installed import read_text
from cloche.lifecycle.upgrade.inventory import item_of
from cloche.model.value import Value, replace
from cloche.store.compiling import available_processors
from cloche.store.conflicts import settle_conflicts
from cloche.store.contents import script_in_wheel
from cloche.store.recorded_successors import find_successor, image_of_installed, record_successor, successor_key
from cloche.store.worker_threads import in_threads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloche.fs.installed_records import Row
    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.lifecycle.upgrade.inventory import Inventory, Loss
    from cloche.lifecycle.upgrade.losses import Losses
    from cloche.model.aliases import Compile
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.session import Session
    from cloche.store import Store
    from cloche.store.images.lookup import Checked

REWRITTEN = ("INSTALLER", "REQUESTED", "RECORD", "RECORD.jws", "RECORD.p7s", "direct_url.json")
"""The metadata that each installation writes itself (PEP 376, PEP 610)."""


class Successors(Value):
    """How each distribution of an environment gets into its successor."""

    images: Mapping[str, Image]
    """By the metadata directory of the old distribution; conflicts between them are not settled."""
    copied: tuple[InstalledDistribution, ...]
    """Those whose files are copied one by one."""
    installed: tuple[InstalledDistribution, ...]
    """Those that pip installs."""
    losses: tuple[Loss, ...]


def find_successors(
    inventory: Inventory,
    roots: tuple[str, ...],
    interpreter: Interpreter,
    session: Session,
    *,
    losses: Losses,
    checked: Checked,
    policy: Compile,
    find_links: Sequence[str],
) -> Successors:
    """Find or create the images for what an inventory keeps; ask pip, once, for what needs another build.

    :param roots: where the environment is, and where it was according to its files.
    :param checked: which files of images are checked.
    :param policy: when images are compiled to bytecode.
    :param find_links: directories with wheels, in which pip looks too.
    :param losses: `refused` or `allowed`; then pip is asked again for each distribution if it cannot provide all of them.
    :raises ClocheError: pip cannot provide all distributions, and losses are not allowed.
    """
    store = session.store
    for kind in ("images", "locks", "successors"):  # threads would create a missing one at the same time
        store.writable_directory(kind)
    kept = (*inventory.carried, *inventory.reinstalled)
    as_they_are = {item.metadata for item in inventory.carried}
    keys = {
        item.metadata: key_of(item, roots, interpreter)
        for item in kept
        if (item.metadata in as_they_are and "dir_info" not in item.origin) or not item.origin
    }
    images = {
        metadata: image
        for metadata, key in keys.items()
        if (image := find_successor(key, interpreter, store, checked, policy))
    }

    def build(distribution: InstalledDistribution) -> Image | None:
        site, dist_info = os.path.split(os.path.join(roots[0], distribution.metadata))
        try:
            return image_of_installed(roots, site, dist_info, interpreter, store, policy)
        except SeedError:
            return None  # it is copied, see above

    new = [item for item in inventory.carried if item.metadata in keys and item.metadata not in images]
    wanted = [item for item in inventory.reinstalled if item.metadata not in images]
    provided: list[tuple[InstalledDistribution, Image]] = []
    lost: list[Loss] = []
    if wanted:
        from cloche.lifecycle.upgrade.pip_requests import images_from_pip

        provided, lost = images_from_pip(
            wanted, interpreter, session, losses=losses, policy=policy, find_links=find_links
        )
    built = in_threads(build, new, Event(), available_processors())
    for distribution, image in [*provided, *zip(new, built, strict=True)]:
        if image is not None:
            images[distribution.metadata] = image
            if distribution.metadata in keys:
                record_successor(keys[distribution.metadata], image, store)
    missing = {loss.item for loss in lost}
    return Successors(
        images,
        tuple(item for item in inventory.carried if item.metadata not in images),
        tuple(item for item in wanted if item.metadata not in images and item_of(item) not in missing),
        tuple(lost),
    )


def key_of(distribution: InstalledDistribution, roots: tuple[str, ...], interpreter: Interpreter) -> str:
    """Return the key of the successor of a distribution: it depends on what is the same in every environment.

    :param roots: where its environment is, and where it was.
    """
    site = f"{distribution.site}/"
    own = {f"{distribution.metadata}/{name}" for name in REWRITTEN}
    generated = {point.name for point in distribution.entry_points}
    rows = []
    for row in distribution.rows:
        if not row.digest or row.path in own:
            continue
        if row.path.startswith(site):
            rows.append((row.path[len(site) :], row.digest))
        elif row.path.rpartition("/")[2] not in generated:
            rows.append((f"/{row.path}", digest_in_wheel(row, roots)))
    return successor_key(distribution.key, distribution.version, rows, interpreter)


def digest_in_wheel(row: Row, roots: tuple[str, ...]) -> str:
    """Return the hash of a file outside `site-packages` without the path of the environment's Python, if it is a script."""
    path = os.path.join(roots[0], row.path)
    if read_at_most(path, 2) != b"#!":
        return row.digest
    try:
        return digest_of(script_in_wheel(read_regular_file(path, follow=True), row.path, roots))
    except (OSError, ValueError):
        return row.digest


def installed_like(
    images: Mapping[str, Image],
    seeds: Iterable[Image],
    distributions: Iterable[InstalledDistribution],
    root: str,
    interpreter: Interpreter,
    store: Store,
) -> list[Image]:
    """Return images with the metadata of the distributions that they succeed: who installed them, from where, and why.

    :param images: by the metadata directory of the distribution.
    :param seeds: the images that the new environment has in addition, to which a file may belong as well.
    :param root: the environment of the distributions.
    """
    by_metadata = {distribution.metadata: distribution for distribution in distributions}
    settled = settle_conflicts([*seeds, *images.values()], interpreter, store)[-len(images) :] if images else []
    return [
        with_metadata_of(by_metadata[metadata], image, root) for metadata, image in zip(images, settled, strict=True)
    ]


def with_metadata_of(distribution: InstalledDistribution, image: Image, root: str) -> Image:
    """Return an image with the metadata that each installation writes itself, as an installed distribution has it."""
    tree = "platlib" if os.path.isdir(os.path.join(image.root, "platlib", image.dist_info)) else "purelib"
    names = ["INSTALLER"] if distribution.requested else ["INSTALLER", "REQUESTED"]
    return replace(
        image,
        left_out=(*image.left_out, *(f"{tree}/{image.dist_info}/{name}" for name in names)),
        metadata=tuple(kept_metadata(distribution, root)),
    )


def kept_metadata(distribution: InstalledDistribution, root: str) -> Iterator[tuple[str, str]]:
    """Yield the files of a distribution that say who installed it and from where, as (name, content)."""
    for name in ("INSTALLER", "direct_url.json"):
        if text := read_text(os.path.join(root, distribution.metadata, name)):
            yield name, text
