"""Test that an upgrade keeps what users and tools have added to the files that a creator wrote."""

from __future__ import annotations

import pytest

from tests.interpreters import pyenv
from tests.lifecycle.environments import every_tool, find_problems, run


@pytest.mark.parametrize("created_by", every_tool("venv", "virtualenv"))
def test_edits_of_activation_scripts_are_kept(cloche, empty_env, created_by) -> None:
    """nodeenv, for example, appends 35 lines to the scripts of `venv` and virtualenv."""
    env = empty_env(created_by, "3.11")
    edits = {"activate": "export MINE='set here'\n", "activate.fish": "set -gx MINE 'set here'\n"}
    edited = {}
    for name, line in edits.items():
        script = env / "bin" / name
        edited[script] = script.read_text() + line
        script.write_text(edited[script])
    (env / ".gitignore").write_text("*\n!keep.txt\n")
    for minor in ("3.12", "3.11"):
        outcome = cloche("upgrade", env, "-p", pyenv(minor))
        assert outcome.code == 0, outcome.err
        assert {script: script.read_text() for script in edited} == edited
        assert (env / ".gitignore").read_text() == "*\n!keep.txt\n"
        assert find_problems(env, populated=False) == []
        assert cloche("doctor", env).out == f"{env}: healthy\n"
        script = 'PS1= && . "$1"/bin/activate && echo "$MINE $VIRTUAL_ENV"'
        assert run("bash", "--norc", "-c", script, "-", env) == f"set here {env}\n"


@pytest.mark.parametrize("created_by", every_tool("venv"))
def test_kept_activation_scripts_are_verified_and_move_with_their_environment(cloche, empty_env, created_by) -> None:
    env, new = empty_env(created_by, "3.11"), cloche.cwd / "new"
    with (env / "bin" / "activate").open("a") as file:
        file.write("export MINE='set here'\n")
    assert cloche("upgrade", env, "-p", "3.12").code == 0
    verified = cloche("verify", env)
    assert (verified.code == 0) == (not created_by.startswith("cloche")), (
        verified.out
    )  # an edit of its own script is one
    assert cloche("move", env, new).code == 0
    assert "export MINE='set here'" in (new / "bin" / "activate").read_text()
    assert find_problems(new, env, populated=False) == []
    with (new / "bin" / "activate").open("a") as file:
        file.write("# since then\n")
    assert "modified: bin/activate" in cloche("verify", new).out
    assert cloche("upgrade", new, "-p", "3.11").code == 0
    assert "# since then\n" in (new / "bin" / "activate").read_text()


def test_the_library_directory_in_activate_this_follows_an_upgrade(cloche, empty_env) -> None:
    env = empty_env("virtualenv", "3.11")
    script = env / "bin" / "activate_this.py"
    script.write_text(script.read_text() + "MINE = 1\n")
    assert cloche("upgrade", env, "-p", "3.12").code == 0
    program = f"import runpy, sys; ran = runpy.run_path({str(script)!r}); print(sys.path[0], ran['MINE'])"
    assert run(pyenv("3.12"), "-I", "-c", program) == f"{env}/lib/python3.12/site-packages 1\n"
