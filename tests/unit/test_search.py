"""Test the search with fake finders and a fake probe: the choice, and the reason for every skipped candidate."""

from __future__ import annotations

import errno
import json
import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pytest

from cloche.discovery import FoundInterpreter, InterpreterListing, find_interpreter, list_interpreters, search
from cloche.discovery.cache import ProbeCache, ProbeResult, too_old_result
from cloche.errors import InterpreterNotFound, UsageError
from cloche.model.candidate import Candidate
from cloche.model.interpreter import Host
from cloche.model.value import replace
from tests.unit.interpreters import interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cloche.discovery.search import SearchResult
    from cloche.model.spec import InterpreterSpec
    from cloche.plugins.hookspecs import Finder


class Machine:
    """A fake machine with interpreters, and finders that yield them in the order in which they were added."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.answers: dict[str, ProbeResult] = {}
        self.finders: dict[str, ListFinder] = {}
        self.probed: list[tuple[str, ...]] = []
        self.environ: dict[str, str] = {}
        self.cache = ProbeCache(str(root / "cache"), prober=self.prober)

    def add(self, finder: str, name: str, path: str = "") -> str:
        """Add a candidate to a finder and return its path.

        :param name: the name of the interpreter, or the reason why the file cannot be used.
        """
        directory = path or f"{finder}-{len(self.answers)}"
        executable = self.root / directory / "bin" / "python"
        executable.parent.mkdir(parents=True)
        executable.write_text(name)
        executable.chmod(0o755)
        if name.startswith(("CPython", "PyPy", "GraalPy")):
            self.answers[str(executable)] = ProbeResult(interpreter(name, str(executable)))
        else:
            self.answers[str(executable)] = ProbeResult(reason=name)
        self.finders.setdefault(finder, ListFinder(finder)).paths.append(str(executable))
        return str(executable)

    def prober(self, paths: Sequence[str], environ: Mapping[str, str]) -> list[ProbeResult]:
        del environ
        self.probed.append(tuple(paths))
        return [self.answers[path] for path in paths]

    @property
    def host(self) -> Host:
        running = next((path for finder in self.finders.values() for path in finder.paths), "")
        return Host(self.environ, str(self.root), "linux", "posix", running)

    def find(self, *specs: str, first: Sequence[str] = ()) -> FoundInterpreter:
        return find_interpreter(specs, self.host, self.finders.values(), self.cache, first)

    def path(self, *specs: str, first: Sequence[str] = ()) -> str:
        return self.find(*specs, first=first).interpreter.executable

    def listing(
        self, spec: str | None = None, first: Sequence[str] = (), otherwise: Sequence[str] = ()
    ) -> InterpreterListing:
        finders = self.finders.values()
        return list_interpreters(spec, self.host, finders, self.cache, first, otherwise=otherwise)

    def results(self, spec: str | None = None) -> list[SearchResult]:
        return list(self.listing(spec).results)


class ListFinder:
    """A finder that yields candidates from a list of paths."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.paths: list[str] = []
        self.note = ""

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        for path in self.paths:
            yield Candidate(path, self.name, self.note)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_version_selects_the_first_match_in_finder_order(machine: Machine) -> None:
    machine.add("current", "CPython 3.11.7")
    first = machine.add("path", "CPython 3.12.1")
    machine.add("pyenv", "CPython 3.12.9")
    found = machine.find("3.12")
    assert (found.interpreter.executable, found.found_by, found.spec) == (first, "path", "3.12")
    assert found.because == "`-p 3.12`"


def test_a_range_selects_the_newest_match(machine: Machine) -> None:
    machine.add("current", "CPython 3.11.7")
    machine.add("path", "CPython 3.12.1")
    newest = machine.add("pyenv", "CPython 3.12.9")
    machine.add("uv", "CPython 3.13.0")
    assert machine.path(">=3.11,<3.13") == newest


def test_a_range_selects_the_first_of_two_equally_new_matches(machine: Machine) -> None:
    first = machine.add("path", "CPython 3.12.1")
    machine.add("pyenv", "CPython 3.12.1")
    assert machine.path(">=3.11") == first


def test_the_first_request_with_a_match_is_used(machine: Machine) -> None:
    machine.add("path", "CPython 3.11.7")
    second = machine.add("path", "CPython 3.12.1")
    assert machine.path("3.14", "3.12", "3.11") == second
    assert machine.find("3.14", "3.12", "3.11").spec == "3.12"


