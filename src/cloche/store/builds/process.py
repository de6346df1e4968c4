"""The process of a build: the environment variables that it sees, and how all its programs are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cloche.apply import DeferredHandlers, DeliveredSignals
from cloche.errors import reason_of
from cloche.store.builds.sources import unusable
from cloche.store.fetch.pip_settings import read_pip_settings
from cloche.store.pip import pip_environ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.builds.sources import SourceCode

STOP_TIMEOUT = 3.0
"""Seconds between asking the processes of a build to stop and killing them."""

BUILD_SETTINGS = frozenset(
    """
    build-constraint cache-dir cert client-cert config-settings default-timeout extra-index-url index-url keyring-provider
    no-index no-proxy-env proxy pypi-url retries timeout trusted-host uploaded-prior-to
    """.split()
)
"""The settings of pip that a build respects. Others choose versions or forms of packages, and the lock file has chosen."""

HIDDEN_VARIABLES = frozenset(
    """
    GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR GIT_DIR GIT_INDEX_FILE GIT_NAMESPACE GIT_OBJECT_DIRECTORY GIT_PREFIX
    GIT_WORK_TREE OLDPWD PWD SHLVL _
    """.split()
)
"""Variables that a build does not see. Git sets them for hooks; they would redirect other checkouts."""

UNIMPORTANT_VARIABLES = frozenset(
    """
    COLORTERM COLUMNS DBUS_SESSION_BUS_ADDRESS DISPLAY LINES SSH_AGENT_PID SSH_AUTH_SOCK SSH_CLIENT SSH_CONNECTION SSH_TTY
    TEMP TERM TMP TMPDIR WAYLAND_DISPLAY WINDOWID XAUTHORITY XDG_RUNTIME_DIR XDG_SESSION_ID
    """.split()
)
"""Variables that differ from session to session, but do not change the result of a build."""


def build_environ(wanted: Wanted, store: Store) -> dict[str, str]:
    """Return the environment variables for a build: the user's, without those for other programs, and pip's settings."""
    host = store.host
    settings = read_pip_settings(host)
    options = {name: text for name, text in settings.options.items() if name in BUILD_SETTINGS}
    environ = {
        name: text
        for name, text in pip_environ(host.environ, options).items()
        if not name.startswith("CLOCHE_") and name not in HIDDEN_VARIABLES
    }
    if active := host.environ.get("VIRTUAL_ENV"):  # its programs are not part of an isolated build
        inside = os.path.join(active, "")
        entries = environ.get("PATH", "").split(os.pathsep)
        environ["PATH"] = os.pathsep.join(entry for entry in entries if not os.path.join(entry, "").startswith(inside))
    links = [Path(directory).as_uri() for directory in wanted.find_links] + settings.texts("find-links")
    return {
        **environ,
        **({"PIP_FIND_LINKS": " ".join(links)} if links else {}),
        **({"PIP_NO_INDEX": "1"} if wanted.network == "never" else {}),
        "GIT_TERMINAL_PROMPT": "0",
        "PIP_USE_PEP517": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # the pip in the store must not change
        "PYTHONIOENCODING": "utf-8",
    }


def run_build(
    command: Sequence[str], environ: Mapping[str, str], directory: str, log: str, source: SourceCode, store: Store
) -> int:
    """Run a program of a build in a process group of its own, and return its exit code; its output is added to `log`.

    It starts compilers and other programs. If the user interrupts the run, all of them are killed.
    """
    started = time.monotonic()
    deferred = DeferredHandlers()  # a signal while it starts must not lose the process
    with open(log, "ab") as output, deferred:
        try:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise unusable(source, f"`{command[0]}` cannot be run ({reason_of(error)})") from error
        try:
            with DeliveredSignals(deferred):
                while True:
                    try:
                        return process.wait(timeout=1)
                    except subprocess.TimeoutExpired:
                        store.progress(f"building {source.title}, {time.monotonic() - started:.0f} s")
        except BaseException:
            stop_process_group(process)
            raise


def stop_process_group(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and all processes in its group, by force if necessary."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(STOP_TIMEOUT)
            except (ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
                continue
    process.wait()
