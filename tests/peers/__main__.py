"""Run the test suites of other projects against cloche: `python -m tests.peers [NAME...]`.

`suites.toml` lists the suites. Each is unpacked from the sdist of its project, or taken from an installed CPython, and
runs in an environment of its own. Nothing of theirs is in this repository; only the adapters are. The run fails if fewer
tests pass than before, or if a test fails that is not listed with a reason.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
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
    arguments: list[str]
    install: list[str] = field(default_factory=list)
    not_applicable: dict[str, list[str]] = field(default_factory=dict)

    def patterns(self) -> list[str]:
        """Return the patterns of all tests that do not apply to cloche."""
        return [pattern for listed in self.not_applicable.values() for pattern in listed]

    def reason_for(self, test: str) -> str | None:
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
    passed, failed = sum(outcome.passed for outcome in outcomes), sum(map(len, (o.problems for o in outcomes)))
    print(f"{passed} passed, {failed} failed, {sum(outcome.excused for outcome in outcomes)} skipped")
    return 1 if failed else 0


def read_suites(file: Path) -> Iterator[Suite]:
    """Yield the suites that a file describes."""
    for name, table in tomllib.loads(file.read_text(encoding="utf-8"))["suite"].items():
        yield Suite(name, **{key.replace("-", "_"): entry for key, entry in table.items()})


@dataclass
class Outcome:
    """The result of one suite."""

    suite: Suite
    passed: int
    excused: int
    """The number of failing tests that do not apply to cloche, or fail without it as well."""
    problems: list[str]

    def lines(self) -> Iterator[str]:
        """Yield the result for people."""
        yield (
            f"{self.suite.name} ({self.suite.source}): {self.passed} passed (before: {self.suite.passed}), "
            f"{self.excused} do not apply or fail without cloche, {len(self.problems)} problems"
        )
        yield from (f"  {problem}" for problem in self.problems)


def run_suite(suite: Suite, directory: Path) -> Outcome:
    """Run a suite in an environment of its own, and compare its results with what is expected.

    Tests that fail are run again without cloche. Those that still fail say nothing about cloche: they need a terminal, for
    example, or an interpreter that is not on this machine.
    """
    print(f"== {suite.name}", flush=True)
    environment, source = prepare(suite, directory)
    run = TestRun(environment, source, directory / suite.name)
    attach(suite, environment)
    results = run(*suite.arguments, *adapter_options(suite))
    if results is None:
        return Outcome(suite, 0, 0, ["pytest ran no tests"])
    failing = {test for test, result in results.items() if result == "failed"}
    failing_without: set[str] = set()
    if any(suite.reason_for(test) is None for test in failing):
        detach(suite, environment)
        again = run(*suite.arguments, "--last-failed") or {}
        failing_without = {test for test in failing if again.get(test, "failed") == "failed"}
    return compare(suite, results, failing_without)


def compare(suite: Suite, results: Mapping[str, str], failing_without: AbstractSet[str] = frozenset()) -> Outcome:
    """Compare the result of each test (`passed`, `failed` or `skipped`) with what is expected.

    :param failing_without: the tests that also fail without cloche.
    """
    passed = sum(result == "passed" for result in results.values())
    failed = {test: suite.reason_for(test) for test, result in results.items() if result == "failed"}
    excused = {test for test, pattern in failed.items() if pattern is not None or test in failing_without}
    problems = [f"{test} failed" for test in failed if test not in excused]
    problems += [
        f"`{pattern}` matches no failing test" for pattern in suite.patterns() if pattern not in failed.values()
    ]
    if passed < suite.passed:
        problems.append(f"only {passed} tests passed, {suite.passed} did before")
    return Outcome(suite, passed, len(excused), problems)


@dataclass
class TestRun:
    """Runs pytest in the environment of a suite; its reports begin with `report`."""

    __test__ = False

    environment: cloche.Environment
    source: Path
    report: Path

    def __call__(self, *arguments: str) -> dict[str, str] | None:
        """Return the result of each test; None if pytest could not run them."""
        report = self.report.with_suffix(".xml")
        report.unlink(missing_ok=True)
        options = ["-q", "-n", "auto", "--tb=short", "-p", "no:randomly", "-o", f"cache_dir={self.report}.cache"]
        command = [self.environment.executable, "-m", "pytest", *options, f"--junitxml={report}", *arguments]
        environ = suite_variables(self.report.parent / "home", self.environment)
        done = subprocess.run(command, cwd=self.source, env=environ, check=False)
        return read_report(report) if done.returncode in (0, 1) and report.exists() else None


def read_report(report: Path) -> dict[str, str]:
    """Return the result of each test in a report of pytest, by `module::class::name`."""
    results: dict[str, str] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        kinds = {child.tag for child in case}
        results[name] = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
    return results


def prepare(suite: Suite, directory: Path) -> tuple[cloche.Environment, Path]:
    """Return the environment of a suite and the directory to run it in."""
    directory.mkdir(parents=True, exist_ok=True)
    source = Path(sys.base_prefix) if suite.source == "python" else unpack(suite.source, directory / "sources")
    environment = cloche.create(directory / suite.name, existing="replace")
    own = [
        str(HERE.parent.parent),
        *(str(PLUGINS / name) for name in ("cloche-virtualenv", "cloche-nushell", "cloche-xonsh")),
    ]
    project = [] if suite.source == "python" else [suite.source]
    install(environment, ["pytest", "pytest-xdist", "pytest-timeout", *suite.install, *project, *own])
    return environment, source


def attach(suite: Suite, environment: cloche.Environment) -> None:
    """Make the suite use cloche."""
    if suite.adapter == "stand-in":
        run_shim("install", environment)
    else:
        shutil.copy(HERE / f"{suite.adapter}_adapter.py", environment.purelib)


def adapter_options(suite: Suite) -> list[str]:
    """Return options of pytest that load the adapter of a suite."""
    return [] if suite.adapter == "stand-in" else ["-p", f"{suite.adapter}_adapter"]


def detach(suite: Suite, environment: cloche.Environment) -> None:
    """Make the suite use its own tool again."""
    if suite.adapter == "stand-in":
        run_shim("remove", environment)


def run_shim(action: str, environment: cloche.Environment) -> None:
    shim = [sys.executable, "-m", "cloche", "virtualenv-shim", action, environment.location]
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


def index_options() -> Iterable[str]:
    """Return options for `unearth` that name the user's index, as pip is configured."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True
    )
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
