"""What an update changes: packages that are added or removed, or that get another version or another content."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloche.fs import read_at_most
from cloche.fs.installed_records import read_record
from cloche.fs.manifests import parse_manifest, read_manifest, sha256_of
from cloche.lifecycle.installed import site_directories
from cloche.model.operations import Write
from cloche.model.package_change import PackageChange

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.model.operations import Operation


def package_changes(
    dropped: Iterable[InstalledDistribution],
    images: Iterable[Image],
    operations: Iterable[Operation],
    old: Environment,
) -> Iterator[PackageChange]:
    """Yield the differences between the distributions that are replaced and those that replace them, sorted by name.

    A package with the same version is among them if it comes from another file, or from a source that has changed. If it is
    only installed again because something in the environment was modified, it is not.

    :param operations: the operations of the update.
    """
    before = {item.key: item for item in dropped}
    after = {image.distribution: image for image in images}
    records = {
        operation.path: operation.content
        for operation in operations
        if isinstance(operation, Write) and operation.path.endswith(".dist-info/RECORD")
    }
    hashes = parse_manifest(read_manifest(old.location))
    for name in sorted(before.keys() | after.keys()):
        item, image = before.get(name), after.get(name)
        if (
            item is None
            or image is None
            or item.version != image.version
            or has_other_content(item, image, records, hashes, old)
        ):
            yield PackageChange(
                name,
                item.version if item else "",
                image.version if image else "",
                item.installer if item and not image else "",
            )


def has_other_content(
    item: InstalledDistribution,
    image: Image,
    records: Mapping[str, bytes],
    hashes: Mapping[str, str],
    old: Environment,
) -> bool:
    """Return whether an image has other files than those that cloche installed for the same version of its distribution.

    :param records: the content of each new RECORD, by its path.
    :param hashes: those in the manifest of the environment. They tell whether a RECORD is the one that cloche wrote.
    """
    content = read_at_most(os.path.join(old.location, item.record), 1 << 26)
    if content is None or sha256_of(content) != hashes.get(item.record):
        return False
    for site in site_directories(old.layout):
        if (record := records.get(f"{site}/{image.dist_info}/RECORD")) is not None:
            text = record.decode("utf-8", "surrogateescape")
            new = {row.path: row.digest for row in read_record(text, site, old.location)}
            installed = {row.path: row.digest for row in item.rows}
            return without_generated(new, image, old) != without_generated(installed, image, old)
    return False


def without_generated(rows: Mapping[str, str], image: Image, environment: Environment) -> dict[str, str]:
    """Return the rows of a RECORD, by path, without bytecode and without the programs of entry points.

    These two can differ although a package is the same.
    """
    programs = tuple(f"{environment.layout.bin}/{point.name}" for point in image.entry_points)
    return {
        path: digest
        for path, digest in rows.items()
        if digest and not path.endswith(".pyc") and path.removesuffix(".exe").removesuffix("-script.py") not in programs
    }
