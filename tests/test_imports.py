"""Test which modules a run loads. A fast start is a feature, and these lists are its budget.

A run must load exactly the modules of cloche on its list. If you need another module, add it: every start pays for it. If
you need one less, remove it, so that it does not return unnoticed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.locks import package, pylock, simple_wheel
from tests.run import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

START = frozenset("cloche cloche.__main__ cloche.cpython cloche.model".split())
"""Modules for `--version`."""

COMMAND = START | frozenset(
    """
    cloche.cli cloche.cli.command_spec cloche.cli.dispatch cloche.cli.invocation cloche.cli.parser cloche.cli.report
    cloche.errors cloche.model.interpreter cloche.model.options cloche.model.value cloche.plugins cloche.session
    """.split()
)
"""Modules for parsing a command line."""

WORD = COMMAND | frozenset(["cloche.cli.commands"])
"""Modules for finding out which command a word names; a path, such as `.venv`, does not need them."""

HELP = WORD | frozenset(
    """
    cloche.cli.help cloche.cli.mistakes cloche.cli.terminal cloche.cli.virtualenv_options cloche.fs cloche.fs.inputs
    cloche.fs.signatures cloche.model.metadata cloche.plugins.entry_points
    """.split()
)

COMPLETION = WORD | frozenset("cloche.cli.completion cloche.shells cloche.shells.template".split())
"""Modules for printing a completion script."""

SUGGEST = WORD | frozenset(
    """
    cloche.cli.completion cloche.cli.completion.suggestions cloche.cli.virtualenv_options cloche.fs cloche.fs.inputs
    cloche.fs.signatures cloche.model.metadata cloche.plugins.entry_points
    """.split()
)
"""Modules for suggesting completions."""

CREATE = COMMAND | frozenset(
    """
    cloche.apply cloche.apply.executor cloche.apply.staging cloche.apply.transaction cloche.builtin
    cloche.builtin.activators cloche.cli.create cloche.cli.settings cloche.cli.user_shell
    cloche.fs cloche.fs.manifests cloche.fs.signatures cloche.lifecycle
    cloche.lifecycle.cached_blueprints cloche.lifecycle.create cloche.model.environment
    cloche.model.operations cloche.model.plan cloche.planning cloche.planning.destination cloche.planning.plan_at
    cloche.planning.plan_cache cloche.planning.pyvenv_cfg cloche.shells
    cloche.shells.csh cloche.shells.fish cloche.shells.posix cloche.shells.powershell cloche.shells.python
    cloche.shells.template cloche.store
    """.split()
)
"""Modules for creating an environment without seeds from a cached plan."""

SEEDED = CREATE | frozenset(
    "cloche.apply.file_list cloche.fs.records cloche.model.distribution cloche.store.check cloche.store.installation".split()
)
"""Modules for creating an environment with seeds from a cached plan."""

SEARCH = CREATE | frozenset(
    """
    cloche.builtin.finders cloche.builtin.finders.current cloche.builtin.finders.installations
    cloche.builtin.finders.path cloche.discovery cloche.discovery.base_interpreter cloche.discovery.cache
    cloche.discovery.describe cloche.discovery.installation_roots cloche.discovery.search
    cloche.discovery.serialization cloche.discovery.shims cloche.fs.inputs cloche.model.candidate cloche.model.spec
    """.split()
)
"""Modules for the same with `-p VERSION`, which searches on every run."""

LIBRARY = frozenset("__future__ _sha2 _sha256 atexit errno fcntl gc io itertools".split())
"""Modules of the standard library that a run may load; all are written in C, except `__future__` and `io`.

Python before 3.12 has `_sha256` instead of `_sha2`. Python before 3.14 loads `io` at every start.
"""

WARM_UP = 2
"""The number of runs before a plan is cached. The first one writes bytecode, which invalidates what it cached."""


def imported_modules(program: str, *argv: str, environ: dict[str, str], cwd: Path) -> set[str]:
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
    """Return the environment variables of a user who has never run cloche."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    return clean_environ(tmp_path / "home", tmp_path / "cache")


def loaded_modules(*argv: str, user: dict[str, str], cwd: Path) -> tuple[set[str], set[str]]:
    """Return the modules of cloche and the other modules that a command loads, without those that every Python loads."""
    command = "from cloche.__main__ import run; run()"
    names = imported_modules(command, *argv, environ=user, cwd=cwd) - imported_modules("pass", environ=user, cwd=cwd)
    ours = {name for name in names if name.partition(".")[0] == "cloche"}
    return ours, names - ours


def loaded_when_cached(*argv: str, user: dict[str, str], cwd: Path) -> tuple[set[str], set[str]]:
    """Return the same as `loaded_modules` after runs with the same options and other destinations."""
    destination, *options = argv
    for number in range(WARM_UP):
        loaded_modules(f"{destination}{number}", *options, user=user, cwd=cwd)
    return loaded_modules(*argv, user=user, cwd=cwd)


