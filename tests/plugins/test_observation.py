"""Test what a run tells about plugins that fail or are slow without stopping it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

import cloche as api
import cloche.plugins as guard
from cloche.fs.threads import map_in_threads
from cloche.lifecycle.resolving import interpreter_for
from cloche.model.plan import EnvironmentSpec
from cloche.plugins.components import COMPONENT_KINDS
from cloche.session import Session, current_host
from tests.plugins.site import Site, offering


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


WRONG_RETURN_VALUES = [
    ("creator", "operations", "None", "`operations` returned None: expected a list of operations"),
    ("creator", "operations", "'x'", "`operations` returned 'x': expected a list of operations"),
    ("creator", "operations", "[3]", "3 is not an operation: `operations` has to return `cloche.MakeDir`, "),
    ("creator", "refusal", "3", "`refusal` returned 3: expected a sentence or None"),
    ("creator", "inputs", "[3]", "`inputs` returned 3: expected a path as a string"),
    ("creator", "runtime", "3", "`runtime` returned 3: expected a `cloche.Runtime`"),
    ("seeder", "images", "None", "`images` returned None: expected a list of `cloche.Image`"),
    ("seeder", "images", "[3]", "`images` returned 3: expected a `cloche.Image`"),
    ("seeder", "refusal", "''", "`refusal` returned '': expected a sentence or None"),
    ("seeder", "inputs", "3", "`inputs` returned 3: expected a list of paths"),
    ("activator", "scripts", "'x'", "`scripts` returned 'x': expected a list of `cloche.Script`"),
    ("activator", "scripts", "[3]", "`scripts` returned 3: expected a `cloche.Script`"),
    ("activator", "refusal", "3", "`refusal` returned 3: expected a sentence or None"),
    ("activator", "source_line", "3", "`source_line` returned 3: expected a string"),
    ("activator", "quote", "None", "`quote` returned None: expected a string"),
    ("activator", "read_words", "3", "`read_words` returned 3: expected a list of `cloche.shells.words.Word`"),
    ("activator", "read_words", "[3]", "`read_words` returned [3]: expected a list of `cloche.shells.words.Word`"),
    ("activator", "shells", "'acme'", "`shells` is 'acme': expected a list of strings"),
    ("activator", "script_names", "3", "`script_names` is 3: expected a list of strings"),
    ("finder", "candidates", "None", "`candidates` returned None: expected an iterable of `cloche.Candidate`"),
    ("finder", "candidates", "[3]", "`candidates` yielded 3: expected a `cloche.Candidate`"),
    ("packer", "refusal", "3", "`refusal` returned 3: expected a sentence or None"),
    ("packer", "suffix", "3", "`suffix` is 3: expected a string such as `.tar.gz`"),
    ("packer", "write", "None", "`write` did not create the archive"),
    ("command", "acme", "'x'", "it returned 'x' instead of an exit code"),
]
"""(kind, method or attribute, the expression of its wrong value, what the message says)"""

ATTRIBUTES = ("shells", "script_names", "suffix")

WITH_A_COMMAND = """
def acme(argv, host):
    return {returned}

@cloche.hookimpl
def cloche_commands():
    return [cloche.Command("acme", "wave a hand", "THIS:acme")]
"""

WITH_OPERATIONS = """
def operations(self, interpreter, layout):
    return [cloche.MakeDir("bin"), cloche.Link("bin/python", interpreter.executable)]
"""


def test_the_wrong_return_values_are_of_every_kind() -> None:
    assert {kind for kind, *_ in WRONG_RETURN_VALUES} == {*COMPONENT_KINDS}


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that can be packed."""
    return Path(api.create(tmp_path_factory.mktemp("portable") / "env", creator="portable", seeds=None).location)


