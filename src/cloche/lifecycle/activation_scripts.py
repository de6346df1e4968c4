"""Activation scripts of any maker: which shell reads each, which root it records, and how it is made to name another."""

from __future__ import annotations

import re

from cloche.errors import ClocheError
from cloche.model.value import TYPE_CHECKING, replace
from cloche.plugins.guard import guarded
from cloche.shells import plugin_shells
from cloche.shells.family import BUILT_IN, built_in_shells, shell_of_activator
from cloche.shells.words import Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from cloche.model.environment import Environment
    from cloche.plugins.components import Component
    from cloche.session import Session
    from cloche.shells.family import ShellFamily

    T = TypeVar("T")


def shells_by_script(names: Iterable[str], environment: Environment, session: Session) -> Mapping[str, ShellFamily]:
    """Return the shells that read activation scripts, by the scripts' file names in lower case.

    :param names: the files beside the environment's Python: plugins are loaded only if there is a script among them that
        may be theirs.
    """
    built_in = by_script(built_in_shells())
    if any("activate" in name.lower() and name.lower() not in built_in for name in names):
        return {**by_script(plugin_shells.SHELLS), **by_script(shells_of_plugins(session, environment)), **built_in}
    return {**by_script(plugin_shells.SHELLS), **built_in}


def by_script(shells: Iterable[ShellFamily]) -> dict[str, ShellFamily]:
    return {name.lower(): shell for shell in shells for name in shell.script_names}


def shells_of_plugins(session: Session, environment: Environment) -> list[ShellFamily]:
    """Return the shells that activators of plugins serve; a plugin that fails is left out, with a warning."""
    location = "C:\\environment" if environment.os_name == "nt" else "/environment"
    plain = replace(environment, location=location, prompt="environment")  # no shell has trouble with that
    found = []
    try:
        activators = [one for one in session.registry.all("activator") if one.name not in BUILT_IN]
    except ClocheError as error:
        session.warn([error.message])
        return []
    for one in activators:
        try:
            found.append(shell_of_component(one, plain, session))
        except ClocheError as error:
            session.warn([error.message])
    return found


def shell_of_component(one: Component, environment: Environment, session: Session) -> ShellFamily:
    """Return the shell of a plugin's activator, with the plugin named where one of its functions fails.

    :raises PluginError: the plugin failed.
    """

    def guard(call: Callable[[], T]) -> T:
        return guarded(call, "activator", one.name, one.source)

    shell = guard(lambda: shell_of_activator(one.load(), environment))
    source_line = shell.source_line

    def read_words(line: str) -> list[Word]:
        try:
            return guard(lambda: list(shell.read_words(line)))
        except ClocheError as error:
            session.warn([error.message])
            return []

    return replace(
        shell,
        quote=lambda text: guard(lambda: shell.quote(text)),
        read_words=read_words,
        source_line=None if source_line is None else lambda path: guard(lambda: source_line(path)),
    )


def recorded_roots(text: str, shell: ShellFamily) -> list[str]:
    """Return the absolute paths that an activation script takes for the environment's own."""
    return [
        word.text
        for line in split_lines(text)
        for word in shell.read_words(line)
        if BEFORE_ROOT.search(line[: word.start]) and ABSOLUTE.match(word.text)
    ]


BEFORE_ROOT = re.compile(
    r"(?:virtual_?env|virtual_root)[\"']?\s*(?::?=\s*|\s)(?:r#+)?(?:\$\(cygpath\s+(?:-\w\s+)?)?\Z", re.IGNORECASE
)
"""What stands directly before the root in an assignment, in any shell."""

ABSOLUTE = re.compile(r"(/(?!dev/).|[A-Za-z]:[\\/].)")


def rewrite_script(text: str, shell: ShellFamily, change: Callable[[str, str], str]) -> str:
    """Return a script in which `change` was applied to what every word stands for.

    `change` is given that and the line it is on. Each line is read by itself: an apostrophe in a comment opens no quote
    that later lines would close. A word that the shell cannot write there stays as it was.
    """
    return "".join(rewrite_line(line, shell, change) for line in split_lines(text))


def rewrite_line(line: str, shell: ShellFamily, change: Callable[[str, str], str]) -> str:
    changed = line
    for word in reversed([*shell.read_words(line)]):  # from the end, so that the positions before it stay true
        new = change(word.text, line)
        if new == word.text:
            continue
        try:
            quoted = shell.quote(new)
        except ClocheError:  # it cannot be written in this shell, or a plugin failed
            continue
        proposed = changed[: word.start] + quoted + changed[word.end :]
        if Word(word.start, word.start + len(quoted), new) in shell.read_words(proposed):
            changed = proposed
    return changed


def split_lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)
