"""Compare how tools move, repair and upgrade real environments.

An *event* happens to an environment that a tool created: for example, it is moved, or its base is deleted. Every tool that
can handle the event then runs its commands, and the same checks run on each result.
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
from tests.lifecycle.environments import activation_problems, create_with_uv, find_tool, populate, record_problems, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    Commands: TypeAlias = list[list[object]]

CREATE_WITH_PIP: Mapping[str, Callable[[str, Path], object]] = {
    "venv": lambda python, env: run(python, "-m", "venv", env),
    "virtualenv": lambda python, env: run(find_tool("virtualenv"), "-q", "-p", python, env),
    "uv": lambda python, env: create_with_uv("--seed", "-p", python, env),
    "uv --relocatable": lambda python, env: create_with_uv("--seed", "--relocatable", "-p", python, env),
    "cloche": lambda python, env: run(*cloche_command("-q", "-p", python, env)),
}
"""By tool: create an environment with pip, for a Python, at a path."""

FROM_INDEX = ("markupsafe",)
"""A package with an extension module, which is installed in addition to what `populate` installs."""


class Event(NamedTuple):
    """Something that happens to the environment `env` in a directory `work`, and the expected state after its repair."""

    name: str
    base: Callable[[], str]
    """Return the Python for which the environment is created; an empty string stands for a Python that can be deleted."""
    happen: Callable[[Path], None]
    """Do in `work` what happens before the tools run."""
    final_name: str
    """The name in `work` that the environment has in the end."""
    final_python: Callable[[], str]
    """Return a Python of the version that the environment has in the end."""
    commands: Mapping[str, Callable[[Path], Commands]]
    """By tool: return the commands that handle the event."""


class Verdict(NamedTuple):
    event: str
    created_by: str
    tool: str
    failed: tuple[str, ...]
    """The names of the failed checks; `fails` if a command of the tool fails."""


# Events


def do_nothing(work: Path) -> None:
    """Leave everything to the tool."""


def rename_environment(work: Path) -> None:
    (work / "env").rename(work / "moved")


def delete_base(work: Path) -> None:
    shutil.rmtree(work / "base")


def create_deletable_python(work: Path) -> Path:
    """Return the executable of a Python that a test can delete: a copy that links to the library of the original."""
    original = Path(os.path.realpath(pyenv("3.11"))).parents[1]
    base = work / "base"
    (base / "bin").mkdir(parents=True)
    shutil.copy2(original / "bin" / "python3.11", base / "bin" / "python3.11")
    for name in ("python3", "python"):
        (base / "bin" / name).symlink_to("python3.11")
    for name in ("lib", "include"):
        (base / name).symlink_to(original / name)
    return base / "bin" / "python3.11"


def cloche_command(*arguments: object) -> list[object]:
    return [sys.executable, "-m", "cloche", *arguments]


def upgrade_with_venv(python: Callable[[], str], name: str) -> Callable[[Path], Commands]:
    return lambda work: [[python(), "-m", "venv", "--upgrade", work / name]]


def recreate_with_uv(python: Callable[[], str], name: str) -> Callable[[Path], Commands]:
    return lambda work: [
        [find_tool("uv"), "venv", "-q", "--no-project", "--seed", "--allow-existing", "-p", python(), work / name]
    ]


def pyenv_python(minor: str) -> Callable[[], str]:
    return lambda: pyenv(minor)


def upgrade(name: str, base: Callable[[], str], target: Callable[[], str]) -> Event:
    """Return the event that the environment is to run another Python."""
    return Event(
        name,
        base,
        do_nothing,
        "env",
        target,
        {
            "cloche": lambda work: [cloche_command("upgrade", work / "env", "-p", target())],
            "venv --upgrade": upgrade_with_venv(target, "env"),
            "uv venv --allow-existing": recreate_with_uv(target, "env"),
        },
    )


EVENTS = (
    Event(
        "moved by the tool",
        pyenv_python("3.11"),
        do_nothing,
        "moved",
        pyenv_python("3.11"),
        {
            "cloche": lambda work: [cloche_command("move", work / "env", work / "moved")],
            "virtualenv-clone": lambda work: [
                [find_tool("virtualenv-clone"), work / "env", work / "moved"],
                ["rm", "-r", work / "env"],
            ],
            "venv-pack": lambda work: [
                [find_tool("venv-pack"), "-q", "-p", work / "env", "-o", work / "env.tar"],
                ["mkdir", work / "moved"],
                ["tar", "-xf", work / "env.tar", "-C", work / "moved"],
                ["rm", "-r", work / "env", work / "env.tar"],
            ],
        },
    ),
    Event(
        "moved by `mv`, then repaired",
        pyenv_python("3.11"),
        rename_environment,
        "moved",
        pyenv_python("3.11"),
        {
            "cloche": lambda work: [cloche_command("doctor", "--fix", work / "moved")],
            "virtualenv-tools3": lambda work: [
                [find_tool("virtualenv-tools"), f"--update-path={work / 'moved'}", work / "moved"]
            ],
            "venv --upgrade": upgrade_with_venv(pyenv_python("3.11"), "moved"),
            "uv venv --allow-existing": recreate_with_uv(pyenv_python("3.11"), "moved"),
        },
    ),
    upgrade("upgraded to another patch release", debian, pyenv_python("3.11")),
    upgrade("upgraded to a newer minor version", pyenv_python("3.11"), pyenv_python("3.12")),
    upgrade("changed to an older minor version", pyenv_python("3.12"), pyenv_python("3.11")),
    Event(
        "base deleted, then repaired",
        lambda: "",
        delete_base,
        "env",
        pyenv_python("3.11"),
        {
            "cloche": lambda work: [cloche_command("doctor", "--fix", work / "env")],
            "venv --upgrade": upgrade_with_venv(pyenv_python("3.11"), "env"),
            "uv venv --allow-existing": recreate_with_uv(pyenv_python("3.11"), "env"),
        },
    ),
)

# Checks


def check_python(environment: Path, python: str, old_path: Path) -> None:
    program = "import sys; print(sys.prefix); print(sys.version.split()[0])"
    prefix, version = run(environment / "bin" / "python", "-I", "-c", program).splitlines()
    assert os.path.samefile(prefix, environment)
    assert version == run(python, "-c", "import sys; print(sys.version.split()[0])").strip()


def check_scripts(environment: Path, python: str, old_path: Path) -> None:
    for script in ("plain-say", "plain-show", "by-hand"):
        name, prefix = run(environment / "bin" / script).split()
        assert name == "plain"
        assert os.path.samefile(prefix, environment)


def check_pip(environment: Path, python: str, old_path: Path) -> None:
    for command in ([environment / "bin" / "pip"], [environment / "bin" / "python", "-m", "pip"]):
        location = run(*command, "--version").split(" from ")[1]
        assert location.startswith((str(environment), os.path.realpath(environment)))


def check_extension_module(environment: Path, python: str, old_path: Path) -> None:
    run(environment / "bin" / "python", "-I", "-c", "import markupsafe._speedups")


def check_editables(environment: Path, python: str, old_path: Path) -> None:
    for script in ("by_path", "by_finder"):
        assert run(environment / "bin" / script).split() == [script]
    imported = run(environment / "bin" / "python", "-I", "-c", "import vendored; print(vendored.__file__)").strip()
    assert os.path.realpath(imported).startswith(os.path.realpath(environment))


def check_activation(environment: Path, python: str, old_path: Path) -> None:
    assert activation_problems(environment) == []


def check_kernel(environment: Path, python: str, old_path: Path) -> None:
    kernel = json.loads((environment / "share/jupyter/kernels/mine/kernel.json").read_text())
    assert kernel["argv"][0] == str(environment / "bin" / "python")


def check_records(environment: Path, python: str, old_path: Path) -> None:
    assert record_problems(environment) == []


def check_config(environment: Path, python: str, old_path: Path) -> None:
    config = (environment / "pyvenv.cfg").read_text()
    settings = dict(line.split(" = ", 1) for line in config.splitlines() if " = " in line)
    recorded = settings.get("version_info") or settings["version"]
    actual = run(python, "-c", "import sys; print(sys.version.split()[0])").strip()
    assert recorded.split(".")[:3] == actual.split(".")[: len(recorded.split(".")[:3])]
    assert os.path.isdir(settings["home"])


def check_leftovers(environment: Path, python: str, old_path: Path) -> None:
    """Check that no file name contains another version, and no file contains the old path."""
    name = run(python, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])").strip()
    assert [entry for entry in os.listdir(environment / "lib") if entry != name] == []
    assert [path for path in (environment / "bin").glob("python3.*") if path.name != name] == []
    if old_path != environment:
        for path in environment.rglob("*"):
            if path.is_symlink():
                assert not os.readlink(path).startswith(f"{old_path}/"), path
            elif path.is_file() and path.suffix != ".pyc":
                content = path.read_bytes()
                assert f"{old_path}/".encode() not in content, path
                assert not content.rstrip().endswith(bytes(old_path)), path


CHECKS: Mapping[str, Callable[[Path, str, Path], None]] = {
    "Python": check_python,
    "`pyvenv.cfg`": check_config,
    "scripts": check_scripts,
    "pip": check_pip,
    "extension module": check_extension_module,
    "editables": check_editables,
    "activation": check_activation,
    "kernel": check_kernel,
    "RECORD": check_records,
    "leftovers": check_leftovers,
}
"""By name: assert that an environment is correct, given a Python of its expected version and the path that it had before."""


def failed_checks(environment: Path, python: str, old_path: Path) -> tuple[str, ...]:
    """Return the names of the checks that an environment fails."""
    failed = []
    for name, check in CHECKS.items():
        try:
            check(environment, python, old_path)
        except (AssertionError, OSError, ValueError, LookupError):
            failed.append(name)
    return tuple(failed)


# The comparison


def compare_tools(
    event: Event, created_by: str, work: Path, wheels: Path, tools: tuple[str, ...] = ()
) -> Iterator[Verdict]:
    """Create an environment in the empty directory `work`, and yield a verdict for each tool that handles an event.

    Checks that already fail before the event do not count. `tools` restricts the comparison to these tools.
    """
    environment, saved = work / "env", work.with_name(f"{work.name}-saved")
    CREATE_WITH_PIP[created_by](event.base() or str(create_deletable_python(work)), environment)
    populate(environment, wheels, work / "projects")
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--disable-pip-version-check", *FROM_INDEX)
    failed_before = failed_checks(environment, event.base() or pyenv("3.11"), environment)
    shutil.copytree(work, saved, symlinks=True)
    for tool, commands in event.commands.items():
        if tools and tool not in tools:
            continue
        shutil.rmtree(work)
        shutil.copytree(saved, work, symlinks=True)
        event.happen(work)
        if any(exit_code(command) for command in commands(work)):
            failed: tuple[str, ...] = ("fails",)
        else:
            checked = failed_checks(work / event.final_name, event.final_python(), environment)
            failed = tuple(name for name in checked if name not in failed_before)
        yield Verdict(event.name, created_by, tool, failed)


def exit_code(command: list[object]) -> int:
    """Run a command and return its exit code."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
    return done.returncode
