"""Put the stand-in for virtualenv into a tool's environment, and take it out again: all or nothing, and exactly.

In the environment's root a directory `.virtualenv-shim` keeps what was there before, and a journal. The stand-in comes
by renames that the journal names before the first is done, and goes by undoing them; what a run that was killed left
half-done is undone by the next.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
from importlib import import_module
from typing import TYPE_CHECKING

from cloche import ClocheError, DestinationError, __version__
from cloche.api import load
from cloche.fs.locks import DirectoryLock
from cloche.model.distribution import normalised
from cloche.model.value import fields, replace, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Literal, TypeAlias

    from cloche import Environment

    Phase: TypeAlias = Literal["moving", "installed"]

KEEP = ".virtualenv-shim"
"""The directory in the environment's root."""

JOURNAL = "journal.json"

LIKE = "21.15.8"
"""The virtualenv whose interface the stand-in has; announced where there was none before."""

OLDEST = (3, 10)
"""The oldest Python that cloche runs on."""

MODULES = {
    "cloche": "cloche",
    "cloche_virtualenv": "cloche-virtualenv",
    "python_discovery": "python-discovery",
    "filelock": "filelock",
    "platformdirs": "platformdirs",
    "pluggy": "pluggy",
    "packaging": "packaging",
    "distlib": "distlib",
    "tomli": "tomli",
}
"""What the stand-in imports, by module, with the distribution that has it."""

SHOW_MISSING = """
import importlib.util, json, sys
print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]))
"""

TRY = """
import sys
sys.path.insert(0, sys.argv[1])
import virtualenv.app_data, virtualenv.info, virtualenv.discovery.cached_py_info, virtualenv.seed.wheels.embed
import virtualenv.__main__, virtualenv.util.subprocess
print(virtualenv.__version__)
"""


@value
class Status:
    """What stands for virtualenv in an environment."""

    environment: str
    announced: str
    """The version that `virtualenv` has there; empty if there is none."""
    installed: bool
    """Whether it is the stand-in."""
    kept: str
    """Version of the virtualenv that is kept aside; empty if there is none."""
    borrowed: Mapping[str, str]
    """Modules that the stand-in takes from elsewhere, and the directories."""
    replaced: bool = False
    """Whether something else has been installed over the stand-in."""


def status(target: str) -> Status:
    """Return what stands for virtualenv in an environment; nothing is changed.

    :raises DestinationError: `target` is no environment.
    """
    environment = load(target)
    journal = read_journal(environment)
    found = dist_info(environment)
    announced = version_of(found) if found else ""
    if journal is None or journal.phase == "moving":
        return Status(environment.location, announced, False, "", {})
    standing = announced == journal.announced
    return Status(environment.location, announced, standing, journal.kept, journal.borrowed, replaced=not standing)


def install(target: str) -> Status:
    """Put the stand-in into a tool's environment; what was there is kept aside.

    :raises DestinationError: `target` is no environment, is for a Python that cannot run cloche, or has a virtualenv
        that could not be put back.
    :raises ClocheError: it does not work there. The environment is as it was.
    """
    environment = load(target)
    refuse_python(environment)
    with DirectoryLock(environment.location):
        recover(environment)
        if (journal := read_journal(environment)) is not None:
            take_out(environment, journal)
        old, kept = pieces_of_virtualenv(environment)
        borrowed = places(missing(environment))
        announced = f"{kept or LIKE}+cloche.{__version__}"
        keep = os.path.join(environment.location, KEEP)
        os.mkdir(keep)
        try:
            new = prepare(environment, os.path.join(keep, "new"), announced, borrowed)
            check(environment, os.path.join(keep, "new"), announced)
            come(environment, Journal("moving", announced, kept, borrowed, tuple(old), tuple(new)))
        except BaseException:
            recover(environment)
            shutil.rmtree(keep, ignore_errors=True)
            raise
        shutil.rmtree(os.path.join(keep, "new"))
    return status(target)


def remove(target: str) -> Status:
    """Take the stand-in out of a tool's environment and put back what was there.

    What has been installed over it since stays; what was kept is dropped then.

    :raises DestinationError: `target` is no environment, or has no stand-in.
    """
    environment = load(target)
    with DirectoryLock(environment.location):
        recover(environment)
        journal = read_journal(environment)
        if journal is None:
            raise DestinationError(
                f"there is no stand-in for virtualenv in `{environment.location}`",
                hint="`cloche virtualenv-shim install` puts one there",
            )
        take_out(environment, journal)
    return status(target)


