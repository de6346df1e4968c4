"""Test that the plugin and its activator keep their contracts."""

from __future__ import annotations

import cloche_example
from cloche.testing import Shell, activator_contract, plugin_contract

test_activator = activator_contract(cloche_example.Rc(), Shell(("rc", "-e"), echo="echo -n {text}", leaves=("prompt",)))
test_plugin = plugin_contract("cloche-example")
