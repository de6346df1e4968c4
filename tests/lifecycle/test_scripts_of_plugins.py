"""Test activation scripts for the shells of plugins: `info` lists them, and `move` and `doctor --fix` rewrite edited ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugins.site import Site, offering, site
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["site"]

ANGLE_QUOTES = """
def quote(self, text): return "<" + text.replace(">", ">>") + ">"
def scripts(self, environment):
    return [cloche.Script("activate.acme", cloche.render("set ROOT __CLOCHE_ROOT__\\n", environment.values, self.quote))]
"""

READ_WORDS = """
shells = ("acmesh",)
def read_words(self, line):
    from cloche.shells.words import words_matching
    return words_matching(line, "<[^>]*(?:>>[^>]*)*>", lambda word: word[1:-1].replace(">>", ">"))
"""

SINGLE_QUOTES = """
def quote(self, text): return "'" + text.replace("'", "''") + "'"
def scripts(self, environment):
    return [cloche.Script("activate.acme", cloche.render("set ROOT __CLOCHE_ROOT__\\n", environment.values, self.quote))]
"""


@pytest.fixture
def cloche(tmp_path: Path, site: Site) -> Cloche:
    environ = clean_environ(tmp_path / "home", tmp_path / "cache")
    (tmp_path / "work").mkdir()
    return Cloche(tmp_path / "work", {**environ, "PYTHONPATH": str(site.directory)})


@pytest.mark.parametrize(
    ("more", "root"),
    [
        pytest.param(ANGLE_QUOTES + READ_WORDS, "<{}>", id="with read_words"),
        pytest.param(SINGLE_QUOTES, "'{}'", id="with quote only"),
    ],
)
def test_a_move_rewrites_an_edited_script(cloche: Cloche, site: Site, more: str, root: str) -> None:
    site.install("acme-shell", acme=offering("activator", "acme", more=more))
    assert cloche("an env", "--no-seed").code == 0
    script = cloche.cwd / "an env" / "bin" / "activate.acme"
    text = f"{script.read_text()}run {root.format(cloche.cwd / 'an env' / 'tools')}\nsay mine\n"
    script.write_text(text)

    moved = cloche("move", "an env", "another's > $env")

    assert (moved.code, moved.err) == (0, "")
    new = str(cloche.cwd / "another's > $env")
    quoted = new.replace(">", ">>") if root[0] == "<" else new.replace("'", "''")
    assert (cloche.cwd / "another's > $env" / "bin" / "activate.acme").read_text() == (
        f"set ROOT {root.format(quoted)}\nrun {root.format(quoted + '/tools')}\nsay mine\n"
    )


@pytest.mark.parametrize("joins", [True, False])
def test_a_path_in_other_quotes_is_rewritten_if_the_shell_joins_words(cloche: Cloche, site: Site, joins: bool) -> None:
    """Nothing else can be done where the path is only a part of a text whose quotes the activator does not write."""
    site.install("acme-shell", acme=offering("activator", "acme", more=f"{SINGLE_QUOTES}joins_quoted = {joins}\n"))
    cloche("./env", "--no-seed")
    script = cloche.cwd / "env" / "bin" / "activate.acme"
    script.write_text(f'{script.read_text()}set TOOLS "{cloche.cwd}/env/tools"\n')

    cloche("move", "env", "an env & $more")

    new = f"{cloche.cwd}/an env & $more"
    tools = f"'{new}'\"/tools\"" if joins else f'"{cloche.cwd}/env/tools"'
    assert (
        cloche.cwd / "an env & $more" / "bin" / "activate.acme"
    ).read_text() == f"set ROOT '{new}'\nset TOOLS {tools}\n"


def test_info_lists_the_script_and_doctor_reads_its_root(cloche: Cloche, site: Site) -> None:
    site.install("acme-shell", acme=offering("activator", "acme", more=SINGLE_QUOTES))
    cloche("./env", "--no-seed", "--activators", "acme")
    (cloche.cwd / "env").rename(cloche.cwd / "moved")
    script = cloche.cwd / "moved" / "bin" / "activate.acme"
    script.write_text(script.read_text().replace("ROOT", "VIRTUAL_ENV"))

    assert "activate.acme" in cloche("info", "moved").out
    assert f"`{cloche.cwd}/env`" in cloche("doctor", "moved").out
    cloche("doctor", "moved", "--fix")
    assert script.read_text() == f"set VIRTUAL_ENV '{cloche.cwd}/moved'\n"


@pytest.mark.parametrize(
    "more",
    [
        "def scripts(self, environment): return 1 / 0",
        "def read_words(self, line): yield 1 / 0",
    ],
    ids=["scripts", "read_words"],
)
def test_a_failing_plugin_is_named_and_does_not_stop_a_move(cloche: Cloche, site: Site, more: str) -> None:
    cloche("./env", "--no-seed")
    (cloche.cwd / "env" / "bin" / "activate.acme").write_text(f"set ROOT '{cloche.cwd}/env'\n")
    site.install("acme-shell", acme=offering("activator", "acme", more=more))

    moved = cloche("move", "env", "other")

    assert moved.code == 0
    assert "activator `acme` of plugin `acme` of acme-shell 1.0 failed: ZeroDivisionError" in moved.err
    assert (cloche.cwd / "other" / "bin" / "activate.acme").read_text() == f"set ROOT '{cloche.cwd}/other'\n"
