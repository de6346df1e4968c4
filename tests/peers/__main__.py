"""Run the test suites of other projects against cloche: `python -m tests.peers [NAME...]`.

`suites.toml` lists the suites. Each is unpacked from the sdist of its project, or taken from an installed CPython, and
runs in an environment of its own. Nothing of theirs is in this repository; only the adapters are. The run fails if fewer
tests pass than before, or if a test fails that is not listed with a reason. Only tests that reach cloche are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import cloche

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
PLUGINS = HERE.parent.parent / "plugins"


@dataclass
class Suite:
    """A test suite; the fields are described in `suites.toml`."""

    name: str
    source: str
    adapter: str
    passed: int
    skipped: int
    arguments: list[str]
    install: list[str] = field(default_factory=list)
    not_applicable: dict[str, list[str]] = field(default_factory=dict)

    @property
    def python(self) -> str | None:
        """The Python that the suite comes with; None if the suite comes with an sdist."""
        return self.source.removeprefix("python") if self.source.startswith("python") else None

    def patterns(self) -> list[str]:
        """Return the patterns of all tests that do not apply to cloche."""
        return [pattern for listed in self.not_applicable.values() for pattern in listed]

    def excuse(self, test: str) -> str | None:
        """Return the pattern that matches a test that does not apply to cloche; None for a test that does."""
        return next((pattern for pattern in self.patterns() if fnmatchcase(test, pattern)), None)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__.partition("\n")[0])
    parser.add_argument("names", metavar="NAME", nargs="*", help="suites to run; by default all")
    parser.add_argument("--directory", type=Path, help="keep sources, environments and reports in this directory")
    options = parser.parse_args()
    suites = {suite.name: suite for suite in read_suites(HERE / "suites.toml")}
    if unknown := set(options.names) - suites.keys():
        parser.error(f"unknown suite `{min(unknown)}`; expected one of {', '.join(suites)}")
    with tempfile.TemporaryDirectory() as temporary:
        directory: Path = (options.directory or Path(temporary)).resolve()
        outcomes = [run_suite(suites[name], directory) for name in options.names or suites]
    print("\n".join(line for outcome in outcomes for line in outcome.lines()))
    print(summary(outcomes))
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def read_suites(file: Path) -> Iterator[Suite]:
    """Yield the suites that a file describes."""
    for name, table in tomllib.loads(file.read_text(encoding="utf-8"))["suite"].items():
        yield Suite(name, **{key.replace("-", "_"): entry for key, entry in table.items()})


@dataclass
class Outcome:
    """The result of one suite, as numbers of tests."""

    suite: Suite
    passed: int = 0
    unrelated: int = 0
    """Tests that passed without reaching cloche."""
    skipped: int = 0
    not_applicable: int = 0
    """Failing tests that are listed with a reason."""
    failing_without: int = 0
    """Failing tests that also fail without cloche on this machine."""
    problems: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield the result for people."""
        yield (
            f"{self.suite.name} ({self.suite.source}): {self.passed + self.unrelated} passed, of these {self.passed} "
            f"reach cloche (at least {self.suite.passed} expected), {self.not_applicable} do not apply, "
            f"{self.failing_without} fail without cloche too, {self.skipped} skipped"
        )
        yield from (f"  {problem}" for problem in self.problems)


def summary(outcomes: Iterable[Outcome]) -> str:
    """Return the results of all suites as a last line like that of pytest."""
    counts = {"passed": 0, "failed": 0, "skipped": 0, "xfailed": 0}
    for outcome in outcomes:
        counts["passed"] += outcome.passed
        counts["failed"] += len(outcome.problems)
        counts["skipped"] += outcome.skipped
        counts["xfailed"] += outcome.not_applicable + outcome.failing_without
    return f" {', '.join(f'{count} {kind}' for kind, count in counts.items())} ".center(100, "=")


