"""The plugin: it names the command `cloche virtualenv-shim`, and loads nothing of it."""

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
