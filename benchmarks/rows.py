"""The rows of the comparison: tasks with a command for each peer, and the goals for cloche."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Command(NamedTuple):
    """The command of one peer for one task."""

    peer: str
    words: tuple[str, ...]
    """Its words. Slots: `{env}` is the destination, `{bin}` the directory of the peers' executables, `{wheels}` a directory
    with wheels, `{image}` the directory of pip's files in cloche's cache, `{portable}` a portable environment, `{locks}` the
    directory of the lock files and of the environments that are made from them, `{trees}` the directory of the environments
    for `lifecycle`, `{here}` the directory of this module."""
    every: int = 1
    """Run it only in every n-th round; for slow commands."""
    environments: int = 1
    """How many environments it creates. If several, it prints a JSON object with a list of `seconds`, one for each."""
    environ: tuple[tuple[str, str], ...] = ()
    """Additional environment variables."""
    before: tuple[str, ...] = ()
    """The words of a command to run first, whose time does not count."""


class Goal(NamedTuple):
    """The highest acceptable ratio of the time of cloche to the time of a peer."""

    limit: float
    peers: tuple[str, ...]
    """If there are several, the fastest counts."""


class Row(NamedTuple):
    """One task."""

    name: str
    title: str
    commands: tuple[Command, ...]
    goals: tuple[Goal, ...] = ()
    cold: bool = False
    """Whether every run starts with an empty home directory, so that nothing is cached."""
    round_factor: int = 1
    """Multiplies the number of rounds; for fast commands."""
    most_rounds: int | None = None
    """The highest number of rounds; for commands that take seconds."""
    leaves: Literal["environments", "nothing"] = "environments"
    """`nothing` if each environment is removed before the next command, because many of its size would fill the disk."""


def command(peer: str, line: str, every: int = 1) -> Command:
    return Command(peer, tuple(line.split()), every)


def first_pip(peer: str, line: str, every: int = 1) -> Command:
    """Return a command that creates an environment and then starts its pip for the first time."""
    return Command(peer, ("sh", "-c", f"{line} && {{env}}/bin/python -m pip --version"), every)


def in_process(*options: str) -> Command:
    """Return a command that creates several environments in one process."""
    words = ("{bin}/python", "{here}/in_process.py", "{env}", str(PER_PROCESS), *options)
    return Command("cloche", words, environments=PER_PROCESS)


PER_PROCESS = 20
"""Environments that one process creates."""
UV = "{bin}/uv venv -q --offline -p {bin}/python"
UV_SEEDED = UV + " --seed {env}"
UV_COLD = UV + " --seed --no-index --find-links {wheels} {env}"
"""Without the network: uv takes pip from a directory, because it is not in its cache."""
VIRTUALENV = "{bin}/virtualenv --no-periodic-update {env}"
"""Without its background process, which would slow down the next command."""
VENV = "{bin}/python -m venv {env}"
CLOCHE = "{bin}/cloche {env}"
PORTABLE = " --creator portable"
BARE = command("python", "{bin}/python -c pass")
"""Starting an interpreter with `site`, the minimum for every Python program."""
SLOW = 5
"""`every` of slow commands."""

ROWS = (
    Row(
        "seeded",
        "with pip",
        (
            command("cloche", CLOCHE),
            command("uv", UV_SEEDED),
            command("virtualenv", VIRTUALENV),
            command("venv", VENV, SLOW),
        ),
        (Goal(1.0, ("uv",)), Goal(0.15, ("virtualenv",)), Goal(0.02, ("venv",))),
    ),
    Row(
        "unseeded",
        "without pip",
        (
            command("cloche", CLOCHE + " --no-seed"),
            command("uv", UV + " {env}"),
            command("virtualenv", VIRTUALENV + " --no-seed"),
            command("venv", VENV + " --without-pip"),
        ),
        (Goal(0.6, ("venv",)),),
    ),
    Row(
        "minimum",
        "with pip, compared with the minimum: a start of Python, and hard links",
        (command("cloche", CLOCHE), BARE, command("cp", "cp -rl {image} {env}"), command("uv", UV_SEEDED)),
    ),
    Row(
        "first-pip",
        "with pip, including the first start of pip",
        (
            first_pip("cloche", CLOCHE),
            first_pip("uv", UV_SEEDED),
            first_pip("virtualenv", VIRTUALENV),
            first_pip("venv", VENV, SLOW),
        ),
        (Goal(0.5, ("uv",)),),
    ),
    Row(
        "in-process",
        "with pip, in a running process",
        (in_process(), command("uv", UV_SEEDED)),
        (Goal(0.25, ("uv",)),),
    ),
    Row(
        "in-process-again",
        "the same, but each is removed before the next",
        (in_process("--remove"), command("uv", UV_SEEDED)),
        (Goal(0.25, ("uv",)),),
    ),
    Row(
        "portable",
        "with pip and its own Python, compared with hard links to all files",
        (command("cloche", CLOCHE + PORTABLE), command("cp", "cp -al {portable} {env}")),
        (Goal(1.5, ("cp",)),),
    ),
    Row(
        "cold",
        "with pip, nothing cached",
        (command("cloche", CLOCHE), command("uv", UV_COLD), command("virtualenv", VIRTUALENV)),
        (Goal(1.0, ("virtualenv",)),),
        cold=True,
    ),
    Row(
        "cold-first-pip",
        "with pip, nothing cached, including the first start of pip",
        (first_pip("cloche", CLOCHE), first_pip("uv", UV_COLD), first_pip("virtualenv", VIRTUALENV)),
        (Goal(1.0, ("uv", "virtualenv")),),
        cold=True,
    ),
    Row(
        "version",
        "`--version`",
        (
            command("cloche", "{bin}/cloche --version"),
            BARE,
            command("uv", "{bin}/uv --version"),
            command("virtualenv", "{bin}/virtualenv --version"),
        ),
        (Goal(1.5, ("python",)),),
        round_factor=2,
    ),
    Row(
        "help",
        "`--help`",
        (
            command("cloche", "{bin}/cloche --help"),
            BARE,
            command("uv", "{bin}/uv venv --help"),
            command("virtualenv", "{bin}/virtualenv --help"),
        ),
        (Goal(3.0, ("python",)),),
        round_factor=2,
    ),
    Row(
        "completion",
        "`completion bash`",
        (command("cloche", "{bin}/cloche completion bash"), BARE),
        (Goal(3.0, ("python",)),),
        round_factor=2,
    ),
    Row(
        "suggestions",
        "suggestions for a shell's completion",
        (command("cloche", "{bin}/cloche completion bash -- cloche mo"), BARE),
        (Goal(3.0, ("python",)),),
        round_factor=2,
    ),
)
"""The rows, in the order of the report."""
