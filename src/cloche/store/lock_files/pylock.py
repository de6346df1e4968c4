"""`pylock.toml` (PEP 751): which of its packages, and which of their files, an environment needs.

`packaging.pylock` validates the file and selects from it. The rest of this module explains why it refuses something.
"""

from __future__ import annotations

import dataclasses
import os
import re
from bisect import bisect_left
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from packaging import pylock
from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.tags import parse_tag
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from cloche.errors import SeedError, UsageError
from cloche.store.fetch.artifacts import MAX_FILE_NAME, Artifact, invalid_url
from cloche.store.fetch.pins import first_items
from cloche.store.lock_files.packages import (
    LockedPackage,
    checked_file_name,
    direct_url,
    fragment,
    provenance,
    read_lock_file,
)
from cloche.store.lock_files.paths import LockFile, absolute_path, path_of_file_url, refuse_local_url
from cloche.store.markers import marker_environment, unknown_variables
from cloche.store.tags import supported_tags, unsupported_part

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from packaging.markers import Environment, Marker
    from packaging.tags import Tag

    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import LockRequest
    from cloche.store import Store


def read_pylock(path: str, store: Store) -> tuple[pylock.Pylock, LockFile]:
    """Read and validate a `pylock.toml`; return its content, and the file.

    :raises UsageError: it is not valid.
    """
    import logging

    from cloche.fs.toml import InvalidToml, parse_toml

    file, text = read_lock_file(path, store)
    logger = logging.getLogger("packaging.pylock")
    disabled, logger.disabled = logger.disabled, True  # it logs a warning that is shown below
    try:
        content = parse_toml(text)
        texts = list(texts_in(content.get("packages"), ("index", "name", "path", "url")))
        if invalid := invalid_url(text for key, text in texts if key in ("index", "url")):
            raise UsageError(
                f"`{path}` is not a valid lock file: `{invalid}` is not a valid URL", hint="create it again"
            )
        paths = (text.partition("?")[0] if key in ("index", "url") else text for key, text in texts)
        if any(len(text.rpartition("/")[2]) > MAX_FILE_NAME for text in paths):
            raise UsageError(
                f"`{path}` is not a valid lock file: a name in it has more than {MAX_FILE_NAME} characters",
                hint="create it again",
            )
        lock = pylock.Pylock.from_dict(content)
    except InvalidToml as error:
        raise UsageError(f"`{path}` is not valid TOML: {fragment(error)}", hint="create it again") from None
    except pylock.PylockUnsupportedVersionError as error:
        raise UsageError(
            f"`{path}` cannot be used: {fragment(error)}; cloche reads version 1.0",
            hint="create it again with a tool that writes version 1.0",
        ) from None
    except pylock.PylockValidationError as error:
        where = f" in `{error.context}`" if error.context else ""
        raise UsageError(
            f"`{path}` is not a valid lock file: {fragment(error.message)}{where}", hint="create it again"
        ) from None
    except RecursionError:  # a marker
        raise UsageError(
            f"`{path}` is not a valid lock file: it is nested too deeply", hint="create it again"
        ) from None
    finally:
        logger.disabled = disabled
    if lock.lock_version.release > (1, 0):
        store.warnings.append(
            f"`{path}` has version {lock.lock_version}; cloche reads version 1.0 and ignores what is new in it"
        )
    return lock, file


def texts_in(value: object, keys: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield these keys with their texts in the packages of a lock file, whose structure has not been checked."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                if key in keys:
                    yield key, item
            else:
                yield from texts_in(item, keys)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item, keys)


