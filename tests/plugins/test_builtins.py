"""What comes in the box keeps the promises that third parties make; activators are asked in the tests of their shells."""

from __future__ import annotations

import pytest

from cloche.plugins.registry import load_plugins
from cloche.testing import KINDS, creator_contract, finder_contract, seeder_contract
from tests.recorded import RECORDED_NAMES, recorded_interpreter

BOX = load_plugins([])
INTERPRETERS = {**KINDS, **{name: recorded_interpreter(name) for name in RECORDED_NAMES}}

for one in BOX.all("creator"):
    globals()[f"test_creator_{one.name}"] = creator_contract(one.load(), INTERPRETERS)
for one in BOX.all("seeder"):
    globals()[f"test_seeder_{one.name}"] = seeder_contract(one.load())
for one in BOX.all("finder"):
    globals()[f"test_finder_{one.name.replace('-', '_')}"] = finder_contract(one.load())


@pytest.mark.parametrize("kind", ["finder", "creator", "seeder", "activator"])
def test_everything_in_the_box_has_a_summary(kind: str) -> None:
    given = BOX.all(kind)  # type: ignore[arg-type]

    assert given
    assert [one.name for one in given if not one.summary] == []
