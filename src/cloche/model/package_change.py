"""Changes to the packages of an environment."""

from __future__ import annotations

from cloche.model.value import Value


class PackageChange(Value):
    """A distribution that a plan adds, removes or changes."""

    distribution: str
    """Normalized (PEP 503)."""
    old: str
    """The installed version; empty if it is added."""
    new: str
    """The version after the run; empty if it is removed. It equals `old` if the same version has other files."""
    installer: str = ""
    """For a removed one, the tool that had installed it: `pip`; empty if it is not recorded."""
