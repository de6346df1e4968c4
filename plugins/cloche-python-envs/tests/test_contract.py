"""Test that the plugin keeps the contract of all plugins."""

from __future__ import annotations

from cloche.testing import plugin_contract

test_contract = plugin_contract("cloche-python-envs")
