"""What an environment says of itself when it is started: whether it runs, where it thinks it is, what it can import.

It starts the environment's own Python, and shells on its activation scripts; nothing else in the lifecycle does.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

from cloche.discovery.probe import kill_process_tree
from cloche.errors import reason_of
from cloche.lifecycle.embedded_paths import site_files
from cloche.model.value import value
from cloche.shells import template
from cloche.shells.family import built_in_shells

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Literal

    from cloche.lifecycle.installed import Installed
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host
    from cloche.shells.family import ShellFamily

PATIENCE = 60.0
"""Seconds after which a Python that does not answer counts as broken."""


@value
class Examined:
    """What the environment's Python told."""

    failure: str
    """Why it does not start; empty if it does, and the rest is true."""
    prefix: str = ""
    version: tuple[int, ...] = ()
    unresolvable: tuple[str, ...] = ()
    """Modules, of those that were asked for, that cannot be found."""
    seed: str = ""
    """Why pip does not run; empty if it does, or there is none."""
    obstacle: str = ""
    """A file for which it would wait without end, relative to the root; it was not started then."""


def modules_of(distributions: Iterable[Installed]) -> list[str]:
    """Return the modules that scripts of these distributions import."""
    return sorted({point.module for one in distributions for point in one.entry_points if point.module})


def examine(
    environment: Environment, host: Host, modules: Iterable[str] = (), *, seed: Literal["yes", "no"] = "yes"
) -> Examined:
    """Start an environment's Python and ask."""
    program = template.resource(__name__, "_examine.py")
    executable = environment.path_to(environment.layout.executable)
    asked = [*modules, *(["--seed"] if seed == "yes" else [])]
    environ = {name: text for name, text in host.environ.items() if not name.startswith(("PYTHON", "__PYVENV"))}
    if obstacle := obstacle_to_start(environment):
        return Examined(f"`{obstacle}` is not a regular file; reading it would block", obstacle=obstacle)
    try:
        ran = ask([executable, "-I", "-B", "-c", program, *asked], environ, os.path.abspath(os.sep))
    except subprocess.TimeoutExpired:
        return Examined(f"gave no answer in {PATIENCE:.0f} s")
    except OSError as error:
        return Examined(reason_of(error))
    lines = ran.stdout.decode("utf-8", "surrogateescape").strip().splitlines()
    try:
        facts = json.loads(lines[-1])
        return Examined(
            "", facts["prefix"], tuple(facts["version"][:3]), tuple(facts["unresolvable"]), facts["seed"].strip()
        )
    except (IndexError, ValueError, KeyError, TypeError):
        said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        return Examined(said[-1] if said else f"ended with code {ran.returncode}")


def obstacle_to_start(environment: Environment) -> str:
    """Return a file that every Python here reads when it starts and that is a pipe or a device; empty if none is."""
    beside = f"{environment.layout.bin}/pyvenv.cfg"
    for path in (environment.layout.config, beside, *site_files(environment, ".pth")):
        try:
            kind = os.stat(environment.path_to(path)).st_mode
        except OSError:
            continue
        if stat.S_ISFIFO(kind) or stat.S_ISCHR(kind) or stat.S_ISBLK(kind):
            return path
    return ""


def ask(command: Sequence[str], environ: Mapping[str, str], directory: str) -> subprocess.CompletedProcess[bytes]:
    """Run a program that is given nothing to read, to its end; it ends with all that it started if we do not wait for it.

    :raises subprocess.TimeoutExpired: it took longer than `PATIENCE`.
    :raises OSError: it cannot be started.
    """
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(
        command, env=environ, cwd=directory, stdin=nothing, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=PATIENCE)
        except BaseException:
            kill_process_tree(process, environ)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def activations(environment: Environment, host: Host) -> list[str]:
    """Activate in every shell that is on this machine; return the scripts that did not lead here, with the shell."""
    wrong: list[str] = []
    for shell in built_in_shells():
        script = shell.script_names[0]
        if os.path.isfile(environment.path_to(f"{environment.layout.bin}/{script}")):
            wrong += [
                f"{script} ({program})"
                for program in shell.test_options
                if try_activation(environment, shell, program, host) == "elsewhere"
            ]
    return wrong


def try_activation(
    environment: Environment, shell: ShellFamily, program: str, host: Host
) -> Literal["here", "elsewhere", "unknown"]:
    """Activate an environment in a shell; return where that leads, `unknown` if the shell cannot be run."""
    found = shutil.which(program, path=host.environ.get("PATH"))
    if found is None or shell.source_line is None:
        return "unknown"
    text = shell.activation_test.format(line=shell.source_line(f"./{shell.script_names[0]}"))
    environ = {name: text for name, text in host.environ.items() if not name.startswith(("VIRTUAL_ENV", "XDG_"))}
    environ |= {"TERM": "dumb", "HOME": "/nonexistent"}  # fish would leave its files there
    try:
        ran = ask([found, *shell.test_options[program], text], environ, environment.path_to(environment.layout.bin))
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    told = ran.stdout.decode("utf-8", "surrogateescape").splitlines()
    return "here" if any(same(line, environment.location) for line in told[:2]) else "elsewhere"


def same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
