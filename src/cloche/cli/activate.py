"""`cloche activate ENV`: print the command that activates an environment, or the variables that activation sets."""

from __future__ import annotations

from cloche.cli import json_output, report
from cloche.cli.default_environment import chosen_environment
from cloche.cli.user_shell import user_program
from cloche.errors import DestinationError, Inexpressible, UsageError
from cloche.lifecycle.embedded_paths.activation_scripts import shells_of_plugins
from cloche.lifecycle.reader import read_environment
from cloche.model.value import TYPE_CHECKING
from cloche.shells import DISTRIBUTIONS, activation_script, built_in_shells, find_shell, shell_of_program

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.cli.invocation import Invocation
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host
    from cloche.session import Session
    from cloche.shells import ShellFamily

UNSET = ("PYTHONHOME",)
"""Variables that activation removes."""


def activate(invocation: Invocation) -> int:
    """Print the command or the variables; return the exit code."""
    arguments, host, settings = invocation.arguments, invocation.host, invocation.settings
    shell_name = arguments.given.get("shell", ("",))[-1]
    form = arguments.given.get("print-env", ("json" if settings.flag("json") and not shell_name else "",))[-1]
    if form == "dotenv" and arguments.flag("json"):
        raise UsageError("`--json` and `--print-env dotenv` contradict each other", hint="choose one")
    if shell_name and (form or arguments.flag("json")):
        other = "print-env" if form else "json"
        raise UsageError(f"`--shell` and `--{other}` contradict each other", hint="choose one")
    report.reserve_stdout()  # plugins may print, and a shell runs what this command prints
    with invocation.open_session() as session:
        environment = read_environment(chosen_environment(invocation), host, session.probes)
        if form == "dotenv":
            lines = [f"{name}={dotenv(text)}" for name, text in variables(environment, host).items()]
            lines += [f"{name}=" for name in UNSET]  # Python ignores an empty one
        elif not form:
            shell = shell_for(shell_name, environment, session)
            lines = [activation_line(environment, *shell)]
        else:
            lines = []
    if not lines:
        json_output.print_json(set=variables(environment, host), unset=UNSET)
    report.restore_stdout()  # `--print-env` overrides the variable `CLOCHE_JSON`
    for line in lines:
        report.print_result(line)
    return 0


def shell_for(requested: str, environment: Environment, session: Session) -> tuple[str, ShellFamily]:
    """Return a shell with its name: the requested one, or by default the one that runs this process.

    :raises UsageError: no activator supports the shell, or the current shell cannot be detected.
    """
    plugins, built_in = shells_of_plugins(session, environment), built_in_shells()
    name = requested or user_program(session.host, {program for shell in plugins for program in shell.programs})
    shell = find_shell(name, plugins, environment)
    if shell is None and requested:
        shell = activator_shell(name, (*plugins, *built_in))
    if shell is not None and shell.source_line is not None:
        return name, shell
    known = shell_of_program(name)
    distribution = DISTRIBUTIONS.get(known.name) if known else None
    supported = {program for one in (*built_in, *plugins) if one.source_line for program in one.programs}
    remedy = f"choose one of {', '.join(sorted(supported))}" if requested else "name a shell with `--shell`"
    raise UsageError(
        f"no activator supports the shell `{name}`" if name else "cannot detect the current shell",
        hint=(f"install `{distribution}` in cloche's environment" if distribution else remedy)
        + ", or print the variables with `--print-env json` or `--print-env dotenv`",
    )


def activator_shell(name: str, shells: Iterable[ShellFamily]) -> ShellFamily | None:
    """Return the first shell whose activator has this name; None if there is none."""
    return next((shell for shell in shells if shell.name == name), None)


def activation_line(environment: Environment, program: str, shell: ShellFamily) -> str:
    """Return the command that activates an environment in a shell, from any directory.

    :raises DestinationError: the environment has no script for that shell.
    :raises Inexpressible: the shell cannot express the script's path.
    """
    script = activation_script(shell, environment)
    if not script or shell.source_line is None:
        raise DestinationError(
            f"`{environment.location}` has no activation script for `{program}`",
            hint="use `cloche run` or `--print-env`, which need no script",
        )
    return shell.source_line(script)


def variables(environment: Environment, host: Host) -> dict[str, str]:
    """Return the variables that activation sets."""
    from cloche.lifecycle.run import activation_variables

    return activation_variables(environment, host)


def dotenv(text: str) -> str:
    """Return a value for a `.env` file, in single quotes, so that parsers expand nothing in it.

    :raises Inexpressible: the value contains a quote, a line break, `${` or `\\\\`, which parsers read differently.
    """
    for piece, name in (
        ("'", "a quote"),
        ("\n", "a line break"),
        ("\r", "a line break"),
        ("${", "`${`"),
        ("\\\\", "`\\\\`"),
    ):
        if piece in text:
            raise Inexpressible(f"a `.env` file cannot contain {name}", hint="use `--print-env json`")
    return f"'{text}'"