@pytest.mark.parametrize(("kind", "member", "returned", "message"), WRONG_RETURN_VALUES)
def test_a_wrong_return_value_is_named_with_its_plugin_and_what_was_expected(
    site: Site, tmp_path: Path, request: pytest.FixtureRequest, kind: str, member: str, returned: str, message: str
) -> None:
    more = f"{member} = {returned}" if member in ATTRIBUTES else f"def {member}(self, *arguments): return {returned}"
    if member == "runtime":
        more += WITH_OPERATIONS
    text = WITH_A_COMMAND.format(returned=returned) if kind == "command" else offering(kind, "acme", more=more)
    argv = {
        "creator": ["./e", "--no-seed", "--creator", "acme"],
        "seeder": ["./e", "--seeder", "acme"],
        "activator": ["./e", "--no-seed", "--activators", "acme"],
        "finder": ["pythons"],
        "command": ["acme"],
        "packer": [],
    }[kind]
    if kind == "packer":
        argv = ["pack", str(request.getfixturevalue("portable")), "-o", "x", "--format", "acme"]
    if member == "suffix":
        argv[-3:] = ["x.acme"]
    if member in ("source_line", "quote", "read_words", *ATTRIBUTES) and kind == "activator":
        api.create(tmp_path / "e", seeds=None)
        (tmp_path / "e" / "bin" / "activate.acme").write_text("VIRTUAL_ENV=/elsewhere\n")
        argv = ["activate", "e", "--shell", "acme"] if member == "source_line" else ["move", "e", "moved"]
    site.install("acme", acme=text)

    done = cloche(*argv, cwd=tmp_path)

    [line] = [line for line in done.stderr.splitlines() if message in line]
    assert f"{kind} `acme` of plugin `acme` of acme 1.0 " in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["finder", "activator", "packer"])
def test_a_component_that_cannot_be_loaded_does_not_stop_a_run_that_does_not_need_it(
    site: Site, tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    site.install(
        "acme",
        acme=f"""
        @cloche.hookimpl
        def cloche_{kind}s():
            return [cloche.Descriptor("acme", "no_such_module:x")]
        """,
    )
    argv = {"finder": ["pythons"], "activator": ["./e", "--no-seed"], "packer": []}[kind]
    if kind == "packer":
        argv = ["pack", str(request.getfixturevalue("portable")), "-o", "x.zip"]

    done = cloche(*argv, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert f"cloche: warning: {kind} `acme` of plugin `acme` of acme 1.0 " in done.stderr
    assert "no_such_module" in done.stderr
    if kind == "finder":  # the same in a run that uses the cached plan, and in the error if nothing is found
        for words in (["./e", "--no-seed", "-p", ">=3"], ["./f", "--no-seed", "-p", ">=3"]):
            assert f"{kind} `acme` of plugin `acme` of acme 1.0 failed" in cloche(*words, cwd=tmp_path).stderr
        missing = cloche("./g", "-p", "3.99", cwd=tmp_path)
        assert missing.returncode == 3
        assert f"{kind} `acme` of plugin `acme` of acme 1.0 failed" in missing.stderr


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

    with Session(current_host(), cache=str(tmp_path / "cache")) as session:
        with pytest.raises(api.InterpreterNotFound):
            interpreter_for(EnvironmentSpec(pythons=("3.99",)), session)
        session.collect_plugin_problems()

    described = [warning.rpartition(" took ")[0] for warning in session.warnings]
    assert described.count("finder `acme` of plugin `acme` of acme 1.0") == 1


def test_slow_plugins_are_named(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SLOW", 0.05)
    monkeypatch.syspath_prepend(str(site.directory))
    slow = "import time; time.sleep(0.1)"
    site.install("acme", acme=slow + textwrap.dedent(CREATED.format(slow)))

    result = api.create_with_result(tmp_path / "e", seeds=None, cache=tmp_path / "cache")

    described = [warning.rpartition(" took ")[0] for warning in result.warnings]
    assert described == ["the import of plugin `acme` of acme 1.0", "`cloche_created` of plugin `acme` of acme 1.0"]


def test_each_session_reports_what_happened_in_it() -> None:
    """Not what happened in a session that began or ended meanwhile, or in that of another thread."""
    outer, inner, other = (Session(current_host(), access="none") for _ in range(3))
    failures = {name: ValueError(name) for name in ("outer", "inner", "other", "of a worker")}

    def run_other() -> None:
        with other:
            guard.record_failure(failures["other"])

    def work(error: ValueError) -> None:
        outer.observe_plugins()
        guard.record_failure(error)

    with outer:
        with inner:
            guard.record_failure(failures["inner"])
        thread = threading.Thread(target=run_other)
        thread.start()
        thread.join()
        list(map_in_threads(work, [failures["of a worker"]], 1))
        guard.record_failure(failures["outer"])

    for session in (outer, inner, other):
        session.collect_plugin_problems()
    assert outer.plugin_errors == [failures["of a worker"], failures["outer"]]
    assert (inner.plugin_errors, other.plugin_errors) == ([failures["inner"]], [failures["other"]])
