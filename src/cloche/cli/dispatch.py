"""Run the command that a command line names; the one place that turns an error into text and an exit code."""

from __future__ import annotations

import sys

from cloche.cli import report
from cloche.cli.commands import COMMANDS
from cloche.cpython import signal
from cloche.errors import ClocheError, PluginError, UsageError, reason_of
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from sys import UnraisableHookArgs
    from types import FrameType


class Interrupted(KeyboardInterrupt):
    """A signal that asks to stop, whichever; unwinding undoes what is half-done."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.exit_code = 128 + signal


def run_command(argv: Sequence[str], started: float) -> int:
    """Run a command line and return its exit code."""
    deafen = listen()
    try:
        return dispatch(argv, started)
    except ClocheError as problem:
        if wants_traceback(argv):
            from traceback import format_exc

            report.say(format_exc().rstrip())
        report.error(problem)
        return problem.exit_code
    except KeyboardInterrupt as stop:  # without a signal where a plugin's command reads the keys itself
        report.say("cloche: interrupted")
        return stop.exit_code if isinstance(stop, Interrupted) else 130
    except BrokenPipeError:  # whoever reads our output has seen enough
        return 0
    except OSError as problem:
        where = f" (`{problem.filename}`)" if problem.filename else ""
        report.error(ClocheError(f"the system refused: {reason_of(problem)}{where}"))
        return ClocheError.exit_code
    finally:
        report.release()
        report.pass_on()
        deafen()


def wants_traceback(argv: Sequence[str]) -> bool:
    """Return whether any source asks for it, in any spelling; the error may be that the others make no sense."""
    if "--traceback" in argv or "--with-traceback" in argv:
        return True
    from cloche.api import current_host
    from cloche.cli.commands import COMMON, VIRTUALENV
    from cloche.cli.parser import ParsedArguments
    from cloche.cli.settings import resolve

    spellings = [option for option in (*COMMON, *VIRTUALENV) if option.name in ("traceback", "with-traceback")]
    try:
        return resolve(ParsedArguments(COMMANDS["create"], {}, ()), current_host(), spellings).flag("traceback")
    except UsageError:
        return False


def dispatch(argv: Sequence[str], started: float) -> int:
    from cloche.api import current_host
    from cloche.cli.parser import first_operand, parse
    from cloche.plugins.guard import cause, resolve

    host = current_host()
    first = first_operand(argv) if argv and argv[0][:1] == "-" else 0
    if first < len(argv) and may_be_foreign(argv[first]):
        from cloche.cli.plugin_command import run_foreign

        foreign = run_foreign(argv[first], argv[:first], argv[first + 1 :], host)
        if foreign is not None:
            return foreign
    try:
        words = parse(argv)
    except UsageError:
        from cloche.cli.plugin_options import declared

        if not (extra := declared(argv, host)):
            raise
        words = parse(argv, extra)
    if words.flag("help"):
        from cloche.cli.help import help_text
        from cloche.cli.plugin_options import commands, declared

        main = words.verb.name == "create"
        given = commands(argv, host) if main else ()
        extra = declared(argv, host) if main else ()
        report.tell(help_text(words.verb, extra, given, "all" if words.count("verbose") else "ours"))
        return 0
    if words.flag("version"):
        from cloche.model import VERSION

        report.tell(f"cloche {VERSION}")
        return 0
    try:
        code: int = resolve(words.verb.implementation)(words, host, argv, started)
    except SystemExit as error:  # none of ours raises it, and whoever does must not decide on the exit code
        raise PluginError(
            f"a plugin ended the run: {cause(error)}",
            hint="find out which with `--no-plugin NAME`; `--traceback` tells where",
        ) from error
    return code


def may_be_foreign(word: str) -> bool:
    """Return whether a command line's first operand may be a command that a plugin gives: a name, and none of ours.

    `.venv` and `./venv` cannot, and cost nothing; only a bare name has plugins looked through.
    """
    return word[:1].isalpha() and word not in COMMANDS and "/" not in word and "\\" not in word


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
