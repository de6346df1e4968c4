"""Run pip with the user's package index, proxy and certificates, but without settings that change where it installs.

pip has six sources of settings: variables (`PIP_*`), the file in `PIP_CONFIG_FILE`, and files of the user, the site and the
machine. pip itself reads and merges them (`pip config list`); cloche passes the ones it keeps as variables, which do not
show in the list of processes, and turns all files off.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from typing import TYPE_CHECKING

from cloche.apply.processes import run_program
from cloche.errors import reason_of
from cloche.model.value import Value
from cloche.programs import python_environ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche.model.aliases import Version
    from cloche.model.interpreter import Host

KEPT_SETTINGS = frozenset(
    """
    index-url pypi-url extra-index-url no-index find-links trusted-host uploaded-prior-to
    proxy no-proxy-env cert client-cert timeout default-timeout retries keyring-provider use-feature use-deprecated
    cache-dir no-cache-dir constraint build-constraint only-binary no-binary prefer-binary pre config-settings
    """.split()
)
"""The settings that say where packages come from, how to connect, and which builds the user accepts.

All others are dropped. Some of them change where pip installs or whether it does (`target`, `prefix`, `user`, `root`,
`dry-run`), some what it installs (`requirement`, `no-deps`), and some make it fail (`require-virtualenv`).
"""

PATH_SETTINGS = frozenset("find-links constraint build-constraint cert client-cert cache-dir".split())
"""The kept settings that may be paths. A relative one means the directory in which the user runs cloche."""

LIST_SETTINGS = frozenset("find-links constraint build-constraint".split())
"""Those of `PATH_SETTINGS` that take several values, separated by white space."""

FIXED_VARIABLES = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_ISOLATED": "1",
    "PIP_NO_INPUT": "1",
}
"""Variables that every run of pip gets.

Up to Python 3.9, pip asks distutils where to install, which reads `~/.pydistutils.cfg`. `PIP_ISOLATED` turns that file off.
Unlike the option `--isolated`, the variable does not make pip ignore the other variables.
"""

START_WITHOUT_DISTUTILS_FILES = """\
import runpy, sys
try:
    __import__("_distutils_hack").remove_shim()  # as pip does: setuptools replaces distutils
except (ImportError, AttributeError):
    pass
from distutils.dist import Distribution
Distribution.find_config_files = lambda self: []
pip = sys.argv.pop(1)
if pip:
    runpy.run_path(pip, run_name="__main__")
else:
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
"""The program that starts pip with a Python up to 3.9, without the files of distutils that change where pip installs.

In addition to the user's file, the installation can have a `distutils.cfg`, whose `install_lib` applies to environments.
"""

TIMEOUT_SECONDS = 300.0
"""Seconds after which pip is stopped, unless the caller allows more."""

UNREADABLE_CONFIGURATION = "Configuration file could not be loaded."

UNREACHABLE = ("Retrying (", "Could not fetch URL ", "The repository located at ")
"""How warnings of pip start if it could not ask an index. Its error only says that it found nothing."""

_SYSTEM_REASON = re.compile(r"\[(?:Errno -?\d+|SSL: \w+)\] [^'\")]+")
_SETTING = re.compile(r"([^\s=]+)\.([a-z0-9-]+)=(.*)")


class PipRun(Value):
    """How a run of pip ended."""

    problem: str
    """The error that pip printed, or why it could not be run; empty if its exit code was 0."""
    output: str = ""


def command_of_pip(python: str, version: Version, pip: str) -> list[str]:
    """Return the command that starts pip to install into an environment.

    :param python: the executable of the environment.
    :param pip: the path of a pip that supports its version; if empty, the environment's own pip is used.
    """
    if version < (3, 10):
        return [python, "-B", "-c", START_WITHOUT_DISTUTILS_FILES, pip]
    return [python, "-I", "-B", pip] if pip else [python, "-m", "pip"]


def run_pip(
    command: Sequence[str],
    arguments: Sequence[str],
    host: Host,
    directory: str,
    timeout: float | None = TIMEOUT_SECONDS,
    section: str = "",
) -> PipRun:
    """Run pip in a directory. A success says only that pip reported one: the caller checks what it did.

    :param command: the command that starts pip, without arguments: `python -m pip`.
    :param arguments: the subcommand with its arguments.
    :param host: its environment variables are those of the user.
    :param directory: an empty private directory: `-m` imports pip from the current one if it has a pip, and distutils
        reads its `setup.cfg`.
    :param section: the section of the configuration files; by default, that of the subcommand.
    """
    listed = list_settings(command, host, directory, timeout)
    if listed.problem:
        return listed
    settings = kept_settings(listed.output, section or arguments[0], host.cwd)
    return _run([*command, *arguments], pip_environ(host.environ, settings), directory, timeout)


