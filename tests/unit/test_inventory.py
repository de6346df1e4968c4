"""What an upgrade to another Python can carry over as it is, and what was asked for by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloche.lifecycle.installed import Installed, in_site
from cloche.lifecycle.inventory import is_carriable, is_whole, serves
from cloche.lifecycle.overlay import Overlay
from cloche.lifecycle.rebuild import unmark_requested
from cloche.model.value import replace
from cloche.planning.layout import layout_of
from tests.distributions import install_wheel, make_wheel
from tests.unit.interpreters import interpreter
from tests.unit.test_upgrade_kinds import portrait_of

if TYPE_CHECKING:
    from pathlib import Path

SITE = "lib/python3.12/site-packages"


@pytest.fixture
def spam(tmp_path: Path) -> Installed:
    """A distribution in an environment below the temporary directory."""
    install_wheel(make_wheel(tmp_path / "wheels"), tmp_path / SITE)
    (one,) = in_site(str(tmp_path), SITE)
    return replace(one, rows=tuple(row for row in one.rows if not row.path.startswith("bin/")))


@pytest.mark.parametrize(
    ("tag", "name", "does"),
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
def test_the_tags_tell_which_files_serve_another_python(tag: str, name: str, does: bool) -> None:
    assert serves(tag, interpreter(name)) is does


def test_what_is_made_for_a_machine_stays_on_it(spam: Installed) -> None:
    info, target = portrait_of("CPython 3.11.7"), interpreter("CPython 3.12.1")
    stable = replace(spam, tags=("cp39-abi3-linux_x86_64",))
    assert is_carriable(stable, info, target)
    assert not is_carriable(stable, info, replace(target, machine="aarch64"))
    assert is_carriable(spam, info, replace(target, machine="aarch64"))


def test_what_was_altered_or_is_gone_is_not_whole(spam: Installed, tmp_path: Path) -> None:
    assert is_whole(spam, str(tmp_path))
    module = tmp_path / SITE / "spam.py"
    module.write_text("altered = True\n")
    assert not is_whole(spam, str(tmp_path))
    module.unlink()
    assert not is_whole(spam, str(tmp_path))


@pytest.mark.parametrize("requested", ["yes", "no"])
def test_a_package_is_not_marked_as_requested_when_only_the_upgrade_named_it_to_pip(
    spam: Installed, tmp_path: Path, requested: str
) -> None:
    mark, record = tmp_path / spam.metadata / "REQUESTED", tmp_path / spam.record
    mark.write_text("")
    record.write_text(record.read_text() + "spam-1.0.dist-info/REQUESTED,,\n")
    overlay = Overlay(str(tmp_path))
    unmark_requested(overlay, [replace(spam, requested=requested)], layout_of(interpreter("CPython 3.12.1")))
    overlay.update_checksums()
    overlay.apply()
    assert mark.exists() == (requested == "yes")
    assert ("REQUESTED" in record.read_text()) == (requested == "yes")
