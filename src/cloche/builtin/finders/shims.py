"""Shims: the scripts on PATH with which version managers start the active version, and the executables that they start.

Shims are not run: they fail for every version that is not active, and reading files is faster than starting processes.
"""

from __future__ import annotations

import os

from cloche.builtin.finders import asdf, installations, mise, pyenv
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host

MAX_SHIM_BYTES = 4096
"""The maximum size of a shim in bytes."""


def find_manager(path: str, host: Host) -> str:
    """Return the manager that an executable is a shim of (`pyenv`, `asdf`, `mise`), empty if it is not a shim."""
    directory = os.path.normpath(os.path.dirname(path))
    for name, root in (
        ("pyenv", pyenv.data_directory(host)),
        ("asdf", asdf.data_directory(host)),
        ("mise", mise.data_directory(host)),
    ):
        if root and directory == os.path.join(os.path.normpath(root), "shims"):
            return name
    try:
        if os.path.basename(os.path.realpath(path)) == "mise":
            return "mise"
        with open(path, "rb") as file:
            start = file.read(MAX_SHIM_BYTES + 1)
    except OSError:
        return ""
    if not start.startswith(b"#!") or len(start) > MAX_SHIM_BYTES or b" exec " not in start:
        return ""
    return next((name for name in ("pyenv", "asdf", "mise") if name.encode() in start), "")


def find_targets(path: str, manager: str, host: Host) -> Iterator[str]:
    """Yield the executables that a manager's shim would start, in the manager's order of preference."""
    root, versions = {"pyenv": _active_in_pyenv, "asdf": _active_in_asdf, "mise": _active_in_mise}[manager](host)
    for version in versions:
        if not _is_valid_version(version):
            continue
        for exact in (version, *_prefix_matches(root, version)):
            executable = os.path.join(root, *exact.split("/"), "bin", os.path.basename(path))
            if os.path.isfile(executable):
                yield executable
                break


def _is_valid_version(version: str) -> bool:
    """Return whether a version can be a directory name; pyenv also uses `3.12.1/envs/foo` for an environment."""
    parts = version.split("/")
    return len(version) <= 100 and version.isprintable() and "\\" not in version and not {"", ".", ".."} & set(parts)


def _prefix_matches(root: str, version: str) -> list[str]:
    """Return the installations whose version begins with `version`, newest first."""
    try:
        names = [name for name in os.listdir(root) if name.startswith((f"{version}.", f"{version}-"))]
    except OSError:
        return []
    return installations.newest_first(names)


def _active_in_pyenv(host: Host) -> tuple[str, list[str]]:
    """Return pyenv's installation directory, and the versions from the first of the sources that it reads.

    They are `PYENV_VERSION`, the nearest `.python-version` and the global `version` (pyenv's README, "Understanding
    Python version selection").
    """
    root = pyenv.data_directory(host)
    if active := host.environ.get("PYENV_VERSION", ""):
        return os.path.join(root, "versions"), active.split(":")
    for directory in _directory_and_parents(host.environ.get("PYENV_DIR") or host.cwd):
        if names := _pyenv_versions(os.path.join(directory, ".python-version")):
            return os.path.join(root, "versions"), names
    return os.path.join(root, "versions"), _pyenv_versions(os.path.join(root, "version"))


def _active_in_asdf(host: Host) -> tuple[str, list[str]]:
    """Return the same for asdf: `ASDF_PYTHON_VERSION`, the nearest `.tool-versions`, the one in the home directory."""
    root = os.path.join(asdf.data_directory(host), "installs", "python")
    if active := host.environ.get("ASDF_PYTHON_VERSION", ""):
        return root, active.split()
    return root, _nearest_tool_versions(host)


def _active_in_mise(host: Host) -> tuple[str, list[str]]:
    """Return the same for mise: `MISE_PYTHON_VERSION`, the nearest `mise.toml` or `.tool-versions`, `config.toml`."""
    root = os.path.join(mise.data_directory(host), "installs", "python")
    if active := host.environ.get("MISE_PYTHON_VERSION", ""):
        return root, active.split()
    for directory in _directory_and_parents(host.cwd):
        for name in ("mise.local.toml", "mise.toml", ".mise.toml", ".config/mise.toml", ".config/mise/config.toml"):
            if versions := mise.configured_versions(os.path.join(directory, name)):
                return root, versions
        if versions := _tool_versions(os.path.join(directory, ".tool-versions")):
            return root, versions
    return root, mise.configured_versions(mise.user_config(host)) or _nearest_tool_versions(host)


def _nearest_tool_versions(host: Host) -> list[str]:
    for directory in (*_directory_and_parents(host.cwd), host.environ.get("HOME", "")):
        if directory and (versions := _tool_versions(os.path.join(directory, ".tool-versions"))):
            return versions
    return []


def _tool_versions(path: str) -> list[str]:
    """Return the Python versions in a `.tool-versions` file: `python 3.12.1 3.11.7`."""
    for line in installations.read_text(path).split("\n"):
        words = line.partition("#")[0].split()
        if words[:1] == ["python"]:
            return words[1:]
    return []


def _pyenv_versions(path: str) -> list[str]:
    """Return the versions in a pyenv version file: the first word of each line, without comments."""
    return [word for line in installations.read_text(path).split("\n") for word in line.partition("#")[0].split()[:1]]


def _directory_and_parents(directory: str) -> Iterator[str]:
    while directory and os.path.isabs(directory):
        yield directory
        if directory == (directory := os.path.dirname(directory)):
            return
