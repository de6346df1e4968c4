"""wheel: unpacking applied the permission bits of a member to a path outside the directory."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.archives import archive_bytes, wheel_entries, write_wheel

if TYPE_CHECKING:
    from pathlib import Path


def test_a_member_outside_the_directory_is_refused(refusal, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("secret")
    victim.chmod(0o600)
    entries = wheel_entries({"../victim": b"secret"})
    assert "is not a safe relative path" in refusal(archive_bytes([replace(entries[0], mode=0o100777), *entries[1:]]))
    assert stat.S_IMODE(victim.stat().st_mode) == 0o600


def test_only_the_execute_bit_of_a_member_has_an_effect(cloche, tmp_path: Path) -> None:
    first, *others = wheel_entries()
    write_wheel(tmp_path / "links", archive_bytes([replace(first, mode=0o106777), *others]))
    done = cloche("./env", "--no-pip", "--seed", "spam", "--find-links", tmp_path / "links", "--no-download")
    assert done.code == 0, done.err
    [module] = (cloche.cwd / "env").glob("lib/*/site-packages/spam.py")
    assert stat.S_IMODE(os.stat(module).st_mode) & 0o7022 == 0
