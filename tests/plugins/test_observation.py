"""Test what a run tells about plugins that fail or are slow without stopping it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

import cloche as api
import cloche.plugins as guard
from tests.plugins.site import Site, offering

if TYPE_CHECKING:
    from pathlib import Path


def cloche(*argv: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cloche", *argv]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


CREATED = """
    @cloche.hookimpl
    def cloche_created(result):
        {}
"""

BROKEN_IMPORT = "raise RuntimeError('broken import')"

BROKEN_ACTIVATOR = """
    class Wave:
        name = "wave"
        def refusal(self, interpreter): return None
        def quote(self, text): return text
        def scripts(self, environment): raise KeyError("broken activator")

    @cloche.hookimpl
    def cloche_activators():
        return [Wave()]
"""

BROKEN_FINDER = """
    class Lost:
        name = "lost"
        def candidates(self, spec, host):
            raise ValueError("broken finder")

    @cloche.hookimpl
    def cloche_finders():
        return [Lost()]
"""


@pytest.mark.parametrize(
    ("plugin", "argv"),
    [
        (BROKEN_IMPORT, ["./e", "--no-seed"]),
        (BROKEN_IMPORT, ["pythons", "3.99"]),
        (BROKEN_IMPORT, ["plugins"]),
        (CREATED.format("raise RuntimeError('broken hook')"), ["./e", "--no-seed"]),
        (BROKEN_ACTIVATOR, ["./e", "--no-seed"]),
        (BROKEN_FINDER, ["pythons"]),
    ],
    ids=["import", "import, error", "import, plugins", "created", "activator", "finder"],
)
def test_a_failure_that_is_only_a_warning_shows_its_traceback_once(
    site: Site, tmp_path: Path, plugin: str, argv: list[str]
) -> None:
    site.install("acme", acme=plugin)

    plain = cloche(*argv, cwd=tmp_path)
    traced = cloche(*argv, "--clear" if "./e" in argv else "-v", cwd=tmp_path, CLOCHE_TRACEBACK="1")

    assert "Traceback" not in plain.stderr
    assert traced.stderr.count("Traceback") == 1
    assert "broken" in traced.stderr
    assert traced.returncode == plain.returncode


@pytest.mark.parametrize(
    ("kind", "method", "returned", "message"),
    [
        (
            "creator",
            "operations(self, interpreter, layout)",
            "None",
            "`operations` returned None: expected a list of operations",
        ),
        (
            "creator",
            "operations(self, interpreter, layout)",
            "'x'",
            "`operations` returned 'x': expected a list of operations",
        ),
        (
            "seeder",
            "images(self, interpreter, wanted, store)",
            "None",
            "`images` returned None: expected a list of `cloche.Image`",
        ),
        ("seeder", "inputs(self, interpreter, wanted, store)", "3", "`inputs` returned 3: expected a list of paths"),
        (
            "activator",
            "scripts(self, environment)",
            "'x'",
            "`scripts` returned 'x': expected a list of `cloche.Script`",
        ),
        ("activator", "refusal(self, interpreter)", "3", "`refusal` returned 3: expected a sentence or None"),
    ],
)
def test_a_wrong_return_value_is_named_with_what_was_expected(
    site: Site, tmp_path: Path, kind: str, method: str, returned: str, message: str
) -> None:
    site.install("acme", acme=offering(kind, "acme", more=f"def {method}: return {returned}"))

    done = cloche("./e", f"--{kind}{'s' if kind == 'activator' else ''}", "acme", cwd=tmp_path)

    assert done.returncode == 6
    assert f"{kind} `acme` of plugin `acme` of acme 1.0 failed: TypeError: {message}" in done.stderr


@pytest.mark.parametrize(
    "ending",
    ["yield cloche.Candidate('/nowhere', 'acme')", "return []", "return [cloche.Candidate('/nowhere', 'acme')]"],
)
def test_slow_finders_are_named(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Without the time that the search needs for the candidates."""
    monkeypatch.setattr(guard, "SLOW", 0.05)
    monkeypatch.syspath_prepend(str(site.directory))
    method = f"def candidates(self, spec, host):\n            import time, cloche; time.sleep(0.1); {ending}"
    site.install("acme", acme=offering("finder", "acme", more=method))

    with pytest.raises(api.InterpreterNotFound):
        api.create(tmp_path / "e", python="3.99", cache=tmp_path / "cache")

    described = [call.rpartition(" took ")[0] for call in guard.take_all(guard.slow_calls)]
    assert described.count("finder `acme`") == 1


def test_slow_plugins_are_named(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SLOW", 0.05)
    monkeypatch.syspath_prepend(str(site.directory))
    slow = "import time; time.sleep(0.1)"
    site.install("acme", acme=slow + textwrap.dedent(CREATED.format(slow)))

    result = api.create_with_result(tmp_path / "e", seeds=None, cache=tmp_path / "cache")

    described = [warning.rpartition(" took ")[0] for warning in result.warnings]
    assert described == ["the import of plugin `acme` of acme 1.0", "`cloche_created` of plugin `acme` of acme 1.0"]
    assert guard.slow_calls == []
