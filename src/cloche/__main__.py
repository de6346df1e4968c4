"""`cloche` and `python -m cloche`: run a command and return its exit code."""

from __future__ import annotations

import sys
from time import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

STARTED = perf_counter()


def remove_current_directory_from_path() -> None:
    """Remove relative paths and the current directory, which `python -m` adds, from `sys.path`: it is not trusted."""
    from os import getcwd
    from os.path import isabs

    try:
        here = getcwd()
    except OSError:
        here = ""
    first = sys.path[:1] if __name__ == "__main__" else []
    entries: list[object] = [*sys.path]
    sys.path[:] = [
        entry for entry in entries if isinstance(entry, str) and isabs(entry) and not (entry == here and entry in first)
    ]


STREAMS = ("stdin", "stdout", "stderr")


def open_missing_streams() -> None:
    """Open the null device for streams that the caller closed; otherwise the next file to open would get their number.

    Standard output is opened for reading, so that a result which cannot be printed is an error, as on a full disk.
    """
    import os

    for name in STREAMS:
        if getattr(sys, name) is None:  # `os.open` returns the lowest free number, which is the stream's
            descriptor = os.open(os.devnull, os.O_RDONLY if name == "stdout" else os.O_RDWR)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))  # never closed


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, that of an error (see `cloche.errors`), or 130 if interrupted."""
    argv = sys.argv[1:] if argv is None else argv
    if any(getattr(sys, name) is None for name in STREAMS):
        open_missing_streams()
    remove_current_directory_from_path()
    if argv in (["--version"], ["-V"]):
        from cloche.model import VERSION

        try:
            sys.stdout.write(f"cloche {VERSION}\n")
            sys.stdout.flush()
            return 0
        except OSError:
            pass  # the normal path hits the same error and reports it
    try:
        from cloche.cli.dispatch import run_command

        return run_command(argv, STARTED)
    except (ImportError, OSError) as error:  # `run_command` reports all other errors
        if "--traceback" in argv:
            raise
        return report_import_error(error, wants_json="--json" in argv)


def report_import_error(error: ImportError | OSError, *, wants_json: bool) -> int:
    """Report that a module cannot be imported or read, without the modules that report other errors."""
    from cloche.errors import ClocheError, reason_of

    where = f" (`{error.filename}`)" if isinstance(error, OSError) else ""
    problem = ClocheError(
        f"cannot import a module: {reason_of(error)}{where}",
        hint=f"reinstall cloche, and check that `{sys.executable}` is intact; `--traceback` shows the import",
    )
    sys.stderr.write(f"cloche: error: {problem.message}\nhint: {problem.hint}\n")
    if wants_json:
        try:
            from cloche.cli.json_output import error_json, print_error_json

            print_error_json(**error_json(problem))
        except (ImportError, OSError):
            pass  # the same module again
    return problem.exit_code


def run() -> NoReturn:
    """Run the console script and end the process. Programs that continue afterwards call `main` instead.

    Freeing every object takes longer than creating some environments, and the system frees the memory anyway. So the
    process ends as soon as the exit callbacks have run, unless a thread, a debugger or a profiler needs an orderly exit.

    Before cloche handles signals, and after it has finished, there is nothing to undo, and Ctrl-C just ends the process.
    """
    import gc

    from cloche.cpython import run_exit_callbacks, signal

    gc.set_threshold(1_000_000)  # most runs create fewer objects than that, and none leaves cycles worth looking for
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = main()
    is_over = not needs_orderly_exit() and run_exit_callbacks()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        sys.exit(code)  # Python reports the error
    if is_over:
        from os import _exit

        _exit(code)
    sys.exit(code)


def needs_orderly_exit() -> bool:
    """Return whether something needs an orderly exit: running threads, a debugger, a profiler."""
    threading = sys.modules.get("threading")
    return (
        (threading is not None and threading.active_count() > 1)
        or bool(sys.flags.interactive)
        or sys.getprofile() is not None
        or sys.gettrace() is not None
    )


if __name__ == "__main__":
    run()
