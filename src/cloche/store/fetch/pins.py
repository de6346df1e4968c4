"""Pins: versions of distributions that a requirements file names, and the choice of a file for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from cloche.errors import counted
from cloche.model.value import Value
from cloche.store.fetch.artifacts import check_hashes, file_digests, is_secure, new_hasher
from cloche.store.tags import satisfies_requires_python, supported_tags, unsupported_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Literal, TypeAlias

    from cloche.model.interpreter import Interpreter
    from cloche.store.fetch.artifacts import OfferedFile

    Form: TypeAlias = Literal["any", "wheel", "source"]
    """Whether only a wheel or only a source distribution may be used (pip's `--only-binary` and `--no-binary`)."""

    OwnIndexes: TypeAlias = Literal["searched", "ignored"]
    """Whether the indexes of the user are searched, too."""

MAX_SHOWN = 4
"""How many files an error message lists."""


class SearchScope(Value):
    """Where a requirements file says that its packages are, in addition to what pip's settings name."""

    indexes: tuple[str, ...] = ()
    """Their URLs."""
    links: tuple[str, ...] = ()
    """The URLs of pages and directories of files (pip's `find-links`)."""
    own_indexes: OwnIndexes = "searched"


class Pin(Value):
    """One version of a distribution; an index says which files there are."""

    distribution: str
    """Normalized (PEP 503)."""
    version: str
    hashes: frozenset[tuple[str, str]] = frozenset()
    """(algorithm, lower-case hexadecimal digest) of every file that is allowed; empty if any is."""
    scope: SearchScope = SearchScope()
    form: Form = "any"

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


def ranking(pin: Pin, interpreter: Interpreter) -> Callable[[OfferedFile], tuple[int, ...] | str]:
    """Return a function that returns a sort key for a file, or why it is not suitable; empty for that of another version.

    The smallest key is the best: a wheel before a source distribution, the most specific wheel first (PEP 425), then the
    highest build number.
    """
    from packaging.tags import parse_tag

    priorities = {tag: priority for priority, text in enumerate(supported_tags(interpreter)) for tag in parse_tag(text)}
    platforms = {tag.platform for tag in priorities}
    version = Version(pin.version)

    def rank(file: OfferedFile) -> tuple[int, ...] | str:
        try:
            if file.name.endswith(".whl"):
                name, found, build, tags = parse_wheel_filename(file.name)
            else:
                (name, found), build, tags = parse_sdist_filename(file.name), (), frozenset()
        except ValueError:
            return ""
        if name != pin.distribution or version not in (found, Version(found.public)):
            return ""
        form = "wheel" if file.name.endswith(".whl") else "source"
        if pin.form not in ("any", form):
            return f"is not a {'wheel' if pin.form == 'wheel' else 'source distribution'}"
        if not satisfies_requires_python(file.requires_python, interpreter):
            return f"needs Python {file.requires_python}"
        priority = min((priorities[tag] for tag in tags if tag in priorities), default=None)
        if form == "wheel" and priority is None:
            return f"is for {unsupported_part(tags, platforms)}"
        if not pin.allows(file.hashes.items()):
            return "has another hash"
        if priority is None:
            return (1, not file.name.endswith(".tar.gz"))
        return (0, priority, -(build[0] if build else 0))

    return rank


def best_file(pin: Pin, files: Iterable[OfferedFile], interpreter: Interpreter) -> OfferedFile | None:
    """Return the best file for an interpreter; None if none is suitable. Of equal ones, the first wins."""
    rank = ranking(pin, interpreter)
    ranked = [(key, file) for file in files if not isinstance(key := rank(file), str)]
    return min(ranked, key=lambda entry: entry[0])[1] if ranked else None


def why_none_fits(pin: Pin, files: Sequence[OfferedFile], interpreter: Interpreter) -> str:
    """Return why none of the files on an index is suitable, as a fragment that names the files of the right version."""
    rank = ranking(pin, interpreter)
    names = {file.name: file for file in files}
    reasons = [
        f"`{name}` {reason}" for name, file in names.items() if (reason := rank(file)) and isinstance(reason, str)
    ]
    if not reasons:
        return f"none of the {counted(len(names), 'file')} on the index has this version"
    return "; ".join(first_items(reasons))


def first_items(items: Sequence[str], limit: int = MAX_SHOWN) -> list[str]:
    """Return the first items of a list in a message, and how many more there are."""
    more = [f"and {len(items) - limit} more"] if len(items) > limit else []
    return [*items[:limit], *more]
