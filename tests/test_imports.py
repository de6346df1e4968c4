"""What a run loads, measured in a fresh interpreter: start-up is a feature with a budget."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import sys
before = set(sys.modules)
from cloche.__main__ import main
try:
    code = main(sys.argv[1:])
finally:
    loaded = sorted(set(sys.modules) - before)
    import json
    sys.stderr.write(json.dumps(loaded))
sys.exit(code)
"""


def loaded(*argv: str) -> set[str]:
    """Return the modules that a command line loads beyond those of a Python that has just started."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{PROGRAM}", *argv],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_asking_for_the_version_loads_nothing_but_what_prints_it() -> None:
    assert loaded("--version") <= {"__future__", "cloche", "cloche.__main__", "time"}


def test_help_asks_neither_the_machine_nor_the_plugins() -> None:
    modules = loaded("--help")

    assert {"cloche.discovery", "cloche.builtin", "cloche.hookspecs", "pluggy", "subprocess"}.isdisjoint(modules)
