"""`cloche activate ENV`: the line that activates an environment in a shell, or what activation sets, for any other."""

from __future__ import annotations

import os

from cloche.cli import report
from cloche.errors import DestinationError, Inexpressible, UsageError
from cloche.lifecycle.reader import read
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from cloche.cli.invocation import Invocation
    from cloche.cli.parser import ParsedArguments
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host
    from cloche.session import Session

GONE = ("PYTHONHOME",)
"""Variables that activation takes away."""

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")
"""What means nothing but itself in any shell, in the path of a script."""


def activate(invocation: Invocation) -> int:
    words, host, settings = invocation.arguments, invocation.host, invocation.settings
    form = words.given.get("print-env", ("json" if settings.flag("json") else "",))[-1]
    if form == "dotenv" and words.flag("json"):
        raise UsageError("`--json` and `--print-env dotenv` contradict each other", hint="choose one")
    with invocation.open_session() as session:
        environment = read(words.operands[0], host, session.probes)
        if form == "dotenv":
            said = [f"{name}={dotenv(text)}" for name, text in variables(environment, host).items()]
            said += [f"{name}=" for name in GONE]  # an empty one is none for Python
        elif not form:
            said = [line(environment, shell_of(words, host), session)]
        else:
            said = []
    if not said:
        report.print_json(set=variables(environment, host), unset=GONE)
    report.restore_stdout()  # a variable that asks for JSON is weaker than `--print-env`
    for one in said:
        report.print_result(one)
    return 0


def shell_of(words: ParsedArguments, host: Host) -> str:
    """Return the name of the shell that was asked for, or of the one that runs this.

    :raises UsageError: nobody knows it.
    """
    shell: str = words.given.get("shell", (report.current_shell(host),))[-1]
    if shell in report.SHELLS:
        return shell
    raise UsageError(
        f"nobody knows how to activate in `{shell}`" if shell else "nobody knows which shell this is",
        hint="name one with `--shell`, or take the variables: `--print-env json`, `--print-env dotenv`",
    )


def line(environment: Environment, shell: str, session: Session) -> str:
    """Return the command that activates an environment in a shell, from any directory.

    :raises DestinationError: the environment has no script for that shell.
    :raises Inexpressible: the shell cannot write the script's path.
    """
    how = report.SHELLS[shell]
    directory = environment.place(environment.layout.bin)
    names = {name.lower(): name for name in sorted(os.listdir(directory), reverse=True)}  # `venv` writes `Activate.ps1`
    if how.script not in names:
        raise DestinationError(
            f"`{environment.location}` has no script for `{shell}`",
            hint="`cloche run` and `--print-env` need none",
        )
    path = environment.place(f"{environment.layout.bin}/{names[how.script]}")
    return how.line.format(quoted(path, how.activator, session))


def quoted(path: str, activator: str, session: Session) -> str:
    """Return a path as one word, by the quoter of the shell's activator where it has to be quoted at all."""
    if activator == "batch":
        if '"' in path or "%" in path:
            raise Inexpressible("the Windows command prompt cannot hold `%` in the name of a script")
        return f'"{path}"'
    if PLAIN.issuperset(path):
        return path
    for one in session.registry.all("activator"):
        if one.name == activator:
            word: str = one.load().quote(path)
            return word
    from cloche.lifecycle.activation_scripts import dialects

    return dialects({})[activator].quote(path)


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
