"""Write small distributions that tools install without an index: a library, and a build backend for these tests."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LEAF = "ANSWER = 42\n"

BACKEND = '''\
"""A build backend (PEP 517, PEP 660) for projects of one module. The wheel contains the `pyvenv.cfg` of its build environment."""

import base64
import hashlib
import os
import sys
import tarfile
import zipfile

NAME, VERSION = "project", "1.0"


def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_sdist = get_requires_for_build_editable = get_requires_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open("project.py", "rb") as file:
        return write(wheel_directory, {"project.py": file.read()})


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return write(wheel_directory, {"project.pth": os.getcwd().encode()})


def build_sdist(sdist_directory, config_settings=None):
    name = f"{NAME}-{VERSION}"
    with tarfile.open(os.path.join(sdist_directory, f"{name}.tar.gz"), "w:gz") as archive:
        for file in ("project.py", "pyproject.toml"):
            archive.add(file, f"{name}/{file}")
        with open("PKG-INFO", "w") as file:
            file.write(f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: {VERSION}\\n")
        archive.add("PKG-INFO", f"{name}/PKG-INFO")
    return f"{name}.tar.gz"


def write(directory, files):
    with open(os.path.join(sys.prefix, "pyvenv.cfg"), "rb") as file:
        built_in = file.read()
    info = f"{NAME}-{VERSION}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: {VERSION}\\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/entry_points.txt": b"[console_scripts]\\nproject = project:main\\n",
        f"{info}/built-in.cfg": built_in,
    }
    rows = [f"{name},sha256={digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    name = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return name


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
'''

PROJECT = """\
[build-system]
requires = ["tinybackend"]
build-backend = "tinybackend"

[project]
name = "project"
version = "1.0"
requires-python = ">=3.6"
"""

MODULE = """\
def main():
    print("hello from the project")
"""


def make_wheelhouse(directory: Path) -> Path:
    """Fill a directory with the wheels of `leaf` and `tinybackend`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in (("leaf", LEAF), ("tinybackend", BACKEND)):
        info = f"{name}-1.0.dist-info"
        files = {
            f"{name}.py": text,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        rows = [f"{path},sha256={digest(content)},{len(content)}" for path, content in files.items()]
        files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
        with zipfile.ZipFile(directory / f"{name}-1.0-py3-none-any.whl", "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)
    return directory


def make_project(directory: Path, more: str = "") -> Path:
    """Write a project that the tiny backend builds; `more` is appended to its `pyproject.toml`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pyproject.toml").write_text(PROJECT + more, encoding="utf-8")
    (directory / "project.py").write_text(MODULE, encoding="utf-8")
    return directory


def digest(content: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
