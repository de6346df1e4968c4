"""Test environments in locales whose encoding is not UTF-8, and with names that the locale cannot express."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.distributions import make_wheel
from tests.run import clean_environ
from tests.tools import require, skip_missing

if TYPE_CHECKING:
    from pathlib import Path

LOCALES = {"de_DE.ISO-8859-1": "de_DE", "C": "", "POSIX": "", "ja_JP.EUC-JP": "ja_JP", "zh_CN.GB18030": "zh_CN"}
"""Locales, with the name of their source in Debian's package `locales`; those without one always exist."""

NAMES = {"é": "é".encode(), "a é b": "a é b".encode(), "中": "中".encode(), "gb": b"\xb0\xa1", "latin": b"caf\xe9"}
"""Names of directories, as bytes."""


@pytest.fixture(scope="session")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory for LOCPATH, in which `environ_in` compiles locales."""
    return tmp_path_factory.mktemp("locales")


def environ_in(locale: str, locales: Path, home: Path) -> dict[str, str]:
    """Return the environment variables of a user in a locale; compile the locale if necessary."""
    if LOCALES[locale] and not (locales / locale).exists():
        command = [require("localedef"), "-i", LOCALES[locale], "-f", locale.partition(".")[2], str(locales / locale)]
        if subprocess.run(command, capture_output=True, check=False).returncode > 1:
            skip_missing("Debian's package `locales` is not installed")
    environ = clean_environ(home, home / "cache") | {"LC_ALL": locale, "LOCPATH": str(locales)}
    return {**environ, "PATH": "/usr/bin:/bin", "PYTHONCOERCECLOCALE": "0", "PYTHONWARNINGS": ""}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("locale", LOCALES)
def test_an_environment_works_or_is_refused_in_one_line(locale: str, name: str, locales: Path, tmp_path: Path) -> None:
    """`pip` runs. The script for sh activates the environment, or is left out with a warning."""
    destination = os.path.join(os.fsencode(tmp_path), NAMES[name])
    environ = environ_in(locale, locales, tmp_path)

    def cloche(*words: str | bytes) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "cloche", *words]
        return subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, check=False)

    created = cloche(destination, "--prompt", NAMES[name])
    assert b"Traceback" not in created.stderr
    if created.returncode:
        assert (created.returncode, created.stdout) == (4, b"")
        assert not os.path.lexists(destination)
        assert created.stderr.count(b"cloche: error: ") == 1
        return

    program = "import os, sys; sys.stdout.buffer.write(os.fsencode(sys.prefix))"
    assert cloche("run", destination, "--", "python", "-c", program).stdout == destination
    pip = subprocess.run([destination + b"/bin/pip", "--version"], env=environ, capture_output=True, check=True)
    assert destination in pip.stdout
    examined = cloche("doctor", destination)
    assert examined.stdout == destination + b": healthy\n" or b"`LC_ALL=C.UTF-8`" in examined.stderr
    assert b"Traceback" not in examined.stderr

    if not os.path.exists(destination + b"/bin/activate"):
        assert b"activator `bash` was left out" in created.stderr
        return
    script = b'. "$1/bin/activate" && /usr/bin/printf %s "$VIRTUAL_ENV:$VIRTUAL_ENV_PROMPT:" && python -c "$2"'
    for shell in ("bash", "dash", "zsh"):
        command = [require(shell), b"-c", script, b"sh", destination, program.encode()]
        activated = subprocess.run(command, env=environ, capture_output=True, check=True)
        assert activated.stdout == b":".join([destination, NAMES[name], destination])


def test_an_environment_is_healthy_in_a_utf_8_locale_too(locales: Path, tmp_path: Path) -> None:
    """It was created in another locale."""
    environ = environ_in("de_DE.ISO-8859-1", locales, tmp_path)
    subprocess.run([sys.executable, "-m", "cloche", "é"], env=environ, cwd=tmp_path, check=True)
    for command in (["doctor", "é"], ["move", "é", "ü"], ["doctor", "ü"]):
        done = subprocess.run(
            [sys.executable, "-m", "cloche", *command],
            env={**environ, "LC_ALL": "C.UTF-8"},
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("locale", ["de_DE.ISO-8859-1", "POSIX"])
def test_a_text_that_the_locale_cannot_express_is_an_error_of_one_line(
    locale: str, locales: Path, tmp_path: Path
) -> None:
    """It comes from a file, which is in UTF-8, or from a wheel."""
    environ = environ_in(locale, locales, tmp_path) | {"PYTHONUTF8": "0"}
    make_wheel(tmp_path / "wheels", "spam", "1.0", {"spam/中.txt": b"", "spam/__init__.py": b""})
    settings = tmp_path / "pyproject.toml"

    def cloche(*words: str, key: str = "") -> str:
        settings.write_text(f"[tool.cloche]\n{key}\n", encoding="utf-8")
        command = [sys.executable, "-m", "cloche", ".venv", *words]
        done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 1
        assert not os.path.lexists(tmp_path / ".venv")
        return done.stderr.decode("utf-8", "replace")

    for errors in (
        cloche("--no-seed", key='prompt = "中"'),
        cloche(key='find-links = ["中"]'),
        cloche("--seed", "spam", "--find-links", "wheels", "--no-download"),
    ):
        assert "Traceback" not in errors
        assert errors.count("cloche: error: ") == 1
        assert "the encoding of the locale, `" in errors
        assert "hint: run the command with `LC_ALL=C.UTF-8`" in errors
