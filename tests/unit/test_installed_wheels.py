"""Test what counts as a wheel that is installed in an environment: exactly what its RECORD proves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloche.errors import SeedError
from cloche.store.contents import script_in_wheel
from cloche.store.distributions import read_installed, read_wheel
from tests.distributions import install_wheel, make_wheel, record_hash

if TYPE_CHECKING:
    from pathlib import Path


def test_an_installed_distribution_never_stands_in_for_a_wheel(tmp_path: Path) -> None:
    """Its RECORD proves the contents of files, and nothing else about them."""
    wheel, site = make_wheel(tmp_path / "wheels"), tmp_path / "env" / "lib" / "python3.12" / "site-packages"
    info = install_wheel(wheel, site)

    beside, own = read_installed(str(site), info.name), read_installed(str(site), info.name, (str(tmp_path / "env"),))

    assert beside.digest == read_wheel(str(wheel)).digest != own.digest
    assert {(file.tree, file.path) for file in own.files} == {(file.tree, file.path) for file in beside.files}


@pytest.mark.parametrize("name", ["entry_points.txt", "METADATA", "WHEEL"])
@pytest.mark.parametrize("change", ["edited", "not recorded"])
def test_metadata_that_its_record_does_not_prove_is_refused(tmp_path: Path, name: str, change: str) -> None:
    site = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
    info = install_wheel(make_wheel(tmp_path / "wheels"), site)
    if change == "edited":
        (info / name).write_text((info / name).read_text() + "# edited\n")
    else:
        rows = (info / "RECORD").read_text().splitlines(keepends=True)
        (info / "RECORD").write_text("".join(row for row in rows if f"/{name}," not in row))

    with pytest.raises(SeedError, match=name):
        read_installed(str(site), info.name, (str(tmp_path / "env"),))


@pytest.mark.parametrize("path", ["../../../../outside", "../../../include/spam.h", "../../../lib64/spam", "/etc/spam"])
def test_a_file_at_a_place_that_no_wheel_can_name_is_refused(tmp_path: Path, path: str) -> None:
    site = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
    info = install_wheel(make_wheel(tmp_path / "wheels"), site)
    with (info / "RECORD").open("a") as record:
        record.write(f"{path},{record_hash(b'')},0\n")

    with pytest.raises(SeedError, match="outside site-packages"):
        read_installed(str(site), info.name, (str(tmp_path / "env"),))


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (b"#!/env/bin/python\nx\n", b"#!python\nx\n"),
        (b"#!/env/bin/python3.12\nx\n", b"#!python\nx\n"),
        (b"#!/old/bin/python3.12\nx\n", b"#!python\nx\n"),
        (b"#!/usr/bin/env python\nx\n", b"#!/usr/bin/env python\nx\n"),
        (b"\x7fELF", b"\x7fELF"),
        (b"#!/other/env/bin/python\nx\n", None),
        (b"#!/env/bin/python -E\nx\n", None),
        (b'#!/bin/sh\n\'exec\' "/env/bin/python" "$0" "$@"\n', None),
    ],
)
def test_a_script_of_an_environment_loses_the_path_of_its_python(installed: bytes, expected: bytes | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="first line"):
            script_in_wheel(installed, "bin/script", ("/env", "/old"))
    else:
        assert script_in_wheel(installed, "bin/script", ("/env", "/old")) == expected
