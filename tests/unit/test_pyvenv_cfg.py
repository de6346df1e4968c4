"""Test writing `pyvenv.cfg` with one line for each key, and reading it, even if another tool wrote it."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloche.errors import UsageError
from cloche.planning import pyvenv_cfg

HOSTILE = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


@given(HOSTILE)
@example("x\ninclude-system-site-packages = true")
@example("x\rinclude-system-site-packages = true")
@example("/a\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029/b")
@example("ends with a space ")
@example("\x85")
def test_a_value_is_read_back_exactly_or_refused(text):
    """Python's `site` reads the file with universal newlines, and `getpath` strips values as `str.strip` does."""
    settings = {"home": text, "prompt": text, "include-system-site-packages": "false"}
    if "\n" in text or "\r" in text or "\0" in text or text != text.strip():
        with pytest.raises(UsageError, match="cannot record"):
            pyvenv_cfg.format_settings(settings)
        return
    content = pyvenv_cfg.format_settings(settings)
    assert pyvenv_cfg.parse_settings(content) == settings
    with StringIO(content, newline=None) as file:
        lines = [line.partition("=")[::2] for line in file]
    assert {key.strip(): setting.strip() for key, setting in lines} == {**settings, "prompt": repr(text)}


def test_a_value_that_is_not_unicode_is_refused():
    with pytest.raises(UsageError, match="is not valid UTF-8"):
        pyvenv_cfg.format_settings({"home": "/opt/\udcff"})


def test_the_command_is_left_out_of_a_file_that_is_too_large_with_it():
    settings = {"home": "/opt", "command": "c" * 20_000, "prompt": "p" * 20_000}
    assert list(pyvenv_cfg.parse_settings(pyvenv_cfg.format_settings(settings))) == ["home", "prompt"]


def test_a_file_that_python_would_not_read_is_refused():
    longest = pyvenv_cfg.MAX_BYTES - len("home = /opt\nprompt = ''\n")
    assert pyvenv_cfg.format_settings({"home": "/opt", "prompt": "p" * longest})
    with pytest.raises(UsageError, match="32768 bytes") as raised:
        pyvenv_cfg.format_settings({"home": "/opt", "prompt": "p" * (longest + 1)})
    assert raised.value.hint == "use a shorter `prompt`"


def test_the_command_is_removed_when_an_existing_file_becomes_too_large():
    text = f"home = /opt\nCommand = {'c' * 40_000}\nprompt = 'x'\n"
    assert pyvenv_cfg.shorten_settings(text) == "home = /opt\nprompt = 'x'\n"


@given(HOSTILE)
@example("it's")
@example('"quoted"')
@example("back\\slash")
def test_a_prompt_is_read_back_exactly(prompt):
    assert pyvenv_cfg.parse_settings(pyvenv_cfg.format_settings({"home": "/", "prompt": prompt}))["prompt"] == prompt


def test_the_first_of_two_equal_keys_wins_as_in_python():
    assert pyvenv_cfg.parse_settings("home = /a\nHOME = /b\n") == {"home": "/a"}


def test_comments_blank_lines_and_lines_without_a_value_are_ignored():
    assert pyvenv_cfg.parse_settings("# a = b\n\nnonsense\nhome=/a\n= 3\n") == {"home": "/a"}


def test_a_byte_order_mark_is_ignored():
    assert pyvenv_cfg.parse_settings("\ufeffhome = /a") == {"home": "/a"}


def test_prompts_of_other_tools_are_parsed():
    assert pyvenv_cfg.parse_settings('prompt = "double"')["prompt"] == "double"
    assert pyvenv_cfg.parse_settings("prompt = bare words")["prompt"] == "bare words"
    assert pyvenv_cfg.parse_settings("prompt = 'it\\'s'")["prompt"] == "it's"


def test_an_invalid_literal_as_prompt_is_used_without_its_quotes():
    assert pyvenv_cfg.parse_settings("prompt = 'half")["prompt"] == "'half"
    assert pyvenv_cfg.parse_settings("prompt = 'C:\\Users'")["prompt"] == "C:\\Users"
    assert pyvenv_cfg.parse_settings("prompt = '\\N{no such name}'")["prompt"] == "\\N{no such name}"
