"""uv: a RECORD could name files outside the environment, which were deleted when the package was removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.archives import Entry, archive_bytes, wheel_entries
from tests.distributions import make_wheel

if TYPE_CHECKING:
    from pathlib import Path


def test_a_wheel_whose_record_leaves_its_directory_is_refused(refusal) -> None:
    *entries, record = wheel_entries()
    rows = record.content + b"../../victim,sha256=AAAA,1\n"
    assert "`../../victim` is not a safe relative path" in refusal(archive_bytes([*entries, Entry(record.name, rows)]))


def test_what_an_installed_record_lists_elsewhere_is_not_removed(cloche, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / "links", "spam", version, entry_points="")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    seeds = ["--no-pip", "--no-download", "--find-links", tmp_path / "links"]
    assert cloche("./env", *seeds, "--seed", "spam==1.0").code == 0
    [record] = (cloche.cwd / "env").glob("lib/*/site-packages/spam-1.0.dist-info/RECORD")
    record.write_text(record.read_text() + f"{victim},,\n../../../../../victim,,\n../../../pyvenv.cfg,,\n..,,\n")

    assert cloche("./env", *seeds, "--seed", "spam==2.0").code == 0

    assert victim.read_text() == "precious"
    assert (cloche.cwd / "env" / "pyvenv.cfg").is_file()