def test_an_invalid_request_is_an_error_even_if_another_has_a_match(machine: Machine) -> None:
    machine.add("path", "CPython 3.11.7")
    with pytest.raises(UsageError):
        machine.find("3.11", "3.x")
    assert machine.probed == []


def test_a_released_cpython_is_preferred_to_other_implementations_and_prereleases(machine: Machine) -> None:
    machine.add("current", "PyPy 3.12.1")
    machine.add("path", "CPython 3.12.0rc1")
    ordinary = machine.add("pyenv", "CPython 3.12.1")
    assert machine.path("3.12") == ordinary
    assert machine.path(">=3.12") == ordinary


def test_other_implementations_and_prereleases_are_used_if_nothing_else_matches(machine: Machine) -> None:
    pypy = machine.add("path", "PyPy 3.10.14")
    beta = machine.add("path", "CPython 3.15.0b1")
    assert machine.path("3.10") == pypy
    assert machine.path("3.15") == beta
    with pytest.raises(InterpreterNotFound):
        machine.find(">=3.15")


def test_a_prerelease_is_preferred_to_another_implementation(machine: Machine) -> None:
    machine.add("path", "PyPy 3.15.0")
    machine.add("path", "CPython 3.15.0t")
    beta = machine.add("pyenv", "CPython 3.15.0b1")
    assert machine.path("3.15") == beta


def test_a_matching_try_first_with_path_is_preferred_to_everything(machine: Machine) -> None:
    machine.add("path", "CPython 3.12.9")
    preferred = machine.add("elsewhere", "CPython 3.12.1")
    mismatch = machine.add("elsewhere", "CPython 3.11.7")
    found = machine.find(">=3.12", first=(mismatch, preferred))
    assert (found.interpreter.executable, found.found_by) == (preferred, "try-first-with")


def test_only_unusable_try_first_with_paths_cause_a_warning(machine: Machine) -> None:
    chosen_path = machine.add("path", "CPython 3.12.9")
    other = machine.add("elsewhere", "CPython 3.11.7")
    broken = machine.add("elsewhere", "fails with exit code 2")
    del machine.finders["elsewhere"]
    message = (
        "`--try-first-with` was ignored: `/nowhere/python` does not exist",
        f"`--try-first-with` was ignored: `{broken}` fails with exit code 2",
    )
    paths = ("/nowhere/python", other, broken)
    for found in (machine.find("3.12", first=paths), machine.listing("3.12", first=paths).found):
        assert found is not None
        assert (found.interpreter.executable, found.warnings) == (chosen_path, message)
    found = machine.find(first=("/nowhere/python",))
    assert (found.interpreter.executable, found.warnings) == (chosen_path, message[:1])
    assert machine.find("3.11", first=(other, broken)).warnings == ()  # the second path was not examined
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find("3.99", first=paths)
    assert [line.strip() for line in (caught.value.hint or "").splitlines()][-2:] == list(message)


def test_try_first_with_does_not_override_a_requested_path(machine: Machine) -> None:
    requested = machine.add("path", "CPython 3.12.9")
    preferred = machine.add("elsewhere", "CPython 3.13.0")
    machine.finders.clear()
    assert (
        find_interpreter((requested,), machine.host, [], machine.cache, (preferred,)).interpreter.executable
        == requested
    )


def test_a_path_selects_that_interpreter_or_is_an_error(machine: Machine) -> None:
    machine.add("path", "CPython 3.12.1")
    broken = machine.add("elsewhere", "crashes")
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find(broken)
    assert caught.value.message == f"`{broken}` crashes"


def test_a_file_without_execute_permission_is_not_started(machine: Machine) -> None:
    plain = machine.add("path", "CPython 3.12.1")
    os.chmod(plain, 0o644)
    with pytest.raises(InterpreterNotFound, match="is not executable"):
        machine.find(plain)
    assert machine.probed == []


def test_a_path_may_be_relative_a_directory_or_start_with_a_tilde(machine: Machine) -> None:
    path = machine.add("path", "CPython 3.12.1", "tools/python")
    machine.environ["HOME"] = str(machine.root / "tools")
    assert machine.path("tools/python") == path
    assert machine.path("./tools/python/bin/python") == path
    assert machine.path(str(machine.root / "tools" / "python")) == path
    assert machine.path("~/python") == path


