"""What becomes of a real environment in each of the situations that environments meet, by each tool that claims to help.

A *deed* happens to an environment of a *maker*; a *remedy* is what a tool has for it. The same checks judge them all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.interpreters import debian, pyenv
from tests.lifecycle.furniture import furnish, run, tool, wrong_activation, wrong_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Maker = Callable[[str, Path], None]

MAKERS: Mapping[str, Maker] = {
    "venv": lambda python, place: run_quietly(python, "-m", "venv", place),
    "virtualenv": lambda python, place: run_quietly(tool("virtualenv"), "-q", "-p", python, place),
    "uv": lambda python, place: run_quietly(tool("uv"), "venv", "-q", "--no-project", "--seed", "-p", python, place),
    "uv --relocatable": lambda python, place: run_quietly(
        tool("uv"), "venv", "-q", "--no-project", "--seed", "--relocatable", "-p", python, place
    ),
    "cloche": lambda python, place: run_quietly(sys.executable, "-m", "cloche", "-q", "-p", python, place),
}

REAL = ("markupsafe",)
"""What is installed from the index besides the furniture: an extension module."""


def run_quietly(*command: object) -> None:
    run(*command)


class Deed(NamedTuple):
    """What happens to an environment at `work/env`, and what it is to be afterwards."""

    name: str
    base: Callable[[], str]
    """The Python that the environment is made with."""
    happens: Callable[[Path], None]
    """What somebody has done before the tool is called, in the directory `work`."""
    ends: str
    """The name of the directory where the environment is then to work."""
    version: Callable[[], str]
    """The Python that it is then to run."""
    remedies: Mapping[str, Callable[[Path], list[list[object]]]]
    """By tool: its commands."""


class Verdict(NamedTuple):
    deed: str
    maker: str
    tool: str
    wrong: tuple[str, ...]
    """Nothing if all is right."""


# Deeds


def nothing(work: Path) -> None:
    """The tool does it all."""


def renamed(work: Path) -> None:
    (work / "env").rename(work / "moved")


def base_deleted(work: Path) -> None:
    shutil.rmtree(work / "base")


def python_of(work: Path) -> Path:
    """Return the executable of a Python that can be deleted: the library is linked, the rest is its own."""
    real = Path(os.path.realpath(pyenv("3.11"))).parents[1]
    base = work / "base"
    (base / "bin").mkdir(parents=True)
    shutil.copy2(real / "bin" / "python3.11", base / "bin" / "python3.11")
    for name in ("python3", "python"):
        (base / "bin" / name).symlink_to("python3.11")
    for name in ("lib", "include"):
        (base / name).symlink_to(real / name)
    return base / "bin" / "python3.11"


def cloche(*words: object) -> list[object]:
    return [sys.executable, "-m", "cloche", *words]


def venv_upgrade(python: Callable[[], str], name: str) -> Callable[[Path], list[list[object]]]:
    return lambda work: [[python(), "-m", "venv", "--upgrade", work / name]]


def uv_again(python: Callable[[], str], name: str) -> Callable[[Path], list[list[object]]]:
    return lambda work: [
        [tool("uv"), "venv", "-q", "--no-project", "--seed", "--allow-existing", "-p", python(), work / name]
    ]


def minor(name: str) -> Callable[[], str]:
    return lambda: pyenv(name)


def to_another(name: str, base: Callable[[], str], target: Callable[[], str]) -> Deed:
    return Deed(
        name,
        base,
        nothing,
        "env",
        target,
        {
            "cloche": lambda work: [cloche("upgrade", work / "env", "-p", target())],
            "venv --upgrade": venv_upgrade(target, "env"),
            "uv venv --allow-existing": uv_again(target, "env"),
        },
    )


DEEDS = (
    Deed(
        "moved by the tool",
        minor("3.11"),
        nothing,
        "moved",
        minor("3.11"),
        {
            "cloche": lambda work: [cloche("move", work / "env", work / "moved")],
            "virtualenv-clone": lambda work: [
                [tool("virtualenv-clone"), work / "env", work / "moved"],
                ["rm", "-r", work / "env"],
            ],
            "venv-pack": lambda work: [
                [tool("venv-pack"), "-q", "-p", work / "env", "-o", work / "env.tar"],
                ["mkdir", work / "moved"],
                ["tar", "-xf", work / "env.tar", "-C", work / "moved"],
                ["rm", "-r", work / "env", work / "env.tar"],
            ],
        },
    ),
    Deed(
        "moved by `mv`, then repaired",
        minor("3.11"),
        renamed,
        "moved",
        minor("3.11"),
        {
            "cloche": lambda work: [cloche("doctor", "--fix", work / "moved")],
            "virtualenv-tools3": lambda work: [
                [tool("virtualenv-tools"), f"--update-path={work / 'moved'}", work / "moved"]
            ],
            "venv --upgrade": venv_upgrade(minor("3.11"), "moved"),
            "uv venv --allow-existing": uv_again(minor("3.11"), "moved"),
        },
    ),
    to_another("another patch release", debian, minor("3.11")),
    to_another("a newer minor version", minor("3.11"), minor("3.12")),
    to_another("an older minor version", minor("3.12"), minor("3.11")),
    Deed(
        "the base was deleted",
        lambda: "",
        base_deleted,
        "env",
        minor("3.11"),
        {
            "cloche": lambda work: [cloche("doctor", "--fix", work / "env")],
            "venv --upgrade": venv_upgrade(minor("3.11"), "env"),
            "uv venv --allow-existing": uv_again(minor("3.11"), "env"),
        },
    ),
)

# Judging


def check_python(environment: Path, version: str, gone: Path) -> None:
    ask = "import sys; print(sys.prefix); print(sys.version.split()[0])"
    prefix, runs = run(environment / "bin" / "python", "-I", "-c", ask).splitlines()
    assert os.path.samefile(prefix, environment)
    assert runs == run(version, "-c", "import sys; print(sys.version.split()[0])").strip()


def check_scripts(environment: Path, version: str, gone: Path) -> None:
    for script, said in (("plain-say", "plain"), ("plain-show", "plain"), ("by-hand", "plain")):
        words = run(environment / "bin" / script).split()
        assert words[0] == said
        assert os.path.samefile(words[1], environment)


def check_pip(environment: Path, version: str, gone: Path) -> None:
    for command in ([environment / "bin" / "pip"], [environment / "bin" / "python", "-m", "pip"]):
        where = run(*command, "--version").split(" from ")[1]
        assert where.startswith((str(environment), os.path.realpath(environment)))


def check_extension(environment: Path, version: str, gone: Path) -> None:
    run(environment / "bin" / "python", "-I", "-c", "import markupsafe._speedups")


def check_editables(environment: Path, version: str, gone: Path) -> None:
    for script in ("by_path", "by_finder"):
        assert run(environment / "bin" / script).split() == [script]
    where = run(environment / "bin" / "python", "-I", "-c", "import vendored; print(vendored.__file__)").strip()
    assert os.path.realpath(where).startswith(os.path.realpath(environment))


def check_activation(environment: Path, version: str, gone: Path) -> None:
    assert wrong_activation(environment) == []


def check_kernel(environment: Path, version: str, gone: Path) -> None:
    kernel = json.loads((environment / "share/jupyter/kernels/mine/kernel.json").read_text())
    assert kernel["argv"][0] == str(environment / "bin" / "python")


def check_records(environment: Path, version: str, gone: Path) -> None:
    assert wrong_records(environment) == []


def check_version_in_config(environment: Path, version: str, gone: Path) -> None:
    config = (environment / "pyvenv.cfg").read_text()
    settings = dict(line.split(" = ", 1) for line in config.splitlines() if " = " in line)
    said = settings.get("version_info") or settings["version"]
    actual = run(version, "-c", "import sys; print(sys.version.split()[0])").strip()
    assert said.split(".")[:3] == actual.split(".")[: len(said.split(".")[:3])]
    assert os.path.isdir(settings["home"])


def check_leftovers(environment: Path, version: str, gone: Path) -> None:
    """Nothing has the name of another version, and no text names the old place."""
    own = run(version, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])").strip()
    assert [name for name in os.listdir(environment / "lib") if name != own] == []
    assert [path for path in (environment / "bin").glob("python3.*") if path.name != own] == []
    if gone != environment:
        for path in environment.rglob("*"):
            if path.is_symlink():
                assert not os.readlink(path).startswith(f"{gone}/"), path
            elif path.is_file() and path.suffix != ".pyc":
                content = path.read_bytes()
                assert f"{gone}/".encode() not in content, path
                assert not content.rstrip().endswith(bytes(gone)), path


CHECKS: Mapping[str, Callable[[Path, str, Path], None]] = {
    "Python": check_python,
    "`pyvenv.cfg`": check_version_in_config,
    "scripts": check_scripts,
    "pip": check_pip,
    "extension module": check_extension,
    "editables": check_editables,
    "activation": check_activation,
    "kernel": check_kernel,
    "RECORD": check_records,
    "leftovers": check_leftovers,
}


def judged(environment: Path, version: str, gone: Path) -> tuple[str, ...]:
    """Return the names of the checks that an environment fails."""
    wrong = []
    for name, check in CHECKS.items():
        try:
            check(environment, version, gone)
        except (AssertionError, OSError, ValueError, LookupError):
            wrong.append(name)
    return tuple(wrong)


# Running


def compare(deed: Deed, maker: str, work: Path, wheels: Path, tools: tuple[str, ...] = ()) -> Iterator[Verdict]:
    """Have a deed happen to one environment, and each tool remedy it; `work` is an empty directory.

    What was wrong before is nobody's fault.
    """
    environment, saved = work / "env", work.with_name(f"{work.name}-saved")
    MAKERS[maker](deed.base() or str(python_of(work)), environment)
    furnish(environment, wheels, work / "projects")
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--disable-pip-version-check", *REAL)
    before = judged(environment, deed.base() or pyenv("3.11"), environment)
    shutil.copytree(work, saved, symlinks=True)
    for name, remedy in deed.remedies.items():
        if tools and name not in tools:
            continue
        shutil.rmtree(work)
        shutil.copytree(saved, work, symlinks=True)
        deed.happens(work)
        failed = any(ended(command) for command in remedy(work))
        wrong = [one for one in judged(work / deed.ends, deed.version(), environment) if one not in before]
        yield Verdict(deed.name, maker, name, ("fails",) if failed else tuple(wrong))


def ended(command: list[object]) -> int:
    """Run a tool's command, and return its exit code."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
    return done.returncode