# The journal


@value
class Journal:
    """What has been done to an environment, or is being done."""

    phase: Phase
    """`moving` while the renames are done or undone."""
    announced: str
    kept: str
    borrowed: Mapping[str, str]
    old: tuple[str, ...]
    """What was put aside, relative to the environment's root."""
    new: tuple[str, ...]
    """What came in its place."""

    @property
    def moves(self) -> list[tuple[str, str]]:
        """The renames by which the stand-in comes, in order, relative to the root."""
        return [(path, f"{KEEP}/old/{path}") for path in self.old] + [(f"{KEEP}/new/{path}", path) for path in self.new]


def read_journal(environment: Environment) -> Journal | None:
    """Return the journal; None if nothing has been done.

    :raises ClocheError: it cannot be read.
    """
    path = os.path.join(environment.location, KEEP, JOURNAL)
    try:
        with open(path, encoding="utf-8") as file:
            said = json.load(file)
        return Journal(
            said["phase"], said["announced"], said["kept"], said["borrowed"], tuple(said["old"]), tuple(said["new"])
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClocheError(
            f"`{path}` cannot be read: {error}", hint="reinstall virtualenv there with pip, and remove that directory"
        ) from None


def write_journal(environment: Environment, journal: Journal) -> None:
    path = os.path.join(environment.location, KEEP, JOURNAL)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(fields(journal), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)


def come(environment: Environment, journal: Journal) -> None:
    """Do the renames; if one fails, undo those that were done.

    :raises ClocheError: a rename failed; the environment is as it was.
    """
    write_journal(environment, journal)
    try:
        for source, target in journal.moves:
            move(environment, source, target)
    except OSError as error:
        undo(environment, journal)
        raise ClocheError(f"cannot change `{environment.location}`: {error}", hint="nothing was changed") from error
    write_journal(environment, replace(journal, phase="installed"))


def go(environment: Environment, journal: Journal) -> None:
    """Undo the renames; if one cannot be undone, do again those that were.

    :raises ClocheError: a rename failed; the stand-in is there as before.
    """
    write_journal(environment, replace(journal, phase="moving"))
    try:
        undo(environment, journal)
    except OSError as error:
        for source, target in journal.moves:
            if os.path.lexists(place(environment, source)) and not os.path.lexists(place(environment, target)):
                move(environment, source, target)
        write_journal(environment, journal)
        raise ClocheError(f"cannot change `{environment.location}`: {error}", hint="nothing was changed") from error


def place(environment: Environment, path: str) -> str:
    return os.path.join(environment.location, *path.split("/"))


def move(environment: Environment, source: str, target: str) -> None:
    """Rename below an environment's root; what stands at `target` is never replaced.

    :raises OSError: something stands there, or the system refuses.
    """
    there = place(environment, target)
    if os.path.lexists(there):
        raise FileExistsError(f"`{there}` is in the way")
    os.makedirs(os.path.dirname(there), exist_ok=True)
    os.rename(place(environment, source), there)


def undo(environment: Environment, journal: Journal) -> None:
    """Undo the renames of a journal that were done, the last first.

    :raises OSError: the system refuses.
    """
    for source, target in reversed(journal.moves):
        if os.path.lexists(place(environment, target)) and not os.path.lexists(place(environment, source)):
            move(environment, target, source)


def recover(environment: Environment) -> None:
    """Undo what a run that was killed left half-done."""
    journal = read_journal(environment)
    if journal is None or journal.phase == "moving":
        if journal is not None:
            undo(environment, journal)
        shutil.rmtree(os.path.join(environment.location, KEEP), ignore_errors=True)


def take_out(environment: Environment, journal: Journal) -> None:
    """Remove the stand-in and put back what was kept, unless something else has been installed over it.

    :raises ClocheError: the system refuses; the stand-in is there as before.
    """
    found = dist_info(environment)
    if not found or version_of(found) == journal.announced:
        go(environment, journal)
    shutil.rmtree(os.path.join(environment.location, KEEP))


# What is there


def refuse_python(environment: Environment) -> None:
    """:raises DestinationError: the environment's Python cannot run cloche."""
    base = environment.interpreter
    if base is None or not os.path.exists(environment.place(environment.layout.executable)):
        raise DestinationError(
            f"the Python of `{environment.location}` is gone", hint="`cloche doctor` tells more about it"
        )
    if base.version[:2] < OLDEST:
        raise DestinationError(
            f"`{environment.location}` is for {base.name}, and cloche runs on Python 3.10 or later",
            hint="install the tool for a newer Python",
        )


def dist_info(environment: Environment) -> str:
    """Return the metadata directory of the `virtualenv` that is installed, absolute; empty if there is none."""
    site = environment.place(environment.layout.purelib)
    for name in sorted(os.listdir(site)) if os.path.isdir(site) else ():
        if name.endswith(".dist-info") and normalised(name.partition("-")[0]) == "virtualenv":
            return os.path.join(site, name)
    return ""


def version_of(metadata: str) -> str:
    return os.path.basename(metadata).removesuffix(".dist-info").partition("-")[2]


def pieces_of_virtualenv(environment: Environment) -> tuple[list[str], str]:
    """Return what has to be put aside, relative to the root, and its version; nothing and "" if there is none.

    :raises DestinationError: there is one that could not be put back exactly.
    """
    site = environment.layout.purelib
    metadata = dist_info(environment)
    if not metadata:
        if os.path.lexists(environment.place(f"{site}/virtualenv")):
            raise DestinationError(
                f"`{environment.place(f'{site}/virtualenv')}` belongs to no installed distribution",
                hint="move it away, or install virtualenv with pip",
            )
        return [], ""
    pieces = dict.fromkeys([f"{site}/{os.path.basename(metadata)}"])
    for path in recorded(metadata):
        first, _, rest = path.partition("/")
        if first == ".." or os.path.isabs(path):
            inside = os.path.relpath(os.path.join(environment.place(site), path), environment.location)
            piece = inside.replace(os.sep, "/")
        else:
            piece = f"{site}/{first}"
        if piece not in pieces and not belongs(environment, piece, rest):
            raise DestinationError(
                f"virtualenv {version_of(metadata)} in `{environment.location}` has files that cannot be put aside, "
                f"such as `{path}`",
                hint="reinstall it with pip, not in editable mode",
            )
        if os.path.lexists(environment.place(piece)):
            pieces[piece] = None
    return list(pieces), version_of(metadata)


def belongs(environment: Environment, piece: str, rest: str) -> bool:
    """Return whether a piece is virtualenv's own: its package, or a script of its."""
    package = f"{environment.layout.purelib}/virtualenv"
    return (piece == package and bool(rest)) or piece.startswith(f"{environment.layout.bin}/virtualenv")


def recorded(metadata: str) -> Iterator[str]:
    """Yield the paths in a distribution's RECORD, relative to site-packages.

    :raises DestinationError: it has none.
    """
    try:
        with open(os.path.join(metadata, "RECORD"), encoding="utf-8", newline="") as file:
            yield from [row[0].replace("\\", "/") for row in csv.reader(file) if row and row[0]]
    except OSError:
        raise DestinationError(
            f"`{metadata}` has no RECORD: what belongs to it is not known", hint="reinstall virtualenv there with pip"
        ) from None


def missing(environment: Environment) -> list[str]:
    """Return the modules that the stand-in needs and the environment does not have."""
    base = environment.interpreter
    old = base is not None and base.version < (3, 11)
    names = [name for name in MODULES if name != "tomli" or old]
    found: list[str] = json.loads(ask(environment, SHOW_MISSING, *names))
    return found


def places(names: Sequence[str]) -> dict[str, str]:
    """Return where the modules stand from which this program runs.

    :raises ClocheError: one is not there.
    """
    found = {}
    for name in names:
        try:
            origin = os.path.abspath(str(import_module(name).__file__))
        except ImportError:
            raise ClocheError(
                f"the tool needs `{name}`, which neither it nor cloche has",
                hint=f"install {MODULES[name]} into one of the two",
            ) from None
        package = os.path.basename(origin).startswith("__init__.")
        found[name] = os.path.dirname(os.path.dirname(origin) if package else origin)
    return found


def ask(environment: Environment, program: str, *arguments: str) -> str:
    """Run a program in the environment's Python and return what it prints.

    :raises ClocheError: it failed; the message has the last line of what it said.
    """
    python = environment.place(environment.layout.executable)
    done = subprocess.run(
        [python, "-I", "-B", "-c", program, *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ClocheError(
            f"the stand-in does not work in `{environment.location}`: {said[-1]}",
            hint="install `cloche-virtualenv` there with pip, and try again",
        )
    return done.stdout


# What comes


def prepare(environment: Environment, root: str, announced: str, borrowed: Mapping[str, str]) -> list[str]:
    """Write the stand-in below `root` as it is to stand below the environment's; return its pieces, relative to it."""
    site, info = environment.layout.purelib, f"virtualenv-{announced}.dist-info"
    files = {f"virtualenv/{path}": content for path, content in package_files()}
    files["virtualenv/version.py"] = f"__version__ = {announced!r}\n".encode()
    rows = "".join(f"    {name!r}: {place!r},\n" for name, place in borrowed.items())
    files["virtualenv/_places.py"] = f"PLACES: dict[str, str] = {{\n{rows}}}\n".encode()
    own = [MODULES[name] for name in ("cloche", "cloche_virtualenv", "python_discovery") if name not in borrowed]
    files[f"{info}/METADATA"] = "".join(
        [
            f"Metadata-Version: 2.1\nName: virtualenv\nVersion: {announced}\n",
            "Summary: Stands in for virtualenv and makes environments with cloche\n",
            *(f"Requires-Dist: {name}\n" for name in own),
        ]
    ).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: cloche-virtualenv\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{info}/INSTALLER"] = b"cloche-virtualenv\n"
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\nvirtualenv = virtualenv.__main__:run_with_catch\n"
    script, body = console_script(environment)
    up = "/".join([".."] * (site.count("/") + 1))
    files[f"{up}/{script}"] = body
    files[f"{info}/RECORD"] = record(files, f"{info}/RECORD")
    for path, content in files.items():
        whole = os.path.normpath(os.path.join(root, *site.split("/"), *path.split("/")))
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "wb") as file:
            file.write(content)
    os.chmod(os.path.join(root, *script.split("/")), 0o755)
    return [f"{site}/virtualenv", f"{site}/{info}", script]


def package_files() -> Iterator[tuple[str, bytes]]:
    """Yield the files of the package `virtualenv`, relative to it."""
    root = os.path.join(os.path.dirname(__file__), "standin", "virtualenv")
    for directory, _, names in os.walk(root):
        for name in sorted(names):
            path = os.path.join(directory, name)
            if not name.endswith(".pyc"):
                with open(path, "rb") as file:
                    yield os.path.relpath(path, root).replace(os.sep, "/"), file.read()


def console_script(environment: Environment) -> tuple[str, bytes]:
    """Return path and content of the script `virtualenv`."""
    python = environment.place(environment.layout.executable)
    body = "import sys\nfrom virtualenv.__main__ import run_with_catch\n\nsys.exit(run_with_catch())\n"
    if environment.os_name == "nt":
        from cloche.store.launchers import build_launcher

        program = build_launcher(environment.interpreter, python, "console", body.encode())
        return f"{environment.layout.bin}/virtualenv.exe", program
    if len(python.encode()) > 120 or " " in python:  # more than the system reads of a first line
        first = f"#!/bin/sh\n'''exec' {sh_word(python)} \"$0\" \"$@\"\n' '''\n"
    else:
        first = f"#!{python}\n"
    return f"{environment.layout.bin}/virtualenv", (first + body).encode()


def sh_word(text: str) -> str:
    """Return `text` as one word for `sh` that is at the same time harmless inside three quotes of Python."""
    return '"' + "".join(f"\\{letter}" if letter in '\\"$`' else letter for letter in text) + '"'


def record(files: Mapping[str, bytes], own: str) -> bytes:
    """Return the RECORD of these files (recording installed projects)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        writer.writerow([path, f"sha256={digest}", len(content)])
    writer.writerow([own, "", ""])
    return text.getvalue().encode()


def check(environment: Environment, root: str, announced: str) -> None:
    """:raises ClocheError: the stand-in below `root` does not work in the environment's Python."""
    site = os.path.join(root, *environment.layout.purelib.split("/"))
    said = ask(environment, TRY, site).strip()
    if said != announced:
        raise ClocheError(f"the stand-in says that it is virtualenv `{said}`, not `{announced}`")