def select(read: tuple[pylock.Pylock, LockFile], request: LockRequest, interpreter: Interpreter) -> list[LockedPackage]:
    """Return the packages of a `pylock.toml` that an interpreter needs, each with its best file.

    :raises UsageError: an extra or group is not declared, or a marker cannot be evaluated.
    :raises SeedError: the lock file does not support the interpreter.
    """
    lock, file = read
    path = file.path
    _check_declared(path, "extra", request.extras, lock.extras or ())
    _check_declared(path, "group", request.groups, (*(lock.dependency_groups or ()), *(lock.default_groups or ())))
    _check_markers(path, lock, interpreter)
    defaults = lock.default_groups or () if request.default_groups == "included" else ()
    tags = [tag for text in supported_tags(interpreter) for tag in parse_tag(text)]

    def choose(part: pylock.Pylock) -> list[tuple[pylock.Package, object]]:
        return [
            *part.select(
                environment=cast("Environment", marker_environment(interpreter)),
                tags=tags,
                extras=request.extras,
                dependency_groups=(*defaults, *request.groups),
            )
        ]

    try:
        chosen = choose(lock)
    except (pylock.PylockSelectError, UndefinedComparison, UndefinedEnvironmentName):
        raise _selection_error(path, lock, choose, interpreter, tags) from None
    return [_locked_package(file, package, item) for package, item in chosen]


def _check_declared(path: str, kind: str, names: Sequence[str], declared: Sequence[str]) -> None:
    """Refuse an extra or a group that the lock file does not declare.

    :raises UsageError: it does not declare one of them.
    """
    from packaging.utils import canonicalize_name

    known = {canonicalize_name(name): name for name in declared}
    for name in names:
        if canonicalize_name(name) not in known:
            available = ", ".join(f"`{known[name]}`" for name in sorted(known))
            noun = "extra" if kind == "extra" else "dependency group"
            raise UsageError(
                f"`{path}` has no {noun} `{name}`",
                hint=f"available: {available}" if available else f"the lock file declares no {noun}s",
            )


def _check_markers(path: str, lock: pylock.Pylock, interpreter: Interpreter) -> None:
    """Refuse a marker whose value is unknown for the interpreter, instead of guessing it.

    :raises UsageError: a marker uses such a variable.
    """
    if unknown := unknown_variables(interpreter):
        pattern = re.compile(rf"\b(?:{'|'.join(sorted(unknown))})\b")
        markers: list[tuple[str, Marker | None]] = [(package.name, package.marker) for package in lock.packages]
        for name, marker in (*markers, *(("environments", marker) for marker in lock.environments or ())):
            if marker is not None and (used := pattern.search(str(marker))):
                raise UsageError(
                    f"the marker of `{name}` in `{path}` cannot be evaluated for {interpreter.name}: "
                    f"`{used[0]}` is not known",
                    hint="create the environment with a lock file that does not use it",
                )


def _selection_error(
    path: str,
    lock: pylock.Pylock,
    choose: Callable[[pylock.Pylock], object],
    interpreter: Interpreter,
    tags: list[Tag],
) -> UsageError | SeedError:
    """Return the error of the first package that cannot be selected, or of the lock file itself.

    The package is found by bisection, because a lock file may have thousands.
    """

    def error_of(*packages: pylock.Package) -> Exception | None:
        try:
            choose(dataclasses.replace(lock, packages=packages))
        except (pylock.PylockSelectError, UndefinedComparison, UndefinedEnvironmentName) as error:
            return error
        return None

    other_python = "choose another Python with `-p`, or lock the project for this one"
    if lock.requires_python is not None and not lock.requires_python.contains(interpreter.version_text, True):
        return SeedError(f"`{path}` needs Python {lock.requires_python}, got {interpreter.name}", hint=other_python)
    if error_of() is not None:
        shown = "; ".join(f"`{marker}`" for marker in lock.environments or ()) or "it lists none"
        where = f"{interpreter.name} on {interpreter.platform} ({interpreter.machine})"
        return SeedError(f"`{path}` is locked for environments other than {where}: {shown}", hint=other_python)
    number = bisect_left(
        range(len(lock.packages)), True, key=lambda last: error_of(*lock.packages[: last + 1]) is not None
    )
    package = lock.packages[min(number, len(lock.packages) - 1)]
    error = error_of(package)
    if isinstance(error, (UndefinedComparison, UndefinedEnvironmentName)):
        return UsageError(
            f"the marker `{package.marker}` of `{package.name}` in `{path}` cannot be evaluated: {fragment(error)}",
            hint="create the lock file again",
        )
    if error is None:
        same = (other for other in range(number) if lock.packages[other].name == package.name)
        first = next(other for other in same if error_of(lock.packages[other], package))
        return UsageError(
            f"`{path}` has two entries for `{package.name}` that both apply: `packages[{first}]` and `packages[{number}]`",
            hint="create the lock file again",
        )
    version = f" {package.version}" if package.version else ""
    if package.requires_python and not package.requires_python.contains(interpreter.version_text, True):
        return SeedError(
            f"`{package.name}`{version} in `{path}` needs Python {package.requires_python}, got {interpreter.name}",
            hint=other_python,
        )
    return SeedError(
        f"no file of `{package.name}`{version} in `{path}` fits {interpreter.name} on {interpreter.platform} "
        f"({interpreter.machine}): {_unusable_wheels(package, tags)}",
        hint=other_python,
    )


