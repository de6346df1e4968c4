"""The files of the stand-in for virtualenv, and the modules that it needs."""

from __future__ import annotations

import json
import os
import subprocess
from importlib import import_module
from typing import TYPE_CHECKING

from cloche import ClocheError, console_script
from cloche.fs.records import record_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloche import Environment

DISTRIBUTIONS = {
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
"""The modules that the stand-in imports, each with the distribution that contains it."""

LIST_MISSING = """
import importlib.util, json, sys
print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]))
"""

IMPORT_STAND_IN = """
import sys
sys.path.insert(0, sys.argv[1])
import virtualenv.app_data, virtualenv.info, virtualenv.discovery.cached_py_info, virtualenv.seed.wheels.embed
import virtualenv.__main__, virtualenv.config.cli.parser, virtualenv.run.session, virtualenv.util.subprocess
print(virtualenv.__version__)
"""


def missing_modules(environment: Environment) -> list[str]:
    """Return the modules that the stand-in needs but the environment does not have."""
    base = environment.interpreter
    needs_tomli = base is not None and base.version < (3, 11)
    names = [name for name in DISTRIBUTIONS if name != "tomli" or needs_tomli]
    found: list[str] = json.loads(run_in(environment, LIST_MISSING, *names))
    return found


def directories_of(modules: Sequence[str]) -> dict[str, str]:
    """Return the directories from which the current process imports these modules.

    :raises ClocheError: a module is not installed here either.
    """
    found = {}
    for name in modules:
        try:
            origin = os.path.abspath(str(import_module(name).__file__))
        except ImportError:
            raise ClocheError(
                f"the stand-in needs `{name}`, but neither the tool's environment nor cloche's has it",
                hint=f"install {DISTRIBUTIONS[name]} into one of the two environments",
            ) from None
        is_package = os.path.basename(origin).startswith("__init__.")
        found[name] = os.path.dirname(os.path.dirname(origin) if is_package else origin)
    return found


def write_stand_in(environment: Environment, root: str, announced: str, borrowed: Mapping[str, str]) -> list[str]:
    """Write the stand-in into `root`, with the environment's layout; return its paths, relative to `root`.

    :param borrowed: the directories of the modules that the environment does not have.
    """
    site, info = environment.layout.purelib, f"virtualenv-{announced}.dist-info"
    script = console_script(environment, "virtualenv", "virtualenv.__main__:run_with_catch")
    files = {f"virtualenv/{path}": content for path, content in package_files()}
    files["virtualenv/version.py"] = f"__version__ = {announced!r}\n".encode()
    rows = "".join(f"    {name!r}: {directory!r},\n" for name, directory in borrowed.items())
    files["virtualenv/_directories.py"] = f"DIRECTORIES: dict[str, str] = {{\n{rows}}}\n".encode()
    own = [DISTRIBUTIONS[name] for name in ("cloche", "cloche_virtualenv", "python_discovery") if name not in borrowed]
    files[f"{info}/METADATA"] = "".join(
        [
            f"Metadata-Version: 2.1\nName: virtualenv\nVersion: {announced}\n",
            "Summary: Stands in for virtualenv and creates environments with cloche\n",
            *(f"Requires-Dist: {name}\n" for name in own),
        ]
    ).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: cloche-virtualenv\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{info}/INSTALLER"] = b"cloche-virtualenv\n"
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\nvirtualenv = virtualenv.__main__:run_with_catch\n"
    up = "/".join([".."] * (site.count("/") + 1))
    files[f"{up}/{script.path}"] = script.content
    files[f"{info}/RECORD"] = record_of(files, f"{info}/RECORD")
    for path, content in files.items():
        full = os.path.normpath(os.path.join(root, *site.split("/"), *path.split("/")))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(content)
    os.chmod(os.path.join(root, *script.path.split("/")), 0o755)
    return [f"{site}/virtualenv", f"{site}/{info}", script.path]


def package_files() -> Iterator[tuple[str, bytes]]:
    """Yield the paths and contents of the files of the package `virtualenv`, relative to the package."""
    root = os.path.join(os.path.dirname(__file__), "standin", "virtualenv")
    for directory, _, names in os.walk(root):
        for name in sorted(names):
            path = os.path.join(directory, name)
            if not name.endswith(".pyc"):
                with open(path, "rb") as file:
                    yield os.path.relpath(path, root).replace(os.sep, "/"), file.read()


def check_stand_in(environment: Environment, root: str, announced: str) -> None:
    """Check that the stand-in in `root` works with the environment's Python.

    :raises ClocheError: it does not.
    """
    site = os.path.join(root, *environment.layout.purelib.split("/"))
    version = run_in(environment, IMPORT_STAND_IN, site).strip()
    if version != announced:
        raise ClocheError(f"the stand-in reports the version `{version}` instead of `{announced}`")


def run_in(environment: Environment, program: str, *arguments: str) -> str:
    """Run a program with the environment's Python and return its output.

    :raises ClocheError: the program failed; the message contains the last line of its error output.
    """
    python = environment.path_to(environment.layout.executable)
    done = subprocess.run(
        [python, "-I", "-B", "-c", program, *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ClocheError(
            f"the stand-in does not work in `{environment.location}`: {lines[-1]}",
            hint="install `cloche-virtualenv` there with pip, and try again",
        )
    return done.stdout
