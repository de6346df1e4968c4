"""Select the tests of a run, and isolate them from the settings, caches and environments of the user."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.runs import COLLECTED, mark_runs
from tests.trees import Tree, differences

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
settings.register_profile("default", derandomize=True, database=None, deadline=None, suppress_health_check=SLOW)
settings.register_profile(
    "nightly", derandomize=False, max_examples=1000, database=None, deadline=None, suppress_health_check=SLOW
)
settings.load_profile("default")  # the same examples in every run; `--hypothesis-profile nightly` looks for new ones

KEPT_VARIABLES = ("CLOCHE_REQUIRE_ALL", "CLOCHE_SWEEP")
REMOVED_PREFIXES = ("CLOCHE_", "PYENV_VERSION", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "XDG_")


@pytest.hookimpl(tryfirst=True)  # before other hooks deselect tests, for example by `-m`
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the slow tests, and deselect those that are not part of this run.

    A test named on the command line (`file::test`) always runs. With `-m`, only tests marked `nightly` are deselected, and
    only if the expression does not contain `nightly`.
    """
    config.stash[COLLECTED] = list(items)
    mark_runs(items)
    expression = str(config.getoption("markexpr"))
    excluded = ["nightly"] * ("nightly" not in expression) + ["thorough"] * (not expression)
    deselected = {
        item for item in items if any(map(item.get_closest_marker, excluded)) and not is_named(item, config.args)
    }
    config.hook.pytest_deselected(items=[item for item in items if item in deselected])
    items[:] = [item for item in items if item not in deselected]


def is_named(item: pytest.Item, args: list[str]) -> bool:
    """Return whether the command line names this test or case, not just its file."""
    for arg in args:
        path, found, test = arg.partition("::")
        if found and item.path.name == Path(path).name and item.nodeid.partition("::")[2].startswith(test):
            return True
    return False


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain a failed comparison of trees by the paths that differ; their complete content would be too long."""
    if op == "==" and isinstance(left, Tree) and isinstance(right, Tree):
        return ["two trees are equal", *differences(left, right)]
    if op == "in" and isinstance(left, Tree) and isinstance(right, tuple):
        lines = [line for tree in right if isinstance(tree, Tree) for line in differences(left, tree)]
        return [f"a tree is one of {len(right)}", *lines]
    return None


@pytest.fixture(scope="session", autouse=True)
def isolated_environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the user's settings and caches; all worker processes share one cache. Only pip keeps its index settings."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    pip_configs = [
        path for path in (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf") if path.is_file()
    ]
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:  # shells and `nohup` ignore them for background processes
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(REMOVED_PREFIXES) and name not in KEPT_VARIABLES:
                patch.delenv(name)
        patch.setenv("XDG_CACHE_HOME", str(shared / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(base / "config"))
        if pip_configs and "PIP_CONFIG_FILE" not in os.environ:
            patch.setenv("PIP_CONFIG_FILE", str(pip_configs[0]))
        yield
