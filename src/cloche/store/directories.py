"""The user's directories for cloche: what is kept, and settings; finding them must cost a warm run nothing."""

from __future__ import annotations

import os

from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.model.interpreter import Host


def cache_directory(host: Host) -> str:
    """Return the directory that platformdirs calls the user's cache of `cloche`; empty where there is no home.

    On Linux that is `$XDG_CACHE_HOME/cloche` if the variable holds an absolute path, else `~/.cache/cloche` (XDG Base
    Directory Specification), worked out here because importing platformdirs costs 18 ms.
    """
    if host.platform != "linux":
        import platformdirs

        return platformdirs.user_cache_dir("cloche", appauthor=False)
    return _xdg(host, "XDG_CACHE_HOME", ".cache")


def config_directory(host: Host) -> str:
    """Return the directory that platformdirs calls the user's configuration of `cloche`; empty without a home."""
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
    """Return `$HOME`, else what the password database says; empty if neither is an absolute path."""
    home = host.environ.get("HOME")
    if home is None:
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # a user id without an entry, as containers have it
            return ""
    return home if os.path.isabs(home) else ""
