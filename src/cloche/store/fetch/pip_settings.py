"""The user's settings for the package index, as pip reports them.

cloche does not read pip's configuration files itself: pip knows where they are, and which setting overrides which.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cloche.errors import SeedError
from cloche.model.value import Value
from cloche.store.pip import PipRun, kept_settings, list_settings, show_help

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloche.model.interpreter import Host


class PipSettings(Value):
    """What pip's configuration files and `PIP_*` variables say, with the precedence of `pip install`."""

    options: Mapping[str, str]
    """By name of the option: `index-url`. An option that takes several values has them all, separated by white space."""

    def text(self, *names: str) -> str:
        """Return the value of an option, which may have several names; an empty string if it is not set."""
        return next((self.options[name].strip() for name in names if self.options.get(name, "").strip()), "")

    def texts(self, name: str) -> list[str]:
        """Return the values of an option that takes several."""
        return self.options.get(name, "").split()

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in ("1", "true", "yes", "on", "y", "t")

    def number(self, default: float, *names: str) -> float:
        """Return a number, or the default if it is not set or not a number."""
        try:
            return float(self.text(*names) or default)
        except ValueError:
            return default


def read_pip_settings(host: Host) -> PipSettings:
    """Return the settings that `pip install` would use, without those that change where it installs.

    :raises SeedError: pip cannot be run, or cannot read its configuration.
    """
    listed = _ask_pip(host, list_settings)
    options = kept_settings(listed, "install", host.cwd)
    for name in options.keys() & {"cert", "client-cert"}:
        options[name] = os.path.expanduser(options[name])
    if links := options.get("find-links"):
        options["find-links"] = " ".join(_link_url(link, host.cwd) for link in links.split())
    return PipSettings(options)


def default_index(host: Host) -> str:
    """Return the index that pip uses if no setting names one, from its help text; empty if that does not name one.

    :raises SeedError: pip cannot be run.
    """
    text = _ask_pip(host, lambda command, host, directory: show_help(command, "download", host, directory))
    match = re.search(r"--index-url <url>\s.*?\(default\s+(\S+?)\)", text, re.DOTALL)
    return match[1] if match else ""


def _link_url(link: str, cwd: str) -> str:
    """Return a path or URL of `find-links` as a URL, which has no spaces."""
    path = os.path.join(cwd, os.path.expanduser(link))
    return link if re.match("[a-z]+:", link) or not os.path.isabs(path) else Path(path).as_uri()


def _ask_pip(host: Host, ask: Callable[[list[str], Host, str], PipRun]) -> str:
    """Return what the pip that is installed with cloche prints.

    :raises SeedError: pip cannot be run, or fails.
    """
    command = [host.executable or sys.executable, "-m", "pip"]
    with tempfile.TemporaryDirectory(prefix="cloche-") as directory:
        ran = ask(command, host, directory)
    if ran.problem.endswith("has no pip"):
        hint = "install pip for the Python that runs cloche, for example with `python -m ensurepip`"
    else:
        hint = "run `python -m pip config debug` with the Python that runs cloche"
    if ran.problem:
        raise SeedError(f"the settings of pip cannot be read: {ran.problem}", hint=hint)
    return ran.output
