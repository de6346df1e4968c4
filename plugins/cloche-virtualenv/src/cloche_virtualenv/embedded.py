"""`virtualenv.seed.wheels.embed`: a wheel of pip, for tools that run pip from it.

cloche embeds no wheels. This one is packed from the pip of a temporary environment.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import cloche
from cloche.fs.records import record_of
from cloche.model.value import Value
from cloche_virtualenv.request import user_cache

if TYPE_CHECKING:
    from cloche_virtualenv.request import Cache

INSTALLATION_FILES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""Files of the metadata that describe the installation, not the wheel."""


class Wheel(Value):
    """A wheel on disk."""

    path: Path
    distribution: str
    version: str

    @property
    def name(self) -> str:
        return self.path.name


def get_embed_wheel(distribution: str, for_py_version: str | None) -> Wheel | None:
    """Return a wheel of `pip` that runs on a Python `X.Y`; None for any other distribution.

    :raises ClocheError: no pip can be found or downloaded.
    """
    if distribution != "pip":
        return None
    cache = user_cache(os.environ)
    kept = cloche.cache_directory(**cache)
    directory = os.path.join(kept, "packed") if kept else tempfile.mkdtemp()
    with tempfile.TemporaryDirectory() as scratch:
        site = environment_with_pip(scratch, for_py_version, cache).purelib
        (metadata,) = (name for name in os.listdir(site) if name.startswith("pip-") and name.endswith(".dist-info"))
        version = metadata.removeprefix("pip-").removesuffix(".dist-info")
        path = os.path.join(directory, f"pip-{version}-py3-none-any.whl")
        if not os.path.isfile(path):
            os.makedirs(directory, mode=0o700, exist_ok=True)
            pack_wheel(os.fspath(site), ("pip", metadata), path)
    return Wheel(Path(path), "pip", version)


def environment_with_pip(scratch: str, python: str | None, cache: Cache) -> cloche.Environment:
    """Create an environment with pip, for a Python of this version if cloche finds one.

    Otherwise any Python will do, because pip is the same.
    """
    destination = os.path.join(scratch, "environment")
    try:
        return cloche.create(destination, python=python, activators=(), **cache)
    except cloche.InterpreterNotFound:
        return cloche.create(destination, activators=(), **cache)


def pack_wheel(site: str, directories: tuple[str, str], path: str) -> None:
    """Write a package and its metadata, without bytecode, into a wheel, and put it in place with one rename."""
    files: dict[str, bytes] = {}
    for top in directories:
        for directory, _, names in os.walk(os.path.join(site, top)):
            for name in sorted(names):
                if name.endswith(".pyc") or (top == directories[1] and name in INSTALLATION_FILES):
                    continue
                full = os.path.join(directory, name)
                with open(full, "rb") as file:
                    files[os.path.relpath(full, site).replace(os.sep, "/")] = file.read()
    files[f"{directories[1]}/RECORD"] = record_of(files, f"{directories[1]}/RECORD")
    temporary = f"{path}.{os.getpid()}"
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    os.replace(temporary, path)
