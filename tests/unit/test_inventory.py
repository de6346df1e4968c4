"""Test what an upgrade to another Python can copy, and which packages it marks as requested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloche.lifecycle.installed import InstalledDistribution, distributions_in
from cloche.lifecycle.loose_files import LooseFiles
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.tree import Tree
from cloche.lifecycle.upgrade.inventory import can_be_copied, edited_files, is_compatible_tag, is_unmodified
from cloche.lifecycle.upgrade.staged_environment import unmark_requested
from cloche.model.value import replace
from cloche.planning.layout import layout_of
from tests.distributions import install_wheel, make_wheel
from tests.unit.interpreters import interpreter
from tests.unit.test_upgrade_plan import environment_info_of

if TYPE_CHECKING:
    from pathlib import Path

SITE = "lib/python3.12/site-packages"


@pytest.fixture
def spam(tmp_path: Path) -> InstalledDistribution:
    """A distribution that is installed in the temporary directory."""
    install_wheel(make_wheel(tmp_path / "wheels"), tmp_path / SITE)
    (distribution,) = distributions_in(str(tmp_path), SITE)
    return replace(distribution, rows=tuple(row for row in distribution.rows if not row.path.startswith("bin/")))


@pytest.mark.parametrize(
    ("tag", "name", "compatible"),
    [
        ("py3-none-any", "PyPy 3.10.14", True),
        ("py2-none-any", "CPython 3.12.1", False),
        ("cp311-cp311-linux_x86_64", "CPython 3.12.1", False),
        ("cp39-abi3-linux_x86_64", "CPython 3.12.1", True),
        ("cp312-abi3-linux_x86_64", "CPython 3.12.1", True),
        ("cp313-abi3-linux_x86_64", "CPython 3.12.1", False),
        ("cp39-abi3-linux_x86_64", "CPython 3.13.1t", False),
        ("cp39-abi3-linux_x86_64", "PyPy 3.10.14", False),
    ],
)
def test_the_tag_of_a_wheel_decides_which_pythons_can_use_it(tag: str, name: str, compatible: bool) -> None:
    assert is_compatible_tag(tag, interpreter(name)) is compatible


def test_a_package_for_one_machine_is_not_copied_to_another(spam: InstalledDistribution) -> None:
    info, target = environment_info_of("CPython 3.11.7"), interpreter("CPython 3.12.1")
    stable = replace(spam, tags=("cp39-abi3-linux_x86_64",))
    assert can_be_copied(stable, info, target)
    assert not can_be_copied(stable, info, replace(target, machine="aarch64"))
    assert can_be_copied(spam, info, replace(target, machine="aarch64"))


def test_a_package_with_a_modified_or_missing_file_is_not_intact(spam: InstalledDistribution, tmp_path: Path) -> None:
    assert is_unmodified(spam, Tree(str(tmp_path)))
    module = tmp_path / SITE / "spam.py"
    module.write_text("altered = True\n")
    assert not is_unmodified(spam, Tree(str(tmp_path)))
    module.unlink()
    assert not is_unmodified(spam, Tree(str(tmp_path)))


def test_edited_files_are_those_with_other_content(spam: InstalledDistribution, tmp_path: Path) -> None:
    module = tmp_path / SITE / "spam.py"
    assert list(edited_files(spam, Tree(str(tmp_path)))) == []
    module.write_text("altered = True\n")
    assert list(edited_files(spam, Tree(str(tmp_path)))) == [f"{SITE}/spam.py"]
    module.write_text("")
    assert list(edited_files(spam, Tree(str(tmp_path)))) == []


@pytest.mark.parametrize("requested", [True, False])
def test_a_package_stays_requested_only_if_the_user_requested_it(
    spam: InstalledDistribution, tmp_path: Path, requested: bool
) -> None:
    mark, record = tmp_path / spam.metadata / "REQUESTED", tmp_path / spam.record
    mark.write_text("")
    record.write_text(record.read_text() + "spam-1.0.dist-info/REQUESTED,,\n")
    overlay = Overlay(str(tmp_path))
    unmark_requested(overlay, [spam], [replace(spam, requested=requested)])
    overlay.update_checksums()
    overlay.apply()
    assert mark.exists() == requested
    assert ("REQUESTED" in record.read_text()) == requested


def test_a_module_without_source_is_kept_and_bytecode_of_python_is_not(tmp_path: Path) -> None:
    for name in ("secret.pyc", "__pycache__/plain.cpython-312.pyc"):
        (tmp_path / SITE / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / SITE / name).touch()

    found = LooseFiles(str(tmp_path), layout_of(interpreter("CPython 3.12.1")), {}, ()).in_tree(Tree(str(tmp_path)))

    assert found == [f"{SITE}/secret.pyc"]
