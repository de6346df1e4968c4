"""Test that RECORD files stay true: their paths follow a move, and their hashes only where they were true before."""

from __future__ import annotations

import csv
import hashlib
import os
import sys
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

import pytest

from tests.distributions import record_hash
from tests.lifecycle.environments import record_problems, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run import Cloche


HOW = [pytest.param("move", marks=pytest.mark.nightly), "fix"]
"""How an environment is moved; both ways edit RECORD files with the same code."""


def site_packages(env: Path) -> Path:
    return next(env.glob("lib/*/site-packages"))


def install_like_poetry(env: Path, project: Path) -> Path:
    """Write an editable distribution with a script, with only absolute paths in its RECORD; return the RECORD."""
    (project / "app").mkdir(parents=True)
    (project / "app" / "__init__.py").write_text("def main():\n    print('app')\n")
    site = site_packages(env)
    info = site / "app-1.0.dist-info"
    info.mkdir()
    files = {
        site / "app.pth": f"{project}\n",
        env / "bin" / "app": f"#!{env}/bin/python\nimport app\napp.main()\n",
        info / "METADATA": "Metadata-Version: 2.1\nName: app\nVersion: 1.0\n",
        info / "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        info / "INSTALLER": "poetry",
        info / "entry_points.txt": "[console_scripts]\napp=app:main\n",
        info / "direct_url.json": f'{{"dir_info": {{"editable": true}}, "url": "{project.as_uri()}"}}',
    }
    rows = []
    for path, text in files.items():
        path.write_text(text)
        rows.append((path, record_hash(text.encode()), len(text)))
    (env / "bin" / "app").chmod(0o755)
    record = info / "RECORD"
    with record.open("w", newline="") as file:
        csv.writer(file).writerows([*rows, (record, "", "")])
    return record


def move(cloche: Cloche, old: Path, new: Path, how: str) -> None:
    """Move an environment with `cloche move`, or by hand and then repair it."""
    if how == "move":
        outcome = cloche("move", old, new)
    else:
        old.rename(new)
        outcome = cloche("doctor", "--fix", new)
    assert outcome.code == 0, outcome.out + outcome.err


def rows(record: Path) -> list[list[str]]:
    return list(csv.reader(record.read_text().splitlines()))


@pytest.mark.parametrize("how", HOW)
def test_absolute_paths_in_a_record_follow_a_move(cloche, empty_env, how) -> None:
    """Otherwise pip says that it uninstalled the package, and leaves its files."""
    old, new = empty_env("venv"), cloche.cwd / "there, moved"
    record = install_like_poetry(old, cloche.cwd / "project")
    assert cloche("doctor", old).out == f"{old}: healthy\n"
    move(cloche, old, new, how)
    assert [path for path, _, _ in rows(new / record.relative_to(old)) if not path.startswith(f"{new}/")] == []
    assert record_problems(new) == []
    assert cloche("doctor", new).out == f"{new}: healthy\n"
    assert run(new / "bin" / "app") == "app\n"
    left = [new / "bin" / "app", site_packages(new) / "app.pth"]
    run(sys.executable, "-m", "pip", "--python", new / "bin" / "python", "uninstall", "-q", "-y", "app")
    assert [path for path in left if path.exists()] == []


def test_an_upgrade_carries_a_package_with_absolute_paths_in_its_record(cloche, empty_env) -> None:
    env = empty_env("venv", "3.11")
    install_like_poetry(env, cloche.cwd / "project")
    outcome = cloche("upgrade", "-p", "3.12", env, PIP_NO_INDEX="1")
    assert outcome.code == 0, outcome.err
    assert run(env / "bin" / "app") == "app\n"
    assert cloche("doctor", env).out == f"{env}: healthy\n"


@pytest.mark.parametrize("how", HOW)
def test_paths_that_lead_out_of_the_environment_follow_a_move(cloche, empty_env, how) -> None:
    old, new = empty_env("venv"), cloche.cwd / "deeper" / "down" / "there"
    new.parent.mkdir(parents=True)
    record = install_like_poetry(old, cloche.cwd / "project")
    manual = cloche.cwd / "app.1"
    manual.write_text("manual")
    site = site_packages(old)
    with record.open("a") as file:
        file.write(f"{os.path.relpath(manual, site)},,\n")
    move(cloche, old, new, how)
    path = rows(new / record.relative_to(old))[-1][0]
    assert (site_packages(new) / path).samefile(manual)
    assert path.startswith("../")


@pytest.mark.parametrize("how", HOW)
def test_a_file_that_was_modified_counts_as_modified_after_a_move(cloche, populated_env, how) -> None:
    old, new = populated_env("venv"), cloche.cwd / "new"
    with (old / "bin" / "plain-say").open("a") as file:
        file.write("# by hand\n")
    assert "record-altered: bin/plain-say" in cloche("doctor", old).out
    if how == "move":
        assert cloche("move", old, new).code == 0
    else:
        old.rename(new)
        assert cloche("doctor", "--fix", new).code == 1
    assert str(old) not in (new / "bin" / "plain-say").read_text()
    assert "record-altered: bin/plain-say" in cloche("doctor", new).out
    assert "modified: bin/plain-say" in cloche("verify", new).out


def test_a_hash_keeps_its_algorithm_when_it_follows_a_move(cloche, populated_env) -> None:
    old, new = populated_env("venv"), cloche.cwd / "new"
    [record] = site_packages(old).glob("plain-*/RECORD")

    def sha512(env: Path) -> str:
        digest = hashlib.sha512((env / "bin" / "plain-say").read_bytes()).digest()
        return "sha512=" + urlsafe_b64encode(digest).decode().rstrip("=")

    changed = [
        [path, sha512(old) if path.endswith("plain-say") else digest, size] for path, digest, size in rows(record)
    ]
    with record.open("w", newline="") as file:
        csv.writer(file).writerows(changed)
    assert cloche("move", old, new).code == 0
    digests = {path.rpartition("/")[2]: digest for path, digest, _ in rows(new / record.relative_to(old))}
    assert digests["plain-say"] == sha512(new)


@pytest.mark.parametrize("inner_by", ["venv", "cloche"])
@pytest.mark.parametrize("how", HOW)
def test_environments_inside_a_moved_environment_are_moved_with_it(cloche, populated_env, inner_by, how) -> None:
    old, new = populated_env("venv"), cloche.cwd / "new"
    template = populated_env(inner_by, name="inner")
    assert cloche("move", template, old / "share" / "inner").code == 0
    inner = new / "share" / "inner"
    move(cloche, old, new, how)
    assert cloche("doctor", inner).out == f"{inner}: healthy\n"
    assert cloche("doctor", new).out == f"{new}: healthy\n"
    assert record_problems(inner) == []
    assert run("bash", "-c", f". {inner}/bin/activate && command -v python").strip() == f"{inner}/bin/python"
    if inner_by == "cloche":
        assert run("sha256sum", "--check", "--strict", ".cloche-manifest", cwd=inner)
    found = cloche("doctor", "--json", "--find", cloche.cwd).json["environments"]
    assert [environment["root"] for environment in found] == [str(new), str(inner)]
