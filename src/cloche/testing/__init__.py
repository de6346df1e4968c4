"""The contract kit: what the author of a plugin runs against it, in one line of pytest.

Each function below returns a test. Give it a name that pytest collects, and every promise is a case of its own::

    from cloche.testing import activator_contract
    from cloche_elvish import activator

    test_contract = activator_contract(activator, Shell(("elvish", "-norc"), echo="print {text}"))

The kit holds for others what it holds for the plugins in the box; it knows nothing of them.
"""

from __future__ import annotations

from cloche.testing.activators import activator_contract
from cloche.testing.checks import Broken, Check, NotApplicable, broken, not_applicable
from cloche.testing.creators import creator_contract
from cloche.testing.fakes import KINDS, fake_environment, fake_host, fake_interpreter
from cloche.testing.finders import finder_contract
from cloche.testing.hostile import HOSTILE
from cloche.testing.plugins import plugin_contract
from cloche.testing.purity import Watch
from cloche.testing.seeders import seeder_contract
from cloche.testing.shells import Shell
from cloche.testing.terminal import Terminal

__all__ = [
    "HOSTILE",
    "KINDS",
    "Broken",
    "Check",
    "NotApplicable",
    "Shell",
    "Terminal",
    "Watch",
    "activator_contract",
    "broken",
    "creator_contract",
    "fake_environment",
    "fake_host",
    "fake_interpreter",
    "finder_contract",
    "not_applicable",
    "plugin_contract",
    "seeder_contract",
]