@pytest.mark.parametrize("name", ["python3", "python", "python3.12", "pypy3"])
def test_the_directory_for_programs_means_its_python(machine: Machine, name: str) -> None:
    path = machine.add("path", "CPython 3.12.1", "installation")
    exact = os.path.join(os.path.dirname(path), name)
    os.rename(path, exact)
    machine.answers[exact] = ProbeResult(interpreter("CPython 3.12.1", exact))
    assert machine.path("./installation/bin") == exact
    assert machine.path(f"{machine.root}/installation/bin/") == exact


def test_a_directory_may_contain_only_versioned_names(machine: Machine) -> None:
    path = machine.add("path", "CPython 3.12.1", "altinstall")
    exact = os.path.join(os.path.dirname(path), "python3.12")
    os.rename(path, exact)
    machine.answers[exact] = ProbeResult(interpreter("CPython 3.12.1", exact))
    assert machine.path(str(machine.root / "altinstall")) == exact


def test_the_newest_of_the_versioned_names_in_a_directory_is_used(machine: Machine) -> None:
    (machine.root / "several" / "bin").mkdir(parents=True)
    (machine.root / "several" / "bin" / "python3.16-config").write_text("")
    for minor in (9, 12, 15, 14, 13):
        path = machine.add("path", f"CPython 3.{minor}.1", f"python{minor}")
        exact = machine.root / "several" / "bin" / f"python3.{minor}"
        os.rename(path, exact)
        machine.answers[str(exact)] = ProbeResult(interpreter(f"CPython 3.{minor}.1", str(exact)))
    assert machine.path("./several") == str(machine.root / "several" / "bin" / "python3.15")


def test_only_the_path_finder_is_used_for_a_command(machine: Machine) -> None:
    machine.add("pyenv", "CPython 3.12.1")
    named = machine.add("path", "CPython 3.11.7")
    assert machine.path("my-python") == named
    machine.finders["path"].paths.clear()
    with pytest.raises(InterpreterNotFound, match="no command `my-python` found on PATH"):
        machine.find("my-python")


def test_the_name_of_an_installation_gets_a_hint(machine: Machine) -> None:
    """Version files may have such names, requests may not."""
    with pytest.raises(InterpreterNotFound) as raised:
        machine.find("pypy3.9-7.3.11")
    assert (raised.value.hint or "").startswith("did you mean `pypy3.9`?")


def test_a_command_selects_the_first_match_on_path_of_any_kind(machine: Machine) -> None:
    first = machine.add("path", "CPython 3.15.0b1")
    machine.add("path", "CPython 3.12.1")
    assert machine.path("my-python") == first


def test_a_file_that_is_found_twice_is_probed_once(machine: Machine) -> None:
    path = machine.add("path", "CPython 3.12.1")
    link = machine.root / "python3"
    link.symlink_to(path)
    machine.finders["pyenv"] = ListFinder("pyenv")
    machine.finders["pyenv"].paths = [str(link), path]
    assert [(result.path, result.found_by) for result in machine.results()] == [(path, "path")]
    assert machine.probed == [(path,)]


def test_candidates_are_probed_in_batches(machine: Machine) -> None:
    paths = [machine.add("path", f"CPython 3.{minor}.0") for minor in (10, 11, 12)]
    machine.find("3.12")
    assert machine.probed == [tuple(paths)]


def test_no_executable_is_probed_twice_not_even_by_the_next_run(machine: Machine) -> None:
    machine.add("path", "CPython 3.11.7")
    machine.add("path", "CPython 3.12.1")
    machine.find("3.14", "3.13", "3.12")
    machine.find("3.12")
    assert len(machine.probed) == 1


def test_a_shim_is_skipped_with_the_note_of_its_finder(machine: Machine) -> None:
    machine.add("path", "is never probed")
    machine.finders["path"].note = "is a shim that starts nothing"
    chosen = machine.add("pyenv", "CPython 3.12.1")
    assert machine.path("3.12") == chosen
    assert [result.reason for result in machine.results("3.12")] == ["is a shim that starts nothing", ""]


def test_an_environment_is_resolved_to_its_base(machine: Machine) -> None:
    base = machine.add("nowhere", "CPython 3.12.1", "base")
    machine.finders["nowhere"].paths.clear()
    environment = machine.add("path", "is never probed", "env")
    (machine.root / "env" / "pyvenv.cfg").write_text(f"home = {os.path.dirname(base)}\n")
    assert machine.path("3.12") == base
    assert machine.path(environment) == base
    assert machine.probed == [(base,)]


