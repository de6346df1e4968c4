"""The images of a lock file: for each package that an interpreter needs, the image of exactly the locked file."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from cloche.errors import SeedError, UsageError, reason_of
from cloche.fs.files import open_regular_file
from cloche.model.value import replace
from cloche.store.conflicts import settle_conflicts
from cloche.store.distributions import read_wheel
from cloche.store.images import find_image_of_wheel, find_or_build_image, needs_bytecode, record_origin
from cloche.store.lock_files import locked_packages
from cloche.store.requirements import Requirement, parse_requirements
from cloche.store.tags import incompatibility
from cloche.store.wheels import choose_distribution, wheel_candidates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.model.request import Wanted
    from cloche.store import Store
    from cloche.store.distributions import Distribution
    from cloche.store.locked_packages import LockedPackage


def locked_images(wanted: Wanted, interpreter: Interpreter, store: Store) -> list[Image]:
    """Return the images of a lock file, and of the requirements that are wanted in addition, sorted by name.

    Every file is checked against its hash before any of it is unpacked; so is the wheel that a stored image was made from.

    :raises UsageError: the lock file is not valid, or contradicts a requirement.
    :raises SeedError: a file cannot be found, does not match its hash, or is damaged.
    """
    assert wanted.lock is not None
    packages = locked_packages(wanted.lock, interpreter, store)
    requirements = additional_requirements(wanted, packages)
    stored = {package.name: image for package in packages if (image := stored_image(package, interpreter, store))}
    wheels = wheels_of([package for package in packages if package.name not in stored], wanted, interpreter, store)
    images = [
        replace(
            stored.get(package.name) or built_image(wheels[package.name], package, interpreter, store),
            metadata=package.metadata,
        )
        for package in packages
    ]
    for requirement in requirements:
        distribution = choose_distribution(requirement, interpreter, wanted, store)
        images.append(find_or_build_image(distribution, interpreter, store))
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


def stored_image(package: LockedPackage, interpreter: Interpreter, store: Store) -> Image | None:
    """Return the image that was made from a wheel of this package, if the store has it and nothing is missing from it."""
    if package.artifact is not None and package.artifact.file_name.endswith(".whl"):
        allowed, size = frozenset(package.artifact.hashes.items()), package.artifact.size
    else:
        allowed, size = package.hashes, None
    if not allowed or any(algorithm != "sha256" for algorithm, _ in allowed):
        return None  # an image knows only this hash of its wheel
    for _, digest in allowed:
        image = find_image_of_wheel(package.name, digest, size, interpreter, store)
        if image and not needs_bytecode(image):
            return image
    return None


def wheels_of(
    packages: Sequence[LockedPackage], wanted: Wanted, interpreter: Interpreter, store: Store
) -> dict[str, str]:
    """Return the path of a wheel that was checked against its hash, for each package by name.

    :raises SeedError: one cannot be found, does not match its hash, or has to be built and cannot be.
    """
    found = {}
    for package in packages:
        if package.source is not None or (package.artifact and not package.artifact.file_name.endswith(".whl")):
            raise SeedError(f"`{package.name}` has to be built from source, which is not supported")
        found[package.name] = pinned_wheel(package, wanted, interpreter, store)
    return found


def pinned_wheel(package: LockedPackage, wanted: Wanted, interpreter: Interpreter, store: Store) -> str:
    """Return the path of a wheel of a package whose hash is allowed.

    :raises SeedError: no source has one.
    """
    artifact = package.artifact
    if artifact and artifact.path:
        check_hashes(artifact.path, package)
        return artifact.path
    candidates = list(wheel_candidates(package.name, wanted, store))
    for candidate in candidates:
        if artifact and os.path.basename(candidate.location) != artifact.file_name:
            continue
        if artifact is None and not is_version(candidate.version, package.version):
            continue
        check_hashes(candidate.location, package)
        return candidate.location
    raise SeedError(
        f"`{package.name}` {package.version} cannot be found",
        hint="name a directory with its wheel with `--find-links`",
    )


def is_version(text: str, version: str) -> bool:
    try:
        return Version(text.replace("_", "-")) == Version(version)
    except InvalidVersion:
        return False


def check_hashes(path: str, package: LockedPackage) -> tuple[str, int]:
    """Return the SHA-256 of a file in hexadecimal and its size in bytes, if the lock file allows its hashes.

    :raises SeedError: it cannot be read, or has another hash or size than the lock file says.
    """
    allowed = package.artifact.hashes.items() if package.artifact else package.hashes
    hashed = {algorithm: hashlib.new(algorithm) for algorithm in {"sha256", *(algorithm for algorithm, _ in allowed)}}
    size = 0
    try:
        with open_regular_file(path) as file:
            while block := file.read(1 << 20):
                size += len(block)
                for each in hashed.values():
                    each.update(block)
    except OSError as error:
        raise SeedError(
            f"`{path}`, the file of `{package.name}` {package.version}, cannot be read: {reason_of(error)}"
        ) from None
    wrong = [pair for pair in sorted(allowed) if hashed[pair[0]].hexdigest() != pair[1]]
    if wrong if package.artifact else len(wrong) == len(allowed) > 0:
        algorithm, expected = wrong[0]
        raise SeedError(
            f"`{path}` is not the file of `{package.name}` {package.version} that is locked: its {algorithm} is "
            f"{hashed[algorithm].hexdigest()}, expected {expected}",
            hint="delete the file, or lock the project again if the change is intended",
        )
    if package.artifact and package.artifact.size not in (None, size):
        raise SeedError(
            f"`{path}` is not the file of `{package.name}` {package.version} that is locked: it has {size} bytes, "
            f"expected {package.artifact.size}",
            hint="delete the file, or lock the project again if the change is intended",
        )
    return hashed["sha256"].hexdigest(), size


def built_image(path: str, package: LockedPackage, interpreter: Interpreter, store: Store) -> Image:
    """Return the image of a wheel that was checked against its hash, and record which wheel it was made from.

    :raises SeedError: the wheel is not the locked one, is damaged, or changed after it was checked.
    """
    image = find_or_build_image(checked_wheel(path, package, interpreter), interpreter, store)
    digest, size = check_hashes(path, package)  # again: it may have changed while it was unpacked
    record_origin(image, digest, size, store)
    return image


def checked_wheel(path: str, package: LockedPackage, interpreter: Interpreter) -> Distribution:
    """Return the distribution in a wheel, if it is the locked one and the interpreter supports it.

    :raises SeedError: it is not, or the wheel is damaged or unsafe.
    """
    distribution = read_wheel(path)
    if distribution.name != package.name or not (
        not package.version or is_version(distribution.version, package.version)
    ):
        raise SeedError(
            f"`{path}` contains {distribution.name} {distribution.version}, but {package.name} {package.version} is locked",
            hint="lock the project again",
        )
    if reason := incompatibility(distribution, interpreter):
        raise SeedError(
            f"`{package.name}` {distribution.version} does not run on {interpreter.name}: it {reason}",
            hint="choose another Python with `-p`, or lock the project for this one",
        )
    return distribution
