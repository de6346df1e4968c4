"""Test the words of commands that people paste into a shell: how they are quoted, and read back."""

from __future__ import annotations

import os
import shlex
import subprocess

from hypothesis import example, given
from hypothesis import strategies as st

from cloche.shells import quote_as_shlex, quote_word, quote_words, split_words
from tests.properties import examples
from tests.tools import require


def is_file_name(word: str) -> bool:
    """Return whether the text can be the name of a file: a lone surrogate stands for a byte that is not UTF-8."""
    try:
        return os.fsdecode(os.fsencode(word)) == word
    except UnicodeEncodeError:
        return False


WORDS = st.text(st.characters(exclude_characters="\0"), max_size=30).filter(is_file_name)


@given(st.lists(WORDS, min_size=1, max_size=5))
@example(
    ["", "plain", "it's", 'a "b"', "$HOME", "a\\b", "~", "x;y", "new\nline", "é", "\udcff", "$'a'", "\x85", "'\n\\"]
)
@examples(20)
def test_words_are_read_back_and_are_the_same_to_a_shell(words: list[str]) -> None:
    command = quote_words(words, "posix")

    assert not set("\n\r") & set(command)
    assert split_words(command) == words
    done = subprocess.run(
        [require("bash"), "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert done.stdout == b"".join(os.fsencode(word) + b"\0" for word in words)


@given(WORDS)
@example("")
@example("it's")
@example("a_b%+=:,./-@")
@examples(20)
def test_the_quotes_are_those_of_other_tools(word: str) -> None:
    assert quote_as_shlex(word) == shlex.quote(word)


def test_a_windows_path_is_quoted_for_windows_shells() -> None:
    assert quote_word("C:\\Python\\python.exe", "nt") == "C:\\Python\\python.exe"
    assert quote_word("C:\\Program Files\\x", "nt") == '"C:\\Program Files\\x"'
    assert split_words('C:\\p\\python.exe "C:\\Program Files\\x"') == ["C:\\p\\python.exe", "C:\\Program Files\\x"]


def test_a_command_with_an_open_quote_has_no_words() -> None:
    assert split_words("cloche 'a b") == []
