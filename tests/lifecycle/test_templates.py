"""What the other tests start from is what the makers make."""

from __future__ import annotations

import pytest

from tests.interpreters import pyenv
from tests.lifecycle.furniture import MAKERS, complaints, furnish, makers
from tests.trees import snapshot


@pytest.mark.parametrize("maker", makers("venv", "cloche"))
def test_what_is_laid_down_is_what_would_have_been_made_there(cloche, furnished, wheels, maker, tmp_path) -> None:
    place = furnished(maker)
    assert complaints(place, tmp_path.parent / "templates0") == []
    laid = snapshot(place).without_bytecode()
    place.rename(tmp_path / "laid")
    (cloche.cwd / "projects").rename(tmp_path / "projects")
    MAKERS[maker](pyenv("3.12"), place)
    furnish(place, wheels, cloche.cwd / "projects")
    made = snapshot(place).without_bytecode()
    assert laid.paths() == made.paths()
    assert [path for path in made if laid[path] != made[path] and not path.endswith("RECORD")] == []
