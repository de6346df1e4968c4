"""Test that the stand-in is installed completely or not at all, and that removing it restores the original exactly."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

import cloche
from cloche import ClocheError, DestinationError
from cloche_virtualenv import installer, stand_in
from cloche_virtualenv.journal import KEPT_DIRECTORY

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "20.1.2"


@pytest.fixture
def tool(tmp_path: Path) -> cloche.Environment:
    """Return an environment with pip and `virtualenv`."""
    environment = cloche.create(tmp_path / "a tool", activators=())
    install(environment, virtualenv_wheel(tmp_path, VERSION))
    return environment


def install(environment: cloche.Environment, wheel: Path) -> None:
    """Install a wheel of `virtualenv` as pip does, but without starting pip, which takes a second."""
    script = environment.bin / "virtualenv"
    program = "import virtualenv.__main__ as m; m.run_with_catch()"
    script.write_text(f"#!/bin/sh\nexec '{environment.executable}' -c '{program}'\n")
    script.chmod(0o755)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(environment.purelib)
    with (environment.purelib / f"virtualenv-{VERSION}.dist-info" / "RECORD").open("a") as record:
        record.write(f"{os.path.relpath(script, environment.purelib)},,\n")


def pip_install(environment: cloche.Environment, wheel: Path) -> None:
    options = ["--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([environment.executable, "-m", "pip", "install", *options, wheel], check=True)


def virtualenv_wheel(directory: Path, version: str) -> Path:
    """Create a wheel of a `virtualenv` that does nothing."""
    info = f"virtualenv-{version}.dist-info"
    files = {
        "virtualenv/__init__.py": f"__version__ = {version!r}\n",
        "virtualenv/__main__.py": "def run_with_catch():\n    print('the original')\n",
        "virtualenv/deep/er.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: virtualenv\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nvirtualenv = virtualenv.__main__:run_with_catch\n",
    }
    rows = [f"{path},sha256={digest(content.encode())},{len(content)}" for path, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    wheel = directory / f"virtualenv-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return wheel


def digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """Return the content or target, mode and time of each file, except those that the stand-in keeps."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        if not {"__pycache__", KEPT_DIRECTORY} & set(path.parts):
            times = () if path.is_dir() else (status.st_mtime_ns,)
            found[str(path.relative_to(root))] = (content, status.st_mode, *times)
    return found


def run_virtualenv(tool: cloche.Environment, *arguments: str) -> str:
    """Run the script `virtualenv` of the tool's environment, and return its output."""
    return subprocess.run([tool.bin / "virtualenv", *arguments], capture_output=True, text=True, check=True).stdout


def test_the_stand_in_works_and_its_removal_restores_the_original(tool: cloche.Environment, tmp_path: Path) -> None:
    before = snapshot(tool.root)

    status = installer.install(tool.location)
    announced = f"{VERSION}+cloche.{cloche.__version__}"
    assert (status.installed, status.announced, status.kept) == (True, announced, VERSION)
    assert installer.status(tool.location) == status
    assert run_virtualenv(tool, "--version").startswith(f"virtualenv {announced} from {tool.purelib}")
    run_virtualenv(tool, str(tmp_path / "env"), "--no-seed")
    assert f"\ncloche = {cloche.__version__}\nvirtualenv = {announced}\n" in version_settings(tmp_path / "env")

    status = installer.remove(tool.location)
    assert (status.installed, status.announced) == (False, VERSION)
    assert snapshot(tool.root) == before
    assert not (tool.root / KEPT_DIRECTORY).exists()
    assert run_virtualenv(tool) == "the original\n"


def version_settings(root: Path) -> str:
    """Return the lines with the keys `cloche` and `virtualenv` in `pyvenv.cfg`."""
    lines = (root / "pyvenv.cfg").read_text().splitlines(keepends=True)
    ours = [line for line in lines if line.startswith(("cloche =", "virtualenv ="))]
    return "\n" + "".join(ours)


def test_pip_lists_the_stand_in(tool: cloche.Environment) -> None:
    installer.install(tool.location)
    pip = [tool.executable, "-m", "pip", "--disable-pip-version-check"]

    listed = json.loads(subprocess.run([*pip, "list", "--format=json"], capture_output=True, check=True).stdout)
    assert {"name": "virtualenv", "version": f"{VERSION}+cloche.{cloche.__version__}"} in listed
    subprocess.run([*pip, "check"], capture_output=True, check=True)


def test_record_lists_every_file_with_its_hash(tool: cloche.Environment) -> None:
    installer.install(tool.location)
    (metadata,) = tool.purelib.glob("virtualenv-*.dist-info")

    with (metadata / "RECORD").open(newline="") as file:
        rows = {row[0]: row[1:] for row in csv.reader(file)}
    for path, (hashed, size) in rows.items():
        content = (tool.purelib / path).read_bytes()
        expected = ["", ""] if path.endswith("/RECORD") else [f"sha256={digest(content)}", str(len(content))]
        assert [hashed, size] == expected, path
    ours = [*(tool.purelib / "virtualenv").rglob("*"), *metadata.rglob("*"), tool.bin / "virtualenv"]
    files = {os.path.relpath(path, tool.purelib) for path in ours if path.is_file() and "__pycache__" not in path.parts}
    assert files == set(rows)


def test_the_stand_in_can_be_installed_without_a_virtualenv(tmp_path: Path) -> None:
    environment = cloche.create(tmp_path / "env", seeds=None, activators=())
    before = snapshot(environment.root)

    assert installer.install(environment.location).kept == ""
    assert "+cloche." in run_virtualenv(environment, "--version")
    installer.remove(environment.location)
    assert snapshot(environment.root) == before


