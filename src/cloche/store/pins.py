"""Pins: versions of distributions that a requirements file names, and the choice of a file for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from cloche.model.value import Value
from cloche.store.artifacts import check_hashes, file_digests, is_secure, new_hasher
from cloche.store.tags import satisfies_requires_python, supported_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloche.model.interpreter import Interpreter
    from cloche.store.artifacts import OfferedFile


class Pin(Value):
    """One version of a distribution; an index says which files there are."""

    distribution: str
    """Normalized (PEP 503)."""
    version: str
    hashes: frozenset[tuple[str, str]] = frozenset()
    """(algorithm, lower-case hexadecimal digest) of every file that is allowed; empty if any is."""

    def allows(self, hashes: Iterable[tuple[str, str]]) -> bool:
        """Return whether a file with these hashes is allowed, as far as these tell."""
        known = frozenset(hashes)
        comparable = {algorithm for algorithm, _ in known} & {algorithm for algorithm, _ in self.hashes}
        return not self.hashes or not comparable or not known.isdisjoint(self.hashes)


def check_pin(pin: Pin) -> None:
    """Check that the hashes of a pin protect it, or that it has none.

    :raises SeedError: they do not.
    """
    check_hashes(f"{pin.distribution}=={pin.version}", pin.hashes)


def pin_mismatch(pin: Pin, path: str) -> str:
    """Return why a pin does not allow the file at `path`; empty if it does.

    :raises OSError: it cannot be read, or is not a regular file.
    """
    allowed: dict[str, list[str]] = {}
    for algorithm, digest in sorted(pin.hashes):
        if is_secure(algorithm):
            allowed.setdefault(algorithm, []).append(digest)
    if not allowed:
        return ""
    digests, _ = file_digests({algorithm: new_hasher(algorithm) for algorithm in allowed}, path)
    if any(digests[algorithm] in allowed[algorithm] for algorithm in allowed):
        return ""
    algorithm = min(allowed)
    expected = " or ".join(allowed[algorithm][:3]) + (" or …" if len(allowed[algorithm]) > 3 else "")
    return f"its {algorithm} is {digests[algorithm]}, expected {expected}"


def ranking(pin: Pin, interpreter: Interpreter) -> Callable[[OfferedFile], tuple[int, ...] | None]:
    """Return a function that returns a sort key for a file, and None for a file that is not suitable.

    The smallest key is the best: a wheel before a source distribution, the most specific wheel first (PEP 425), then the
    highest build number.
    """
    from packaging.tags import parse_tag

    priorities = {tag: priority for priority, text in enumerate(supported_tags(interpreter)) for tag in parse_tag(text)}
    version = Version(pin.version)

    def rank(file: OfferedFile) -> tuple[int, ...] | None:
        try:
            if file.name.endswith(".whl"):
                name, found, build, tags = parse_wheel_filename(file.name)
            else:
                (name, found), build, tags = parse_sdist_filename(file.name), (), frozenset()
        except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
            return None
        if name != pin.distribution or version not in (found, Version(found.public)):
            return None
        if not pin.allows(file.hashes.items()) or not satisfies_requires_python(file.requires_python, interpreter):
            return None
        if not file.name.endswith(".whl"):
            return (1, not file.name.endswith(".tar.gz"))
        priority = min((priorities[tag] for tag in tags if tag in priorities), default=None)
        return None if priority is None else (0, priority, -(build[0] if build else 0))

    return rank


def best_file(pin: Pin, files: Iterable[OfferedFile], interpreter: Interpreter) -> OfferedFile | None:
    """Return the best file for an interpreter; None if none is suitable. Of equal ones, the first wins."""
    rank = ranking(pin, interpreter)
    ranked = [(key, file) for file in files if (key := rank(file)) is not None]
    return min(ranked, key=lambda entry: entry[0])[1] if ranked else None
