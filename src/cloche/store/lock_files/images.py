"""The images of a lock file: for each package that an interpreter needs, the image of exactly the locked file."""

from __future__ import annotations

import os
from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.pylock import PackageArchive, PackageDirectory, PackageVcs
from packaging.version import Version

from cloche.errors import SeedError, UsageError, reason_of
from cloche.model.value import replace
from cloche.store.builds import build_wheels
from cloche.store.builds.sources import SourceCode
from cloche.store.compiling import available_processors
from cloche.store.conflicts import settle_conflicts
from cloche.store.dependencies import with_dependencies
from cloche.store.distributions import Distribution, open_wheel
from cloche.store.fetch.artifacts import Artifact, new_hasher, open_file_digests
from cloche.store.fetch.downloads import obtaining
from cloche.store.fetch.pins import Pin
from cloche.store.images import find_or_build_image, needs_bytecode
from cloche.store.images.origins import find_image_of_wheel, record_origin
from cloche.store.lock_files import locked_packages
from cloche.store.requirements import Requirement, parse_requirements
from cloche.store.seed_sources import choose_distributions
from cloche.store.tags import incompatibility
from cloche.store.worker_threads import as_completed, in_threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal, TypeAlias

    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.lock_files.packages import LockedPackage

    Making: TypeAlias = Literal["obtained", "built"]
    """Whether a wheel is one that the lock file names, or was built from one of its sources."""

SPARE_THREADS = 2
"""How many more threads than processors unpack wheels, because some of them wait for the disk: they share its flushes."""


def locked_images(wanted: Wanted, interpreter: Interpreter, store: Store) -> list[Image]:
    """Return the images of a lock file, and of the requirements that are wanted in addition, sorted by name.

    Every file is checked against its hash before any of it is unpacked; so is the wheel that a stored image was made from.

    :raises UsageError: the lock file is not valid, or contradicts a requirement.
    :raises SeedError: a file cannot be found, does not match its hash, or is damaged.
    """
    assert wanted.lock is not None
    packages = locked_packages(wanted.lock, interpreter, store)
    requirements = additional_requirements(wanted, packages)
    stored = {
        package.name: image for package in packages if (image := stored_image(package, wanted, interpreter, store))
    }
    stored |= new_images([package for package in packages if package.name not in stored], wanted, interpreter, store)
    images = [replace(stored[package.name], metadata=package.metadata) for package in packages]
    images += (
        find_or_build_image(distribution, interpreter, store, policy=wanted.compile)
        for distribution in additional_distributions(requirements, images, wanted, interpreter, store)
    )
    return settle_conflicts(sorted(images, key=lambda image: image.distribution), interpreter, store)


def additional_requirements(wanted: Wanted, packages: Sequence[LockedPackage]) -> list[Requirement]:
    """Return the requirements that the lock file does not meet.

    :raises UsageError: the lock file has another version of one of them.
    """
    locked = {package.name: package.version for package in packages}
    missing = []
    for requirement in parse_requirements(wanted.requirements):
        version = locked.get(requirement.name)
        if version is None:
            missing.append(requirement)
        elif requirement.version and version and Version(requirement.version) != Version(version):
            raise UsageError(
                f"`{requirement}` contradicts the lock file, which has {requirement.name} {version}",
                hint="leave it out, or change the lock file",
            )
    return missing


def additional_distributions(
    requirements: Sequence[Requirement],
    locked: Sequence[Image],
    wanted: Wanted,
    interpreter: Interpreter,
    store: Store,
) -> list[Distribution]:
    """Return the distributions of the additional requirements, and what they need that is not locked.

    :raises SeedError: one cannot be found.
    """
    chosen = choose_distributions(requirements, interpreter, wanted, store)
    if wanted.dependencies == "omitted" or not any(distribution.requires for distribution in chosen):
        return chosen
    names = {image.distribution for image in locked}
    found = with_dependencies([*map(as_distribution, locked), *chosen], interpreter, wanted, store)
    return [distribution for distribution in found if distribution.name not in names]


def as_distribution(image: Image) -> Distribution:
    """Return a distribution that needs nothing, for a locked image: the lock file has everything that it needs."""
    return Distribution(
        name=image.distribution,
        version=image.version,
        location=image.root,
        kind="locked",
        dist_info=image.dist_info,
        root_tree="purelib",
        tags=frozenset(),
        requires_python="",
        requires=(),
        entry_points=(),
        files=(),
    )


def stored_image(package: LockedPackage, wanted: Wanted, interpreter: Interpreter, store: Store) -> Image | None:
    """Return the image that was made from a wheel of this package, if the store has it and nothing is missing from it."""
    allowed, size = allowed_hashes(package), package.artifact.size if package.artifact else None
    if not allowed or any(algorithm != "sha256" for algorithm, _ in allowed):
        return None  # an image knows only this hash of its wheel
    for _, digest in allowed:
        image = find_image_of_wheel(package.name, digest, size, interpreter, store)
        if image and not needs_bytecode(image, wanted.compile):
            return image
    return None


def file_to_obtain(package: LockedPackage) -> Artifact | Pin:
    """Return the file to obtain for a package; for a pin, one of several."""
    if package.artifact is not None:
        return package.artifact
    if not isinstance(package.source, PackageArchive):
        return Pin(package.name, package.version, package.hashes, package.scope, package.form)
    archive = package.source
    path = archive.path or ""
    name = os.path.basename(path) or unquote(urlsplit(archive.url or "").path.rpartition("/")[2])
    url = "" if path else archive.url or ""
    return Artifact(package.name, package.version, name, url, path, archive.size, archive.hashes)


