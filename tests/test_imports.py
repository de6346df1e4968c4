"""What a run loads, seen in a process of its own: start-up is a feature, and these lists are its budget.

A module that is on no list must not be loaded. Whoever needs one more pays for it at every start, so it is written down
here, by hand; whoever needs one less takes it off, so that it does not come back unseen.
"""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.run import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

START = frozenset("cloche cloche.__main__ cloche.cpython cloche.model".split())
"""To print the version."""

COMMAND = START | frozenset(
    """
    cloche.api cloche.apply cloche.apply.executor cloche.apply.file_list cloche.apply.signals
    cloche.apply.staging cloche.apply.transaction cloche.cli cloche.cli.commands cloche.cli.dispatch
    cloche.cli.invocation cloche.cli.parser cloche.cli.report cloche.errors cloche.fs cloche.fs.checksums
    cloche.fs.files cloche.fs.inputs cloche.fs.locks cloche.model cloche.model.distribution
    cloche.model.environment cloche.model.interpreter cloche.model.operations cloche.model.options
    cloche.model.plan cloche.model.request cloche.model.value cloche.planning cloche.planning.destination
    cloche.planning.plan_at cloche.planning.pyvenv_cfg cloche.plugins cloche.plugins.guard cloche.session
    cloche.shells cloche.shells.template cloche.store cloche.store.check cloche.store.directories
    cloche.store.installation
    """.split()
)
"""To understand a command line."""

HELP = COMMAND | frozenset("cloche.cli.help cloche.plugins.entry_points".split())

COMPLETION = COMMAND | frozenset(("cloche.cli.completion",))
"""To print the script of a shell."""

KEY_PRESS = COMPLETION | frozenset(("cloche.cli.completion.suggestions", "cloche.plugins.entry_points"))
"""To say what could stand next."""

CREATE = COMMAND | frozenset(
    """
    cloche.builtin cloche.builtin.activators cloche.builtin.activators.bash cloche.builtin.activators.batch
    cloche.builtin.activators.csh cloche.builtin.activators.fish cloche.builtin.activators.powershell
    cloche.builtin.activators.python cloche.cli.create cloche.cli.request cloche.cli.settings
    cloche.cli.user_shell cloche.planning.plan_cache cloche.plugins.entry_points cloche.shells.batch
    cloche.shells.csh cloche.shells.family cloche.shells.fish cloche.shells.posix cloche.shells.powershell
    cloche.shells.python
    """.split()
)
"""To make an environment that was asked for before."""

SEARCH = CREATE | frozenset(
    """
    cloche.builtin.finders cloche.builtin.finders.asdf cloche.builtin.finders.current
    cloche.builtin.finders.installations cloche.builtin.finders.mise cloche.builtin.finders.path
    cloche.builtin.finders.pyenv cloche.builtin.finders.shims cloche.discovery
    cloche.discovery.base_interpreter cloche.discovery.cache cloche.discovery.describe cloche.discovery.search
    cloche.discovery.serialization cloche.model.spec
    """.split()
)
"""The same, for a Python that was asked for by its version; the finder of shims on PATH knows who makes them."""

LIBRARY = frozenset("__future__ _sha2 _sha256 atexit errno fcntl io itertools".split())
"""From the standard library, all of it written in C but `__future__` and `io`.

Older Pythons have the hash by another name, and those before 3.14 load `io` at every start.
"""

WARM_UP = 2
"""The first run builds what is missing, and leaves byte-code beside what it imported; the second sees that as a change."""


def imported(program: str, *argv: str, environ: dict[str, str], cwd: Path) -> set[str]:
    """Return every module that a Python imports, or tries to, from its start to its end."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program, *argv],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", done.stderr, re.MULTILINE))


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    """A user who has never run cloche."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    return clean_environ(tmp_path / "home", tmp_path / "cache")


def loaded(*argv: str, user: dict[str, str], cwd: Path) -> tuple[set[str], set[str]]:
    """Return which modules of cloche and which others a command line loads, beyond those of a Python that does nothing."""
    command = "from cloche.__main__ import run; run()"
    names = imported(command, *argv, environ=user, cwd=cwd) - imported("pass", environ=user, cwd=cwd)
    ours = {name for name in names if name.partition(".")[0] == "cloche"}
    return ours, names - ours


