"""pip: the check for a newer pip imported modules that the same run had just installed."""

from __future__ import annotations

from cloche.store.pip import kept_settings, pip_environ


def test_pip_never_checks_for_a_newer_version() -> None:
    listing = ":env:.disable-pip-version-check='0'\nglobal.disable-pip-version-check='false'\n"
    environ = {"PIP_DISABLE_PIP_VERSION_CHECK": "0"}
    settings = kept_settings(listing, "install", "/")
    assert pip_environ(environ, settings)["PIP_DISABLE_PIP_VERSION_CHECK"] == "1"
