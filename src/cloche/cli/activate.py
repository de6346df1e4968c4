"""`cloche activate ENV`: the command that activates an environment in a shell, or for others what activation sets."""

from __future__ import annotations

import os

from cloche.cli import report
from cloche.cli.user_shell import login_program, parent_program
from cloche.errors import DestinationError, Inexpressible, UsageError
from cloche.lifecycle.activation_scripts import shells_of_plugins
from cloche.lifecycle.reader import read
from cloche.model.value import TYPE_CHECKING
from cloche.shells.family import MODULES, built_in_shells, shell_of_program, shell_with_program
from cloche.shells.plugin_shells import DISTRIBUTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.cli.invocation import Invocation
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host
    from cloche.session import Session
    from cloche.shells.family import ShellFamily

GONE = ("PYTHONHOME",)
"""Variables that activation takes away."""


def activate(invocation: Invocation) -> int:
    words, host, settings = invocation.arguments, invocation.host, invocation.settings
    form = words.given.get("print-env", ("json" if settings.flag("json") else "",))[-1]
    if form == "dotenv" and words.flag("json"):
        raise UsageError("`--json` and `--print-env dotenv` contradict each other", hint="choose one")
    with invocation.open_session() as session:
        environment = read(words.operands[0], host, session.probes)
        if form == "dotenv":
            lines = [f"{name}={dotenv(text)}" for name, text in variables(environment, host).items()]
            lines += [f"{name}=" for name in GONE]  # an empty one is none for Python
        elif not form:
            shell = shell_for(words.given.get("shell", ("",))[-1], environment, session)
            lines = [activation_line(environment, *shell)]
        else:
            lines = []
    if not lines:
        report.print_json(set=variables(environment, host), unset=GONE)
    report.restore_stdout()  # a variable that asks for JSON is weaker than `--print-env`
    for line in lines:
        report.print_result(line)
    return 0


def shell_for(asked: str, environment: Environment, session: Session) -> tuple[str, ShellFamily]:
    """Return the shell that was asked for, or else the one that runs this, with its name.

    :raises UsageError: no activator serves it.
    """
    host, built_in = session.host, built_in_shells()
    name = asked or parent_program(host)
    shell = shell_with_program(name, built_in) or (activator_shell(name, built_in) if asked else None)
    if shell is None:
        plugins = shells_of_plugins(session, environment)
        shell = shell_with_program(name, plugins) or (activator_shell(name, plugins) if asked else None)
        if shell is None and not asked and name not in MODULES:
            name = login_program(host)
            shell = shell_with_program(name, (*plugins, *built_in))
    if shell is not None and shell.source_line is not None:
        return name, shell
    known = shell_of_program(name)
    distribution = DISTRIBUTIONS.get(known.name) if known else None
    raise UsageError(
        f"no activator serves the shell `{name}`" if name else "cannot tell which shell runs this",
        hint=(f"install `{distribution}` beside cloche" if distribution else "name a shell with `--shell`")
        + ", or take the variables: `--print-env json`, `--print-env dotenv`",
    )


def activator_shell(name: str, shells: Iterable[ShellFamily]) -> ShellFamily | None:
    """Return the first of some shells whose activator has a name."""
    return next((shell for shell in shells if shell.name == name), None)


def activation_line(environment: Environment, program: str, shell: ShellFamily) -> str:
    """Return the command that activates an environment in a shell, from any directory.

    :raises DestinationError: the environment has no script for that shell.
    :raises Inexpressible: the shell cannot write the script's path.
    """
    directory = environment.path_to(environment.layout.bin)
    names = {name.lower(): name for name in sorted(os.listdir(directory), reverse=True)}  # `venv` writes `Activate.ps1`
    script = shell.script_names[0].lower()
    if script not in names or shell.source_line is None:
        raise DestinationError(
            f"`{environment.location}` has no script for `{program}`", hint="`cloche run` and `--print-env` need none"
        )
    return shell.source_line(environment.path_to(f"{environment.layout.bin}/{names[script]}"))


def variables(environment: Environment, host: Host) -> dict[str, str]:
    """Return what activation sets."""
    from cloche.lifecycle.run import active

    after = active(environment, host)
    return {name: after[name] for name in ("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PATH")}


def dotenv(text: str) -> str:
    """Return a value as all readers of `.env` files agree on it: between single quotes, where nothing is expanded.

    :raises Inexpressible: they do not agree: there is a quote, a line break, a `${`, or what may be an escape.
    """
    for piece, name in (
        ("'", "a quote"),
        ("\n", "a line break"),
        ("\r", "a line break"),
        ("${", "`${`"),
        ("\\\\", "`\\\\`"),
    ):
        if piece in text:
            raise Inexpressible(f"a `.env` file cannot hold {name}", hint="`--print-env json` can")
    return f"'{text}'"
