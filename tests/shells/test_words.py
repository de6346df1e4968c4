"""Test reading the words of every shell: quoted text is read back unchanged, other words as the shell reads them."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloche.builtin.plugin import cloche_activators
from cloche.errors import Inexpressible
from cloche.plugins import load_object
from cloche.shells import (
    BUILT_IN,
    MODULES,
    OF_PLUGINS,
    batch,
    built_in_shells,
    known_shells_of_plugins,
    shell_of_program,
    shells_in,
)
from cloche.shells.words import Word, words_quoted_by
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.shells import ShellFamily

SHELLS = {"/".join((shell.name, *shell.programs)): shell for shell in built_in_shells() if shell.name != "batch"}
"""The built-in shells by the name of the test case, except for batch files, which contain words only in some places."""

each_shell = pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())


@each_shell
@given(text=st.text(min_size=1))
@example('it\'s "a" $b `c` \\ !d %e%\n\u2018f\u2019')
@example("\xa0")
@example("\\'")
@example("''")
def test_quoted_text_is_read_back_unchanged(shell: ShellFamily, text: str) -> None:
    try:
        quoted = shell.quote(text)
    except Inexpressible:
        return
    assert [*shell.read_words(quoted)] == [Word(0, len(quoted), text)]


@given(text=st.text(min_size=1))
@example('a!b^c%d%"e"&(f)')
def test_the_value_of_a_batch_setting_is_read_back_unchanged(text: str) -> None:
    try:
        line = f"@set VIRTUAL_ENV={batch.quote(text)}"
    except Inexpressible:
        return
    assert [*batch.read_words(line)] == [Word(17, len(line), text)]


OCTAL = "'/a b'\"$(unset -f printf 2>/dev/null || :; \\printf '%b' '\\0303\\0251')\"'it'\"'\"'s'"
"""A path as virtualenv (since 21.15) writes it."""
POSIX_WORDS = ["/old", "'/old'", '"/old"', "'/o'\"ld\"", "\\/old", '"a\\$b\\\\c\\d"', "a\\'b'\"c'", "'a\\b'", OCTAL]
FISH_WORDS = ["/old", "'/old'", '"/old"', "\\/old", "'a\\'b\\\\c\\d'", '"a\\$b\\"c\\d"', '"(a)"']
CSH_WORDS = ["/old", "'a\udcc3''\udca9''b'", "'/old'", '"/old"', "\\/old\\ \\'b", "'a\\!b\\c'", '"a\\!b\\c"']
POWERSHELL_WORDS = ["'/old'", "'it''s'", "'a\u2018\u2019b'", '"a`$b""c``d`"e"', "'$a`n'"]

SPELLED = [
    ("bash", ["-c"], "printf %s {}", POSIX_WORDS),
    ("dash", ["-c"], "printf %s {}", POSIX_WORDS),
    ("zsh", ["-f", "-c"], "printf %s {}", POSIX_WORDS),
    ("fish", ["--no-config", "-c"], "printf %s {}", FISH_WORDS),
    ("tcsh", ["-f", "-c"], "printf %s {}", CSH_WORDS),
    ("pwsh", ["-NoProfile", "-Command"], "[Console]::Write({})", POWERSHELL_WORDS),
]


@pytest.mark.parametrize(
    ("program", "options", "show", "word"),
    [(program, options, show, word) for program, options, show, words in SPELLED for word in words],
)
def test_words_are_read_as_the_shell_reads_them(
    program: str, options: list[str], show: str, word: str, tmp_path: Path
) -> None:
    shell = shell_of_program(program)
    assert shell is not None

    [found] = [one for one in shell.read_words(f"x {word}") if one.end == len(word) + 2]

    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    command = [require(program), *options, show.format(word)]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", env=environ, check=True)
    assert found == Word(2, len(word) + 2, ran.stdout)


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("bash", '"$HOME/x"'),
        ("bash", "`date`"),
        ("bash", "$'a'"),
        ("fish", '"$HOME/x"'),
        ("fish", "$HOME"),
        ("fish", "\\n"),
        ("tcsh", '"\\$HOME"'),
        ("pwsh", '"$HOME/x"'),
        ("pwsh", '"a`nb"'),
        ("cmd", "set VIRTUAL_ENV=%HOME%"),
        ("cmd", '@set "VIRTUAL_ENV=%%~fi%"'),
    ],
)
def test_words_with_expansions_are_skipped(program: str, line: str) -> None:
    shell = shell_of_program(program)
    assert shell is not None
    assert [word for word in shell.read_words(line) if word.text not in ("date", "a")] == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('@for %%i in ("C:\\an env") do @set "VIRTUAL_ENV=%%~fi"', "C:\\an env"),
        ('@set "VIRTUAL_ENV=C:\\100%% env"', "C:\\100% env"),
        ("@set VIRTUAL_ENV=C:\\a^&b", "C:\\a&b"),
        ("set VIRTUAL_ENV=C:\\an env\r\n", "C:\\an env"),
    ],
)
def test_settings_of_all_tools_are_read_from_batch_files(line: str, word: str) -> None:
    assert word in [one.text for one in batch.read_words(line)]


@pytest.mark.parametrize("literal", ["r'C:\\new'", "u'a'", "'a\\n'", '"it\'s"'])
def test_a_python_literal_may_have_a_prefix(literal: str) -> None:
    python = SHELLS["python"]
    assert [word.text for word in python.read_words(f"x = {literal}")] == [eval(literal)]


@pytest.mark.parametrize("literal", ["f'{x}'", "b'a'", "rb'a'"])
def test_python_literals_that_are_not_strings_are_skipped(literal: str) -> None:
    assert [*SHELLS["python"].read_words(f"x = {literal}")] == []


# Shells of plugins


def doubled(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def escaped(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize("quote", [doubled, escaped, ascii, partial(str)])
@pytest.mark.parametrize("text", ["/plain", "an env", "it's", 'say "x"', "a\\b", "$HOME"])
def test_quoted_words_are_found_without_a_reader(quote, text: str) -> None:
    line = f"set x {quote(text)}"
    found = [word.text for word in words_quoted_by(quote, line)]
    assert text in found or quote(text) == text  # a bare word ends at a space


def test_words_that_the_quoter_would_not_write_are_skipped() -> None:
    assert [*words_quoted_by(doubled, 'x "it\'s" $HOME "\'"')] == []


PLUGIN_SHELLS = {shell.name: shell for shell in known_shells_of_plugins()}


@pytest.mark.parametrize("shell", PLUGIN_SHELLS)
@given(text=st.text(min_size=1))
@example('it\'s "a" $b `c` \\ !d %e%\n')
@example("''")
def test_text_quoted_for_the_shell_of_a_plugin_is_read_back(shell: str, text: str) -> None:
    try:
        line = f"x = {PLUGIN_SHELLS[shell].quote(text)}"
    except Inexpressible:
        return
    assert [*PLUGIN_SHELLS[shell].read_words(line)] == [Word(4, len(line), text)]


@pytest.mark.parametrize(
    ("shell", "word", "text"),
    [
        ("elvish", "'/an env'", "/an env"),
        ("elvish", '"/an env"', "/an env"),
        ("nushell", "'/a $b \\c'", "/a $b \\c"),
        ("nushell", "r#'/it's'#", "/it's"),
        ("nushell", "r##'/a'#b'##", "/a'#b"),
        ("nushell", "r#'/x/a' b'#", "/x/a' b"),
        ("nushell", '"/a\\"b"', '/a"b'),
        ("xonsh", "r'/a\\b'", "/a\\b"),
    ],
)
def test_words_of_the_shells_of_plugins_are_read(shell: str, word: str, text: str) -> None:
    assert [found.text for found in PLUGIN_SHELLS[shell].read_words(f"x = {word}")] == [text]


@pytest.mark.parametrize("name", ["/an env", "/it's \\ $HOME", "/\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_the_expressions_of_virtualenv_for_xonsh_are_read(name: str) -> None:
    """They are Python, so that Python says what they mean."""
    builtins = "__import__('builtins')"
    for expression, meaning in (
        (f"{builtins}.bytes.fromhex('{name.encode().hex()}')", name.encode()),
        (f"''.join({builtins}.map({builtins}.chr, {tuple(map(ord, name))}))", name),
    ):
        assert eval(expression) == meaning
        line = f"self.embedded_virtual_env = self._fs_path({expression}, required=True)"
        assert [*PLUGIN_SHELLS["xonsh"].read_words(line)] == [Word(42, 42 + len(expression), name)]


# Tables of shells


def test_the_table_of_programs_matches_the_modules() -> None:
    owners = {
        program: module
        for module in (*BUILT_IN.values(), *OF_PLUGINS)
        for shell in shells_in(module)
        for program in shell.programs
    }
    assert dict(MODULES) == owners


def test_each_shell_has_the_name_of_its_activator() -> None:
    modules = {**BUILT_IN, **{name: name for name in OF_PLUGINS}}
    assert {name: {shell.name for shell in shells_in(module)} for name, module in modules.items()} == {
        name: {name} for name in modules
    }


@each_shell
def test_a_shell_joins_quoted_texts_if_it_says_so(shell: ShellFamily) -> None:
    line = shell.quote("one two") + shell.quote("three four")
    assert (Word(0, len(line), "one twothree four") in [*shell.read_words(line)]) is shell.joins_quoted


@each_shell
def test_the_first_script_of_each_shell_is_that_of_its_activator(shell: ShellFamily) -> None:
    from cloche.testing.fakes import KINDS, fake_environment

    implementations = {descriptor.name: descriptor.implementation for descriptor in cloche_activators()}
    activator = load_object(implementations[shell.name])
    environment = fake_environment("/env", next(iter(KINDS.values())))
    assert shell.script_names[0] in [script.name for script in activator.scripts(environment)]


@pytest.mark.parametrize(
    ("shell", "literal"),
    [
        ("elvish", "'/x/a'b"),
        ("nushell", "'/x/it''s'"),
        ("nushell", "'/x/it'\"'\"'s'"),
        ("nushell", "x'/x/a'"),
        ("nushell", "$'/x/(date)'"),
        ("xonsh", '"/x/a""b"'),
    ],
)
def test_a_part_of_a_literal_is_not_a_word(shell: str, literal: str) -> None:
    """Otherwise an environment in `/x/it's` looks as if it was moved from `/x/it`."""
    assert [*PLUGIN_SHELLS[shell].read_words(f"let virtual_env = {literal}")] == []
