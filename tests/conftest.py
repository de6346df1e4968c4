"""What every test can rely on: no setting, cache or environment of the user's own has a part in it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.runs import COLLECTED, thorough
from tests.trees import Tree, differences

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
settings.register_profile("default", derandomize=True, database=None, deadline=None, suppress_health_check=SLOW)
settings.register_profile("nightly", max_examples=1000, database=None, deadline=None, suppress_health_check=SLOW)
settings.load_profile("default")  # the same examples in every run; `--hypothesis-profile nightly` looks for new ones

KEPT = ("CLOCHE_REQUIRE_ALL", "CLOCHE_SWEEP")
THEIRS = ("CLOCHE_", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "XDG_")


@pytest.hookimpl(tryfirst=True)  # before what leaves out the clients
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the thorough tests, and leave out those that take long.

    A test named on the command line (`file::test`) always runs. With `-m`, you choose: only `nightly` stays out unless the
    expression names it.
    """
    config.stash[COLLECTED] = list(items)
    for item in thorough(items):
        item.add_marker(pytest.mark.thorough)
    chosen = str(config.getoption("markexpr"))
    late = ["nightly"] * ("nightly" not in chosen) + ["thorough"] * (not chosen)
    left_out = {item for item in items if any(map(item.get_closest_marker, late)) and not is_named(item, config.args)}
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def is_named(item: pytest.Item, args: list[str]) -> bool:
    """Whether the command line names this test or case, not just its file."""
    for arg in args:
        path, found, test = arg.partition("::")
        if found and item.path.name == Path(path).name and item.nodeid.partition("::")[2].startswith(test):
            return True
    return False


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say of trees that are not what they should be which paths differ, where all that they hold would be too much."""
    if op == "==" and isinstance(left, Tree) and isinstance(right, Tree):
        return ["two trees are the same", *differences(left, right)]
    if op == "in" and isinstance(left, Tree) and isinstance(right, tuple):
        told = [line for one in right if isinstance(one, Tree) for line in differences(left, one)]
        return [f"a tree is one of {len(right)}", *told]
    return None


@pytest.fixture(scope="session", autouse=True)
def world_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for the whole session, all its processes included, and no settings; only pip keeps the user's index."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    pip = [path for path in (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf") if path.is_file()]
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:  # as a shell and `nohup` leave it to what runs in the background
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(THEIRS) and name not in KEPT:
                patch.delenv(name)
        patch.setenv("XDG_CACHE_HOME", str(shared / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(shared / "config"))
        if pip and "PIP_CONFIG_FILE" not in os.environ:
            patch.setenv("PIP_CONFIG_FILE", str(pip[0]))
        yield