def warm(*argv: str, user: dict[str, str], cwd: Path) -> tuple[set[str], set[str]]:
    """As `loaded`, for a destination and options that were given before, with other destinations."""
    destination, *options = argv
    for number in range(WARM_UP):
        loaded(f"{destination}{number}", *options, user=user, cwd=cwd)
    return loaded(*argv, user=user, cwd=cwd)


def test_the_package_alone_loads_nothing(user: dict[str, str], tmp_path: Path) -> None:
    names = imported("import cloche", environ=user, cwd=tmp_path) - imported("pass", environ=user, cwd=tmp_path)

    assert names == {"cloche", "__future__"}


def test_the_version_needs_nothing_but_what_prints_it(user: dict[str, str], tmp_path: Path) -> None:
    ours, others = loaded("--version", user=user, cwd=tmp_path)

    assert ours == START
    assert others <= {"__future__", "atexit"}


def test_help_needs_the_tables_and_asks_neither_the_machine_nor_the_plugins(
    user: dict[str, str], tmp_path: Path
) -> None:
    ours, others = loaded("--help", user=user, cwd=tmp_path)

    assert ours == HELP
    assert others <= LIBRARY


def test_completion_needs_no_more_than_the_tables(user: dict[str, str], tmp_path: Path) -> None:
    ours, others = loaded("completion", "bash", user=user, cwd=tmp_path)

    assert ours == COMPLETION
    assert others <= LIBRARY


def test_a_key_press_in_a_shell_looks_for_commands_of_plugins_besides(user: dict[str, str], tmp_path: Path) -> None:
    ours, others = loaded("completion", "bash", "--", "cloche", "mo", user=user, cwd=tmp_path)

    assert ours == KEY_PRESS
    assert others <= LIBRARY


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs says where the user's directories are")
@pytest.mark.parametrize("seeds", [[], ["--no-seed"]], ids=["with pip", "without"])
def test_what_was_asked_before_is_made_without_deciding_again(
    seeds: list[str], user: dict[str, str], tmp_path: Path
) -> None:
    ours, others = warm("env", *seeds, user=user, cwd=tmp_path / "work")

    assert ours == CREATE
    assert others <= LIBRARY


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs says where the user's directories are")
def test_a_python_that_is_asked_for_is_looked_for_each_time_and_nothing_else(
    user: dict[str, str], tmp_path: Path
) -> None:
    version = ".".join(map(str, sys.version_info[:2]))

    ours, others = warm("env", "--no-seed", "-p", version, user=user, cwd=tmp_path / "work")

    assert ours <= SEARCH
    assert others <= LIBRARY


PLUGIN = """\
from cloche import Descriptor, Script, hookimpl

class Shell:
    name = "acme"
    def refusal(self, interpreter): return None
    def quote(self, text): return text
    def scripts(self, environment): return [Script(f"activate.{self.name}", "true\\n")]

class Named(Shell):
    name = "named"

named = Named()

@hookimpl
def cloche_activators():
    return [%s]
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs says where the user's directories are")
def plugin_run(offer: str, user: dict[str, str], tmp_path: Path) -> tuple[set[str], set[str]]:
    """Install a plugin whose hook returns this, and return what a warm run with it loads."""
    site = tmp_path / "site"
    (site / "acme-1.0.dist-info").mkdir(parents=True)
    (site / "acme-1.0.dist-info" / "entry_points.txt").write_text("[cloche]\nacme = acme_plugin\n")
    (site / "acme_plugin.py").write_text(PLUGIN % offer)
    return warm("env", "--no-seed", user={**user, "PYTHONPATH": str(site)}, cwd=tmp_path / "work")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs says where the user's directories are")
def test_a_plugin_that_offers_descriptors_costs_its_own_import(user: dict[str, str], tmp_path: Path) -> None:
    ours, others = plugin_run("Descriptor('named', 'acme_plugin:named')", user, tmp_path)

    assert ours == CREATE | {"cloche.plugins.hookspecs"}
    assert others <= LIBRARY | {"acme_plugin"}
    assert "acme_plugin" in others


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs says where the user's directories are")
def test_a_plugin_that_offers_objects_costs_the_import_of_pluggy(user: dict[str, str], tmp_path: Path) -> None:
    ours, others = plugin_run("Shell()", user, tmp_path)

    assert {"acme_plugin", "pluggy"} <= others
    assert not ours & {"cloche.store.images", "cloche.discovery.search"}, "the rest of the plan is still cached"