def test_a_second_installation_updates_the_stand_in(tool: cloche.Environment) -> None:
    before = snapshot(tool.root)
    first = installer.install(tool.location)

    assert installer.install(tool.location) == first
    installer.remove(tool.location)
    assert snapshot(tool.root) == before


def test_a_virtualenv_that_pip_installs_over_the_stand_in_is_kept(tool: cloche.Environment, tmp_path: Path) -> None:
    installer.install(tool.location)
    pip_install(tool, virtualenv_wheel(tmp_path, "30.0"))

    status = installer.status(tool.location)
    assert (status.installed, status.replaced, status.announced) == (False, True, "30.0")
    assert run_virtualenv(tool) == "the original\n"
    status = installer.remove(tool.location)
    assert (status.announced, status.replaced) == ("30.0", False)
    assert not (tool.root / KEPT_DIRECTORY).exists()
    assert installer.install(tool.location).kept == "30.0"


def test_a_directory_that_is_not_an_environment_is_refused(tmp_path: Path) -> None:
    for action in (installer.install, installer.remove, installer.status):
        with pytest.raises(DestinationError, match="is not an environment"):
            action(str(tmp_path))


def test_removing_a_stand_in_that_is_not_installed_is_an_error(tool: cloche.Environment) -> None:
    with pytest.raises(DestinationError, match="there is no stand-in"):
        installer.remove(tool.location)


def test_a_virtualenv_that_could_not_be_restored_is_refused(tool: cloche.Environment) -> None:
    (metadata,) = tool.purelib.glob("virtualenv-*.dist-info")
    record = metadata / "RECORD"
    lines = record.read_text()
    before = snapshot(tool.root)

    record.write_text(f"{lines}other/module.py,,\n")
    with pytest.raises(DestinationError, match=r"cannot be moved, such as `other/module\.py`"):
        installer.install(tool.location)
    record.unlink()
    with pytest.raises(DestinationError, match="has no RECORD"):
        installer.install(tool.location)
    shutil.rmtree(metadata)
    with pytest.raises(DestinationError, match="belongs to no installed distribution"):
        installer.install(tool.location)

    after = snapshot(tool.root)
    assert {path: after[path] for path in after} == {path: before[path] for path in after}


def test_a_python_that_cannot_run_cloche_is_refused(tool: cloche.Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installer, "MINIMUM_PYTHON", (9, 0))

    with pytest.raises(DestinationError, match=r"cloche needs Python 3\.10 or later"):
        installer.install(tool.location)


def test_a_stand_in_that_does_not_work_is_not_installed(
    tool: cloche.Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(tool.root)
    monkeypatch.setattr(stand_in, "IMPORT_STAND_IN", "raise SystemExit('broken')")

    with pytest.raises(ClocheError, match=r"does not work in .* broken"):
        installer.install(tool.location)

    assert snapshot(tool.root) == before


@pytest.mark.parametrize("action", ["install", "remove"])
@pytest.mark.parametrize("count", range(6))
def test_a_failed_rename_changes_nothing(
    tool: cloche.Environment, monkeypatch: pytest.MonkeyPatch, action: str, count: int
) -> None:
    if action == "remove":
        installer.install(tool.location)
    before = snapshot(tool.root)
    rename, allowed = os.rename, iter(range(count))

    def fail_once(source: str, target: str) -> None:
        if next(allowed, None) is None:
            monkeypatch.setattr(os, "rename", rename)  # only once, so that the changes can be undone
            raise PermissionError(13, "Permission denied", source)
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_once)
    with pytest.raises(ClocheError, match="Permission denied"):
        getattr(installer, action)(tool.location)

    assert snapshot(tool.root) == before


KILLED = """
import os, sys
from cloche_virtualenv import installer, stand_in
from cloche_virtualenv.journal import KEPT_DIRECTORY
action, location, count = sys.argv[1:]
rename, allowed = os.rename, iter(range(int(count)))
def exit_instead(source, target):
    if next(allowed, None) is None:
        os._exit(9)
    rename(source, target)
os.rename = exit_instead
getattr(installer, action)(location)
"""


@pytest.mark.parametrize("action", ["install", "remove"])
@pytest.mark.parametrize("count", [0, 2, 5])
def test_the_next_run_undoes_an_interrupted_change(tool: cloche.Environment, action: str, count: int) -> None:
    before = snapshot(tool.root)
    if action == "remove":
        installer.install(tool.location)

    killed = subprocess.run([sys.executable, "-c", KILLED, action, tool.location, str(count)], check=False)

    assert killed.returncode == 9
    assert not installer.status(tool.location).installed
    assert installer.install(tool.location).kept == VERSION
    installer.remove(tool.location)
    assert snapshot(tool.root) == before


def test_the_command_prints_the_new_status(tool: cloche.Environment) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "cloche", "virtualenv-shim", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert "no stand-in" in run("status", tool.location)
    assert f"virtualenv {VERSION} is kept aside" in run("install", tool.location)
    assert json.loads(run("status", tool.location, "--json"))["installed"] is True
    assert f"virtualenv {VERSION}, no stand-in" in run("remove", tool.location)
    assert "there is no stand-in" in run("remove", tool.location, code=4)
    run(code=2)


def test_the_error_for_a_missing_borrowed_module_names_its_directory(tool: cloche.Environment) -> None:
    installer.install(tool.location)
    directories = tool.purelib / "virtualenv" / "_directories.py"
    directories.write_text('DIRECTORIES = {"cloche_virtualenv": "/nowhere", "cloche": "/nowhere"}\n')

    done = subprocess.run([tool.bin / "virtualenv"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "no longer exists in `/nowhere`: install cloche there again" in done.stderr
