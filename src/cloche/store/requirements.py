"""Requirements: the distributions to seed, each in a given version or in the newest compatible one."""

from __future__ import annotations

import re

from cloche.errors import UsageError
from cloche.model.metadata import normalize_name
from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:==\s*([A-Za-z0-9.!+_-]+)\s*)?")


class Requirement(Value):
    """A distribution to seed."""

    name: str
    """Normalized (PEP 503): `pip`."""
    version: str = ""
    """Empty for the newest compatible version."""
    specifier: str = ""
    """Versions that are accepted if none is named (PEP 440); a dependency has one: `>=2,<3`."""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}" if self.version else f"{self.name}{self.specifier}"


def parse_requirement(text: str) -> Requirement:
    """Parse `NAME` or `NAME==VERSION`.

    :raises UsageError: `text` has neither form.
    """
    from packaging.version import Version

    match = _REQUIREMENT.fullmatch(text)
    if match is None:
        name, equal, version = text.partition("==")  # `--pip >=24` is `pip==>=24`
        if equal and (not version.strip() or version[0] in "<>=~!"):
            raise UsageError(f"`{version}` is not a valid version of {name}", hint="write a version such as `24.0`")
        raise UsageError(
            f"`{text}` is not a valid seed", hint="write `NAME` or `NAME==VERSION`, for example `pip` or `pip==24.0`"
        )
    name, version = match.groups(default="")
    if version:
        try:
            Version(version)
        except ValueError:
            raise UsageError(
                f"`{version}` is not a valid version of {name}", hint="write a version such as `24.0`"
            ) from None
    return Requirement(normalize_name(name), version)


def parse_requirements(texts: Iterable[str]) -> list[Requirement]:
    """Parse several requirements and merge those of the same distribution; a given version wins.

    :raises UsageError: a requirement is invalid, or two of them request different versions of a distribution.
    """
    from packaging.version import Version

    found: dict[str, Requirement] = {}
    for requirement in map(parse_requirement, texts):
        other = found.get(requirement.name, requirement)
        if requirement.version and other.version and Version(requirement.version) != Version(other.version):
            raise UsageError(f"`{other}` and `{requirement}` contradict each other", hint="keep only one of them")
        found[requirement.name] = other if other.version else requirement
    return list(found.values())