def source_of(package: LockedPackage, path: str) -> SourceCode:
    """Return the source to build a package from.

    :param path: the source distribution or archive, if it is a file.
    """
    match package.source:
        case PackageVcs(type=kind, url=url, path=repository, commit_id=commit, subdirectory=subdirectory):
            where = url or repository or ""
            return SourceCode(
                package.name, package.version, url=where, vcs=kind, commit=commit, subdirectory=subdirectory or ""
            )
        case PackageDirectory(path=directory, editable=editable, subdirectory=subdirectory):
            return SourceCode(
                package.name, package.version, directory, subdirectory=subdirectory or "", editable=bool(editable)
            )
        case PackageArchive(subdirectory=subdirectory):
            return SourceCode(package.name, package.version, path, subdirectory=subdirectory or "")
        case _:
            return SourceCode(package.name, package.version, path)


def new_images(
    packages: Sequence[LockedPackage], wanted: Wanted, interpreter: Interpreter, store: Store
) -> dict[str, Image]:
    """Return an image for each package by name: of the locked wheel, or of one that is built from the locked source.

    A wheel is unpacked as soon as its file is there, while others are still downloaded.

    :raises SeedError: a file cannot be obtained or does not match its hash, a wheel is not the locked one, is damaged, or
        changed after it was checked, or a wheel cannot be built.
    """
    files = {
        file_to_obtain(package): package
        for package in packages
        if not isinstance(package.source, (PackageVcs, PackageDirectory))
    }
    for kind in ("images", "locks", "origins"):  # the threads would create a missing one at the same time
        store.writable_directory(kind)
    images: dict[str, Image] = {}
    archives: dict[str, str] = {}

    def unpack(found: tuple[Artifact | Pin, str]) -> Image | None:
        item, path = found
        return image_of(path, "obtained", files[item], wanted, interpreter, store) if path.endswith(".whl") else None

    stopped, threads = Event(), available_processors() + SPARE_THREADS
    with (
        obtaining(files, wanted, interpreter, store, stopped) as obtained,
        closing(as_completed(unpack, obtained, stopped, min(threads, len(files)))) as completed,
    ):
        for (item, path), image in completed:
            if image:
                images[files[item].name] = image
            else:
                archives[files[item].name] = path
    return images | built_images(
        [package for package in packages if package.name not in images], archives, wanted, interpreter, store
    )


def built_images(
    packages: Sequence[LockedPackage],
    archives: Mapping[str, str],
    wanted: Wanted,
    interpreter: Interpreter,
    store: Store,
) -> dict[str, Image]:
    """Return an image for each package by name, of a wheel that is built from its source.

    :param archives: the paths of sources that are files, by the name of the package.
    :raises SeedError: a wheel cannot be built, or is not the locked one.
    """
    sources = [source_of(package, archives.get(package.name, "")) for package in packages]
    wheels = build_wheels(sources, interpreter, wanted, store, only_binary=wanted.builds == "refused")

    def unpack(built: tuple[LockedPackage, str]) -> Image:
        return image_of(built[1], "built", built[0], wanted, interpreter, store)

    images = in_threads(unpack, [*zip(packages, wheels, strict=True)], Event(), available_processors())
    return {package.name: image for package, image in zip(packages, images, strict=True)}


def image_of(
    path: str, making: Making, package: LockedPackage, wanted: Wanted, interpreter: Interpreter, store: Store
) -> Image:
    """Return the image of a wheel, and record which of the locked wheels it was made from.

    :raises SeedError: the wheel is not the locked one, is damaged, or changed after it was checked.
    """
    with open_wheel(path) as (distribution, archive):
        refuse_other_wheel(distribution, package, interpreter)
        image = find_or_build_image(distribution, interpreter, store, archive, policy=wanted.compile)
        allowed = {digest for algorithm, digest in allowed_hashes(package) if algorithm == "sha256"}
        if allowed and making == "obtained":  # check again: the file may have changed while it was being unpacked
            try:
                digests, size = open_file_digests({"sha256": new_hasher("sha256")}, archive.file)
            except OSError as error:
                raise SeedError(f"`{path}` cannot be read ({reason_of(error)})") from None
            if digests["sha256"] not in allowed:
                raise SeedError(f"`{path}` changed while it was being unpacked", hint="try again")
            record_origin(image, digests["sha256"], size, store)
    return image


def allowed_hashes(package: LockedPackage) -> frozenset[tuple[str, str]]:
    """Return the hashes that a wheel of a package may have; empty if it is built, or if any is allowed."""
    if package.form == "source":
        return frozenset()
    if package.artifact is None:
        return package.hashes if package.source is None else frozenset()
    return frozenset(package.artifact.hashes.items() if package.artifact.file_name.endswith(".whl") else ())


def refuse_other_wheel(distribution: Distribution, package: LockedPackage, interpreter: Interpreter) -> None:
    """Refuse a wheel that is not the locked one, or that the interpreter does not support.

    :raises SeedError: it is one of these.
    """
    if distribution.name != package.name or not is_locked_version(distribution.version, package):
        raise SeedError(
            f"`{distribution.location}` contains {distribution.name} {distribution.version}, "
            f"but {package.name} {package.version} is locked",
            hint="lock the project again",
        )
    if reason := incompatibility(distribution, interpreter):
        raise SeedError(
            f"`{package.name}` {distribution.version} does not run on {interpreter.name}: it {reason}",
            hint="choose another Python with `-p`, or lock the project for this one",
        )


def is_locked_version(text: str, package: LockedPackage) -> bool:
    """Return whether a text is the version that is locked (PEP 440). A pin without a local label allows any of them."""
    if not package.version:
        return True
    try:
        found, locked = Version(text.replace("_", "-")), Version(package.version)
    except ValueError:
        return False
    is_pin = package.artifact is None and package.source is None
    return locked == found or (is_pin and locked == Version(found.public))
