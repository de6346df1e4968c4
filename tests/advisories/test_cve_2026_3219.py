"""pip: a file that is a tar archive and a zip archive at the same time was installed as one of them."""

from __future__ import annotations

import io
import tarfile

from tests.archives import archive_bytes, tar_and_zip, wheel_entries


def test_a_wheel_that_is_a_tar_archive_too_is_refused(refusal) -> None:
    assert "it is a tar archive as well" in refusal(tar_and_zip())


def test_a_tar_archive_in_front_of_a_wheel_is_refused(refusal) -> None:
    front = io.BytesIO()
    with tarfile.open(fileobj=front, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("evil.py"))
    wheel = archive_bytes(wheel_entries())
    assert "it is a tar archive as well" in refusal(front.getvalue() + wheel)
    assert "it " in refusal(wheel + front.getvalue())
