"""Test environments on a file system that is mounted with `noexec` or `nosymfollow`, in a mount namespace of the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run import Cloche

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has mount namespaces")

MOUNT = 'mount -t tmpfs -o "$MOUNT_OPTIONS" none "$MOUNT_POINT" || exit; eval "$SCRIPT"'


@pytest.fixture
def in_namespace(cloche: Cloche, tmp_path: Path):
    """Return a function that runs a shell script in which the directory `mount` has its own file system."""
    unshare = require("unshare")
    (tmp_path / "mount").mkdir()

    def run(script: str, options: str = "noexec") -> subprocess.CompletedProcess[str]:
        environ = {
            **cloche.environ,
            "MOUNT_POINT": str(tmp_path / "mount"),
            "MOUNT_OPTIONS": options,
            "SCRIPT": script,
            "PYTHON": sys.executable,
        }
        command = [unshare, "--mount", "--map-root-user", "--user"] if os.geteuid() else [unshare, "--mount"]
        done = subprocess.run(
            [*command, "sh", "-c", MOUNT],
            cwd=tmp_path / "mount",
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if "unshare failed" in done.stderr or "mount:" in done.stderr:
            pytest.skip(f"this user cannot mount file systems: {done.stderr.strip()}")
        return done

    return run


CLOCHE = 'c() { "$PYTHON" -m cloche "$@"; }; cd "$MOUNT_POINT"; '


def test_a_copy_of_python_is_refused_while_planning(in_namespace) -> None:
    done = in_namespace(
        CLOCHE + "c e --creator copy || echo code $?; c e --creator copy --dry-run || echo code $?; ls -A"
    )
    assert done.stdout.split() == ["code", "4", "code", "4"], done.stderr
    assert "is on a file system mounted with `noexec`, where a copy of Python cannot start" in done.stderr


def test_a_link_to_python_is_refused_where_links_cannot_be_followed(in_namespace) -> None:
    script = "c e || echo code $?; c e --creator venv || echo code $?; c f --creator copy >&2; f/bin/python -c 'print(1)'; ls"
    done = in_namespace(CLOCHE + script, "nosymfollow")
    assert done.stdout.split() == ["code", "4", "code", "4", "1", "f"], done.stderr
    assert "is on a file system mounted with `nosymfollow`, where a link to Python does not work" in done.stderr


def test_a_linked_python_is_created_with_a_warning_and_works(in_namespace) -> None:
    done = in_namespace(CLOCHE + "c e; c run e -- python -m pip --version; c run e -- python e/bin/pip --version")
    assert done.returncode == 0, done.stderr
    assert "its scripts cannot be run directly, only as `python SCRIPT`" in done.stderr
    assert [line.partition(" from ")[0][:4] for line in done.stdout.splitlines()[1:]] == ["pip ", "pip "]


def test_a_script_that_cannot_be_executed_is_not_replaced_by_another(in_namespace) -> None:
    done = in_namespace(CLOCHE + "c e; c run e -- pip --version; echo code $?")
    assert done.stdout.splitlines()[-1] == "code 126", done
    assert "bin/pip` cannot be executed: its file system is mounted with `noexec`" in done.stderr


@pytest.mark.parametrize(("creator", "effect"), [("symlink", "python SCRIPT"), ("copy", "its Python cannot start")])
def test_doctor_names_the_mount_once_and_offers_what_works(in_namespace, creator: str, effect: str) -> None:
    remount = 'mount -o remount,noexec "$MOUNT_POINT"; '
    report = "c doctor --json e || true; c doctor --fix e >/dev/null || true; c doctor --json e || true"
    done = in_namespace(CLOCHE + f"c e --creator {creator} >&2; {remount}{report}", options="exec")
    reports = done.stdout.replace("}\n{", "}\n\0{").split("\0")
    assert len(reports) == 2, done
    for text in reports:
        [environment] = json.loads(text)["environments"]
        [finding] = environment["findings"]
        assert (finding["code"], finding["repairable"]) == ("mount-noexec", False)
        assert effect in finding["message"]
        assert finding["remedy"].startswith("only you can decide: mount it with `exec`")


def test_mode_and_mount_are_distinguished(in_namespace) -> None:
    done = in_namespace(CLOCHE + "c e; chmod 644 e/bin/pip; c run e -- pip --version; c doctor e", options="exec")
    assert "bin/pip` cannot be executed: its mode is 644" in done.stderr
    assert "it is not executable" in done.stdout + done.stderr
    assert "noexec" not in done.stdout + done.stderr


def test_a_python_on_such_a_file_system_is_not_called_not_executable(in_namespace) -> None:
    script = 'cp "$(readlink -f "$PYTHON")" ./python; chmod 755 python; c e -p ./python; '
    done = in_namespace(CLOCHE + script + "chmod 644 python; mount -o remount,exec . ; c e -p ./python; ls")
    noexec, mode = (line for line in done.stderr.splitlines() if "error" in line)
    assert "python` is on a file system mounted with `noexec`" in noexec
    assert "python` is not executable (its mode is 644)" in mode
    assert done.stdout.split() == ["python"]
