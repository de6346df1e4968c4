"""Test the encoding of paths in `pyvenv.cfg`; `tests/targets/test_locales.py` does it with real interpreters."""

from __future__ import annotations

import sys

import pytest

from cloche.planning.pyvenv_cfg import PATHS, format_settings, parse_settings


@pytest.mark.parametrize(
    ("version", "written"),
    [("3.14.9.final.0", "/Ã©"), ("3.15.0.alpha.1", "/é"), ("3.15", "/é"), ("4.0.0", "/é"), ("", "/Ã©"), ("x.y", "/Ã©")],
)
def test_paths_are_written_as_the_target_reads_them(
    version: str, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a locale whose encoding is ISO-8859-1, where the directory `é` in UTF-8 has the name `Ã©` for Python."""
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-1")
    monkeypatch.setattr(sys, "hexversion", 0x030E00F0)  # 3.15 asks the locale
    settings = {**dict.fromkeys(sorted(PATHS), "/Ã©"), "version_info": version, "prompt": "Ã©", "other": "Ã©"}
    text = format_settings(settings)
    assert f"home = {written}\n" in text
    assert text.count(written) == len(PATHS)
    assert parse_settings(text) == settings


@pytest.mark.parametrize(("codeset", "home"), [("ISO-8859-1", "/é"), ("ANSI_X3.4-1968", "/Ã©"), ("EUC-KR", "/Ã©")])
def test_an_older_target_reads_paths_in_the_encoding_of_the_locale(
    codeset: str, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if cloche runs on a Python that uses UTF-8; in the locale `C`, every version uses UTF-8."""
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "utf-8")
    monkeypatch.setattr(sys, "hexversion", 0x030F00F0)
    monkeypatch.setattr("locale.nl_langinfo", lambda _: codeset)
    assert parse_settings("home = /Ã©\nversion = 3.11.7\n")["home"] == home
    assert parse_settings("home = /Ã©\nversion = 3.15.0\n")["home"] == "/Ã©"
