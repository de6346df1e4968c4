"""The plugin, which registers the command `cloche virtualenv-shim` without importing it."""

from __future__ import annotations

from cloche import Command, hookimpl


@hookimpl
def cloche_commands() -> list[Command]:
    return [
        Command(
            "virtualenv-shim",
            "install | remove | status: let a tool that calls virtualenv use cloche",
            "cloche_virtualenv.command:main",
        )
    ]
