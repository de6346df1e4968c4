"""Test the images of a lock file: those of exactly the locked files, for any target."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from cloche.errors import SeedError
from cloche.model.plan import LockRequest, Wanted
from cloche.store import Store, distributions
from cloche.store.lock_files.images import locked_images
from cloche.testing.fakes import fake_environment, fake_interpreter
from tests.distributions import host_with_home, make_wheel
from tests.locks import package, pylock, sha256_of, simple_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloche.model.distribution import Image


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(host_with_home(tmp_path / "home"))


def images(tmp_path: Path, store: Store, text: str, kind: str = "cpython-3.12-linux") -> list[Image]:
    path = tmp_path / "pylock.toml"
    path.write_text(text)
    wanted = Wanted((), (str(tmp_path / "wheels"),), "never", lock=LockRequest(str(path)))
    return locked_images(wanted, fake_interpreter(kind), store)


def test_a_windows_environment_is_planned_on_any_system(tmp_path: Path, store: Store) -> None:
    from cloche.store.installation import image_operations

    wheels = [
        make_wheel(tmp_path / "wheels", files={"spam.pyd": "", "spam.py": ""}, tags=[f"cp312-cp312-{platform}"])
        for platform in ("win_amd64", "win_arm64")
    ]

    [image] = images(tmp_path, store, pylock([package("spam", wheels=wheels)]), "cpython-3.12-windows")

    interpreter = fake_interpreter("cpython-3.12-windows")
    operations = image_operations(image, fake_environment("C:\\env", interpreter))
    assert "Scripts/spam.exe" in [operation.path for operation in operations]


def test_a_pin_without_a_local_label_allows_one(tmp_path: Path, store: Store) -> None:
    simple_wheel(tmp_path / "wheels", "spam", "2.0+cpu")
    path = tmp_path / "requirements.txt"
    wanted = Wanted((), (str(tmp_path / "wheels"),), "never", lock=LockRequest(str(path)))
    path.write_text("spam==2.0\n")

    [image] = locked_images(wanted, fake_interpreter(), store)

    assert image.version == "2.0+cpu"


def test_a_wheel_with_the_metadata_of_another_version_is_refused(tmp_path: Path, store: Store) -> None:
    wheel = simple_wheel(tmp_path / "wheels", "spam", "2.0")
    renamed = wheel.rename(wheel.with_name("spam-1.0-py3-none-any.whl"))

    with pytest.raises(SeedError) as raised:
        images(tmp_path, store, pylock([package("spam", wheels=[renamed])]))

    assert raised.value.message == f"`{renamed}` contains spam 2.0, but spam 1.0 is locked"


def test_the_requirement_of_a_wheel_counts_even_if_the_lock_does_not_repeat_it(tmp_path: Path, store: Store) -> None:
    wheel = simple_wheel(tmp_path / "wheels", "spam", requires_python=">=3.13")

    with pytest.raises(SeedError) as raised:
        images(tmp_path, store, pylock([package("spam", wheels=[wheel])]))

    assert raised.value.message == "`spam` 1.0 does not run on CPython 3.12.1: it needs Python >=3.13"


@pytest.mark.parametrize("kind", ["directory", "pipe", "missing"])
def test_a_local_wheel_that_is_not_a_file_is_refused(kind: str, tmp_path: Path, store: Store) -> None:
    wheel = tmp_path / "spam-1.0-py3-none-any.whl"
    if kind == "directory":
        wheel.mkdir()
    elif kind == "pipe":
        os.mkfifo(wheel)
    entry = {"path": wheel.name, "hashes": {"sha256": "0" * 64}}

    with pytest.raises(SeedError) as raised:
        images(tmp_path, store, pylock([package("spam", wheels=[entry])]))

    assert wheel.name in raised.value.message


@pytest.mark.parametrize("moment", ["before it is opened", "while it is open"])
def test_a_wheel_that_changes_while_it_is_unpacked_is_refused(
    moment: str, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is small enough to be read at once cannot change while it is open."""
    monkeypatch.setattr(distributions, "MAX_SIZE_IN_MEMORY", 0)
    wheel = simple_wheel(tmp_path / "wheels", "spam")
    text = pylock([package("spam", wheels=[wheel])])
    evil = simple_wheel(tmp_path / "evil", "spam", files={"spam/__init__.py": "evil = True\n"})
    from cloche.store.lock_files import images as module

    real = module.open_wheel

    @contextlib.contextmanager
    def opened(path: str) -> Iterator[object]:
        if moment == "before it is opened":
            os.replace(evil, path)
        with real(path) as found:
            if moment == "while it is open":
                with open(path, "ab") as file:
                    file.write(b"more")
            yield found

    monkeypatch.setattr(module, "open_wheel", opened)
    with pytest.raises(SeedError, match="changed while it was being unpacked"):
        images(tmp_path, store, text)

    [origins] = store.readable_directories("origins")
    assert os.listdir(origins) == []  # the image exists, but no lock file leads to it


def test_a_damaged_record_of_an_origin_is_ignored(tmp_path: Path, store: Store) -> None:
    wheel = simple_wheel(tmp_path / "wheels", "spam")
    text = pylock([package("spam", wheels=[wheel])])
    expected = images(tmp_path, store, text)
    [directory] = store.readable_directories("origins")
    path = os.path.join(directory, sha256_of(wheel))
    for content in (b"", b"spam", b"../../spam-1\n0\n", b"eggs-1.0-0123456789abcdef\n5\n", b"\xff\n1\n"):
        with open(path, "wb") as file:
            file.write(content)

        assert images(tmp_path, store, text) == expected


def test_a_wrong_size_is_not_hidden_by_the_cache(tmp_path: Path, store: Store) -> None:
    wheel = simple_wheel(tmp_path / "wheels", "spam")
    images(tmp_path, store, pylock([package("spam", wheels=[wheel])]))
    entry = {"name": wheel.name, "url": "https://x.example/", "hashes": {"sha256": sha256_of(wheel)}, "size": 1}

    with pytest.raises(SeedError, match="expected 1"):
        images(tmp_path, store, pylock([package("spam", wheels=[entry])]))


def test_a_wheel_that_installs_a_file_twice_is_refused(tmp_path: Path, store: Store) -> None:
    twice = "spam-1.0.data/data/lib/python3.12/site-packages/spam.py"
    wheel = make_wheel(tmp_path / "wheels", files={"spam.py": "one", twice: "two"}, entry_points="")

    with pytest.raises(SeedError, match=r"`spam` contains `lib/python3\.12/site-packages/spam\.py` twice"):
        images(tmp_path, store, pylock([package("spam", wheels=[wheel])]))


def test_a_script_in_a_directory_gets_the_directory(tmp_path: Path, store: Store) -> None:
    from cloche.store.installation import image_operations

    files = {"spam.py": "", "spam-1.0.data/scripts/below/deep/tool": "#!python\n"}
    wheel = make_wheel(tmp_path / "wheels", files=files, entry_points="")

    [image] = images(tmp_path, store, pylock([package("spam", wheels=[wheel])]))

    paths = [operation.path for operation in image_operations(image, fake_environment("/env", fake_interpreter()))]
    assert paths.index("bin/below") < paths.index("bin/below/deep") < paths.index("bin/below/deep/tool")
