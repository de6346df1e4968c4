"""Detect the user's shell, and return the command that activates a new environment in it."""

from __future__ import annotations

import os

from cloche.cli.report import print_warnings, relative_path
from cloche.errors import ClocheError, Inexpressible
from cloche.model.value import TYPE_CHECKING
from cloche.plugins import call_component, load_object
from cloche.shells import BUILT_IN, MODULES, activation_script, find_shell, programs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable
    from typing import Any, TypeVar

    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host
    from cloche.model.plan import ChosenComponent, Result
    from cloche.shells import ShellFamily

    T = TypeVar("T")


def activation_hint(result: Result, chosen: Iterable[ChosenComponent], host: Host) -> str:
    """Return the command that activates a new environment in the user's shell; empty if there is none.

    :param chosen: the activators that generated its scripts.
    """
    environment, names = result.environment, result.plan.activators
    plugins = [activator for activator in chosen if activator.name in names and activator.name not in BUILT_IN]
    try:
        programs = {plugin.name: call_activator(plugin, programs_of) for plugin in plugins}
        program = user_program(host, {program for found in programs.values() for program in found})
        shells = [shell_of_chosen(plugin, environment) for plugin in plugins if program in programs[plugin.name]]
        shell = find_shell(program, shells, environment)
        return activation_command(shell, environment, host) if shell and shell.name in names else ""
    except ClocheError as error:  # a plugin failed, but the environment was created
        print_warnings([error.message])
        return ""


def shell_of_chosen(chosen: ChosenComponent, environment: Environment) -> ShellFamily:
    """Return the shell of a plugin's activator, with its functions guarded: an error names the plugin.

    :raises PluginError: its plugin failed.
    """
    from cloche.shells.plugin_activators import guarded, shell_of_activator

    shell = call_activator(chosen, lambda activator: shell_of_activator(activator, environment))
    return guarded(shell, lambda call: call_component(call, "activator", chosen.name, chosen.source))


def call_activator(chosen: ChosenComponent, function: Callable[[Any], T]) -> T:
    """Call a function with an activator and return its result.

    :raises PluginError: its plugin failed.
    """
    item = chosen.item
    return call_component(
        lambda: function(load_object(item) if isinstance(item, str) else item), "activator", chosen.name, chosen.source
    )


def activation_command(shell: ShellFamily, environment: Environment, host: Host) -> str:
    """Return the command that activates an environment in a shell; empty if it cannot be typed there."""
    if shell.source_line is None:
        return ""
    script = activation_script(shell, environment)
    for path in (typed_path(script, host), script) if script else ():
        try:
            line = shell.source_line(path)
        except Inexpressible:
            continue
        return line if line.isprintable() else ""
    return ""


def typed_path(path: str, host: Host) -> str:
    """Return a path as users type it, with `./` if a shell could read it as an option or a home directory."""
    path = relative_path(path, host)
    is_safe = os.path.isabs(path) or path[0].isalnum() or path[0] in "._"
    return path if is_safe else f".{os.sep}{path}"


def user_program(host: Host, of_plugins: Container[str]) -> str:
    """Return the name of the user's shell: the program that started this one if it is a shell, or the login shell.

    :param of_plugins: the names of the shells that plugins know.
    """
    parent = parent_program(host)
    return parent if parent in MODULES or parent in of_plugins else login_program(host)


def parent_program(host: Host) -> str:
    """Return the name of the program that started this one, usually a shell; empty if unknown."""
    if host.os_name == "nt":
        return "powershell" if host.environ.get("PSMODULEPATH") and not host.environ.get("PROMPT") else "cmd"
    try:
        with open(f"/proc/{os.getppid()}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def login_program(host: Host) -> str:
    """Return the name of the user's login shell; empty if unknown."""
    return os.path.basename(host.environ.get("SHELL", ""))
