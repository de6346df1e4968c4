"""What mise has installed, read from disk, and what its configuration says."""

from __future__ import annotations

import os
import sys

from cloche.builtin.finders import installs
from cloche.model.interpreter import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec


class Mise:
    """Gives `$MISE_DATA_DIR/installs/python/*/bin/python`, newest first."""

    name = "mise"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        if root := location(host):
            for path in installs.installed(os.path.join(root, "installs", "python"), spec, host):
                yield Candidate(path, self.name)


def location(host: Host) -> str:
    """Return mise's data directory, whether it exists or not; empty if it cannot be named."""
    if root := host.environ.get("MISE_DATA_DIR"):
        return root
    if host.os_name == "nt":
        local = host.environ.get("LOCALAPPDATA", "")
        return os.path.join(local, "mise") if local else ""
    user_home = host.environ.get("HOME", "")
    data = host.environ.get("XDG_DATA_HOME") or (os.path.join(user_home, ".local", "share") if user_home else "")
    return os.path.join(data, "mise") if data else ""


def user_config(host: Host) -> str:
    """Return the path of the user's configuration; empty if it cannot be named."""
    if path := host.environ.get("MISE_GLOBAL_CONFIG_FILE"):
        return path
    user_home = host.environ.get("HOME") or host.environ.get("USERPROFILE", "")
    config = host.environ.get("XDG_CONFIG_HOME") or (os.path.join(user_home, ".config") if user_home else "")
    return os.path.join(config, "mise", "config.toml") if config else ""


def versions(path: str) -> list[str]:
    """Return the versions of Python that a configuration names, none if there is none: `python = ["3.12", "3.11"]`."""
    content = installs.text_of(path)
    if "python" not in content:
        return []
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tools: object = tomllib.loads(content).get("tools")
    except (ValueError, RecursionError):
        return []
    named = tools.get("python") if isinstance(tools, dict) else None
    found = [
        one.get("version") if isinstance(one, dict) else one for one in (named if isinstance(named, list) else [named])
    ]
    return [one for one in found if isinstance(one, str)]


finder = Mise()
