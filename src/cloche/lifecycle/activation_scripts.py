"""Activation scripts of any creator: their shells, the roots that they record, and how to replace those roots."""

from __future__ import annotations

import re
import sys

from cloche.errors import ClocheError
from cloche.fs import lines_of
from cloche.model.value import TYPE_CHECKING, replace
from cloche.plugins import call_component
from cloche.plugins.entry_points import find_sources
from cloche.shells import BUILT_IN, built_in_shells, plugin_shells, shell_of_activator
from cloche.shells.words import Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeVar

    from cloche.model.environment import Environment
    from cloche.plugins.components import Component
    from cloche.session import Session
    from cloche.shells import ShellFamily

    T = TypeVar("T")


def shells_by_script(names: Iterable[str], environment: Environment, session: Session) -> Mapping[str, ShellFamily]:
    """Return the shells of activation scripts, by the file name of the script in lower case.

    :param names: the files in the environment's directory of executables. Plugins are loaded only if one of these may
        be the script of a plugin.
    """
    built_in = index_by_script(built_in_shells())
    may_be_of_plugin = any("activate" in name.lower() and name.lower() not in built_in for name in names)
    if may_be_of_plugin and find_sources(sys.path):  # uv writes the scripts of plugins, and few people have these
        return {
            **index_by_script(plugin_shells.SHELLS),
            **index_by_script(shells_of_plugins(session, environment)),
            **built_in,
        }
    return {**index_by_script(plugin_shells.SHELLS), **built_in}


def index_by_script(shells: Iterable[ShellFamily]) -> dict[str, ShellFamily]:
    """Return shells by the file names of their scripts, in lower case."""
    return {name.lower(): shell for shell in shells for name in shell.script_names}


def shells_of_plugins(session: Session, environment: Environment) -> list[ShellFamily]:
    """Return the shells of the activators that plugins provide; a plugin that fails is left out, with a warning."""
    location = "C:\\environment" if environment.os_name == "nt" else "/environment"
    plain = replace(environment, location=location, prompt="environment")  # every shell can quote these
    found = []
    try:
        activators = [component for component in session.registry.all("activator") if component.name not in BUILT_IN]
    except ClocheError as error:
        session.warn([error.message])
        return []
    for component in activators:
        try:
            found.append(shell_of_component(component, plain, session))
        except ClocheError as error:
            session.warn([error.message])
    return found


def shell_of_component(component: Component, environment: Environment, session: Session) -> ShellFamily:
    """Return the shell of a plugin's activator, with its functions guarded: an error names the plugin.

    :raises PluginError: the plugin failed.
    """

    def guard(call: Callable[[], T]) -> T:
        return call_component(call, "activator", component.name, component.source)

    shell = guard(lambda: shell_of_activator(component.load(), environment))
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


def roots_in_script(text: str, shell: ShellFamily) -> list[str]:
    """Return the absolute paths that an activation script assigns to variables as the root of its environment."""
    return [
        word.text
        for line in lines_of(text)
        if "virtual" in line.lower()  # most lines do not contain it, and reading words takes time
        for word in shell.read_words(line)
        if BEFORE_ROOT.search(line[: word.start]) and ABSOLUTE.match(word.text)
    ]


BEFORE_ROOT = re.compile(
    r"(?:virtual_?env|virtual_root)[\"']?\s*(?::?=\s*|\s)(?:r#+)?(?:\$\(cygpath\s+(?:-\w\s+)?)?\Z", re.IGNORECASE
)
"""The text directly before the root in an assignment, in any shell."""

ABSOLUTE = re.compile(r"(/(?!dev/).|[A-Za-z]:[\\/].)")


def rewrite_script(text: str, shell: ShellFamily, change: Callable[[str, str], str]) -> str:
    """Return a script in which the text of each word is replaced by `change(text, line)`.

    Each line is parsed on its own, so an apostrophe in a comment does not start a quote that spans lines. A word that the
    shell cannot express at its position is left unchanged.
    """
    return "".join(rewrite_line(line, shell, change) for line in lines_of(text))


def rewrite_line(line: str, shell: ShellFamily, change: Callable[[str, str], str]) -> str:
    """Return one line of a script, as `rewrite_script` does."""
    changed = line
    for word in reversed([*shell.read_words(line)]):  # from the end, so that earlier positions stay valid
        new = change(word.text, line)
        if new == word.text:
            continue
        for quoted in spellings(line[word.start : word.end], new, shell):
            proposed = changed[: word.start] + quoted + changed[word.end :]
            if Word(word.start, word.start + len(quoted), new) in shell.read_words(proposed):
                changed = proposed
                break
    return changed


def spellings(old: str, new: str, shell: ShellFamily) -> Iterator[str]:
    """Yield how a shell may spell a word, best first: in the quotes that it had, if nothing in it is special in them.

    :param old: how the word is spelled now.
    """
    if (quotes := QUOTES.fullmatch(old)) and PLAIN.fullmatch(new):
        yield quotes["start"] + new + quotes["end"]
    try:
        yield shell.quote(new)
    except ClocheError:  # the shell cannot express it, or a plugin failed
        return


QUOTES = re.compile(r"""(?P<start>(?:r#+)?(?P<quote>['"])).*(?P<end>(?P=quote)#*)""", re.DOTALL)
"""A word in quotes; nushell writes `r#'...'#`."""

PLAIN = re.compile(r"[\w./+@:,~ ()-]+")
"""Text that every shell reads literally in single and in double quotes."""