def test_nested_environments_are_resolved_to_the_same_base(machine: Machine) -> None:
    base = machine.add("nowhere", "CPython 3.12.1", "base")
    inner = machine.add("nowhere", "is never probed", "inner")
    machine.finders["nowhere"].paths.clear()
    machine.add("path", "is never probed", "outer")
    (machine.root / "inner" / "pyvenv.cfg").write_text(f"home = {os.path.dirname(base)}\n")
    (machine.root / "outer" / "pyvenv.cfg").write_text(f"home = {os.path.dirname(inner)}\n")
    assert machine.path("3.12") == machine.path("./outer") == machine.path("./outer/bin/python") == base
    assert machine.probed == [(base,)]


def test_an_environment_that_names_itself_as_base_is_skipped(machine: Machine) -> None:
    path = machine.add("path", "is never probed", "env")
    (machine.root / "env" / "pyvenv.cfg").write_text(f"home = {os.path.dirname(path)}\n")
    (result,) = machine.results("3.12")
    assert "no longer exists" in result.reason


def test_an_environment_with_an_unreadable_pyvenv_cfg_is_skipped(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it were mistaken for a base, the new environment would be based on an environment."""
    machine.add("path", "is never probed", "env")
    config = machine.root / "env" / "pyvenv.cfg"
    config.write_text("home = /usr/bin\n")
    real_open = os.open

    def fail(path: str, *arguments: Any, **more: Any) -> int:
        if path == str(config):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real_open(path, *arguments, **more)

    monkeypatch.setattr(os, "open", fail)
    (result,) = machine.results("3.12")
    assert result.reason == f"belongs to an environment whose `{config}` cannot be read"
    assert machine.probed == []


def test_a_relative_home_is_not_resolved_in_the_current_directory(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.add("nowhere", "CPython 3.12.1", "base")
    path = machine.add("path", "is never probed", "env")
    (machine.root / "env" / "pyvenv.cfg").write_text("home = base/bin\nexecutable = base/bin/python\n")
    monkeypatch.chdir(machine.root)
    with pytest.raises(InterpreterNotFound, match="no longer exists"):
        machine.find(path)
    assert machine.probed == []


def test_a_relative_path_from_a_finder_is_never_started(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    path = machine.add("path", "CPython 3.12.1")
    machine.finders["path"].paths = [os.path.relpath(path, machine.root)]
    monkeypatch.chdir(machine.root)
    assert [result.reason for result in machine.results("3.12")] == ["is not an absolute path"]
    assert machine.probed == []


def test_the_exact_build_of_a_copied_environment_is_found(machine: Machine) -> None:
    ordinary = machine.add("nowhere", "CPython 3.13.1", "base")
    directory = os.path.dirname(ordinary)
    for name, kind in (
        ("python3.13", "CPython 3.13.1"),
        ("python3.13t", "CPython 3.13.1t"),
        ("python3.13d", "CPython 3.13.1d"),
    ):
        path = os.path.join(directory, name)
        with open(path, "w") as file:
            file.write(kind)
        os.chmod(path, 0o755)
        machine.answers[path] = ProbeResult(interpreter(kind, path))
    environment = machine.add("path", "is never probed", "env")
    for key in ("base-executable", "executable"):
        for name in ("python3.13", "python3.13t", "python3.13d"):
            path = os.path.join(directory, name)
            settings = f"home = {directory}\nversion = 3.13.1\n{key} = {path}\n"
            (machine.root / "env" / "pyvenv.cfg").write_text(settings)
            assert machine.path(environment) == path


def test_a_recorded_name_without_a_version_is_not_used(machine: Machine) -> None:
    """`python3` in the directory may be another version by now."""
    other = machine.add("nowhere", "CPython 3.14.0", "base")
    directory = os.path.dirname(other)
    exact = os.path.join(directory, "python3.13")
    with open(exact, "w") as file:
        file.write("3.13")
    os.chmod(exact, 0o755)
    machine.answers[exact] = ProbeResult(interpreter("CPython 3.13.1", exact))
    environment = machine.add("path", "is never probed", "env")
    settings = f"home = {directory}\nversion = 3.13.1\nbase-executable = {other}\n"
    (machine.root / "env" / "pyvenv.cfg").write_text(settings)
    assert machine.path(environment) == exact


def test_a_fifo_instead_of_a_file_does_not_block_the_search(machine: Machine) -> None:
    path = machine.add("path", "CPython 3.14.0")
    os.mkfifo(machine.root / "path-0" / "pyvenv.cfg")
    stdlib = machine.root / "path-0" / "lib" / "python"
    stdlib.mkdir(parents=True)
    os.mkfifo(stdlib / "build-details.json")
    assert machine.path("3.14") == path


def test_environments_that_name_each_other_as_base_are_skipped(machine: Machine) -> None:
    first, second = machine.add("path", "is never probed", "one"), machine.add("path", "is never probed", "two")
    (machine.root / "one" / "pyvenv.cfg").write_text(f"home = {os.path.dirname(second)}\n")
    (machine.root / "two" / "pyvenv.cfg").write_text(f"home = {os.path.dirname(first)}\n")
    assert all("base interpreters refer to each other" in result.reason for result in machine.results("3.12"))


def test_a_wrapper_is_resolved_to_its_interpreter(machine: Machine) -> None:
    real = machine.add("pyenv", "CPython 3.12.1")
    wrapper = machine.add("path", "a script")
    machine.finders = {"path": machine.finders["path"], "pyenv": machine.finders["pyenv"]}
    machine.answers[wrapper] = machine.answers[real]
    found = machine.find("3.12")
    assert (found.interpreter.executable, found.found_by) == (real, "path")
    assert [result.found_by for result in machine.results("3.12")] == ["path"]


def test_wrappers_that_start_each_other_are_skipped(machine: Machine) -> None:
    first, second = machine.add("path", "a script"), machine.add("path", "another")
    machine.answers[first] = ProbeResult(interpreter("CPython 3.12.1", second))
    machine.answers[second] = ProbeResult(interpreter("CPython 3.12.1", first))
    assert all("which in turn starts" in result.reason for result in machine.results("3.12"))


def test_a_finder_that_fails_does_not_stop_the_others(machine: Machine) -> None:
    class Broken:
        name = "broken"

        def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
            raise PermissionError(13, "no entry", spec.text + host.cwd)

    chosen = machine.add("path", "CPython 3.12.1")
    finders: list[Finder] = [Broken(), machine.finders["path"]]
    found = find_interpreter(("3.12",), machine.host, finders, machine.cache)
    assert found.interpreter.executable == chosen
    (failed, _) = list_interpreters("3.12", machine.host, finders, machine.cache).results
    assert failed.reason.startswith("the finder failed: PermissionError")


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("/usr/bin/python3", "TypeError: `candidates` yielded '/usr/bin/python3': expected a `cloche.Candidate`"),
        (None, "TypeError: `candidates` yielded None: expected a `cloche.Candidate`"),
        (
            Candidate(PurePath("/usr/bin/python3"), "broken"),
            "TypeError: `candidates` yielded Candidate(path=",
        ),
        (SystemExit(1), "SystemExit: 1"),
        (BaseException("of compiled code"), "BaseException: of compiled code"),
    ],
)
def test_a_finder_that_yields_something_else_or_raises_is_reported(machine: Machine, item: Any, message: str) -> None:
    class Broken:
        def __init__(self, name: str) -> None:
            self.name = name

        def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
            if isinstance(item, BaseException):
                raise item
            yield item

    finders: list[Finder] = [Broken("one"), Broken("other")]
    results = list_interpreters("3.12", machine.host, finders, machine.cache).results
    assert [result.found_by for result in results] == ["one", "other"]
    assert all(result.reason.startswith(f"the finder failed: {message}") for result in results)
    with pytest.raises(InterpreterNotFound) as missing:
        find_interpreter(("3.12",), machine.host, finders, machine.cache)
    assert f"finder `other` failed: {message}" in str(missing.value.hint)


@pytest.mark.parametrize("returned", [None, 3, "/usr/bin/python3"])
def test_a_finder_that_returns_no_iterable_is_reported(machine: Machine, returned: Any) -> None:
    class Broken:
        name = "broken"

        def candidates(self, spec: InterpreterSpec, host: Host) -> Any:
            return returned

    (result,) = list_interpreters("3.12", machine.host, [Broken()], machine.cache).results
    expected = f"TypeError: `candidates` returned {returned!r}: expected an iterable of `cloche.Candidate`"
    assert result.reason == f"the finder failed: {expected}"


def test_a_candidate_with_an_impossible_path_is_skipped(machine: Machine) -> None:
    machine.add("path", "CPython 3.12.1")
    machine.finders["path"].paths.insert(0, "/opt/a\0b")
    assert machine.find("3.12").found_by == "path"


def test_finders_are_loaded_only_when_they_are_reached(machine: Machine) -> None:
    chosen = machine.add("path", "CPython 3.12.1")
    for number in range(8):
        machine.add("path", f"CPython 3.11.{number}")

    def loading() -> Iterator[ListFinder]:
        yield machine.finders["path"]
        pytest.fail("another finder was loaded")

    found = find_interpreter(("3.12",), machine.host, loading(), machine.cache)
    assert found.interpreter.executable == chosen


def test_a_listing_contains_every_candidate_and_marks_the_choice(machine: Machine) -> None:
    machine.add("current", "CPython 3.11.7")
    machine.add("path", "is terminated by SIGSEGV")
    machine.add("path", "CPython 3.12.1")
    machine.add("pyenv", "CPython 3.13.0t")
    results = [(result.found_by, result.reason, result.is_chosen) for result in machine.results("3.12")]
    assert results == [
        ("current", "is 3.11.7, not 3.12", False),
        ("path", "is terminated by SIGSEGV", False),
        ("path", "", True),
        ("pyenv", "is 3.13.0, not 3.12", False),
    ]


def test_a_listing_without_a_request_rejects_no_interpreter(machine: Machine) -> None:
    machine.add("current", "CPython 3.15.0b1")
    machine.add("path", "CPython 3.12.1")
    machine.add("pyenv", "CPython 3.13.0t")
    assert [(result.reason, result.is_chosen) for result in machine.results()] == [("", True), ("", False), ("", False)]


def test_a_listing_marks_the_choice_whatever_it_is_based_on(machine: Machine) -> None:
    machine.add("current", "CPython 3.11.7")
    requested = machine.add("path", "CPython 3.12.1")
    preferred = machine.add("elsewhere", "CPython 3.12.9")
    machine.finders.pop("elsewhere")

    def chosen(listing: InterpreterListing) -> list[str]:
        assert listing.found is not None
        (path,) = [result.path for result in listing.results if result.is_chosen]
        assert listing.found.interpreter.executable == path
        return [path, listing.found.found_by]

    assert chosen(machine.listing(otherwise=("3.99", "3.12"))) == [requested, "path"]
    assert chosen(machine.listing("3.12", first=(preferred,))) == [preferred, "try-first-with"]
    assert chosen(machine.listing(first=(preferred,))) == [preferred, "try-first-with"]
    assert machine.probed[-1] == (preferred,)


def test_a_listing_without_a_match_has_the_error_of_the_search(machine: Machine) -> None:
    machine.add("path", "CPython 3.12.1")
    listing = machine.listing("3.99")
    assert listing.found is None
    assert str(listing.error) == "no interpreter satisfies `3.99`"
    assert [result.is_chosen for result in listing.results] == [False]


def test_a_hanging_candidate_is_probed_only_once_per_search(machine: Machine) -> None:
    hanging = machine.add("path", "does not respond in time")
    machine.listing("3.99")
    assert machine.probed == [(hanging,)]


def test_no_candidate_is_probed_after_the_time_budget_is_used_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [machine.add("path", "does not respond in time") for _ in range(2 * search.BATCH_SIZE)]
    monkeypatch.setattr(search, "PROBE_BUDGET", 0.0)
    with pytest.raises(InterpreterNotFound):
        machine.find("3.12")
    assert machine.probed == [tuple(paths[: search.BATCH_SIZE])]


def test_the_error_names_the_closest_matches_the_finders_and_a_remedy(machine: Machine) -> None:
    machine.add("current", "CPython 3.9.18")
    closest = machine.add("path", "CPython 3.13.0")
    wrong_build = machine.add("pyenv", "CPython 3.14.0")
    (machine.root / "uv").write_text("")
    machine.environ["PATH"] = f"::relative:{machine.root}"
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find("3.14t")
    assert caught.value.exit_code == 3
    assert caught.value.message == "no interpreter satisfies `3.14t`"
    hint = caught.value.hint or ""
    assert hint.index(f"`{wrong_build}` is not free-threaded") < hint.index(f"`{closest}` is 3.13.0, not 3.14")
    assert "searched: current, path, pyenv" in hint
    assert "`uv python install 3.14t`" in hint
    assert "`cloche pythons 3.14t --all`" in hint


@pytest.mark.parametrize(
    ("request_text", "missing"),
    [
        ("3.12-32", "build for 32 bits"),
        ("3.12-arm64", "build for arm64"),
        ("cpython-3.12-windows", "build for win32"),
        ("cpython-3.12-linux-any-musl", "build for linux, musl"),
        (">=3.12-32", "build for 32 bits"),
        ("3.12d", "debug build"),
        ("3.12t", "free-threaded build"),
        ("3.12td-32", "free-threaded debug build for 32 bits"),
    ],
)
def test_the_error_says_which_build_of_a_version_is_missing(machine: Machine, request_text: str, missing: str) -> None:
    """Installing the same version again would not help."""
    machine.add("current", "CPython 3.12.1")
    (machine.root / "uv").write_text("")
    machine.environ["PATH"] = str(machine.root)
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find(request_text)
    hint = caught.value.hint or ""
    assert f"  found CPython 3.12.1, but no {missing}\n" in hint
    assert "uv python install" not in hint


@pytest.mark.parametrize(
    ("request_text", "remedy"), [("3.14-64", "uv python install 3.14"), ("3.14-32", ""), ("3.14rc1", "")]
)
def test_an_install_command_is_suggested_only_if_it_would_provide_a_match(
    machine: Machine, request_text: str, remedy: str
) -> None:
    machine.add("current", "CPython 3.12.1")
    (machine.root / "uv").write_text("")
    machine.environ["PATH"] = str(machine.root)
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find(request_text)
    hint = caught.value.hint or ""
    assert (f"try `{remedy}`" in hint) if remedy else ("uv python install" not in hint)
    assert "but no" not in hint


def test_the_error_says_why_each_requested_path_or_command_is_unusable(machine: Machine) -> None:
    """Only requests for a version have close matches; a path or a command is either usable or not."""
    mismatch = machine.add("path", "CPython 3.9.18")
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find("3.20", "/nowhere/python")
    lines = [line.strip() for line in (caught.value.hint or "").splitlines()]
    assert f"`{mismatch}` is 3.9.18, not 3.20" in lines
    assert any(line.startswith("`/nowhere/python` ") for line in lines)
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find("/nowhere/python", "/nowhere/else")
    assert "at all" not in (caught.value.hint or "")


def test_the_error_lists_at_most_three_different_interpreters(machine: Machine) -> None:
    paths = [machine.add("path", f"CPython 3.{minor}.1") for minor in range(6, 14)]
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find("3.20", ">=3.21")
    hint = caught.value.hint or ""
    assert [path for path in paths if path in hint] == paths[-3:]
    assert all(hint.count(path) == 1 for path in paths[-3:])
    assert max(map(len, hint.splitlines())) < 100 + len(str(machine.root))


@pytest.mark.parametrize(
    ("request_text", "closest"),
    [("3.8.99", "3.8.1"), ("3.7", "3.8.1"), (">=3.12.5,<3.13", "3.12.1"), ("~=3.9.0", "3.10.1"), ("4.0", "3.13.1")],
)
def test_the_closest_minor_version_is_listed_first(machine: Machine, request_text: str, closest: str) -> None:
    for minor in (8, 10, 12, 13):
        machine.add("path", f"CPython 3.{minor}.1")
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find(request_text)
    assert f"is {closest}, not" in (caught.value.hint or "").splitlines()[2]


@pytest.mark.parametrize(
    "request_text", ["2.7", "2", "python2", "cp27", "2.7.18", "<3", "<3.6", "~=2.7", "==2.7.*", "!=3.*"]
)
def test_the_error_for_an_old_version_names_only_the_old_python(machine: Machine, request_text: str) -> None:
    machine.add("current", "CPython 3.12.1")
    old = machine.add("path", "2.7.18")
    machine.answers[old] = too_old_result("2.7.18")
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find(request_text)
    assert caught.value.message == (
        f"environments need Python 3.6 or later, but `{request_text}` is older; `{old}` is Python 2.7.18"
    )
    assert caught.value.hint is None
    assert caught.value.exit_code == 3


def test_the_error_for_an_old_version_is_the_same_if_it_is_not_installed(machine: Machine) -> None:
    old = machine.add("path", "2.7.18")
    machine.answers[old] = too_old_result("2.7.18")
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find("3.5")
    assert caught.value.message == "environments need Python 3.6 or later, but `3.5` is older"


@pytest.mark.parametrize("request_text", ["3", "3.6", ">=2.7", "<3.7", "3.99", ">=3.5,<3.7", "pypy"])
def test_a_request_that_a_newer_python_satisfies_is_not_called_too_old(machine: Machine, request_text: str) -> None:
    machine.answers[machine.add("path", "2.7.18")] = too_old_result("2.7.18")
    with pytest.raises(InterpreterNotFound, match="no interpreter satisfies"):
        machine.find(request_text)


def test_one_of_several_requests_may_be_too_old(machine: Machine) -> None:
    machine.add("path", "CPython 3.12.1")
    with pytest.raises(InterpreterNotFound, match=r"no interpreter satisfies `2\.7` or `3\.99`"):
        machine.find("2.7", "3.99")


def test_the_error_names_the_file_that_the_request_comes_from(machine: Machine) -> None:
    machine.add("path", "CPython 3.13.0")
    because = "`.python-version` in /home/me"
    with pytest.raises(InterpreterNotFound) as caught:
        find_interpreter(("3.14",), machine.host, machine.finders.values(), machine.cache, because=because)
    assert caught.value.message == f"no interpreter satisfies `3.14`, which {because} asks for"


def test_the_error_says_that_there_are_no_interpreters_at_all(machine: Machine) -> None:
    machine.finders["path"] = ListFinder("path")
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find("3.14")
    assert "no interpreters were found at all" in (caught.value.hint or "")


def build_details(executable: str, version: str, flags: list[str]) -> dict[str, object]:
    """Return the content of a `build-details.json` with the keys that PEP 739 requires."""
    major, minor, micro = map(int, version.split("."))
    numbers = {"major": major, "minor": minor, "micro": micro, "releaselevel": "final", "serial": 0}
    return {
        "schema_version": "1.0",
        "base_prefix": "../..",
        "base_interpreter": executable,
        "platform": "linux-x86_64",
        "language": {"version": f"{major}.{minor}", "version_info": numbers},
        "implementation": {"name": "cpython", "cache_tag": f"cpython-{major}{minor}", "version": numbers},
        "abi": {"flags": flags},
    }


def add_with_details(machine: Machine, name: str, content: str) -> str:
    """Add an interpreter named `python3.14` with a `build-details.json`, and return its path."""
    path = machine.add("path", name)
    exact = os.path.join(os.path.dirname(path), "python3.14")
    os.rename(path, exact)
    machine.answers[exact] = replace(machine.answers[path], interpreter=interpreter(name, exact))
    machine.finders["path"].paths[-1] = exact
    stdlib = os.path.join(os.path.dirname(os.path.dirname(path)), "lib", "python3.14")
    os.makedirs(stdlib)
    with open(os.path.join(stdlib, "build-details.json"), "w") as file:
        file.write(content)
    return exact


@pytest.mark.parametrize(
    ("request_text", "chosen"),
    [("3.13", "CPython 3.13.1"), ("pypy", "PyPy 3.10.14"), ("3.14t", "CPython 3.14.0t"), ("<3.14", "CPython 3.13.1")],
)
def test_an_interpreter_that_build_details_rule_out_is_not_started(
    machine: Machine, request_text: str, chosen: str
) -> None:
    add_with_details(machine, "CPython 3.14.0", json.dumps(build_details("../../bin/python3.14", "3.14.0", [])))
    path = machine.add("path", chosen)
    assert machine.path(request_text) == path
    assert machine.probed == [(path,)]


def test_an_interpreter_that_build_details_rule_out_is_a_close_match(machine: Machine) -> None:
    path = add_with_details(machine, "CPython 3.14.0", json.dumps(build_details("../../bin/python3.14", "3.14.0", [])))
    with pytest.raises(InterpreterNotFound) as caught:
        machine.find("3.13")
    assert f"`{path}` is 3.14.0, not 3.13" in (caught.value.hint or "")
    assert [result.path for result in machine.listing("3.13").results if result.interpreter] == [path]


def test_a_listing_probes_even_what_build_details_rule_out(machine: Machine) -> None:
    path = add_with_details(machine, "CPython 3.14.0", json.dumps(build_details("../../bin/python3.14", "3.14.0", [])))
    assert [(result.path, result.reason) for result in machine.results("3.13")] == [(path, "is 3.14.0, not 3.13")]
    assert machine.probed == [(path,)]


def test_every_fact_about_the_chosen_interpreter_comes_from_the_probe(machine: Machine) -> None:
    path = add_with_details(machine, "CPython 3.14.0", json.dumps(build_details("../../bin/python3.14", "3.14.0", [])))
    assert machine.path("3.14") == path
    assert machine.probed == [(path,)]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "[" * 10000,
        json.dumps(build_details("/somewhere/else", "3.13.0", [])),
        json.dumps({**build_details("../../bin/python3.14", "3.13.0", []), "implementation": "cpython"}),
        json.dumps({**build_details("../../bin/python3.14", "3.13.0", []), "base_interpreter": None}),
    ],
)
def test_invalid_build_details_are_ignored(machine: Machine, content: str) -> None:
    path = add_with_details(machine, "CPython 3.14.0", content)
    assert machine.path("3.14") == path
