"""What is compared: situations with a command for each peer, and how much of a peer's time cloche may take."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """What one peer does in one situation."""

    peer: str
    words: tuple[str, ...]
    """What stands in it: `{env}` the destination, `{bin}` where the peers are, `{wheels}` a directory with wheels, `{image}`
    one with what cloche lays down for pip, `{here}` this one."""
    every: int = 1
    """It takes part in every n-th round only, since it is slow."""
    makes: int = 1
    """How many environments it makes; if several, it prints a JSON object with a list of `seconds`, one for each."""
    environ: tuple[tuple[str, str], ...] = ()
    """Variables that are set for it."""


class Goal(NamedTuple):
    """The most that cloche may take of the time of a peer; of several, the fastest is meant."""

    most: float
    peers: tuple[str, ...]


class Row(NamedTuple):
    """One situation."""

    name: str
    title: str
    commands: tuple[Command, ...]
    goals: tuple[Goal, ...] = ()
    cold: bool = False
    """Whether every run starts with an empty home directory, so that nothing is cached."""
    more: int = 1
    """How many times as many rounds it gets, since they are short."""


def command(peer: str, line: str, every: int = 1) -> Command:
    return Command(peer, tuple(line.split()), every)


def first_pip(peer: str, line: str, every: int = 1) -> Command:
    """As `command`, and then the first start of the pip that it brought."""
    return Command(peer, ("sh", "-c", f"{line} && {{env}}/bin/python -m pip --version"), every)


def inside(*options: str) -> Command:
    """Return a process that makes one environment after the other."""
    return Command(
        "cloche", ("{bin}/python", "{here}/inside.py", "{env}", str(MADE_INSIDE), *options), makes=MADE_INSIDE
    )


MADE_INSIDE = 20
UV = "{bin}/uv venv -q --offline -p {bin}/python"
UV_SEEDED = UV + " --seed {env}"
UV_COLD = UV + " --seed --no-index --find-links {wheels} {env}"
"""Nothing may come from the network, so what uv has not got yet comes from a directory."""
VIRTUALENV = "{bin}/virtualenv --no-periodic-update {env}"
"""Without the process that it starts in the background, which would slow whoever is measured next."""
VENV = "{bin}/python -m venv {env}"
CLOCHE = "{bin}/cloche {env}"
BARE = command("python", "{bin}/python -c pass")
"""The start of the interpreter, with `site`, that no Python program can do without."""
SLOW = 5

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
        "least",
        "with pip, beside what it consists of at least: a start of Python, and links",
        (command("cloche", CLOCHE), BARE, command("cp", "cp -rl {image} {env}"), command("uv", UV_SEEDED)),
    ),
    Row(
        "first-pip",
        "with pip, and its first start",
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
        "with pip, in a process that runs already",
        (inside(), command("uv", UV_SEEDED)),
        (Goal(0.25, ("uv",)),),
    ),
    Row(
        "in-process-again",
        "the same, each removed before the next is made",
        (inside("--remove"), command("uv", UV_SEEDED)),
        (Goal(0.25, ("uv",)),),
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
        "with pip, nothing cached, and its first start",
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
        more=2,
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
        more=2,
    ),
    Row(
        "completion",
        "`completion bash`",
        (command("cloche", "{bin}/cloche completion bash"), BARE),
        (Goal(3.0, ("python",)),),
        more=2,
    ),
    Row(
        "key-press",
        "what stands next, asked by a shell",
        (command("cloche", "{bin}/cloche completion bash -- cloche mo"), BARE),
        (Goal(3.0, ("python",)),),
        more=2,
    ),
)
"""Every row of the report, in its order."""
