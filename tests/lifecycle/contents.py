"""Draw random contents for environments, and create environments with them: packages, files of the user, links, modes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from tests.distributions import make_wheel
from tests.interpreters import pyenv
from tests.lifecycle.environments import CREATE_WITH, find_tool, make_project, run

if TYPE_CHECKING:
    from pathlib import Path

    from hypothesis.strategies import DrawFn

ROOT, OUTSIDE = b"{root}", b"{outside}"
"""What stands in contents for the path of the environment, and for that of a directory beside it."""

NAMES = ("env", ".venv", "it's", "a b", 'q"uote', "é", "$HOME", "(1)", "-x", "%PATH%", 'a\'b "c" $d é')
MAKERS = tuple(name for name in CREATE_WITH if name != "uv-relocatable")
PLACES = ("", "share/app/", "src/deep/er/", "var/log/", "bin/", "lib/", "{site}/", "{site}/plugin/", "include/")
FILE_NAMES = (
    "notes.txt",
    "é.txt",
    "a b",
    "-rf",
    "new\nline",
    "$x",
    "conf.json",
    "tool.py",
    "more.pth",
    ".hidden",
    "RECORD",
)
TEXTS = (
    b"",
    b"plain\n",
    b"path = {root}/share\n",
    b"#!{root}/bin/python\nprint('mine')\n",
    b'#!/bin/sh\nexec {root}/bin/python "$@"\n',
    b'{"path": "{root}/share", "other": "{outside}/x"}\n',
    b"PATH = \"{root}/share\"\nOTHER = r'{root}'\n",
    b"PATH = '''{root}/a\n{root}/b'''  # \xc3\xa9 {root}\n",
    b"one\r\ntwo {root}/x\r\n",
    b"\xff\xfe not text {root}/x\n",
    b"\0\1binary {root}/x\0",
    b"{root}\n",
    b"\xef\xbb\xbf{root}/bom\n",
    b"{root}-other {root}.bak {root}/\n",
)
FILE_MODES = (0o644, 0o600, 0o755, 0o444, 0o400, 0o664, 0o750)
DIRECTORY_MODES = (0o755, 0o700, 0o750, 0o775, *([0o555] if os.geteuid() == 0 else []))
TARGETS = (
    "{root}/share",
    "{root}/bin/python",
    "../..",
    "notes.txt",
    "{outside}/data",
    "nothing",
    "{root}",
    "/usr/bin/env",
)


class Entry(NamedTuple):
    """Something of the user's in an environment."""

    path: str
    kind: str
    """`file`, `link`, `directory` or `pipe`."""
    content: bytes
    """The content of a file, or the target of a link."""
    mode: int


class Contents(NamedTuple):
    """What an environment consists of."""

    name: str
    made_by: str
    installer: str
    """`pip` or `uv`."""
    entries: tuple[Entry, ...]
    editables: tuple[tuple[str, str], ...]
    """(where, kind): `inside` or `outside`, and a kind of `backend.py`."""
    nested: bool
    """Whether an environment with the same package is inside."""
    is_edited: bool
    """Whether a file of a package was edited, so that its hash in RECORD is not true."""


@st.composite
def entries(draw: DrawFn) -> Entry:
    kind = draw(st.sampled_from(("file", "file", "file", "link", "directory", "pipe")))
    path = draw(st.sampled_from(PLACES)) + draw(st.sampled_from(FILE_NAMES))
    if kind == "link":
        return Entry(path, kind, draw(st.sampled_from(TARGETS)).encode(), 0o777)
    if kind == "directory":
        return Entry(path, kind, b"", draw(st.sampled_from(DIRECTORY_MODES)))
    if kind == "pipe" or path.endswith(".pth"):
        return Entry(path.replace(".pth", ".fifo"), "pipe" if kind == "pipe" else "file", b"", 0o600)
    return Entry(path, kind, draw(st.sampled_from(TEXTS)), draw(st.sampled_from(FILE_MODES)))


def contents() -> st.SearchStrategy[Contents]:
    """Draw contents; where virtualenv writes the path in a form that cloche refuses to move, another tool creates them."""
    return any_contents().map(
        lambda drawn: drawn if drawn.name.isascii() or drawn.made_by != "virtualenv" else drawn._replace(made_by="venv")
    )


def any_contents() -> st.SearchStrategy[Contents]:
    return st.builds(
        Contents,
        st.sampled_from(NAMES),
        st.sampled_from(MAKERS),
        st.sampled_from(("uv", "pip")),
        st.lists(entries(), max_size=10, unique_by=lambda entry: entry.path).map(tuple),
        st.lists(
            st.tuples(st.sampled_from(("inside", "outside")), st.sampled_from(("path", "finder"))), max_size=2
        ).map(tuple),
        st.booleans(),
        st.booleans(),
    )


def create(wanted: Contents, work: Path, minor: str) -> Path:
    """Create an environment in a directory, and return its root."""
    root = work / wanted.name
    CREATE_WITH[wanted.made_by](pyenv(minor), root)
    wheels = work / "wheels"
    files = {
        "pkg/__init__.py": "NAME = 'pkg'\n",
        "pkg/data/é.bin": b"\0\xff",
        "pkg/cli.py": "def main():\n    print('pkg')\n",
    }
    make_wheel(wheels, "pkg", "1.0", files, entry_points="[console_scripts]\npkg-say = pkg.cli:main\n")
    install(root, wanted.installer, "--no-index", "--find-links", wheels, "pkg")
    for number, (where, kind) in enumerate(wanted.editables):
        parent = root / "src" if where == "inside" else work / "outside"
        project = make_project(parent, f"project_{number}", kind)
        install(root, "pip", "--no-index", "--no-deps", "--no-build-isolation", "-e", project)
    if wanted.nested:
        nested = root / "nested env"
        run(pyenv(minor), "-m", "venv", "--without-pip", nested)
        install(nested, wanted.installer, "--no-index", "--find-links", wheels, "pkg")
    site = next(root.glob("lib/python*/site-packages"))
    for entry in wanted.entries:
        write(entry, root, site, work / "outside")
    if wanted.is_edited:
        with open(site / "pkg" / "cli.py", "a") as module:
            module.write("# edited\n")
    shutil.rmtree(wheels)
    return root


def install(root: Path, installer: str, *words: object) -> None:
    """Install something with pip or uv, which do not have to be in the environment."""
    python = root / "bin" / "python"
    if installer == "uv":
        run(find_tool("uv"), "pip", "install", "-q", "--offline", "--no-config", "--python", python, *words)
    else:
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--disable-pip-version-check"]
        run(*pip, *words)


def write(entry: Entry, root: Path, site: Path, outside: Path) -> None:
    """Write something of the user's; leave it out where the environment already has something."""
    path = root / entry.path.replace("{site}", os.path.relpath(site, root))
    if os.path.lexists(path) or any(parent.is_symlink() or parent.is_file() for parent in path.parents):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    content = entry.content.replace(ROOT, bytes(root)).replace(OUTSIDE, bytes(outside))
    if entry.kind == "link":
        path.symlink_to(os.fsdecode(content))
        return
    if entry.kind == "directory":
        path.mkdir()
        (path / "kept").write_bytes(b"kept")
    elif entry.kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    path.chmod(entry.mode)


def remove(directory: Path) -> None:
    """Remove a directory, whatever the permissions in it."""
    subprocess.run(["chmod", "-R", "u+rwX", directory], check=False, capture_output=True)
    shutil.rmtree(directory)
