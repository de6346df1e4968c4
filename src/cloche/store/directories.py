"""The user's cache and configuration directories; a warm run must find them without importing platformdirs."""

from __future__ import annotations

import os

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.model.interpreter import Host


def cache_directory(host: Host) -> str:
    """Return the user's cache directory for cloche, as platformdirs defines it; empty without a home directory.

    On Linux that is `$XDG_CACHE_HOME/cloche` if the variable holds an absolute path, else `~/.cache/cloche` (XDG Base
    Directory Specification). This function finds it itself, because importing platformdirs takes 18 ms.
    """
    if host.platform != "linux":
        import platformdirs

        return platformdirs.user_cache_dir("cloche", appauthor=False)
    return _xdg(host, "XDG_CACHE_HOME", ".cache")


def config_directory(host: Host) -> str:
    """Return the user's configuration directory for cloche, as platformdirs defines it; empty without a home directory."""
    if host.platform != "linux":
        import platformdirs

        return platformdirs.user_config_dir("cloche", appauthor=False)
    return _xdg(host, "XDG_CONFIG_HOME", ".config")


def _xdg(host: Host, variable: str, below_home: str) -> str:
    given = host.environ.get(variable, "").strip()
    if os.path.isabs(given):
        return os.path.join(given, "cloche")
    home = _home(host)
    return os.path.join(home, below_home, "cloche") if home else ""


def _home(host: Host) -> str:
    """Return `$HOME`, else the home directory in the password database; empty if it is not an absolute path."""
    home = host.environ.get("HOME")
    if home is None:
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # containers often run with a user id that has no entry
            return ""
    return home if os.path.isabs(home) else ""
