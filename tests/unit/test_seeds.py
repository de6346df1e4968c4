"""Test seeds that are not what they seem: a bundled pip that was altered, and modules of the standard library."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from cloche.api import find
from cloche.errors import SeedError
from cloche.model.plan import Wanted
from cloche.model.value import replace
from cloche.store import Store
from cloche.store.seeds import SeedStore
from tests.distributions import host_with_home, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store, without a pip beside cloche."""
    monkeypatch.setattr("cloche.store.seed_sources._installed_beside_cloche", lambda *_: iter(()))
    with Store.open(host_with_home(tmp_path / "home")) as store:
        yield store


@pytest.mark.parametrize(
    "part", ["pip/__init__.py", "pip-26.0.dist-info/METADATA", "pip-26.0.dist-info/entry_points.txt"]
)
def test_a_bundled_pip_that_was_altered_is_refused(part: str, store: Store, tmp_path: Path) -> None:
    bundled = tmp_path / "lib" / "ensurepip" / "_bundled"
    wheel = make_wheel(bundled, "pip", "26.0", {"pip/__init__.py": "", "pip/__main__.py": "print('pip 26.0')"})
    interpreter = replace(find(), stdlib=str(tmp_path / "lib"))
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content + b"\n# evil" * (name == part))

    with pytest.raises(SeedError, match=f"`{part}` does not match its hash in RECORD"):
        SeedStore(store).images_for(Wanted(network="never"), interpreter)
    assert [names for _, _, names in os.walk(store.writable_directory("images")) if names] == []


@pytest.mark.parametrize("module", ["json.py", "json/__init__.py", "sys.py", "math.cpython-311-x86_64-linux-gnu.so"])
def test_a_seed_with_a_module_of_the_standard_library_is_named(module: str, store: Store, tmp_path: Path) -> None:
    make_wheel(tmp_path, "spam", files={"spam.py": "", module: ""}, entry_points="")
    wanted = Wanted(("spam",), (str(tmp_path),), "never")

    assert len(SeedStore(store).images_for(wanted, find())) == 1
    name = module.partition(".")[0].partition("/")[0]
    assert store.warnings == [
        f"spam 1.0 contains `{name}`, but Python imports the modules of the same name in its standard library instead"
    ]


def test_other_modules_cause_no_warning(store: Store, tmp_path: Path) -> None:
    files = {
        "spam/json.py": "",
        "jsonic.py": "",
        "spam-1.0.data/scripts/json.py": "",
        "site-packages/x.py": "",
        "json.txt": "",
    }
    make_wheel(tmp_path, "spam", files=files, entry_points="")

    SeedStore(store).images_for(Wanted(("spam",), (str(tmp_path),), "never"), find())
    assert store.warnings == []
