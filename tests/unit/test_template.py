"""Test script templates: their slots are replaced with quoted values in one pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.errors import Inexpressible
from cloche.shells.template import relocatable, render, resource


def bracket(text: str) -> str:
    return f"<{text}>"


def test_each_slot_is_replaced_by_its_quoted_value():
    assert (
        render("a=__CLOCHE_ROOT__ b=__CLOCHE_BIN_NAME__", {"ROOT": "/e", "BIN_NAME": "bin"}, bracket)
        == "a=</e> b=<bin>"
    )


@given(st.text())
def test_a_value_is_never_searched_for_slots(value):
    hostile = f"__CLOCHE_PROMPT__{value}__CLOCHE_ROOT__"
    assert render("__CLOCHE_ROOT__", {"ROOT": hostile, "PROMPT": "x"}, str) == hostile


@pytest.mark.parametrize("template", ["__CLOCHE_UNKNOWN__", "__CLOCHE_ROOT", "__CLOCHE_ROOT_ x"])
def test_the_error_for_an_unknown_slot_names_it(template):
    with pytest.raises(KeyError, match="__CLOCHE_"):
        render(template, {"ROOT": "/e"}, str)


def test_a_relocatable_template_replaces_the_lines_from_the_root_to_the_prompt():
    template = "# shows __CLOCHE_PROMPT__\nroot=__CLOCHE_ROOT__\nbin=__CLOCHE_BIN__\nprompt=__CLOCHE_PROMPT__\nrest\n"
    assert relocatable(template, "here\n") == "# shows __CLOCHE_PROMPT__\nhere\nrest\n"


def test_a_value_that_cannot_be_quoted_is_an_error():
    def quote(text: str) -> str:
        raise Inexpressible(f"no way to write {text}")

    with pytest.raises(Inexpressible):
        render("x __CLOCHE_ROOT__", {"ROOT": "/e"}, quote)


def test_a_data_file_is_read_from_a_directory_and_from_a_zip_archive(tmp_path, monkeypatch):
    import sys
    import zipfile

    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("zipped_plugin.py", "")
        archive.writestr("activate.zipped", "é")
    (tmp_path / "plain_plugin.py").write_text("")
    (tmp_path / "activate.plain").write_text("é", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "in.zip"))
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("zipped", "plain"):
        __import__(f"{name}_plugin")
        assert resource(f"{name}_plugin", f"activate.{name}") == "é"
        del sys.modules[f"{name}_plugin"]