def list_settings(
    command: Sequence[str], host: Host, directory: str, timeout: float | None = TIMEOUT_SECONDS
) -> PipRun:
    """Run `pip config list` in a directory; `kept_settings` reads its output."""
    listed = _run([*command, "config", "list"], listing_environ(host.environ), directory, timeout)
    if "No module named pip" in listed.problem:
        return PipRun(f"`{command[0]}` has no pip")
    if listed.problem and not listed.problem.startswith("`"):
        return PipRun(f"cannot read its settings: {listed.problem}")
    return listed


def show_help(command: Sequence[str], subcommand: str, host: Host, directory: str) -> PipRun:
    """Run `pip SUBCOMMAND --help` in a directory, without the user's settings."""
    environ = pip_environ(host.environ, {})
    return _run([*command, subcommand, "--help"], environ, directory, TIMEOUT_SECONDS)


def listing_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for `pip config list`: those of the user, without settings that make it fail.

    With `quiet` in a file, pip would print nothing; a variable overrides it.
    """
    known = {"PIP_CONFIG_FILE", *map(_variable_of, KEPT_SETTINGS)}
    kept = python_environ(environ).items()
    return {
        **{name: text for name, text in kept if not name.upper().startswith("PIP_") or name.upper() in known},
        "PIP_QUIET": "0",
        "PIP_VERBOSE": "0",
    }


def kept_settings(listing: str, subcommand: str, directory: str) -> dict[str, str]:
    """Return the settings to keep from the output of `pip config list`, for one subcommand.

    As in pip, a variable comes before the section of the subcommand, and that before the section `global`.

    :param directory: the directory that relative paths mean.
    """
    sections: dict[str, dict[str, str]] = {"global": {}, subcommand: {}, ":env:": {}}
    for match in filter(None, map(_SETTING.fullmatch, listing.splitlines())):
        section, name, quoted = match.groups()
        if section in sections and name in KEPT_SETTINGS:
            try:
                text = str(ast.literal_eval(quoted))
            except (ValueError, SyntaxError):
                continue
            if not text:
                continue  # as in pip, an empty value does not replace one from another source
            sections[section][name] = absolute_paths(name, text, directory) if name in PATH_SETTINGS else text
    return {name: text for section in sections.values() for name, text in section.items()}


def absolute_paths(name: str, text: str, directory: str) -> str:
    """Return the value of a setting with its relative paths made absolute; URLs and `~` are kept."""
    words = text.split() if name in LIST_SETTINGS else [text]
    return " ".join(
        word if "://" in word or word.startswith("~") else os.path.join(directory, word) for word in words if word
    )


def pip_environ(environ: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for pip: those of the user, with these settings and no others."""
    dropped = ("PIP_", "VIRTUAL_ENV")
    kept = {name: text for name, text in python_environ(environ).items() if not name.upper().startswith(dropped)}
    chosen = {_variable_of(name): text for name, text in settings.items()}
    return {**kept, **chosen, **FIXED_VARIABLES}


def _variable_of(setting: str) -> str:
    return f"PIP_{setting.replace('-', '_').upper()}"


def _run(command: Sequence[str], environ: Mapping[str, str], directory: str, timeout: float | None) -> PipRun:
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), directory)  # pip leaves files behind if it is killed
    try:
        done = run_program(command, {**environ, **temporary}, directory, timeout=timeout)
    except subprocess.TimeoutExpired:
        return PipRun(f"timed out after {timeout:.0f} s")
    except OSError as error:
        return PipRun(f"`{command[0]}` cannot be run ({reason_of(error)})")
    output = done.stdout.decode("utf-8", "replace")
    errors = done.stderr.decode("utf-8", "replace")
    return PipRun(_error_line(errors, output) if done.returncode else "", output)


def _error_line(errors: str, output: str) -> str:
    """Return the line in the output of pip that says what went wrong: the last one that pip marks as an error.

    Advice on new versions, which pip prints at the end, is not an error. About its configuration, pip prints several lines
    without a mark. If pip itself fails, the last line of the traceback is the error.
    """
    lines = [line.strip() for line in (output + "\n" + errors).splitlines() if line.strip()]
    if UNREADABLE_CONFIGURATION in lines:
        return " ".join(lines[lines.index(UNREADABLE_CONFIGURATION) :])
    marked = [line for line in lines if line.startswith(("ERROR", "error:")) and line != "ERROR: Exception:"]
    found = marked or lines[-1:] or ["no error message"]
    error = found[-1].removeprefix("ERROR:").removeprefix("error:").strip()
    if error.startswith("No matching distribution found"):
        causes = (line.removeprefix("WARNING: ") for line in lines if line.startswith("WARNING: "))
        if unreachable := [cause for cause in causes if cause.startswith(UNREACHABLE)]:
            reason = _SYSTEM_REASON.search(unreachable[-1])
            return f"{error} ({reason[0] if reason else unreachable[-1]})"
    return error