def _unusable_wheels(package: pylock.Package, tags: list[Tag]) -> str:
    """Return why an interpreter supports none of the wheels of a package, which has no source distribution."""
    platforms = {tag.platform for tag in tags}
    reasons = []
    for wheel in package.wheels or ():
        own = parse_wheel_filename(wheel.filename)[-1]
        reasons.append(f"`{wheel.filename}` is for {unsupported_part(own, platforms)}")
    return "; ".join(first_items(reasons)) or "it has no files"


def _locked_package(file: LockFile, package: pylock.Package, item: object) -> LockedPackage:
    """Return a selected package with the file or the source to install it from.

    :raises UsageError: its path or URL cannot be used.
    """
    version = str(package.version) if package.version else ""
    if isinstance(item, (pylock.PackageWheel, pylock.PackageSdist)):
        artifact = _artifact(file, package, item, item.filename, index=package.index or "")
        return LockedPackage(
            package.name, str(_version_of(artifact)), artifact, metadata=provenance(artifact) if artifact.url else ()
        )
    assert isinstance(item, (pylock.PackageVcs, pylock.PackageDirectory, pylock.PackageArchive))
    if item.path:
        item = dataclasses.replace(item, path=absolute_path(item.path, file))
    if isinstance(item, pylock.PackageDirectory):
        absolute_path(os.path.join(item.path, item.subdirectory or ""), file)  # it may be a link
    elif item.url:
        refuse_local_url(item.url, file)
    metadata = (("direct_url.json", direct_url(item)),)
    if isinstance(item, pylock.PackageArchive):
        name = (item.path or urlsplit(item.url or "").path).replace("\\", "/").rpartition("/")[2]
        if name.endswith(".whl"):
            artifact = _artifact(file, package, item, name)
            return LockedPackage(package.name, str(_version_of(artifact)), artifact, metadata=metadata)
    return LockedPackage(package.name, version, source=item, metadata=metadata)


def _artifact(
    file: LockFile,
    package: pylock.Package,
    item: pylock.PackageWheel | pylock.PackageSdist | pylock.PackageArchive,
    file_name: str,
    index: str = "",
) -> Artifact:
    local = absolute_path(item.path, file) if item.path else ""
    url = item.url or ""
    refuse_local_url(url, file)
    refuse_local_url(index, file)
    if not local and url.startswith("file:"):
        local, url = path_of_file_url(url, file), ""
    return Artifact(
        distribution=package.name,
        version=str(package.version or ""),
        file_name=checked_file_name(file_name, package.name, file.path),
        url=url,
        path=local,
        size=item.size,
        hashes={algorithm.lower(): digest.lower() for algorithm, digest in item.hashes.items()},
        index=index,
    )


def _version_of(artifact: Artifact) -> object:
    name = artifact.file_name
    return parse_wheel_filename(name)[1] if name.endswith(".whl") else parse_sdist_filename(name)[1]
