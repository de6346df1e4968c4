"""pip, and uv (GHSA-4gg8-gxpx-9rph): the name of an entry point could be a path, to write a program anywhere.

A name is also refused if its program would replace an interpreter or an activation script of the environment.
"""

from __future__ import annotations

import pytest

from tests.archives import archive_bytes, wheel_entries


@pytest.mark.parametrize("kind", ["console_scripts", "gui_scripts"])
@pytest.mark.parametrize(
    "name", ["../../evil", "/usr/bin/evil", "..\\evil", "C:evil", "sub/evil", ".", "..", "evil\x00", "evil\x1b"]
)
def test_a_script_with_a_path_for_a_name_is_refused(name: str, kind: str, refusal) -> None:
    content = archive_bytes(wheel_entries(entry_points=f"[{kind}]\n{name} = spam:main\n"))
    assert "its entry point" in refusal(content)


@pytest.mark.parametrize("name", ["python", "Python3", "PYTHON3.13", "python.exe", "pythonw", "activate", "pypy3"])
def test_a_script_with_the_name_of_an_interpreter_is_refused(name: str, refusal) -> None:
    content = archive_bytes(wheel_entries(entry_points=f"[console_scripts]\n{name} = spam:main\n"))
    assert f"its script `{name}` would replace a program of the environment itself" in refusal(content)
