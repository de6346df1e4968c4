"""What stands behind the shims that version managers put on PATH: scripts that start the version active right now.

They are not run: a shim fails for every version that is not active, and a new process costs more than reading files.
"""

from __future__ import annotations

import os

from cloche.builtin.finders import asdf, installs, mise, pyenv
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host

LARGEST_SHIM = 4096
"""Bytes; an executable that is larger is no shim."""


def manager(path: str, host: Host) -> str:
    """Return whose shim an executable is (`pyenv`, `asdf`, `mise`), empty if it is none."""
    directory = os.path.normpath(os.path.dirname(path))
    for name, root in (("pyenv", pyenv.location(host)), ("asdf", asdf.location(host)), ("mise", mise.location(host))):
        if root and directory == os.path.join(os.path.normpath(root), "shims"):
            return name
    try:
        if os.path.basename(os.path.realpath(path)) == "mise":
            return "mise"
        with open(path, "rb") as file:
            start = file.read(LARGEST_SHIM + 1)
    except OSError:
        return ""
    if not start.startswith(b"#!") or len(start) > LARGEST_SHIM or b" exec " not in start:
        return ""
    return next((name for name in ("pyenv", "asdf", "mise") if name.encode() in start), "")


def behind(path: str, manager: str, host: Host) -> Iterator[str]:
    """Yield the executables that a manager's shim would start, in its order of preference."""
    root, versions = {"pyenv": _pyenv, "asdf": _asdf, "mise": _mise}[manager](host)
    for version in versions:
        if not _is_plain(version):
            continue
        for exact in (version, *_matching(root, version)):
            executable = os.path.join(root, *exact.split("/"), "bin", os.path.basename(path))
            if os.path.isfile(executable):
                yield executable
                break


def _is_plain(version: str) -> bool:
    """Whether it can be the name of an installation, or of an environment that pyenv has in one (`3.12.1/envs/foo`)."""
    parts = version.split("/")
    return len(version) <= 100 and version.isprintable() and "\\" not in version and not {"", ".", ".."} & set(parts)


def _matching(root: str, version: str) -> list[str]:
    """Return the installations that a prefix of their version means, newest first: `3.12` is the newest 3.12.N."""
    try:
        names = [name for name in os.listdir(root) if name.startswith((f"{version}.", f"{version}-"))]
    except OSError:
        return []
    return installs.newest_first(names)


def _pyenv(host: Host) -> tuple[str, list[str]]:
    """`PYENV_VERSION`, the nearest `.python-version`, the global `version` (pyenv's README, "Choosing the version")."""
    root = pyenv.location(host)
    if active := host.environ.get("PYENV_VERSION", ""):
        return os.path.join(root, "versions"), active.split(":")
    for directory in _upwards(host.environ.get("PYENV_DIR") or host.cwd):
        if names := _named(os.path.join(directory, ".python-version")):
            return os.path.join(root, "versions"), names
    return os.path.join(root, "versions"), _named(os.path.join(root, "version"))


def _asdf(host: Host) -> tuple[str, list[str]]:
    """`ASDF_PYTHON_VERSION`, the nearest `.tool-versions`, the user's."""
    root = os.path.join(asdf.location(host), "installs", "python")
    if active := host.environ.get("ASDF_PYTHON_VERSION", ""):
        return root, active.split()
    return root, _tool_versions(host)


def _mise(host: Host) -> tuple[str, list[str]]:
    """`MISE_PYTHON_VERSION`, the nearest `mise.toml` or `.tool-versions`, the user's `config.toml`."""
    root = os.path.join(mise.location(host), "installs", "python")
    if active := host.environ.get("MISE_PYTHON_VERSION", ""):
        return root, active.split()
    for directory in _upwards(host.cwd):
        for name in ("mise.local.toml", "mise.toml", ".mise.toml", ".config/mise.toml", ".config/mise/config.toml"):
            if versions := mise.versions(os.path.join(directory, name)):
                return root, versions
        if versions := _tools(os.path.join(directory, ".tool-versions")):
            return root, versions
    return root, mise.versions(mise.user_config(host)) or _tool_versions(host)


def _tool_versions(host: Host) -> list[str]:
    for directory in (*_upwards(host.cwd), host.environ.get("HOME", "")):
        if directory and (versions := _tools(os.path.join(directory, ".tool-versions"))):
            return versions
    return []


def _tools(path: str) -> list[str]:
    """Return the versions that a `.tool-versions` names for Python: `python 3.12.1 3.11.7`."""
    for line in installs.text_of(path).splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["python"]:
            return words[1:]
    return []


def _named(path: str) -> list[str]:
    """Return what a pyenv version file names: the first word of each line, comments left out."""
    return [word for line in installs.text_of(path).splitlines() for word in line.partition("#")[0].split()[:1]]


def _upwards(directory: str) -> Iterator[str]:
    while directory and os.path.isabs(directory):
        yield directory
        if directory == (directory := os.path.dirname(directory)):
            return
