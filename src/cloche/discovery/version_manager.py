"""Version managers: ask one which executable a shim would start (`mise which python3`), or which version is active.

Only the version manager knows: it reads more than version files. It runs in the current directory, because the answer
depends on it, with a cleaned environment, without input and within a time limit. It must not install anything.
"""

from __future__ import annotations

import os
import subprocess
from time import monotonic
from typing import TYPE_CHECKING

from cloche.apply import DeferredHandlers
from cloche.apply.processes import kill_process_tree
from cloche.errors import reason_of
from cloche.fs import is_within
from cloche.model.interpreter import path_module
from cloche.model.value import Value
from cloche.programs import SHELL_VARIABLES, python_environ
from cloche.shells import quote_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche.discovery.shims import Shim
    from cloche.model.interpreter import Host

TIMEOUT = 5.0
"""Seconds that all questions together may take."""

REMOVED_VARIABLES = SHELL_VARIABLES | {"BASHOPTS", "CDPATH", "PYENV_DEBUG", "SHELLOPTS"}
"""Variables that would change how a version manager runs, which may be a shell script."""

SETTINGS = {
    "MISE_COLOR": "0",
    "MISE_EXEC_AUTO_INSTALL": "0",
    "MISE_NOT_FOUND_AUTO_INSTALL": "0",
    "MISE_OFFLINE": "1",
    "MISE_YES": "0",
    "NO_COLOR": "1",
}
"""Variables that make version managers only answer, in plain text."""

MAX_REASON = 200
"""The maximum length of an error message of a version manager, in characters."""


class Answer(Value):
    """What a command of a version manager prints, one line, or why it prints nothing."""

    text: str = ""
    reason: str = ""
    """Phrased to follow the path of the shim; empty if there is a text."""


def ask(commands: Sequence[tuple[str, ...]], host: Host) -> list[Answer]:
    """Run commands at the same time, and return what each prints."""
    deadline = monotonic() + TIMEOUT
    started: list[subprocess.Popen[bytes] | OSError] = []
    try:
        for command in commands:
            try:
                with DeferredHandlers():  # a signal must not lose the process
                    started.append(_start(command, host))
            except OSError as error:
                started.append(error)
        answers = zip(commands, started, strict=True)
        return [_answer(command, process, deadline) for command, process in answers]
    finally:
        for process in started:
            if not isinstance(process, OSError):
                kill_process_tree(process, host.environ)
                if process.stderr is not None:
                    process.stderr.close()


def target_of(path: str, shim: Shim, answer: Answer, host: Host) -> tuple[str, str]:
    """Return the executable that a shim starts, or an empty text and why it starts none, phrased to follow its path."""
    if not answer.text:
        return "", answer.reason
    if not shim.of_version:
        return _checked_path(path, answer.text, host)
    versions = [name for name in answer.text.split(":") if not {"", ".", "..", "system"} & set(name.split("/"))]
    for executable in (shim.of_version.replace("{}", name) for name in versions):
        if os.path.isfile(executable):
            return executable, ""
    return "", f"is a shim, but no active version provides it (active: {answer.text})"


def _checked_path(shim: str, target: str, host: Host) -> tuple[str, str]:
    """Return the path that a version manager prints, unless a project that was only downloaded may have chosen it.

    Version managers also start programs that a configuration file names by path (`path:../python`).
    """
    if not os.path.isabs(target):
        return "", f"is a shim, but its version manager prints `{target}`, which is not an absolute path"
    data, directory = os.path.split(os.path.dirname(shim))
    real, cwd, home = (os.path.realpath(path or "/") for path in (target, host.cwd, host.environ.get("HOME", "")))
    shared = os.path.commonpath([real, cwd]) if host.os_name != "nt" else "/"
    is_managed = directory == "shims" and is_within(target, data)  # the user has put this directory on PATH
    if not is_managed and not is_within(home, shared):
        return "", f"is a shim of `{target}`, which may be part of the current project; to use it, request this path"
    return target, ""


def _start(command: tuple[str, ...], host: Host) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environ(host),
        cwd=host.cwd or os.path.dirname(command[0]),
        start_new_session=True,  # ignored on Windows
    )


def clean_environ(host: Host) -> Mapping[str, str]:
    """Return the environment variables for a version manager; PATH has only absolute entries."""
    kept = {
        name: text
        for name, text in python_environ(host.environ).items()
        if name not in REMOVED_VARIABLES and not name.startswith("BASH_FUNC_")
    }
    separator: str = path_module(host.os_name).pathsep
    path = separator.join(filter(os.path.isabs, kept.get("PATH", "").split(separator)))
    return {**kept, **SETTINGS, "PATH": path}


def _answer(command: tuple[str, ...], process: subprocess.Popen[bytes] | OSError, deadline: float) -> Answer:
    shown = f"is a shim, but `{quote_words(command, os.name)}`"
    if isinstance(process, OSError):
        return Answer(reason=f"{shown} cannot be run: {reason_of(process)}")
    try:
        output, errors = process.communicate(timeout=max(0, deadline - monotonic()))
    except subprocess.TimeoutExpired:
        return Answer(reason=f"{shown} does not respond in time")
    if (text := os.fsdecode(output).strip()) and "\n" not in text:
        return Answer(text)
    said = " ".join(errors.decode("utf-8", "replace").split())[:MAX_REASON]
    printable = "".join(letter if letter.isprintable() else " " for letter in said)
    return Answer(reason=f"{shown} fails: {printable or f'it prints no path (exit code {process.returncode})'}")
