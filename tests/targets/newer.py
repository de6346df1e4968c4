"""Get Pythons that this machine lacks from newer suites of Debian, and run tests with them.

    python tests/targets/newer.py unpacked|compiled DIRECTORY COMMAND...

Nothing outside of DIRECTORY is touched, and root is not needed: apt resolves and verifies with a state of its own, and
the packages are unpacked, not installed. The C library comes with them, and executables are told where it is. Debian has
no free-threaded Python: one is compiled from its source, which takes minutes.
Where this cannot be done it says so and runs nothing, which is a failure if `CLOCHE_REQUIRE_ALL` is 1.
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
"""The executables that are wanted, each with the package that needs it and all that belongs to it."""
TOOLS = ("apt-get", "dpkg", "dpkg-deb", "gcc", "make", "tar")


class Impossible(Exception):
    """It cannot be done on this machine; the text says why."""


def main(way: str, directory: Path, command: list[str]) -> int:
    provide = {"unpacked": unpacked, "compiled": compiled}[way]
    try:
        if lacking := [tool for tool in TOOLS if not shutil.which(tool)]:
            raise Impossible(f"there is no `{lacking[0]}`")
        pythons = provide(directory)
    except Impossible as reason:
        print(f"NOT TESTED with newer Pythons: {reason}", file=sys.stderr)
        return int(os.environ.get("CLOCHE_REQUIRE_ALL") == "1")
    environ = {**os.environ, "CLOCHE_TEST_PYTHONS": os.pathsep.join(map(str, pythons))}
    return subprocess.run(command, env=environ, check=False).returncode


def mirror() -> str:
    """Return the archive that this machine's apt uses.

    :raises Impossible: it has none of Debian.
    """
    if named := os.environ.get("CLOCHE_DEBIAN_MIRROR"):
        return named
    listed = Path("/etc/apt")
    for file in (listed / "sources.list", *sorted((listed / "sources.list.d").glob("*"))):
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        for word in text.split():
            if word.startswith(("http://", "https://")) and word.rstrip("/").endswith("/debian"):
                return word.rstrip("/")
    raise Impossible("its apt has no Debian archive")


def unpacked(directory: Path) -> list[Path]:
    """Return the executables in DIRECTORY, unpacked now if they are not there.

    :raises Impossible: the archive cannot be had, or what is in it does not run here.
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


def compiled(directory: Path) -> list[Path]:
    """Return a free-threaded build in DIRECTORY, made now if it is not there.

    :raises Impossible: the source cannot be had, or cannot be compiled.
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
    """Return a command that knows one source of packages, which it verifies, on a machine that has nothing else."""
    if not os.path.isfile(KEYRING):
        raise Impossible(f"there is no `{KEYRING}` to verify packages with")
    for place in ("lists/partial", "archives/partial", "etc"):
        (state / place).mkdir(parents=True)
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
    """Have an executable use the loader and the libraries in `root`, wherever it is copied to.

    First the libraries, then the loader: in the other order, or in one go, patchelf breaks executables of fixed position.
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
        said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise Impossible(f"`{os.path.basename(str(command[0]))}` fails: {said.splitlines()[-1]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).absolute(), sys.argv[3:]))
