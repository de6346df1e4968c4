"""Test the paths in `pyvenv.cfg` and their encoding; `tests/targets/test_locales.py` does it with real interpreters."""

from __future__ import annotations

import sys

import pytest

from cloche.planning.pyvenv_cfg import PATHS, format_settings, interpreter_settings, parse_settings
from cloche.testing.fakes import KINDS, fake_environment, fake_interpreter


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


@pytest.mark.parametrize(
    ("os_name", "executable", "home"),
    [
        ("posix", "/python3", "/"),
        ("posix", "/usr/bin/python3", "/usr/bin"),
        ("posix", "/opt/back\\slash/python3", "/opt/back\\slash"),
        ("nt", "C:\\python.exe", "C:\\"),
        ("nt", "C:\\Python312\\python.exe", "C:\\Python312"),
        ("nt", "\\\\server\\share\\python.exe", "\\\\server\\share\\"),
    ],
)
def test_home_is_the_directory_of_the_executable_on_its_system(os_name: str, executable: str, home: str) -> None:
    """Even in the root directory, whose path ends with a separator."""
    kind = next(kind for kind, interpreter in KINDS.items() if interpreter.os_name == os_name)
    assert interpreter_settings(fake_interpreter(kind, executable=executable))["home"] == home


@pytest.mark.parametrize(
    ("os_name", "location", "path"),
    [("posix", "/", "/bin/python"), ("nt", "C:\\", "C:\\bin\\python"), ("posix", "/env", "/env/bin/python")],
)
def test_an_environment_can_be_a_root_directory(os_name: str, location: str, path: str) -> None:
    kind = next(kind for kind, interpreter in KINDS.items() if interpreter.os_name == os_name)
    assert fake_environment(location, fake_interpreter(kind)).path_to("bin/python") == path
