"""Examine an environment by running it: its Python, and its activation scripts in the shells on this machine.

Other modules start an environment's Python only to run pip (`upgrade.pip_requests`) or the user's command (`run`).
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cloche.apply import DeferredHandlers, DeliveredSignals
from cloche.apply.processes import run_program
from cloche.errors import reason_of
from cloche.lifecycle.installed import site_files
from cloche.model.value import Value
from cloche.programs import python_environ, shell_environ
from cloche.shells import built_in_shells, template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

    from cloche.lifecycle.installed import InstalledDistribution
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host
    from cloche.shells import ShellFamily

TIMEOUT = 60.0
"""Seconds to wait for a Python or a shell."""


class Examination(Value):
    """What the Python of an environment reports about itself."""

    failure: str
    """Why it does not start; empty if it does. The fields up to `seed` are known only in that case."""
    prefix: str = ""
    version: tuple[int, ...] = ()
    unresolvable: tuple[str, ...] = ()
    """The requested modules that cannot be found."""
    seed: str = ""
    """Why pip does not run; empty if it runs or is not installed."""
    path: tuple[str, ...] = ()
    """Its `sys.path`, without the packages of the user."""
    user_site: str = ""
    """The directory for the packages of the user, whether or not it exists."""
    problems: Mapping[str, str] = {}
    """Why modules cannot be imported, by module; empty texts for those that can."""
    starts_without_site: bool = False
    """Whether only code that `site` runs at startup, such as a `.pth` file, keeps Python from starting."""
    obstacle: str = ""
    """The path, relative to the root, of a pipe or device that would block Python at startup; Python is not started then."""


def modules_of(distributions: Iterable[InstalledDistribution]) -> list[str]:
    """Return the modules that the scripts of these distributions import, sorted."""
    return sorted(
        {point.module for distribution in distributions for point in distribution.entry_points if point.module}
    )


def examine(
    environment: Environment,
    host: Host,
    modules: Iterable[str] = (),
    *,
    editable: Iterable[str] = (),
    parents: Literal["found", "imported"] = "found",
    seed: bool = True,
) -> Examination:
    """Start the Python of an environment and return what it reports.

    :param modules: the modules to look for.
    :param editable: the modules of editable installs; `problems` says why some cannot be imported.
    :param parents: whether their parent packages are imported, which takes longer, and shows whether they can be.
    :param seed: whether to check that pip runs.
    """
    if obstacle := blocking_file(environment):
        return Examination(f"`{obstacle}` is not a regular file; reading it would block", obstacle=obstacle)
    executable = environment.path_to(environment.layout.executable)
    arguments = [*modules, *(f"--import={module}" for module in editable)]
    arguments += [*(["--import"] if parents == "imported" else []), *(["--seed"] if seed else [])]
    return ask_python(executable, host, arguments)


def ask_python(executable: str, host: Host, arguments: Iterable[str] = ()) -> Examination:
    """Start a Python and return what it reports.

    :param arguments: those of `_examine.py`.
    """
    program = template.resource(__name__, "_examine.py")
    try:
        command = [executable, "-I", "-B", "-c", program, *arguments]
        completed = run_program(command, python_environ(host.environ), os.path.abspath(os.sep), timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return Examination(
            f"no answer after {TIMEOUT:.0f} s", starts_without_site=starts_without_site(executable, host)
        )
    except OSError as error:
        return Examination(reason_of(error))
    lines = completed.stdout.decode("utf-8", "surrogateescape").strip().splitlines()
    try:
        report = json.loads(lines[-1])
        return Examination(
            "",
            report["prefix"],
            tuple(report["version"][:3]),
            tuple(report["unresolvable"]),
            report["seed"].strip(),
            tuple(report["path"]),
            report["user_site"],
            report["problems"],
        )
    except (IndexError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        errors = completed.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = errors[-1] if errors else f"exit code {completed.returncode}"
        return Examination(reason, starts_without_site=starts_without_site(executable, host))


def starts_without_site(executable: str, host: Host) -> bool:
    """Return whether a Python starts if it runs no code of its environment."""
    try:
        command = [executable, "-I", "-S", "-B", "-c", ""]
        done = run_program(command, python_environ(host.environ), os.path.abspath(os.sep), timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def blocking_file(environment: Environment) -> str:
    """Return the first file that Python reads at startup and that is a pipe or a device, relative to the root.

    Empty if there is none.
    """
    nested_config = f"{environment.layout.bin}/pyvenv.cfg"  # Python reads it if it exists beside its executable
    for path in (environment.layout.config, nested_config, *site_files(environment, ".pth")):
        try:
            mode = os.stat(environment.path_to(path)).st_mode
        except OSError:
            continue
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            return path
    return ""


def failing_activations(environment: Environment, host: Host) -> list[str]:
    """Activate an environment in every shell on this machine; return the scripts that fail, as `activate.fish (fish)`.

    A script fails if the environment is not active afterwards.
    """
    failing: list[str] = []
    for shell in built_in_shells():
        script = shell.script_names[0]
        if os.path.isfile(environment.path_to(f"{environment.layout.bin}/{script}")):
            failing += [
                f"{script} ({program})"
                for program in shell.test_options
                if try_activation(environment, shell, program, host) == "elsewhere"
            ]
    return failing


def try_activation(
    environment: Environment, shell: ShellFamily, program: str, host: Host
) -> Literal["here", "elsewhere", "unknown"]:
    """Activate an environment in a shell; return which environment is active then.

    `here` is this environment, `elsewhere` another one or none; `unknown` if the shell cannot be run.
    """
    executable = shutil.which(program, path=host.environ.get("PATH"))
    if executable is None or shell.source_line is None:
        return "unknown"
    text = shell.activation_test.format(line=shell.source_line(f"./{shell.script_names[0]}"))
    try:
        deferred = DeferredHandlers()
        with (
            deferred,
            TemporaryDirectory(prefix="cloche-", ignore_cleanup_errors=True) as home,  # shells write files into HOME
            DeliveredSignals(deferred),
        ):
            completed = run_program(
                [executable, *shell.test_options[program], text],
                {**shell_environ(host.environ), "TERM": "dumb", "HOME": home},
                environment.path_to(environment.layout.bin),
                timeout=TIMEOUT,
            )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    output = os.fsdecode(completed.stdout.removesuffix(b"\n"))  # a path may contain a newline
    paths = (output, output.partition("\n")[2], *output.split("\n")[:2])
    return "here" if any(is_same_file(path, environment.location) for path in paths) else "elsewhere"


def is_same_file(first: str, second: str) -> bool:
    """Return whether two paths lead to the same file or directory; False if one of them does not exist."""
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):  # ValueError: the locale cannot express a path
        return False
