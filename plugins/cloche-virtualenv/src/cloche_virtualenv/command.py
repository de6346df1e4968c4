"""The command `cloche virtualenv-shim install | remove | status ENV`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from cloche.model.value import fields
from cloche_virtualenv import installer

if TYPE_CHECKING:
    from cloche import Host
    from cloche_virtualenv.installer import Status


def main(argv: list[str], host: Host) -> int:
    """Run the command and return the exit code.

    :raises ClocheError: the command failed; the environment is unchanged.
    """
    parser = argparse.ArgumentParser(
        prog="cloche virtualenv-shim",
        description="Let a tool that calls virtualenv create its environments with cloche.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="install | remove | status")
    for name, text in (
        ("install", "install a stand-in for virtualenv into the tool's environment; the original is kept"),
        ("remove", "remove the stand-in and restore the original"),
        ("status", "show which virtualenv is installed"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("environment", metavar="ENV", help="the environment that the tool is installed in")
        action.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    actions_by_name = {"install": installer.install, "remove": installer.remove, "status": installer.status}
    status = actions_by_name[arguments.action](arguments.environment)
    text = json.dumps({"schema_version": 1, **fields(status)}, indent=2) if arguments.json else text_of(status)
    encoding = sys.stdout.encoding or "utf-8"  # a path may contain characters that the terminal cannot display
    print(text.encode(encoding, "backslashreplace").decode(encoding))
    return 0


def text_of(status: Status) -> str:
    """Return the status as text for the terminal."""
    kept = f"; virtualenv {status.kept} is kept aside" if status.kept else ""
    if status.installed:
        modules = ", ".join(f"{name} from {directory}" for name, directory in status.borrowed.items())
        borrowed = f"\nborrowed: {modules}" if modules else ""
        return f"{status.environment}: cloche stands in for virtualenv {status.announced}{kept}{borrowed}"
    found = f"virtualenv {status.announced}" if status.announced else "no virtualenv"
    if status.replaced:
        return f"{status.environment}: {found}, installed over the stand-in{kept}"
    return f"{status.environment}: {found}, no stand-in"
