"""Examine an environment by running it: its Python, and its activation scripts in the shells on this machine.

Other modules start an environment's Python only to run pip (`upgrade.pip_requests`) or the user's command (`run`).
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
from contextlib import ExitStack, contextmanager

from cloche.apply import DeferredHandlers, DeliveredSignals
from cloche.apply.processes import finish_program, kill_process_tree, run_program, started_program
from cloche.errors import ClocheError, reason_of
from cloche.fs import is_same_file
from cloche.lifecycle.installed import site_files
from cloche.model.value import TYPE_CHECKING, Value
from cloche.programs import python_environ, shell_environ
from cloche.shells import built_in_shells, template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from subprocess import Popen
    from typing import Any, Literal

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


class PythonRun(Value):
    """A Python of an environment that was started, and runs beside the caller."""

    environment: Environment
    host: Host
    process: Popen[bytes] | None
    """None if it was not started."""
    failed: Examination | None = None
    """Why it was not started."""

    def finish(self, modules: Iterable[str] = (), *, editable: Iterable[str] = ()) -> Examination:
        """Wait for Python, and return what it reports. Call this once.

        :param modules: the modules to look for.
        :param editable: the modules of editable installs; `problems` says why some cannot be imported.
        """
        if self.failed is not None or self.process is None:
            return self.failed or Examination("")
        executable = self.environment.path_to(self.environment.layout.executable)
        return answer_of(self.process, executable, self.host, [*modules, *(f"--import={name}" for name in editable)])


def examine(
    environment: Environment,
    host: Host,
    modules: Iterable[str] = (),
    *,
    parents: Literal["found", "imported"] = "found",
    seed: bool = True,
) -> Examination:
    """Start the Python of an environment and return what it reports.

    :param modules: the modules to look for.
    :param parents: as for `started_python`.
    :param seed: whether to check that pip runs.
    """
    with started_python(environment, host, parents=parents, seed=seed) as python:
        return python.finish(modules)


@contextmanager
def started_python(
    environment: Environment, host: Host, *, parents: Literal["found", "imported"] = "found", seed: bool = True
) -> Iterator[PythonRun]:
    """Start the Python of an environment, and run the block beside it; the block asks it about modules with `finish`.

    :param parents: whether the parent packages of modules are imported, which takes longer, and shows whether they can be.
    :param seed: whether to check that pip runs.
    """
    if obstacle := blocking_file(environment):
        reason = f"`{obstacle}` is not a regular file; reading it would block"
        yield PythonRun(environment, host, None, Examination(reason, obstacle=obstacle))
        return
    executable = environment.path_to(environment.layout.executable)
    options = [*(["--import"] if parents == "imported" else []), *(["--seed"] if seed else [])]
    with ExitStack() as stack:
        try:
            process = stack.enter_context(start_python(executable, host, options))
        except OSError as error:
            yield PythonRun(environment, host, None, Examination(reason_of(error)))
            return
        yield PythonRun(environment, host, process)


def start_python(executable: str, host: Host, options: Iterable[str] = ()) -> AbstractContextManager[Popen[bytes]]:
    """Return the context manager that starts `_examine.py` in a Python; see `started_program`.

    :param options: the options of `_examine.py`.
    """
    command = [executable, "-I", "-B", "-c", template.resource(__name__, "_examine.py"), *options]
    return started_program(command, python_environ(host.environ), os.path.abspath(os.sep), reads=True)


def ask_python(executable: str, host: Host) -> Examination:
    """Start a Python and return what it reports."""
    try:
        with start_python(executable, host) as process:
            return answer_of(process, executable, host)
    except OSError as error:
        return Examination(reason_of(error))


def refuse_new_damage(environment: Environment, examine_old: Callable[[], Examination], after: Examination) -> None:
    """Refuse an environment in which something no longer works.

    :param examine_old: examines the environment as it was before; called only if something does not work.
    :raises ClocheError: something that worked before does not work now.
    """
    in_place = is_same_file(after.prefix, environment.location)
    if in_place and not (after.failure or after.unresolvable or after.seed):
        return
    before = examine_old()
    if before.failure:
        return
    if after.failure:
        raise ClocheError(f"its Python does not start: {after.failure}")
    if not in_place:
        raise ClocheError(f"its Python reports `{after.prefix}` as its prefix")
    if lost := sorted(set(after.unresolvable) - set(before.unresolvable)):
        raise ClocheError(f"its scripts cannot import `{lost[0]}`")
    if after.seed and not before.seed:
        raise ClocheError(f"pip does not run: {after.seed}")


def answer_of(process: Popen[bytes], executable: str, host: Host, modules: Iterable[str] = ()) -> Examination:
    """Return what a started Python reports.

    :param modules: what `_examine.py` reads.
    """
    try:
        content = "".join(f"{module}\n" for module in modules).encode("utf-8", "surrogateescape")
        completed = finish_program(process, content, TIMEOUT)
    except subprocess.TimeoutExpired:
        kill_process_tree(process, host.environ)
        return Examination(
            f"no answer after {TIMEOUT:.0f} s", starts_without_site=starts_without_site(executable, host)
        )
    try:
        report = report_in(completed.stdout)
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


def report_in(output: bytes) -> dict[str, Any]:
    """Return the report in the output of a Python; code that runs at its start and at its end may print something too.

    :raises ValueError: there is none.
    """
    for line in reversed(output.split(b"\n")):
        if line.startswith(b'{"prefix": '):
            report: dict[str, Any] = json.loads(line)
            return report
    raise ValueError(output)


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

    A script fails if the environment is not active afterwards. All shells run at the same time.
    """
    tested = [
        (shell, program, executable)
        for shell in built_in_shells()
        if shell.source_line is not None
        and os.path.isfile(environment.path_to(f"{environment.layout.bin}/{shell.script_names[0]}"))
        for program in shell.test_options
        if (executable := find_program(program, host))
    ]
    from tempfile import TemporaryDirectory

    failing: list[str] = []
    deferred = DeferredHandlers()
    with (
        deferred,
        TemporaryDirectory(prefix="cloche-", ignore_cleanup_errors=True) as homes,  # shells write files into HOME
        DeliveredSignals(deferred),
        ExitStack() as started,
    ):
        processes: list[Popen[bytes] | None] = []
        for shell, program, executable in tested:
            home = os.path.join(homes, program)
            os.mkdir(home)
            try:
                processes.append(
                    started.enter_context(start_shell(environment, shell, program, executable, host, home))
                )
            except OSError:
                processes.append(None)
        for (shell, program, _), process in zip(tested, processes, strict=True):
            if process is not None and activates(process, environment, host) is False:
                failing.append(f"{shell.script_names[0]} ({program})")
    return failing


