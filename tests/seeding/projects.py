"""Projects to build wheels from, with a build backend of their own that needs nothing from an index."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["backend"]
"""

BACKEND = '''\
"""Builds a wheel of one module that names the Python that built it. Works with Python 3.6."""
import base64, hashlib, os, sys, zipfile

NAME, VERSION, TAG = "spam", "1.0", "py3-none-any"

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return write(wheel_directory, {"spam.py": "built_by = %r\\n" % (sys.version_info[:2],)})

def write(directory, files):
    info = "%s-%s.dist-info" % (NAME, VERSION)
    files = {
        **files,
        info + "/METADATA": "Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n" % (NAME, VERSION),
        info + "/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: %s\\n" % TAG,
    }
    record = ""
    name = "%s-%s-%s.whl" % (NAME, VERSION, TAG)
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
            record += "%s,sha256=%s,%d\\n" % (path, digest, len(text.encode()))
        archive.writestr(info + "/RECORD", record + info + "/RECORD,,\\n")
    return name
'''

EDITABLE = """

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return write(wheel_directory, {"spam.pth": os.path.abspath("src") + "\\n"})
"""


def make_project(directory: Path, backend: str = "", *, pyproject: str = PYPROJECT) -> Path:
    """Create a project whose backend has some code more, and return its directory."""
    (directory / "backend").mkdir(parents=True)
    (directory / "pyproject.toml").write_text(pyproject)
    (directory / "backend" / "backend.py").write_text(BACKEND + backend)
    return directory


def make_sdist(project: Path, directory: Path, top: str = "spam-1.0") -> Path:
    """Pack a project as a source distribution, and return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{top}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(project, top)
    return path


def make_repository(project: Path, directory: Path, remove: str = "backend") -> str:
    """Put a project into a Git repository with two commits; return the first commit, which has the project."""
    git = [require("git"), "-C", str(directory), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    shutil.copytree(project, directory)
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    shutil.rmtree(directory / remove)
    subprocess.run([*git, "commit", "-qam", "two"], check=True)
    return commit
