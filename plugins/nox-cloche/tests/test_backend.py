"""Test the backend in an unmodified nox, which runs as a program with temporary noxfiles."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cloche.testing import python_off_path
from cloche.testing.seeders import sample_lock, sample_wheel

SHOW = "session.run('python', '-c', 'import sys; print(sys.prefix)')"
README = Path(__file__).parent.parent / "README.md"


def nox(directory: Path, *arguments: str, code: int = 0, **variables: str) -> str:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("NOX")}
    result = subprocess.run(
        [sys.executable, "-m", "nox", *arguments],
        cwd=directory,
        env={**environ, "NO_COLOR": "1", **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == code, result.stdout
    return result.stdout


def noxfile(directory: Path, head: str, sessions: str) -> None:
    (directory / "noxfile.py").write_text(f"{head}\n\n{sessions}\n")


def test_the_three_lines_in_the_readme_make_cloche_the_default(tmp_path: Path) -> None:
    lines = README.read_text().partition("```python\n")[2].partition("```")[0]
    noxfile(tmp_path, lines, f"@nox.session\ndef a(session):\n    {SHOW}")
    environment = tmp_path / ".nox" / "a"

    assert str(environment) in nox(tmp_path)
    assert len([line for line in lines.splitlines() if line]) == 3
    assert "\ncloche = " in (environment / "pyvenv.cfg").read_text()
    (environment / "keepsake").touch()
    nox(tmp_path, "-r", NOX_ENABLE_STALENESS_CHECK="1")
    assert (environment / "keepsake").exists()
    nox(tmp_path)
    assert not (environment / "keepsake").exists()


def test_only_sessions_with_the_backend_use_it(tmp_path: Path) -> None:
    noxfile(
        tmp_path,
        "import nox, nox_cloche\nnox_cloche.register()",
        f"@nox.session(venv_backend='cloche', venv_params=['--system-site-packages', '--prompt', 'mine'])\n"
        f"def ours(session):\n    {SHOW}\n\n@nox.session(venv_backend='venv', venv_params=['--without-pip'])\n"
        f"def theirs(session):\n    {SHOW}",
    )

    nox(tmp_path)

    ours, theirs = ((tmp_path / ".nox" / name / "pyvenv.cfg").read_text() for name in ("ours", "theirs"))
    assert "prompt = 'mine'" in ours
    assert "include-system-site-packages = true" in ours
    assert "\ncloche = " not in theirs


def test_an_error_of_cloche_fails_the_session(tmp_path: Path) -> None:
    noxfile(
        tmp_path,
        "import nox, nox_cloche\nnox_cloche.register()",
        f"@nox.session(venv_backend='cloche', venv_params=['--no-such-option'])\ndef ours(session):\n    {SHOW}",
    )

    assert "unknown option `--no-such-option`" in nox(tmp_path, code=1)


def test_an_environment_has_the_packages_of_a_lock_file(tmp_path: Path) -> None:
    sample_lock(tmp_path, sample_wheel(tmp_path / "wheels"))
    noxfile(
        tmp_path,
        "import nox, nox_cloche\nnox_cloche.register()",
        "@nox.session(venv_backend='cloche', venv_params=['--lock', 'pylock.toml'])\n"
        "def ours(session):\n    session.run('cloche-sample')",
    )

    assert "\nsample\n" in nox(tmp_path)


def test_a_session_gets_any_python_that_cloche_finds(tmp_path: Path) -> None:
    minor, variables = python_off_path(tmp_path)
    noxfile(
        tmp_path,
        "import nox, nox_cloche\nnox_cloche.register()",
        f"@nox.session(venv_backend='cloche', python='{minor}')\ndef a(session):\n    {SHOW}\n\n"
        f"@nox.session(venv_backend='cloche', python='3.99')\ndef b(session):\n    {SHOW}",
    )

    nox(tmp_path, "-s", f"a-{minor}", **variables)

    (configuration,) = tmp_path.joinpath(".nox").rglob("pyvenv.cfg")
    assert f"python-version = {minor}\n" in configuration.read_text()
    assert "3.99 not found" in nox(tmp_path, "-s", "b-3.99", "--error-on-missing-interpreters", code=1, **variables)
