"""What an environment says of itself when it is started: whether it runs, where it thinks it is, what it can import.

It starts the environment's own Python, and shells on its activation scripts; nothing else in the lifecycle does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from cloche import template
from cloche.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.lifecycle.installed import Installed
    from cloche.model import Environment, Host

PATIENCE = 60.0
"""Seconds after which a Python that does not answer counts as broken."""


@value
class Examined:
    """What the environment's Python told."""

    failure: str
    """Why it does not start; empty if it does, and the rest is true."""
    prefix: str = ""
    version: tuple[int, ...] = ()
    unresolvable: tuple[str, ...] = ()
    """Modules, of those that were asked for, that cannot be found."""
    seed: str = ""
    """Why pip does not run; empty if it does, or there is none."""


def modules_of(distributions: Iterable[Installed]) -> list[str]:
    """Return the modules that scripts of these distributions import."""
    return sorted({point.module for one in distributions for point in one.entry_points if point.module})


def examine(environment: Environment, host: Host, modules: Iterable[str] = (), *, seed: str = "yes") -> Examined:
    """Start an environment's Python and ask."""
    program = template.resource(__name__, "_examine.py")
    executable = environment.place(environment.layout.executable)
    asked = [*modules, *(["--seed"] if seed == "yes" else [])]
    environ = {name: text for name, text in host.environ.items() if not name.startswith(("PYTHON", "__PYVENV"))}
    try:
        ran = subprocess.run(
            [executable, "-I", "-B", "-c", program, *asked],
            env=environ,
            cwd=os.path.abspath(os.sep),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Examined(f"gave no answer in {PATIENCE:.0f} s")
    except OSError as error:
        return Examined((error.strerror or str(error)).lower())
    lines = ran.stdout.decode("utf-8", "surrogateescape").strip().splitlines()
    try:
        facts = json.loads(lines[-1])
        return Examined(
            "", facts["prefix"], tuple(facts["version"][:3]), tuple(facts["unresolvable"]), facts["seed"].strip()
        )
    except (IndexError, ValueError, KeyError, TypeError):
        said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        return Examined(said[-1] if said else f"ended with code {ran.returncode}")


SHELLS = {
    "bash": ("activate", ". {} && printf '%s\\n' \"$VIRTUAL_ENV\" && command -v python"),
    "dash": ("activate", ". {} && printf '%s\\n' \"$VIRTUAL_ENV\" && command -v python"),
    "zsh": ("activate", ". {} && printf '%s\\n' \"$VIRTUAL_ENV\" && command -v python"),
    "fish": ("activate.fish", "source {}; and echo $VIRTUAL_ENV; and command -s python"),
    "tcsh": ("activate.csh", "set prompt = ''; source {} && echo $VIRTUAL_ENV:q && which python"),
}
"""By shell: the script it reads, and a program that activates and tells the result. The script's name is quoted."""


def activations(environment: Environment, host: Host) -> list[str]:
    """Activate in every shell that is on this machine; return the scripts that did not lead here, with the shell."""
    wrong = []
    for shell, (script, program) in SHELLS.items():
        path = environment.place(f"{environment.layout.bin}/{script}")
        found = shutil.which(shell, path=host.environ.get("PATH"))
        if found is None or not os.path.isfile(path):
            continue
        quoted = "./" + script
        environ = {name: text for name, text in host.environ.items() if not name.startswith(("VIRTUAL_ENV", "XDG_"))}
        flags = {"fish": ["--no-config"], "tcsh": ["-f"], "zsh": ["-f"], "bash": ["--norc", "--noprofile"]}
        try:
            ran = subprocess.run(
                [found, *flags.get(shell, []), "-c", program.format(quoted)],
                env={**environ, "TERM": "dumb", "HOME": "/nonexistent"},  # fish would leave its files there
                cwd=os.path.dirname(path),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        told = ran.stdout.decode("utf-8", "surrogateescape").splitlines()
        if not any(same(line, environment.location) for line in told[:2]):
            wrong.append(f"{script} ({shell})")
    return wrong


def same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
