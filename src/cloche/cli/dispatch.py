"""Run the command that a command line names, and choose the exit code for its error."""

from __future__ import annotations

import os
import sys
from _thread import get_ident, start_new_thread
from time import sleep

from cloche.cli import report
from cloche.cli.invocation import Invocation
from cloche.cli.parser import is_bare_word
from cloche.cpython import signal
from cloche.errors import ClocheError, PluginError, encoding_error, system_error
from cloche.model.value import TYPE_CHECKING
from cloche.plugins import describe_exception, load_object
from cloche.session import current_host

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from sys import UnraisableHookArgs
    from types import FrameType

    from cloche.plugins import Source


def run_command(argv: Sequence[str], started: float) -> int:
    """Run a command line and return its exit code; convert errors to text."""
    restore_handlers = install_signal_handlers()
    invocation: Invocation | None = None
    try:
        report.begin_run(hides_warnings=False)
        invocation = Invocation(argv, current_host(), started)
        report.begin_run(hides_warnings=invocation.arguments.count("quiet") > 1)
        return dispatch(invocation)
    except ClocheError as error:
        return report_error(error, invocation)
    except KeyboardInterrupt as error:  # not `Interrupted` if a plugin's command reads the keyboard itself
        code = error.exit_code if isinstance(error, Interrupted) else 130
        report.print_message("cloche: interrupted")
        if invocation is not None and invocation.wants_json:
            from cloche.cli import json_output

            json_output.print_error_json(kind="Interrupted", message="interrupted", hint=None, exit_code=code)
        return code
    except BrokenPipeError:  # the program that reads our output has closed the pipe, and knows it
        return ClocheError.exit_code
    except OSError as error:
        from cloche.apply.obstacles import remedy_for

        return report_error(system_error(error, hint=remedy_for(error)), invocation)
    except MemoryError:
        failure = ClocheError("not enough memory", hint="close other programs, or raise the limit with `ulimit -v`")
        return report_error(failure, invocation)
    except UnicodeEncodeError as error:
        if error.encoding == "utf-8":
            raise
        return report_error(encoding_error(error), invocation)
    finally:
        report.restore_stdout()
        report.clear_progress()
        restore_handlers()


def report_error(error: ClocheError, invocation: Invocation | None) -> int:
    """Print an error on standard error, with `--json` also as an object on standard output; return its exit code."""
    if invocation is not None and invocation.wants_traceback:
        from traceback import format_exc

        report.print_message(format_exc().rstrip())
    if invocation is not None:
        from cloche.cli.value_origins import hint_with_origins

        error.hint = hint_with_origins(error, invocation.unchecked_settings, invocation.arguments.operands)
    report.print_error(error)
    if invocation is not None and invocation.wants_json:
        from cloche.cli import json_output

        json_output.print_error_json(**json_output.error_json(error))
    return error.exit_code


def dispatch(invocation: Invocation) -> int:
    """Run the requested action: a plugin's command, help, the version, or one of our commands."""
    if sources := plugins_with_command(invocation):
        from cloche.cli.plugin_command import run_plugin_command

        code = run_plugin_command(sources, invocation)
        if code is not None:
            return code
    if invocation.arguments.unknown and invocation.arguments.command.name == "create":
        invocation.accept_plugin_options()
    invocation.arguments.check()
    if invocation.arguments.flag("help"):
        from cloche.cli.help import print_help

        return print_help(invocation.arguments.command, invocation)
    if invocation.arguments.flag("version"):
        return print_version(invocation)
    if not invocation.argv:
        from cloche.cli.help import short_help

        report.print_result(short_help())
        return 0
    return run_own_command(invocation)


def plugins_with_command(invocation: Invocation) -> list[Source]:
    """Return the plugins that may offer a command with the name of the first operand."""
    position = invocation.arguments.command_index
    if position < 0 or not is_bare_word(invocation.argv[position]):
        return []
    from cloche.plugins.entry_points import command_sources

    return command_sources(invocation.argv[position], sys.path)


def print_version(invocation: Invocation) -> int:
    from cloche.model import VERSION

    if invocation.wants_json:
        from cloche.cli import json_output

        json_output.print_json(version=VERSION)
    else:
        report.print_result(f"cloche {VERSION}")
    return 0


def run_own_command(invocation: Invocation) -> int:
    """Run one of our commands and return its exit code.

    It runs with a umask that denies nothing to the owner of a new file: with `umask 177`, an environment would be unusable.
    Only `run` keeps the umask, for the command that it starts.

    :raises PluginError: a plugin tried to end the process with its own exit code.
    """
    umask = os.umask(0o077)  # it can only be read by setting it
    os.umask(umask if invocation.arguments.command.name == "run" else umask & 0o077)
    try:
        code: int = load_object(invocation.arguments.command.implementation)(invocation)
    except SystemExit as error:  # our own code never raises it
        raise PluginError(
            f"a plugin ended the process: {describe_exception(error)}",
            hint="`--traceback` shows where; leave out plugins one by one with `--no-plugin NAME` to find it",
        ) from error
    finally:
        os.umask(umask)
    return code


# Signals


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to stop; unwinding the stack undoes unfinished work."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.exit_code = 128 + number


def install_signal_handlers() -> Callable[[], None]:
    """Raise `Interrupted` for signals that ask to stop; return a function that restores the previous handlers.

    After the first signal, the others are ignored until everything is undone.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        if not is_interrupted():
            raise Interrupted(number)

    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            try:
                before[number] = signal.signal(number, stop)
            except ValueError:
                break  # only the main thread of a program may set handlers
    hook = sys.unraisablehook
    sys.unraisablehook = resending_hook(hook)

    def restore() -> None:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    return restore


def is_interrupted() -> bool:
    """Return whether an `Interrupted` is being handled, which means that work is being undone."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return error is not None


def resending_hook(hook: Callable[[UnraisableHookArgs], object]) -> Callable[[UnraisableHookArgs], None]:
    """Return a hook for unraisable exceptions that sends the signal of a lost `Interrupted` again.

    Python drops exceptions in destructors and in callbacks of weak references, and a signal may arrive while one runs.
    """

    def resend(unraisable: UnraisableHookArgs) -> None:
        error = unraisable.exc_value
        if isinstance(error, Interrupted):
            start_new_thread(send_signal_later, (error.number, get_ident()))
        else:
            hook(unraisable)

    return resend


def send_signal_later(number: int, thread: int) -> None:
    """Send a signal when the destructor or callback has probably ended."""
    sleep(0.01)
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, number)  # also interrupts a system call of that thread
    else:
        signal.raise_signal(number)
