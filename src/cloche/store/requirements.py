"""What may be asked for as a seed: a distribution by its name, in one version or in the newest that fits."""

from __future__ import annotations

import re

from cloche.errors import UsageError
from cloche.model.distribution import normalised
from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Iterable

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:==\s*([A-Za-z0-9.!+_-]+)\s*)?")


@value
class Requirement:
    """A distribution that is wanted, in one version or in the newest that fits."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}" if self.version else self.name


def parse(text: str) -> Requirement:
    """Return what `NAME` or `NAME==VERSION` asks for.

    :raises UsageError: it is neither.
    """
    from packaging.version import InvalidVersion, Version

    match = _REQUIREMENT.fullmatch(text)
    if match is None:
        raise UsageError(f"`{text}` is no seed", hint="write `NAME` or `NAME==VERSION`, as in `pip` or `pip==24.0`")
    name, version = match.groups(default="")
    if version:
        try:
            Version(version)
        except InvalidVersion:
            raise UsageError(f"`{version}` is no version of {name}", hint="write it as in `24.0`") from None
    return Requirement(normalised(name), version)


def parse_all(texts: Iterable[str]) -> list[Requirement]:
    """Return what is asked for, each distribution once: one that is asked for with a version and without has the version.

    :raises UsageError: one cannot be read, or two versions of one distribution are asked for.
    """
    from packaging.version import Version

    found: dict[str, Requirement] = {}
    for one in map(parse, texts):
        other = found.get(one.name, one)
        if one.version and other.version and Version(one.version) != Version(other.version):
            raise UsageError(f"`{other}` and `{one}` contradict each other", hint="ask for one of them")
        found[one.name] = other if other.version else one
    return list(found.values())
