"""The user's settings for the package index, as pip reports them, and the pip beside cloche that reports them.

cloche does not read pip's configuration files itself: pip knows where they are, and which setting overrides which.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cloche.errors import SeedError, reason_of
from cloche.model.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche.model.interpreter import Host

SECONDS = 60.0
"""How long pip may take to print its settings."""

INDEX_OPTIONS = frozenset(
    """
    cert client-cert default-timeout extra-index-url find-links index-url keyring-provider no-index no-proxy-env proxy
    pypi-url resume-retries retries timeout trusted-host
    """.split()
)
"""The options of pip that say how to reach an index. A pip that cloche runs gets these and no others."""

BUILD_OPTIONS = frozenset(("build-constraint", "cache-dir", "config-settings"))
"""The options of pip that a build respects as well."""

_SETTING = re.compile(r"([\w:-]+)\.([\w-]+)=(.*)")


@value
class PipSettings:
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

    def variables(self, names: frozenset[str]) -> dict[str, str]:
        """Return environment variables that give another pip these settings, and none from a configuration file."""
        chosen = {name: text for name, text in self.options.items() if name in names}
        return {
            "PIP_CONFIG_FILE": os.devnull,
            **{f"PIP_{name.upper().replace('-', '_')}": text for name, text in sorted(chosen.items())},
        }


def read_pip_settings(host: Host) -> PipSettings:
    """Return the settings that `pip install` would use.

    :raises SeedError: pip cannot be run, or cannot read its configuration.
    """
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in run_pip(host, ["config", "list"]).splitlines():
        if match := _SETTING.fullmatch(line):
            section, name, text = match.groups()
            if section in sections:
                sections[section][name] = str(ast.literal_eval(text))
    options = {**sections["global"], **sections["install"], **sections[":env:"]}
    return PipSettings({name: _absolute(name, text, host.cwd) for name, text in options.items()})


def _absolute(name: str, text: str, cwd: str) -> str:
    """Return the value of an option with absolute paths, because pip and builds run in other directories.

    The paths of `find-links` become URLs, which have no spaces.
    """
    if name in ("cache-dir", "cert", "client-cert") and text.strip():
        return os.path.join(cwd, os.path.expanduser(text.strip()))
    if name == "build-constraint":
        return " ".join(path if "://" in path else os.path.join(cwd, path) for path in text.split())
    if name == "find-links":
        return " ".join(_link_url(link, cwd) for link in text.split())
    return text


def _link_url(link: str, cwd: str) -> str:
    path = os.path.join(cwd, os.path.expanduser(link))
    return link if re.match("[a-z]+:", link) or not os.path.isabs(path) else Path(path).as_uri()


def default_index(host: Host) -> str:
    """Return the index that pip uses if no setting names one, from its help text; empty if that does not say it.

    :raises SeedError: pip cannot be run.
    """
    text = run_pip(host, ["download", "--help"])
    match = re.search(r"--index-url <url>\s.*?\(default (\S+?)\)", text, re.DOTALL)
    return match[1] if match else ""


def run_pip(host: Host, arguments: Sequence[str]) -> str:
    """Return what the pip beside cloche prints.

    :raises SeedError: pip cannot be run, or fails.
    """
    command = [host.executable or sys.executable, "-m", "pip", *arguments]
    with tempfile.TemporaryDirectory(prefix="cloche-") as directory:
        try:
            done = subprocess.run(
                command,
                cwd=directory,  # `-m` imports pip from the current directory if it has one
                env=pip_environ(host.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _pip_error(f"timed out after {SECONDS:.0f} s") from None
        except OSError as error:
            raise _pip_error(f"`{command[0]}` cannot be run ({reason_of(error)})") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).decode("utf-8", "replace").split("\n")
        raise _pip_error(" ".join(lines).strip() if len(lines) < 8 else error_line(done.stderr))
    return done.stdout.decode("utf-8", "replace")


def pip_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for pip; the user's own `PIP_*` settings are kept."""
    kept = {name: text for name, text in environ.items() if name not in ("__PYVENV_LAUNCHER__", "PYTHONHOME")}
    return {
        **kept,
        "COLUMNS": "1000",  # help texts are not wrapped
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",  # it forbids installing outside environments, but nothing is installed
        "PYTHONIOENCODING": "utf-8",
    }


def error_line(output: bytes) -> str:
    """Return the line of pip's output that says what failed."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["no error message"]
    return errors[-1].removeprefix("ERROR:").strip()


def _pip_error(reason: str) -> SeedError:
    if "No module named pip" in reason:
        hint = "install pip for the Python that runs cloche, for example with `python -m ensurepip`"
    else:
        hint = "run `python -m pip config debug` with the Python that runs cloche"
    return SeedError(f"the settings of pip cannot be read: {reason}", hint=hint)
