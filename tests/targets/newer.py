"""Provide Pythons from newer Debian suites, and run tests with them.

    python tests/targets/newer.py unpacked|compiled DIRECTORY COMMAND...

This changes only DIRECTORY and needs no root permissions: apt resolves and verifies packages with a state of its own, and
they are unpacked instead of installed. They include the C library, and the executables are patched to use it. Debian has no
free-threaded Python, so that one is compiled from source, which takes minutes.

If this is not possible, a message says why, and no tests run; with `CLOCHE_REQUIRE_ALL=1` that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SUITE = os.environ.get("CLOCHE_DEBIAN_SUITE", "forky")
SOURCE_SUITE = os.environ.get("CLOCHE_DEBIAN_SOURCE_SUITE", "trixie")
SOURCE = "python3.13"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
EXECUTABLES = {"python3.14": "python3.14-dev", "python3.14d": "python3.14-dbg", "python3.15": "python3.15-dev"}
"""The executables to provide, each with a package that depends on it and on its headers."""
TOOLS = ("apt-get", "dpkg", "dpkg-deb", "gcc", "make", "tar")


class NotAvailable(Exception):
    """The Pythons cannot be provided on this machine; the message says why."""


def main(kind: str, directory: Path, command: list[str]) -> int:
    prepare = {"unpacked": unpack, "compiled": compile_free_threaded}[kind]
    try:
        if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
            raise NotAvailable(f"`{missing[0]}` is not installed")
        pythons = prepare(directory)
    except NotAvailable as reason:
        print(f"NOT TESTED with newer Pythons: {reason}", file=sys.stderr)
        return int(os.environ.get("CLOCHE_REQUIRE_ALL") == "1")
    environ = {**os.environ, "CLOCHE_TEST_PYTHONS": os.pathsep.join(map(str, pythons))}
    return subprocess.run(command, env=environ, check=False).returncode


def mirror() -> str:
    """Return the URL of the Debian archive that apt uses on this machine.

    :raises NotAvailable: apt uses no Debian archive.
    """
    if configured := os.environ.get("CLOCHE_DEBIAN_MIRROR"):
        return configured
    sources = Path("/etc/apt")
    for file in (sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))):
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        for word in text.split():
            if word.startswith(("http://", "https://")) and word.rstrip("/").endswith("/debian"):
                return word.rstrip("/")
    raise NotAvailable("apt is not configured with a Debian archive")


def unpack(directory: Path) -> list[Path]:
    """Return the executables in DIRECTORY; unpack them first if necessary.

    :raises NotAvailable: the packages cannot be downloaded, or do not run on this machine.
    """
    root, finished = directory / "root", directory / "finished"
    pythons = [root / "usr" / "bin" / name for name in EXECUTABLES]
    if not finished.is_file():
        shutil.rmtree(directory, ignore_errors=True)
        apt = apt_get(directory / "apt", f"deb [signed-by={KEYRING}] {mirror()} {SUITE} main")
        run(*apt, "--download-only", "install", *EXECUTABLES.values(), "patchelf")
        for package in sorted(directory.glob("apt/archives/*.deb")):
            run("dpkg-deb", "--extract", package, root)
        for python in pythons:
            make_independent(python, root)
        shutil.rmtree(directory / "apt")
        finished.touch()
    return pythons


def compile_free_threaded(directory: Path) -> list[Path]:
    """Return a free-threaded build in DIRECTORY; compile it first if necessary.

    :raises NotAvailable: the source cannot be downloaded or compiled.
    """
    python, finished = directory / "root" / "bin" / f"{SOURCE}t", directory / "finished"
    if not finished.is_file():
        shutil.rmtree(directory, ignore_errors=True)
        apt = apt_get(directory / "apt", f"deb-src [signed-by={KEYRING}] {mirror()} {SOURCE_SUITE} main")
        run(*apt, "--download-only", "--tar-only", "source", SOURCE, cwd=directory)
        (archive,) = directory.glob("*.orig.tar.*")
        (directory / "source").mkdir()
        run("tar", "--extract", "--strip-components=1", "--file", archive, "--directory", directory / "source")
        options = (f"--prefix={directory / 'root'}", "--disable-gil", "--disable-test-modules", "--without-ensurepip")
        run("./configure", *options, cwd=directory / "source")
        run("make", f"-j{os.cpu_count()}", cwd=directory / "source")
        run("make", "install", cwd=directory / "source")
        run(python, "-c", "import sys; sys.exit(sys._is_gil_enabled())")
        shutil.rmtree(directory / "source")
        finished.touch()
    return [python]


def apt_get(state: Path, source: str) -> list[str]:
    """Return an apt-get command with its own state, in which nothing is installed, and with one verified source.

    :raises NotAvailable: the packages cannot be verified, or the source cannot be reached.
    """
    if not os.path.isfile(KEYRING):
        raise NotAvailable(f"`{KEYRING}`, which verifies the packages, does not exist")
    for directory in ("lists/partial", "archives/partial", "etc"):
        (state / directory).mkdir(parents=True)
    (state / "status").touch()
    (state / "etc" / "sources.list").write_text(f"{source}\n")
    settings = {
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Etc": state / "etc",
        "APT::Sandbox::User": "",
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Debug::NoLocking": "true",
    }
    apt = ["apt-get", "--quiet", "--yes", *(f"-o{name}={text}" for name, text in settings.items())]
    run(*apt, "update")
    return apt


def make_independent(executable: Path, root: Path) -> None:
    """Patch an executable to use the loader and the libraries in `root`, even after it is copied.

    The library path has to be set first: otherwise patchelf breaks executables that are not position-independent.
    """
    (loader,) = root.glob("usr/lib/*/ld-linux-*.so.*")
    patchelf = [loader, "--library-path", loader.parent, root / "usr" / "bin" / "patchelf"]
    run(*patchelf, "--force-rpath", "--set-rpath", loader.parent, executable)
    run(*patchelf, "--set-interpreter", loader, executable)
    run(executable, "-c", "import ctypes, ssl")


def run(*command: object, cwd: Path | None = None) -> None:
    words = [*map(str, command)]
    done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        output = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise NotAvailable(f"`{os.path.basename(str(command[0]))}` fails: {output.splitlines()[-1]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).absolute(), sys.argv[3:]))