def start_shell(
    environment: Environment, shell: ShellFamily, program: str, executable: str, host: Host, home: str
) -> AbstractContextManager[Popen[bytes]]:
    """Return the context manager that starts a shell, which activates an environment and prints which one is active then."""
    assert shell.source_line is not None
    text = shell.activation_test.format(line=shell.source_line(f"./{shell.script_names[0]}"))
    return started_program(
        [executable, *shell.test_options[program], text],
        {**shell_environ(host.environ), "TERM": "dumb", "HOME": home},
        environment.path_to(environment.layout.bin),
    )


def activates(process: Popen[bytes], environment: Environment, host: Host) -> bool | None:
    """Return whether a started shell has activated an environment; None if that is unknown because it does not end."""
    try:
        completed = finish_program(process, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        kill_process_tree(process, host.environ)
        return None
    output = os.fsdecode(completed.stdout.removesuffix(b"\n"))  # a path may contain a newline
    paths = (output, output.partition("\n")[2], *output.split("\n")[:2])
    return any(is_same_file(path, environment.location) for path in paths)


def find_program(name: str, host: Host) -> str:
    """Return the path of a program on PATH; empty if there is none."""
    from shutil import which  # loads modules for archives, and a diagnosis does not need it

    return which(name, path=host.environ.get("PATH")) or ""
