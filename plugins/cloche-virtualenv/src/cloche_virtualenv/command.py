"""`cloche virtualenv-shim install | remove | status ENV`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from cloche.cli.report import print_result
from cloche.model.value import fields
from cloche_virtualenv import shim

if TYPE_CHECKING:
    from cloche import Host
    from cloche_virtualenv.shim import Status


def main(argv: list[str], host: Host) -> int:
    """Run the command and return the exit code.

    :raises ClocheError: a refusal or failure; the environment is as it was.
    """
    parser = argparse.ArgumentParser(
        prog="cloche virtualenv-shim", description="Let a tool that calls virtualenv make its environments with cloche."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="install | remove | status")
    for name, text in (
        ("install", "put a stand-in for virtualenv into the tool's environment; what is there is kept"),
        ("remove", "put back what was there"),
        ("status", "tell what is there"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("environment", metavar="ENV", help="the environment that the tool is installed in")
        action.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    try:
        asked = parser.parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    told = {"install": shim.install, "remove": shim.remove, "status": shim.status}[asked.action](asked.environment)
    print_result(json.dumps({"schema_version": 1, **fields(told)}, indent=2) if asked.json else sentence(told))
    return 0


def sentence(status: Status) -> str:
    """Return what stands for virtualenv in an environment, in words."""
    kept = f"; virtualenv {status.kept} is kept aside" if status.kept else ""
    if status.installed:
        borrowed = f"\nborrowed: {', '.join(f'{name} from {place}' for name, place in status.borrowed.items())}"
        return f"{status.environment}: cloche stands in for virtualenv, as version {status.announced}{kept}" + (
            borrowed if status.borrowed else ""
        )
    there = f"virtualenv {status.announced}" if status.announced else "no virtualenv"
    if status.replaced:
        return f"{status.environment}: {there}, installed over the stand-in since{kept}"
    return f"{status.environment}: {there}, no stand-in"
