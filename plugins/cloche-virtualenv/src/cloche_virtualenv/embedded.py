"""`virtualenv.seed.wheels.embed`: a wheel of pip as a file, for tools that run pip out of it.

cloche embeds no wheels; this one is packed from the image in the store that environments get as well.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

from cloche.api import current_host
from cloche.errors import InterpreterNotFound
from cloche.model.request import Request
from cloche.model.value import replace, value
from cloche.session import Session


@value
class Wheel:
    """A wheel on disk."""

    path: Path
    distribution: str
    version: str

    @property
    def name(self) -> str:
        return self.path.name


def get_embed_wheel(distribution: str, for_py_version: str) -> Wheel | None:
    """Return a wheel of `pip` that runs on a Python `X.Y`; None for anything else, which virtualenv would have.

    :raises ClocheError: no pip can be had.
    """
    if distribution != "pip":
        return None
    host = current_host()
    with Session(host, cache=host.environ.get("CLOCHE_CACHE_DIR") or None) as session:
        request = Request("", pythons=(for_py_version,), activators=())
        try:
            image = session.blueprint(request).images[0]
        except InterpreterNotFound:  # whoever asks has one that cloche does not find, and pip is the same for it
            image = session.blueprint(replace(request, pythons=())).images[0]
        place = os.path.join(session.store.root, "packed") if session.store.is_persistent else tempfile.mkdtemp()
        os.makedirs(place, mode=0o700, exist_ok=True)
        path = os.path.join(place, f"{image.distribution}-{image.version}-py3-none-any.whl")
        if not os.path.isfile(path):
            pack(os.path.join(image.root, "purelib"), path)
    return Wheel(Path(path), image.distribution, image.version)


def pack(tree: str, path: str) -> None:
    """Write the files of a directory, less their byte-code, into an archive; it appears at `path` whole or not."""
    draft = f"{path}.{os.getpid()}"
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        for directory, _, names in os.walk(tree):
            for name in sorted(names):
                if not name.endswith(".pyc"):
                    full = os.path.join(directory, name)
                    archive.write(full, os.path.relpath(full, tree).replace(os.sep, "/"))
    os.replace(draft, path)
