"""Test that a copied template equals an environment that was created at the same path."""

from __future__ import annotations

import pytest

from tests.interpreters import pyenv
from tests.lifecycle.environments import CREATE_WITH, every_tool, find_problems, populate
from tests.trees import snapshot


@pytest.mark.parametrize("created_by", every_tool("venv", "cloche"))
def test_a_copy_of_a_template_equals_an_environment_created_there(
    cloche, populated_env, wheels, created_by, tmp_path
) -> None:
    env = populated_env(created_by)
    assert find_problems(env, tmp_path.parent / "templates0") == []
    copied = snapshot(env).without_bytecode()
    env.rename(tmp_path / "copied")
    (cloche.cwd / "projects").rename(tmp_path / "projects")
    CREATE_WITH[created_by](pyenv("3.12"), env)
    populate(env, wheels, cloche.cwd / "projects")
    created = snapshot(env).without_bytecode()
    assert copied.paths() == created.paths()
    assert [path for path in created if copied[path] != created[path] and not path.endswith("RECORD")] == []
