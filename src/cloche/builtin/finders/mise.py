"""The finder `mise`: the Python versions that mise has installed, and the versions in its configuration files."""

from __future__ import annotations

import os
import sys

from cloche.builtin.finders import installations
from cloche.model.interpreter import Candidate
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host
    from cloche.model.spec import InterpreterSpec


class Mise:
    """Yields `$MISE_DATA_DIR/installs/python/*/bin/python`, newest first."""

    name = "mise"

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        if root := data_directory(host):
            for path in installations.installed_executables(os.path.join(root, "installs", "python"), spec, host):
                yield Candidate(path, self.name)


def data_directory(host: Host) -> str:
    """Return mise's data directory, which need not exist; empty if it is unknown."""
    if root := host.environ.get("MISE_DATA_DIR"):
        return root
    if host.os_name == "nt":
        local = host.environ.get("LOCALAPPDATA", "")
        return os.path.join(local, "mise") if local else ""
    user_home = host.environ.get("HOME", "")
    data = host.environ.get("XDG_DATA_HOME") or (os.path.join(user_home, ".local", "share") if user_home else "")
    return os.path.join(data, "mise") if data else ""


def user_config(host: Host) -> str:
    """Return the path of the user's configuration file; empty if it is unknown."""
    if path := host.environ.get("MISE_GLOBAL_CONFIG_FILE"):
        return path
    user_home = host.environ.get("HOME") or host.environ.get("USERPROFILE", "")
    config = host.environ.get("XDG_CONFIG_HOME") or (os.path.join(user_home, ".config") if user_home else "")
    return os.path.join(config, "mise", "config.toml") if config else ""


def configured_versions(path: str) -> list[str]:
    """Return the Python versions in a configuration file: `python = ["3.12", "3.11"]` below `[tools]`."""
    content = installations.read_text(path)
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
    setting = tools.get("python") if isinstance(tools, dict) else None
    items = setting if isinstance(setting, list) else [setting]
    versions = [item.get("version") if isinstance(item, dict) else item for item in items]
    return [version for version in versions if isinstance(version, str)]


finder = Mise()
