"""Test runs for an environment in which a directory or a FIFO has replaced a file: no data is lost, and no run blocks."""

from __future__ import annotations

import os

import pytest

from tests.trees import snapshot


@pytest.mark.parametrize("entry", ["bin/python", "bin/activate", ".cloche-manifest"])
def test_a_directory_instead_of_a_file_is_refused_without_changes(cloche, entry):
    assert cloche("./env", "--no-seed").code == 0
    (cloche.cwd / "env" / entry).unlink()
    (cloche.cwd / "env" / entry).mkdir()
    (cloche.cwd / "env" / entry / "mine").write_text("precious")
    before = snapshot(cloche.cwd)

    done = cloche("./env", "--no-seed")

    assert done.code == 4, done
    assert entry in done.err
    assert snapshot(cloche.cwd) == before


def test_a_fifo_instead_of_a_script_is_replaced_without_blocking(cloche):
    assert cloche("./env", "--no-seed").code == 0
    (cloche.cwd / "env" / "bin" / "activate").unlink()
    os.mkfifo(cloche.cwd / "env" / "bin" / "activate")

    assert cloche("./env", "--no-seed").code == 0

    assert (cloche.cwd / "env" / "bin" / "activate").is_file()