def test_importing_the_package_loads_nothing_else(user: dict[str, str], tmp_path: Path) -> None:
    names = imported_modules("import cloche", environ=user, cwd=tmp_path) - imported_modules(
        "pass", environ=user, cwd=tmp_path
    )

    assert names == {"cloche", "__future__"}


def test_the_version_needs_no_other_modules(user: dict[str, str], tmp_path: Path) -> None:
    ours, others = loaded_modules("--version", user=user, cwd=tmp_path)

    assert ours == START
    assert others <= {"__future__", "atexit", "gc"}


def test_help_searches_no_interpreters_and_loads_no_plugins(user: dict[str, str], tmp_path: Path) -> None:
    ours, others = loaded_modules("--help", user=user, cwd=tmp_path)

    assert ours == HELP
    assert others <= LIBRARY


def test_a_completion_script_needs_only_the_command_tables(user: dict[str, str], tmp_path: Path) -> None:
    ours, others = loaded_modules("completion", "bash", user=user, cwd=tmp_path)

    assert ours == COMPLETION
    assert others <= LIBRARY


def test_suggestions_also_read_the_entry_points_of_plugins(user: dict[str, str], tmp_path: Path) -> None:
    ours, others = loaded_modules("completion", "bash", "--", "cloche", "mo", user=user, cwd=tmp_path)

    assert ours == SUGGEST
    assert others <= LIBRARY


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need platformdirs to find the user's directories")
@pytest.mark.parametrize(("seeds", "expected"), [([], SEEDED), (["--no-seed"], CREATE)], ids=["with pip", "without"])
def test_a_repeated_request_uses_the_cached_plan(
    seeds: list[str], expected: frozenset[str], user: dict[str, str], tmp_path: Path
) -> None:
    ours, others = loaded_when_cached(".venv", *seeds, user=user, cwd=tmp_path / "work")

    assert ours == expected
    assert others <= LIBRARY


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need platformdirs to find the user's directories")
def test_a_requested_python_is_searched_on_every_run(user: dict[str, str], tmp_path: Path) -> None:
    version = ".".join(map(str, sys.version_info[:2]))

    ours, others = loaded_when_cached(".venv", "--no-seed", "-p", version, user=user, cwd=tmp_path / "work")

    assert ours <= SEARCH
    assert others <= LIBRARY


LOCKED = SEEDED | frozenset(
    """
    cloche.lifecycle.locked cloche.lifecycle.locked.up_to_date cloche.planning.kept_options cloche.store.installed_images
    """.split()
)
"""Modules for finding that an environment is what its lock file describes, by comparing it with its images."""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need platformdirs to find the user's directories")
def test_an_unchanged_lock_uses_the_cached_plan(user: dict[str, str], tmp_path: Path) -> None:
    wheel = simple_wheel(tmp_path / "wheels", "spam")
    (tmp_path / "work" / "pylock.toml").write_text(pylock([package("spam", wheels=[wheel])]))
    arguments = ["./env", "--lock", "pylock.toml", "--find-links", str(wheel.parent), "--no-download"]
    for _ in range(WARM_UP):
        loaded_modules(*arguments, user=user, cwd=tmp_path / "work")

    ours, others = loaded_modules(*arguments, user=user, cwd=tmp_path / "work")

    assert ours == LOCKED
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


def loaded_with_plugin(component: str, user: dict[str, str], tmp_path: Path) -> tuple[set[str], set[str]]:
    """Install a plugin whose hook returns this component; return what a run with a cached plan loads."""
    site = tmp_path / "site"
    (site / "acme-1.0.dist-info").mkdir(parents=True)
    (site / "acme-1.0.dist-info" / "entry_points.txt").write_text("[cloche]\nacme = acme_plugin\n")
    (site / "acme_plugin.py").write_text(PLUGIN % component)
    return loaded_when_cached(".venv", "--no-seed", user={**user, "PYTHONPATH": str(site)}, cwd=tmp_path / "work")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need platformdirs to find the user's directories")
def test_a_plugin_with_descriptors_costs_only_its_own_import(user: dict[str, str], tmp_path: Path) -> None:
    ours, others = loaded_with_plugin("Descriptor('named', 'acme_plugin:named')", user, tmp_path)

    assert ours == CREATE | {"cloche.plugins.hookspecs"}
    assert others <= LIBRARY | {"acme_plugin"}
    assert "acme_plugin" in others


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need platformdirs to find the user's directories")
def test_a_plugin_with_objects_costs_the_import_of_pluggy(user: dict[str, str], tmp_path: Path) -> None:
    ours, others = loaded_with_plugin("Shell()", user, tmp_path)

    assert {"acme_plugin", "pluggy"} <= others
    assert not ours & {"cloche.store.images", "cloche.discovery.search"}, "the rest of the plan is still cached"
