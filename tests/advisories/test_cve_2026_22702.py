"""virtualenv, and filelock (CVE-2025-68146, CVE-2026-22701): a link instead of a cache or lock led writes elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloche.store import Store
from cloche.store.kinds import STORE_DIRECTORIES
from tests.distributions import host_with_home

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="tests symbolic links")


def test_a_link_instead_of_a_lock_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    with Store.open(host_with_home(tmp_path)) as store:
        os.symlink(victim, os.path.join(store.writable_directory("locks"), "spam.lock"))
        try:
            with store.lock("spam", seconds=0.1):
                pass
        except OSError:
            pass
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("part", ["", *STORE_DIRECTORIES])
def test_a_link_instead_of_the_cache_directory_is_not_followed(part: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    place = tmp_path / ".cache" / "cloche" / part
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(victim)
    with Store.open(host_with_home(tmp_path)) as store:
        for kind in STORE_DIRECTORIES:
            store.writable_directory(kind)
    assert os.listdir(victim) == []
