"""Run the command that a command line names; the one place that turns an error into text and an exit code."""

from __future__ import annotations

import sys

from cloche.api import current_host
from cloche.cli import report
from cloche.cli.commands import COMMANDS
from cloche.cli.invocation import Invocation
from cloche.cpython import signal
from cloche.errors import ClocheError, PluginError, reason_of
from cloche.model.value import TYPE_CHECKING
from cloche.plugins.guard import cause, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from sys import UnraisableHookArgs
    from types import FrameType
    from typing import Literal

    from cloche.plugins.guard import Source


def run_command(argv: Sequence[str], started: float) -> int:
    """Run a command line and return its exit code; this is where errors become text."""
    stop_listening = listen()
    invocation: Invocation | None = None
    try:
        invocation = Invocation(argv, current_host(), started)
        return dispatch(invocation)
    except ClocheError as error:
        if invocation is not None and invocation.wants_traceback:
            from traceback import format_exc

            report.say(format_exc().rstrip())
        report.error(error)
        return error.exit_code
    except KeyboardInterrupt as error:  # not by a signal where a plugin's command reads the keys itself
        report.say("cloche: interrupted")
        return error.exit_code if isinstance(error, Interrupted) else 130
    except BrokenPipeError:  # the reader of our output has closed it
        return 0
    except OSError as error:
        where = f" (`{error.filename}`)" if error.filename else ""
        report.error(ClocheError(f"the system refused: {reason_of(error)}{where}"))
        return ClocheError.exit_code
    finally:
        report.release()
        report.pass_on()
        stop_listening()


def dispatch(invocation: Invocation) -> int:
    """Run what a command line asks for: a plugin's command, help, the version, or one of our commands."""
    if sources := plugins_with_command(invocation):
        from cloche.cli.plugin_command import run_plugin_command

        code = run_plugin_command(sources, invocation)
        if code is not None:
            return code
    if invocation.arguments.unknown and invocation.arguments.command.name == "create":
        invocation.accept_plugin_options()
    invocation.arguments.check()
    if invocation.arguments.flag("help"):
        return print_help(invocation)
    if invocation.arguments.flag("version"):
        return print_version()
    return run_own_command(invocation)


def plugins_with_command(invocation: Invocation) -> list[Source]:
    """Return the plugins that may offer a command with the name of the first operand."""
    position = invocation.arguments.first
    if position < 0 or not is_command_name(invocation.argv[position]):
        return []
    from cloche.plugins.entry_points import command_sources

    return command_sources(invocation.argv[position], sys.path)


def is_command_name(word: str) -> bool:
    """Return whether a word may name a plugin's command: `.venv` and `./venv` may not, and cost nothing."""
    return word[:1].isalpha() and word not in COMMANDS and "/" not in word and "\\" not in word


def print_help(invocation: Invocation) -> int:
    from cloche.cli.help import help_text

    command = invocation.arguments.command
    spellings: Literal["all", "ours"] = "all" if invocation.arguments.count("verbose") else "ours"
    if command.name == "create":
        report.tell(help_text(command, invocation.plugin_options, invocation.plugin_commands, spellings))
    else:
        report.tell(help_text(command, spellings=spellings))
    return 0


def print_version() -> int:
    from cloche.model import VERSION

    report.tell(f"cloche {VERSION}")
    return 0


def run_own_command(invocation: Invocation) -> int:
    """:raises PluginError: a plugin ends the process, which would decide on the exit code."""
    try:
        code: int = resolve(invocation.arguments.command.implementation)(invocation)
    except SystemExit as error:  # our own code never raises it
        raise PluginError(
            f"a plugin ended the run: {cause(error)}",
            hint="find out which with `--no-plugin NAME`; `--traceback` tells where",
        ) from error
    return code


# Signals


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to stop; unwinding the stack undoes what is half-done."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.exit_code = 128 + signal


def listen() -> Callable[[], None]:
    """Turn the signals that ask to stop into `Interrupted`; return what ends that, and puts back what was there.

    Once one has come the others wait until all is undone.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        if not undoing():
            raise Interrupted(number)

    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            try:
                before[number] = signal.signal(number, stop)
            except ValueError:
                break  # only the main thread of a program may listen
    hook = sys.unraisablehook
    sys.unraisablehook = insist(hook)

    def deafen() -> None:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    return deafen


def undoing() -> bool:
    """Return whether an interruption is being handled: what is half-done is then being undone."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return error is not None


def insist(hook: Callable[[UnraisableHookArgs], object]) -> Callable[[UnraisableHookArgs], None]:
    """Return a hook for exceptions that nobody can catch, which raises a lost `Interrupted` once more.

    A signal may come while a destructor or a weak reference's callback runs, and Python drops what these raise. So it is
    raised again by the next call or return that is none of the hook's own.
    """

    def lost(unraisable: UnraisableHookArgs) -> None:
        error = unraisable.exc_value
        if not isinstance(error, Interrupted):
            hook(unraisable)
            return

        def again(frame: FrameType, event: str, argument: object) -> None:
            if frame.f_code is not lost.__code__:
                raise error

        sys.setprofile(again)

    return lost
