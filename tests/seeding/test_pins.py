"""Test which file is obtained for a version that a requirements file pins."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.errors import SeedError
from cloche.model.plan import Wanted
from cloche.model.value import replace
from cloche.store.fetch.artifacts import OfferedFile
from cloche.store.fetch.downloads import obtain
from cloche.store.fetch.pins import Pin, SearchScope, best_file, why_none_fits
from cloche.testing import fake_interpreter
from tests.seeding.artifacts import read

if TYPE_CHECKING:
    from cloche.store import Store
    from cloche.store.fetch.pins import Form
    from tests.seeding.server import Site

pytestmark = pytest.mark.usefixtures("pip_options")

PURE = "spam-1.0-py3-none-any.whl"
FILES = {
    "spam-1.0.tar.gz": b"source",
    "spam-1.0.zip": b"source as zip",
    PURE: b"pure",
    "spam-1.0-cp312-none-any.whl": b"for 3.12",
    "spam-1.0-2-cp312-none-any.whl": b"built again for 3.12",
    "spam-1.0-cp313-none-any.whl": b"for 3.13",
    "spam-1.1-cp312-none-any.whl": b"newer",
    "spam_egg-1.0-cp312-none-any.whl": b"another distribution",
    "spam-1.0.exe": b"not a package",
    "spam-nonsense.whl": b"not valid",
}


def sha256(name: str) -> tuple[str, str]:
    return "sha256", hashlib.sha256(FILES[name]).hexdigest()


def obtain_pinned(store: Store, *hashed: str, version: str = "1.0", **wanted: object) -> bytes:
    """Return the content of the file for a pin that allows these files, or any."""
    pin = Pin("spam", version, frozenset(map(sha256, hashed)))
    [path] = obtain([pin], Wanted(**wanted), fake_interpreter(), store)  # type: ignore[arg-type]
    return read(path)


@pytest.fixture
def index(site: Site, pip_options: dict[str, str]) -> Site:
    pip_options["index-url"] = site.add_index("spam", FILES)
    return site


@pytest.mark.parametrize(
    ("hashed", "expected"),
    [
        ([], "spam-1.0-2-cp312-none-any.whl"),
        (list(FILES), "spam-1.0-2-cp312-none-any.whl"),
        ([PURE, "spam-1.0.tar.gz", "spam-1.0-cp313-none-any.whl"], PURE),
        (["spam-1.0.zip", "spam-1.0.tar.gz", "spam-1.0-cp313-none-any.whl"], "spam-1.0.tar.gz"),
        (["spam-1.0.zip"], "spam-1.0.zip"),
    ],
)
def test_the_best_allowed_file_is_downloaded(store: Store, index: Site, hashed: list[str], expected: str) -> None:
    assert obtain_pinned(store, *hashed) == FILES[expected]


def test_without_a_suitable_file_the_error_says_why_each_does_not_fit(store: Store, index: Site) -> None:
    with pytest.raises(SeedError) as caught:
        obtain_pinned(store, "spam-1.0-cp313-none-any.whl")

    assert caught.value.message == (
        "cannot obtain spam 1.0: `spam-1.0.tar.gz` has another hash; `spam-1.0.zip` has another hash; "
        "`spam-1.0-py3-none-any.whl` has another hash; `spam-1.0-cp312-none-any.whl` has another hash; and 2 more"
    )
    with pytest.raises(SeedError, match=r"cannot obtain spam 3\.0: none of the 10 files on the index has this version"):
        obtain_pinned(store, version="3.0")


def test_the_error_says_why_a_file_does_not_fit() -> None:
    python = fake_interpreter("cpython-3.12-linux")
    names = ["spam-1.0-cp313-cp313-any.whl", "spam-1.0-cp312-cp312-win_amd64.whl", "spam-1.0.tar.gz", "spam-2.0.tar.gz"]
    files = [OfferedFile(name, "", {}) for name in names] + [OfferedFile(PURE, "", {}, ">=3.13")]

    assert why_none_fits(Pin("spam", "1.0", form="wheel"), files, python).split("; ") == [
        "`spam-1.0-cp313-cp313-any.whl` is for cp313-cp313",
        "`spam-1.0-cp312-cp312-win_amd64.whl` is for win_amd64",
        "`spam-1.0.tar.gz` is not a wheel",
        f"`{PURE}` needs Python >=3.13",
    ]


@pytest.mark.parametrize(
    ("form", "expected"), [("wheel", "spam-1.0-2-cp312-none-any.whl"), ("source", "spam-1.0.tar.gz")]
)
def test_the_form_of_a_file_can_be_chosen(store: Store, index: Site, form: Form, expected: str) -> None:
    [path] = obtain([Pin("spam", "1.0", form=form)], Wanted(), fake_interpreter(), store)

    assert read(path) == FILES[expected]


def test_the_places_that_the_file_names_are_searched(
    store: Store, site: Site, pip_options: dict[str, str], tmp_path: Path
) -> None:
    pip_options["index-url"] = site.add("/empty", "")
    (tmp_path / PURE).write_bytes(b"pure")
    index = site.add_index("spam", FILES)
    for scope in (
        SearchScope((index,)),
        SearchScope(links=(tmp_path.as_uri(),)),
        SearchScope((index,), own_indexes="ignored"),
    ):
        site.requests.clear()

        [path] = obtain([Pin("spam", "1.0", scope=scope)], Wanted(), fake_interpreter(), store)

        assert read(path) == (b"pure" if scope.links else b"built again for 3.12")
        assert ("/empty/spam/" in site.paths) == (scope.own_indexes == "searched")


def test_a_file_that_was_downloaded_needs_no_index(store: Store, index: Site) -> None:
    assert obtain_pinned(store, PURE) == FILES[PURE]
    index.requests.clear()

    assert obtain_pinned(store, PURE) == obtain_pinned(store, PURE, network="never") == FILES[PURE]
    assert index.requests == []


def test_a_source_distribution_in_the_store_does_not_hide_a_wheel(store: Store, index: Site) -> None:
    assert obtain_pinned(store, "spam-1.0.tar.gz") == b"source"

    assert obtain_pinned(store, "spam-1.0.tar.gz", PURE) == b"pure"
    assert obtain_pinned(store, "spam-1.0.tar.gz", network="never") == b"source"


def test_without_hashes_the_index_is_asked_each_time(store: Store, index: Site) -> None:
    obtain_pinned(store)
    index.requests.clear()

    assert obtain_pinned(store) == FILES["spam-1.0-2-cp312-none-any.whl"]
    assert index.paths == ["/simple/spam/"]
    with pytest.raises(
        SeedError, match=r"prevents downloads, and the lock file has no hash to find a cached file for `spam==1.0`"
    ):
        obtain_pinned(store, network="never")


def test_a_wheel_in_find_links_needs_no_index(store: Store, index: Site, tmp_path: Path) -> None:
    (tmp_path / PURE).write_bytes(b"pure")
    (tmp_path / "spam-1.0-cp312-none-any.whl").write_bytes(b"another build")

    assert obtain_pinned(store, PURE, find_links=(str(tmp_path),)) == b"pure"
    assert index.requests == []


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(
    ("version", "expected"), [("2.0", b"local source"), ("1.0", FILES["spam-1.0-2-cp312-none-any.whl"])]
)
def test_a_source_distribution_in_find_links_does_not_hide_a_wheel(
    store: Store, tmp_path: Path, version: str, expected: bytes
) -> None:
    (tmp_path / f"spam-{version}.tar.gz").write_bytes(b"local source")

    assert obtain_pinned(store, version=version, find_links=(str(tmp_path),)) == expected


def test_an_index_without_hashes_is_checked_after_the_download(
    store: Store, site: Site, pip_options: dict[str, str]
) -> None:
    site.add("/links", f"<a href='/files/{PURE}'>x</a>")
    pip_options["find-links"] = f"{site.url}/links"
    site.add(f"/files/{PURE}", b"pure")
    assert obtain_pinned(store, PURE) == b"pure"

    site.add(f"/files/{PURE}", b"changed")
    with pytest.raises(SeedError) as caught:
        obtain_pinned(store, "spam-1.0.tar.gz")
    assert f"expected {sha256('spam-1.0.tar.gz')[1]}" in caught.value.message


def test_a_file_for_other_pythons_is_skipped() -> None:
    files = [OfferedFile(PURE, "new", {}, ">=3.13"), OfferedFile("spam-1.0.zip", "any", {}, ">=3.6")]

    assert best_file(Pin("spam", "1.0"), files, fake_interpreter("cpython-3.12-linux")) == files[1]


@pytest.mark.parametrize("version", ["1.0", "1", "1.0.0", "v1.0"])
def test_equal_versions_have_many_spellings(version: str) -> None:
    file = OfferedFile(PURE, "", {})

    assert best_file(Pin("spam", version), [file], fake_interpreter()) == file


def test_a_public_version_also_means_its_local_versions() -> None:
    """As in pip, where `==1.0` allows `1.0+cpu`."""
    local = OfferedFile("spam-1.0+cpu-py3-none-any.whl", "", {})

    assert best_file(Pin("spam", "1.0"), [local], fake_interpreter()) == local
    assert best_file(Pin("spam", "1.0+gpu"), [local], fake_interpreter()) is None


@pytest.mark.nightly
def test_a_pin_is_downloaded_from_the_default_index(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the settings of the fixture
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PIP_FIND_LINKS")}
    store.host = replace(store.host, environ={**kept, "HOME": store.host.cwd})
    digest = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"

    [path] = obtain([Pin("six", "1.17.0", frozenset([("sha256", digest)]))], Wanted(), fake_interpreter(), store)

    assert os.path.basename(path) == "six-1.17.0-py2.py3-none-any.whl"
    assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest


def test_weak_hashes_are_refused(store: Store) -> None:
    with pytest.raises(SeedError, match=r"the lock file has no secure hash for `spam==1.0`, only md5"):
        obtain([Pin("spam", "1.0", frozenset([("md5", "0" * 32)]))], Wanted(), fake_interpreter(), store)
    assert not os.path.exists(os.path.join(store.root, "artifacts"))
