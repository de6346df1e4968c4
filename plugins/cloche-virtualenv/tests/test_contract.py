"""What every plugin promises."""

from __future__ import annotations

from cloche.testing import plugin_contract

test_contract = plugin_contract("cloche-virtualenv")