def run_suite(suite: Suite, directory: Path) -> Outcome:
    """Run a suite in an environment of its own, and compare its results with what is expected.

    Tests that fail for no reason that is listed are run again without cloche. Those that still fail say nothing about
    cloche: they need a terminal, for example, or an interpreter that is not on this machine.
    """
    print(f"== {suite.name}", flush=True)
    environment, source = prepare(suite, directory)
    run = TestRun(environment, source, directory)
    attach(suite, environment)
    results = run(suite.name, *suite.arguments, *plugin_options(suite))
    if results is None:
        return Outcome(suite, problems=["pytest ran no tests"])
    failing_without: set[str] = set()
    if forget_explained(suite, Path(f"{environment.location}.cache") / "v" / "cache" / "lastfailed"):
        detach(suite, environment)
        again = run(f"{suite.name}-without-cloche", *suite.arguments, "--last-failed") or {}
        failing_without = {test for test, result in again.items() if result == "failed"}
    return compare(suite, results, failing_without)


def forget_explained(suite: Suite, last_failed: Path) -> int:
    """Remove the tests that are listed with a reason from those that pytest runs again; return how many remain."""
    failed = json.loads(last_failed.read_text(encoding="utf-8")) if last_failed.exists() else {}
    remaining = {node: failed[node] for node in failed if suite.excuse(name_in_report(node)) is None}
    if last_failed.exists():
        last_failed.write_text(json.dumps(remaining), encoding="utf-8")
    return len(remaining)


def name_in_report(node: str) -> str:
    """Return the name that a test has in a report: `tests/a.py::Class::test[x]` is `tests.a.Class::test[x]`."""
    path, bracket, parameters = node.partition("[")
    path, *names = path.split("::")
    module = path.removesuffix(".py").replace("/", ".")
    return f"{'.'.join([module, *names[:-1]])}::{names[-1]}{bracket}{parameters}" if names else f"::{module}"


def compare(suite: Suite, results: Mapping[str, str], failing_without: AbstractSet[str] = frozenset()) -> Outcome:
    """Compare the result of each test with what is expected.

    :param results: `passed`, `failed`, `skipped`, or `unrelated` for a test that passed without reaching cloche.
    :param failing_without: the tests that also fail without cloche.
    """
    failed = {test for test, result in results.items() if result == "failed"} - failing_without
    excuses = {test: suite.excuse(test) for test in failed}
    problems = [f"{test} failed" for test in sorted(failed) if excuses[test] is None]
    unused = set(suite.patterns()) - {suite.excuse(test) for test, result in results.items() if not passes(result)}
    problems += [f"`{pattern}` is listed, but matches no failing test" for pattern in sorted(unused)]
    counts = Counter(results.values())
    expected = suite.passed - max(counts["skipped"] - suite.skipped, 0)
    if counts["passed"] < expected:
        problems.append(f"{counts['passed']} tests passed, expected at least {expected}")
    return Outcome(
        suite,
        passed=counts["passed"],
        unrelated=counts["unrelated"],
        skipped=counts["skipped"],
        not_applicable=sum(excuse is not None for excuse in excuses.values()),
        failing_without=counts["failed"] - len(failed),
        problems=problems,
    )


def passes(result: str) -> bool:
    """Return whether a test that is listed as failing passes."""
    return result in ("passed", "unrelated")


@dataclass
class TestRun:
    """Runs pytest in the environment of a suite."""

    __test__ = False

    environment: cloche.Environment
    source: Path
    directory: Path
    """Where pytest keeps its reports, and between two runs its cache."""

    def __call__(self, name: str, *arguments: str) -> dict[str, str] | None:
        """Return the result of each test; None if pytest could not run them.

        :param name: the name of the report.
        """
        report = self.directory / f"{name}.xml"
        report.unlink(missing_ok=True)
        cache = f"cache_dir={self.environment.location}.cache"
        options = ["-q", "-n", "auto", "--tb=short", "--timeout=300", "-p", "no:randomly"]
        command = [
            self.environment.executable,
            "-m",
            "pytest",
            *options,
            "-o",
            cache,
            f"--junitxml={report}",
            *arguments,
        ]
        environ = suite_variables(self.directory / "home", self.environment)
        done = subprocess.run(command, cwd=self.source, env=environ, stdin=subprocess.DEVNULL, check=False)
        return read_report(report) if done.returncode in (0, 1) and report.exists() else None


