"""Test that the built-in components satisfy the contracts of the testing kit; for activators, see the tests of their shells."""

from __future__ import annotations

import pytest

from cloche.plugins.registry import load_plugins
from cloche.testing import KINDS, creator_contract, finder_contract, packer_contract, seeder_contract
from tests.recorded import RECORDED_NAMES, recorded_interpreter

BUILTIN = load_plugins([])
INTERPRETERS = {**KINDS, **{name: recorded_interpreter(name) for name in RECORDED_NAMES}}

for component in BUILTIN.all("creator"):
    globals()[f"test_creator_{component.name}"] = creator_contract(component.load(), INTERPRETERS)
for component in BUILTIN.all("seeder"):
    globals()[f"test_seeder_{component.name}"] = seeder_contract(component.load())
for component in BUILTIN.all("finder"):
    globals()[f"test_finder_{component.name.replace('-', '_')}"] = finder_contract(component.load())
for component in BUILTIN.all("packer"):
    globals()[f"test_packer_{component.name.replace('.', '_')}"] = packer_contract(component.load())


@pytest.mark.parametrize("kind", ["finder", "creator", "seeder", "activator", "packer"])
def test_every_built_in_component_has_a_summary(kind: str) -> None:
    components = BUILTIN.all(kind)  # type: ignore[arg-type]

    assert components
    assert [component.name for component in components if not component.summary] == []
