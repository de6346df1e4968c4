"""The contract kit: tests that a plugin keeps its contract, in one line of pytest code.

Each function whose name ends in `_contract` returns a test with one case per check. Assign it to a name that pytest
collects::

    from cloche.testing import Shell, activator_contract
    from cloche_example import Rc

    test_contract = activator_contract(Rc(), Shell(("rc", "-e"), echo="echo -n {text}", leaves=("prompt",)))

The built-in plugins pass the same tests.
"""

from __future__ import annotations

from cloche.testing.activators import activator_contract
from cloche.testing.checks import Broken, Check, ContractTest, NotApplicable, broken, not_applicable, require_program
from cloche.testing.creators import creator_contract
from cloche.testing.fakes import KINDS, fake_environment, fake_host, fake_interpreter
from cloche.testing.finders import finder_contract
from cloche.testing.hostile import HOSTILE
from cloche.testing.packers import packer_contract
from cloche.testing.plugins import plugin_contract
from cloche.testing.purity import Watch
from cloche.testing.pythons import python_off_path
from cloche.testing.seeders import seeder_contract
from cloche.testing.shells import Shell, environment_with_scripts
from cloche.testing.terminal import Terminal

__all__ = [
    "HOSTILE",
    "KINDS",
    "Broken",
    "Check",
    "ContractTest",
    "NotApplicable",
    "Shell",
    "Terminal",
    "Watch",
    "activator_contract",
    "broken",
    "creator_contract",
    "environment_with_scripts",
    "fake_environment",
    "fake_host",
    "fake_interpreter",
    "finder_contract",
    "not_applicable",
    "packer_contract",
    "plugin_contract",
    "python_off_path",
    "require_program",
    "seeder_contract",
]