def read_report(report: Path) -> dict[str, str]:
    """Return the result of each test in a report of pytest, by `module::class::name`."""
    results: dict[str, str] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        result = "passed" if case.find("properties/property[@name='reached']") is not None else "unrelated"
        if "skipped" in kinds:
            result = "skipped"
        if kinds & {"failure", "error"}:
            result = "failed"
        results[f"{case.get('classname', '')}::{case.get('name', '')}"] = result
    return results


def prepare(suite: Suite, directory: Path) -> tuple[cloche.Environment, Path]:
    """Return the environment of a suite and the directory to run it in."""
    directory.mkdir(parents=True, exist_ok=True)
    source = directory if suite.python else unpack(suite.source, directory / "sources")
    environment = cloche.create(directory / suite.name, python=suite.python, existing="replace")
    own = [str(HERE.parent.parent), *(str(PLUGINS / f"cloche-{name}") for name in ("virtualenv", "nushell", "xonsh"))]
    project = [] if suite.python else [suite.source]
    install(environment, ["pytest", "pytest-xdist", "pytest-timeout", *suite.install, *project, *own])
    return environment, source


def attach(suite: Suite, environment: cloche.Environment) -> None:
    """Make the suite use cloche."""
    for name in plugins_of(suite):
        shutil.copy(HERE / f"{name}.py", environment.purelib)
    if suite.adapter == "stand-in":
        run_shim("install", environment)


def detach(suite: Suite, environment: cloche.Environment) -> None:
    """Make the suite use its own tool again."""
    if suite.adapter == "stand-in":
        run_shim("remove", environment)


def plugins_of(suite: Suite) -> list[str]:
    """Return the names of our pytest plugins that a suite runs with."""
    return ["peers_reached"] if suite.adapter == "stand-in" else ["peers_reached", f"{suite.adapter}_adapter"]


def plugin_options(suite: Suite) -> Iterator[str]:
    """Yield options of pytest that load our plugins."""
    for name in plugins_of(suite):
        yield from ("-p", name)


def run_shim(action: str, environment: cloche.Environment) -> None:
    shim = [environment.executable, "-m", "cloche", "virtualenv-shim", action, environment.location]
    subprocess.run(shim, check=True, stdout=subprocess.DEVNULL)


def unpack(requirement: str, directory: Path) -> Path:
    """Download an sdist from the user's index, unpack it, and return its directory."""
    name = requirement.replace("==", "-")
    if not (directory / name).is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "unearth", "--no-binary", "--download", str(directory), *index_options()]
        subprocess.run([*command, requirement], check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(directory.glob(f"{name}.tar.*"))) as archive:
            archive.extractall(directory, filter="data")
    return directory / name


def index_options() -> list[str]:
    """Return options for `unearth` that name the user's index, as pip is configured."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    index = os.environ.get("PIP_INDEX_URL") or done.stdout.strip()
    return ["--index-url", index] if index else []


def install(environment: cloche.Environment, requirements: list[str]) -> None:
    """Install requirements with pip."""
    pip = [environment.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *requirements], check=True)


def suite_variables(home: Path, environment: cloche.Environment) -> dict[str, str]:
    """Return the variables for a suite: a home of its own, and the suite's environment first on PATH."""
    home.mkdir(parents=True, exist_ok=True)
    dropped = ("CLOCHE_", "TOX_", "VIRTUAL_ENV", "VIRTUALENV_", "PYTHON", "COVERAGE_", "XDG_")
    environ = {name: text for name, text in os.environ.items() if not name.startswith(dropped)}
    path = os.pathsep.join((str(environment.bin), environ["PATH"]))
    return {**environ, "HOME": str(home), "PATH": path, "GIT_CONFIG_NOSYSTEM": "1"}


if __name__ == "__main__":
    sys.exit(main())
