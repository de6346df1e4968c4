"""Activation scripts of any tool: their shells, the roots that they record, and how to replace those roots."""

from __future__ import annotations

import re
import sys

from cloche.errors import ClocheError
from cloche.fs import lines_of
from cloche.lifecycle.relocation import continuation
from cloche.model.value import TYPE_CHECKING, replace
from cloche.plugins import call_component
from cloche.plugins.entry_points import find_sources
from cloche.shells import BUILT_IN, built_in_shells, csh, known_shells_of_plugins, posix, quote_as_shlex
from cloche.shells.plugin_activators import guarded, shell_of_activator
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
        be the script of a plugin: a script with the name of a built-in one is read as such.
    """
    built_in = index_by_script(built_in_shells())
    may_be_of_plugin = any("activate" in name.lower() and name.lower() not in built_in for name in names)
    if may_be_of_plugin:
        return {
            **index_by_script(known_shells_of_plugins()),
            **index_by_script(shells_of_plugins(session, environment)),
            **built_in,
        }
    return {**index_by_script(known_shells_of_plugins()), **built_in}


def index_by_script(shells: Iterable[ShellFamily]) -> dict[str, ShellFamily]:
    """Return shells by the file names of their scripts, in lower case."""
    return {name.lower(): shell for shell in shells for name in shell.script_names}


def shells_of_plugins(session: Session, environment: Environment) -> list[ShellFamily]:
    """Return the shells of the activators that plugins provide; a plugin that fails is left out, with a warning."""
    if not find_sources(sys.path):  # few people have plugins
        return []
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

    shell = guarded(guard(lambda: shell_of_activator(component.load(), environment)), guard)

    def read_words(line: str) -> Iterable[Word]:
        try:
            return shell.read_words(line)
        except ClocheError as error:
            session.warn([error.message])
            return []

    return replace(shell, read_words=read_words)


def roots_in_script(text: str, shell: ShellFamily) -> list[str]:
    """Return the absolute paths that an activation script assigns to variables as the root of its environment."""
    return [
        root
        for line in lines_of(text)
        if "virtual" in line.lower()  # most lines do not contain it, and the search takes time
        for root in roots_in_line(line, shell)
    ]


def roots_in_line(line: str, shell: ShellFamily) -> list[str]:
    """Return the roots that a line assigns, even if a tool wrote the path between quotes without quoting it."""
    if not ASSIGNMENT.search(line):  # reading words takes time
        return []
    words = [*shell.read_words(line)]
    if as_it_is := ROOT_IN_QUOTES.search(line):
        quoted, root = as_it_is["quoted"], as_it_is["root"]
        spans = [(word.start, word.end) for word in words]
        if as_it_is.span("quoted") not in spans or (quoted[0] == '"' and '"' in root.replace('\\"', "")):
            text = posix.unquote(quoted)  # uv quotes for sh in the scripts of every shell
            return [text if text and quote_as_shlex(text) == quoted else root]
    return [
        word.text
        for word in words
        if BEFORE_ROOT.search(line[: word.start]) and ABSOLUTE.match(word.text) and is_complete(line, word)
    ]


def is_complete(line: str, word: Word) -> bool:
    """Return whether no quoted text follows a word directly; it would belong to the word."""
    in_quotes = line.count('"', 0, word.start) % 2 == 1
    return in_quotes or line[word.end : word.end + 1] not in ("'", '"')


BEFORE = r"(?:virtual_?env|virtual_root)[\"']?\s*(?::?=\s*|\s)(?:[\w.]+\()?(?:r#+)?(?:\$\(cygpath\s+(?:-\w\s+)?)?"
ASSIGNMENT = re.compile(BEFORE, re.IGNORECASE)
BEFORE_ROOT = re.compile(rf"{BEFORE}\Z", re.IGNORECASE)
"""The text directly before the root in an assignment, in any shell."""

ROOT = r"(?:/(?!dev/)|[A-Za-z]:[\\/])."
ABSOLUTE = re.compile(ROOT)

ROOT_IN_QUOTES = re.compile(
    rf"""{BEFORE}r?(?P<quoted>(?P<quote>["'])(?P<root>{ROOT}.*)(?P=quote))[\s;)]*\Z""", re.IGNORECASE | re.DOTALL
)
"""An assignment that ends with the root in quotes, whatever is between them."""


def rewrite_script(text: str, shell: ShellFamily, change: Callable[[str], str]) -> str:
    """Return a script in which the text of each word is replaced by `change(text)`.

    Each line is parsed on its own, so an apostrophe in a comment does not start a quote that spans lines. A word that the
    shell cannot express at its position is left unchanged.
    """
    return "".join(rewrite_line(line, shell, change) for line in lines_of(text))


def rewrite_line(line: str, shell: ShellFamily, change: Callable[[str], str]) -> str:
    """Return one line of a script, as `rewrite_script` does."""
    changed = line
    for word in reversed([*shell.read_words(line)]):  # from the end, so that earlier positions stay valid
        new = change(word.text)
        if new == word.text:
            continue
        for quoted in quoted_forms(line[word.start : word.end], new, shell):
            proposed = changed[: word.start] + quoted + changed[word.end :]
            if Word(word.start, word.start + len(quoted), new) in shell.read_words(proposed):
                changed = proposed
                break
    return changed


def quoted_forms(old: str, new: str, shell: ShellFamily) -> Iterator[str]:
    """Yield how a shell may spell a word, best first: in the quotes that it had, if nothing in it is special in them.

    :param old: how the word is spelled now.
    """
    if (quotes := QUOTES.fullmatch(old)) and PLAIN.fullmatch(new):
        yield quotes["start"] + new + quotes["end"]
    try:
        yield shell.quote(new)
    except ClocheError:  # the shell cannot express it, or a plugin failed
        return


def replace_value(line: str, old: str, new: str, shell: ShellFamily) -> str:
    """Return a line with a value replaced that its tool did not quote for the shell.

    `venv` (until 3.13.1) and virtualenv (until 20.26.6) wrote values between quotes as they were. uv and later versions of
    `venv` quote for sh in the scripts of every shell. Nothing changes if the shell cannot express the new value.
    """
    sh_quoted = quote_as_shlex(old)
    if old not in line and sh_quoted not in line:
        return line
    try:
        quoted = shell.quote(new)
    except ClocheError:
        return line
    is_plain, joins = PLAIN.fullmatch(new) is not None, shell.joins_quoted
    rest = continuation(old, new)
    value = re.escape(old) + (f"(?!{rest})" if rest else "")

    def change_sh_quoted(match: re.Match[str]) -> str:
        in_quotes = line.count('"', 0, match.start()) % 2 == 1
        if in_quotes and sh_quoted == old:
            return match[0]
        if is_plain:
            return new if sh_quoted == old else f"'{new}'"
        if in_quotes:
            return f'"{quoted}"' if joins else match[0]
        return quoted

    def change_as_it_is(match: re.Match[str]) -> str:
        quote, before, end = match["quote"], match["before"], match["end"] or ""
        if is_plain:
            return match["raw"] + quote + before + new + end
        if not joins and (before or not end):
            return match[0]
        return (quote + before + quote if before else "") + quoted + ("" if end else quote)

    line = re.sub(rf'(?<="){value}(?=")' if sh_quoted == old else re.escape(sh_quoted), change_sh_quoted, line)
    followed = "" if old.rstrip().endswith(")") else "(?=/)"
    pattern = rf"""(?P<raw>(?<!\w)r|(?<!#))(?P<quote>["'])(?P<before>x?){value}(?:(?P<end>(?P=quote))|{followed})"""
    return re.sub(pattern, change_as_it_is, line)


PROMPT_LINE = re.compile(r"""prompt|PS1=|set_color|env_name|"x?\(|!=\s""", re.IGNORECASE)
"""The lines of all activation scripts that may contain the prompt."""


def replace_prompt(line: str, old: str, new: str, shell: ShellFamily) -> str:
    """Return a line of an activation script with the prompt replaced.

    The prompt of a shell is a pattern. In csh, special characters of a name are escaped in it. The shells that read the
    script for sh escape them differently, so there the pattern refers to the directory of the environment.
    """
    names = [old]
    if SH_PATTERN.search(line) and not posix.SPECIAL_IN_PROMPT.isdisjoint(new):
        new = "${VIRTUAL_ENV##*/}"
    elif CSH_PATTERN.search(line):
        names, new = [csh.prompt_pattern(old), old], csh.prompt_pattern(new)
    values = {form.format(name): form.format(new) for name in names for form in ("({}) ", "({})", "{}")}
    line = rewrite_line(line, shell, lambda word: values.get(word, word))
    for before, after in values.items():
        line = replace_value(line, before, after, shell)
    return line


SH_PATTERN = re.compile(r"PS1=")
CSH_PATTERN = re.compile(r"set prompt *=|_prompt_tcsh *=")

QUOTES = re.compile(r"""(?P<start>(?:r#+)?(?P<quote>['"])).*(?P<end>(?P=quote)#*)""", re.DOTALL)
"""A word in quotes; nushell writes `r#'...'#`."""

PLAIN = re.compile(r"[\w./+@:,~ ()-]+")
"""Text that every shell reads literally in single and in double quotes."""
