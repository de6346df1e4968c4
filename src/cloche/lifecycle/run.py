"""Run a command as if an environment were active; on POSIX, it replaces this process."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
from typing import TYPE_CHECKING

from cloche.fs import forbids_execution
from cloche.lifecycle.command_failed import NOT_EXECUTABLE, NOT_FOUND, CommandFailed
from cloche.model.interpreter import path_module
from cloche.programs.failures import is_program, reason_not_started
from cloche.shells import quote_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host


def activated_environ(environment: Environment, host: Host) -> dict[str, str]:
    """Return the environment variables of the host, changed as activation changes them."""
    unset = ("PYTHONHOME", "__PYVENV_LAUNCHER__")
    return {
        **{name: text for name, text in host.environ.items() if name not in unset},
        **activation_variables(environment, host),
    }


def activation_variables(environment: Environment, host: Host) -> dict[str, str]:
    """Return the variables that the activation scripts set; the active environment is deactivated first."""
    interpreter = environment.interpreter
    libraries = {
        "TCL_LIBRARY": interpreter.tcl_library if interpreter else "",
        "TK_LIBRARY": interpreter.tk_library if interpreter else "",
    }
    return {
        "VIRTUAL_ENV": environment.location,
        "VIRTUAL_ENV_PROMPT": environment.prompt,
        "PATH": search_path("PATH", environment.layout.bin, environment, host),
        "PKG_CONFIG_PATH": search_path("PKG_CONFIG_PATH", "lib/pkgconfig", environment, host),
        **{name: text for name, text in libraries.items() if text},
    }


def search_path(variable: str, directory: str, environment: Environment, host: Host) -> str:
    """Return a variable that lists directories, with one of an environment first, and without that of the active one.

    :param directory: the path of the directory, relative to the root of an environment.
    """
    separator: str = path_module(environment.os_name).pathsep
    own = environment.path_to(directory)
    active = host.environ.get("VIRTUAL_ENV")
    earlier = os.path.join(active, *directory.split("/")) if active else None
    entries = host.environ.get(variable, "").split(separator)
    return separator.join([own, *(entry for entry in entries if entry and entry not in (own, earlier))])


def find_command(name: str, environment: Environment, path: str) -> tuple[str, ...]:
    """Return the path of the program that a shell would run with these entries of PATH, and its first arguments.

    A program that belongs to the environment or to its Python never comes from another Python: if the environment cannot
    run it, that is an error.

    :raises CommandFailed: it cannot be run, or does not exist.
    """
    if not name:
        raise CommandFailed("the name of the command is empty", NOT_FOUND, hint="give the name of a program")
    found = shutil.which(name, path=path)
    if os.path.dirname(name):
        if found is None:
            raise cannot_execute(name, environment)
        return (found,)
    own = environment.path_to(f"{environment.layout.bin}/{name}")
    if found is not None and os.path.dirname(found) == os.path.dirname(own):
        return (found,)
    if os.path.lexists(own) and not (found and os.path.isdir(own)):  # as a shell, skip a directory
        raise cannot_execute(own, environment)
    elsewhere = f"; `{found}` belongs to another Python" if found else ""
    if name.startswith(PYTHON_PROGRAMS):
        from cloche.lifecycle.python_programs import python_program

        if command := python_program(name, environment, elsewhere):
            if not os.access(command[0], os.X_OK):
                raise cannot_execute(command[0], environment)
            return command
    if name in program_names(environment):
        raise CommandFailed(
            f"`{name}` is missing from the environment `{environment.location}`{elsewhere}",
            NOT_FOUND,
            hint=missing_program_hint(name, environment),
        )
    if found is None:
        raise CommandFailed(
            f"`{name}` is not in the environment, and not on PATH",
            NOT_FOUND,
            hint=hint_about_command(name, environment),
        )
    return (found,)


PYTHON_PROGRAMS = ("python", "pip", "pydoc", "idle", "2to3")
"""How the names of Python and of the programs that come with it begin."""

SHELL_BUILTINS = frozenset((".", "alias", "cd", "eval", "exec", "export", "set", "source", "ulimit", "umask", "unset"))
"""Commands that only a shell has."""


def hint_about_command(name: str, environment: Environment) -> str:
    """Return what to do about a command that does not exist: what it was probably meant as, or how to install it."""
    where = quote_word(environment.location, os.name)
    if name in SHELL_BUILTINS:
        return f"it is built into shells: `cloche run {where} -- sh -c '{name} …'`"
    if hint := python_file_hint(name, environment):
        return hint
    if " " in name and quote_word(name.replace(" ", ""), os.name) == name.replace(" ", ""):
        return f"pass each word as a separate argument: `cloche run {where} -- {name}`"
    if shutil.which("pip", path=environment.path_to(environment.layout.bin)):
        return f"if a package provides it, `cloche run {where} -- pip install PACKAGE` installs it"
    return f"if a package provides it, `cloche {where} --seed PACKAGE` installs it"


def python_file_hint(path: str, environment: Environment) -> str:
    """Return how to run a Python file; empty for another path."""
    is_python = path.endswith((".py", ".pyw", ".pyz")) and os.path.isfile(path) and path[0] != "-"
    where, file = quote_word(environment.location, os.name), quote_word(path, os.name)
    return f"`cloche run {where} -- python {file}` runs a Python file" if is_python else ""


def program_names(environment: Environment) -> set[str]:
    """Return the names of the programs that an environment has or should have: Python, pip, scripts of its packages."""
    from cloche.lifecycle.installed import installed_distributions

    version = environment.interpreter.python_version if environment.interpreter else ""
    names = {*environment.layout.names, "python", "python3", "pip", "pip3"}
    if version:
        names |= {f"python{version}", f"pip{version}"}
    for distribution in installed_distributions(environment):
        names |= {point.name for point in distribution.entry_points}
        names |= {os.path.basename(row.path) for row in distribution.rows if is_script(row.path, environment)}
    return names


def is_script(path: str, environment: Environment) -> bool:
    """Return whether a path in an environment is directly in its directory for programs."""
    return os.path.dirname(path) == environment.layout.bin


def missing_program_hint(name: str, environment: Environment) -> str:
    """Return how to get a missing program of an environment."""
    where = quote_word(environment.location, os.name)
    is_pip = name.startswith("pip")
    if is_pip and not any(os.path.isdir(environment.path_to(f"{site}/pip")) for site in sites(environment)):
        return f"`cloche {where}` installs pip"
    return f"`cloche doctor --fix {where}` may restore it"


def sites(environment: Environment) -> set[str]:
    """Return the directories for packages, relative to the root."""
    return {environment.layout.purelib, environment.layout.platlib}


def cannot_execute(path: str, environment: Environment) -> CommandFailed:
    """Return the error for a program that cannot be executed, or for a path that does not exist."""
    where = quote_word(environment.location, os.name)
    inside = os.path.dirname(path) == environment.path_to(environment.layout.bin)
    hint = (
        f"`cloche doctor {where}` checks that the environment is intact" if inside else "check the path of the program"
    )
    if not os.path.lexists(path):
        return CommandFailed(f"the program `{path}` does not exist", NOT_FOUND, hint=hint)
    if not os.path.exists(path):
        return CommandFailed(f"`{path}` is a link to `{os.readlink(path)}`, which does not exist", NOT_FOUND, hint=hint)
    if os.path.isdir(path):
        return CommandFailed(f"`{path}` is a directory", NOT_EXECUTABLE, hint="give the path of a program")
    if not is_program(path):
        hint = python_file_hint(path, environment) or hint_for_other_file(path, environment)
        return CommandFailed(f"`{path}` is not a program", NOT_EXECUTABLE, hint=hint)
    if forbids_execution(path):
        return CommandFailed(
            f"`{path}` cannot be executed: its file system is mounted with `noexec`",
            NOT_EXECUTABLE,
            hint=f"for a Python script, use `cloche run {where} -- python {quote_word(path, os.name)}`; or mount it with `exec`",
        )
    mode = stat.S_IMODE(os.stat(path).st_mode)
    return CommandFailed(
        f"`{path}` cannot be executed: its mode is {mode:03o}",
        NOT_EXECUTABLE,
        hint=f"`chmod +x {quote_word(path, os.name)}` makes it executable",
    )


def hint_for_other_file(path: str, environment: Environment) -> str:
    """Return what to do instead of executing a file that is not a program."""
    if os.path.basename(path).lower().startswith("activate"):
        return f"`cloche activate {quote_word(environment.location, os.name)}` prints the command that activates it"
    return "give the path of a program"


def run_command(environment: Environment, command: Sequence[str], host: Host) -> int:
    """Replace this process with a command; on Windows, run the command and return its exit code.

    :raises CommandFailed: the command cannot be started.
    """
    environ = activated_environ(environment, host)
    program, *first = find_command(command[0], environment, environ["PATH"])
    arguments = [*first, *command[1:]]
    if os.name == "nt":
        return subprocess.run([program, *arguments], env=environ, check=False).returncode
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and the command would inherit that
        signal.signal(number, signal.SIG_DFL)  # other ignored signals (`nohup` ignores SIGHUP) stay ignored
    try:
        is_renamed = os.path.basename(program) != os.path.basename(command[0])  # Python looks for itself by this name
        os.execve(program, [program if is_renamed else command[0], *arguments], environ)
    except OSError as error:
        code = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
        inside = os.path.dirname(program) == environment.path_to(environment.layout.bin)
        repair = f"`cloche doctor --fix {quote_word(environment.location, os.name)}` may repair it" if inside else None
        raise CommandFailed(
            f"`{program}` cannot be started: {reason_not_started(program, error)}",
            code,
            hint=repair if is_program(program) else python_file_hint(program, environment) or repair,
        ) from None
