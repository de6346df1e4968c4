"""Test writing `pyvenv.cfg` with one line for each key, and reading it, even if another tool wrote it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from cloche.planning import pyvenv_cfg

HOSTILE = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


@given(HOSTILE)
@example("x\ninclude-system-site-packages = true")
@example("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
def test_any_value_is_written_on_one_line(text):
    settings = {"home": "/opt/python/bin", "command": text, "prompt": text, "include-system-site-packages": "false"}
    content = pyvenv_cfg.format_settings(settings)
    assert len(content.splitlines()) == 4
    assert list(pyvenv_cfg.parse_settings(content)) == list(settings)
    assert pyvenv_cfg.parse_settings(content)["include-system-site-packages"] == "false"


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
