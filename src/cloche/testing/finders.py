"""The contract of finders: they yield absolute paths, and change and start nothing."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from cloche.model.candidate import Candidate
from cloche.model.spec import InterpreterSpec
from cloche.testing.checks import Check, as_test, broken, call_without_side_effects, check_documented, check_name
from cloche.testing.fakes import fake_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cloche.model.interpreter import Host
    from cloche.plugins.hookspecs import Finder
    from cloche.testing.checks import ContractTest

SPECS = ("3", "3.12", ">=3.8,<4", "pypy3.10", "python3", "3.13t", "/nowhere/python")


def finder_contract(finder: Finder, hosts: Mapping[str, Host] | None = None) -> ContractTest:
    """Return a test that a finder keeps its contract.

    :param finder: the finder object.
    :param hosts: additional hosts to search, by the name of the test case.
    """
    return as_test(finder_checks(finder, hosts))


def finder_checks(finder: Finder, hosts: Mapping[str, Host] | None = None) -> list[Check]:
    """Return the checks of `finder_contract`."""
    host_makers: dict[str, Callable[[Path], Host]] = {
        "empty-machine": lambda _: fake_host(),
        "unusual-machine": unusual_host,
        "this-machine": lambda _: fake_host(environ=dict(os.environ), cwd=os.getcwd()),
        **{name: partial(return_host, host) for name, host in (hosts or {}).items()},
    }
    return [
        Check("name", lambda _: check_named(finder)),
        Check("documentation", lambda _: check_documented("finder", finder)),
        *(Check(f"candidates-{name}", partial(check_candidates, finder, make)) for name, make in host_makers.items()),
    ]


def return_host(host: Host, _: Path) -> Host:
    return host


def unusual_host(directory: Path) -> Host:
    """Return a host whose variables contain relative paths, missing paths, files, directories and invalid paths."""
    (directory / "file").write_text("not a program")
    (directory / "python3").mkdir()
    (directory / "dangling").symlink_to(directory / "missing")
    paths = ("", ".", "relative", "~", str(directory), f"{directory}/missing", f"{directory}/file", "\x01")
    names = ("PATH", "PYENV_ROOT", "CONDA_PREFIX", "CONDA_EXE", "ASDF_DATA_DIR", "MISE_DATA_DIR", "XDG_DATA_HOME")
    return fake_host(environ={**dict.fromkeys(names, os.pathsep.join(paths)), "HOME": f"{directory}/file"}, cwd="")


def check_named(finder: Finder) -> None:
    """Check that the finder has a name, and the method that the core calls."""
    check_name("finder", getattr(finder, "name", None))
    if not callable(getattr(finder, "candidates", None)):
        broken("the finder has no method `candidates`")


def check_candidates(finder: Finder, make_host: Callable[[Path], Host], directory: Path) -> None:
    """Check that `candidates` always yields the same absolute paths with the finder's name, without side effects."""
    host = make_host(directory)
    for text in SPECS:
        spec = InterpreterSpec.parse(text)
        found = call_without_side_effects("`candidates`", lambda: list(finder.candidates(spec, host)))  # noqa: B023
        again = list(finder.candidates(spec, host))
        if found != again:
            broken(f"`candidates` yields different results for `{text}`: {found!r} and {again!r}")
        for candidate in found:
            if not isinstance(candidate, Candidate):
                broken(f"`candidates` yields {candidate!r}, which is not a `cloche.Candidate`")
            if not os.path.isabs(candidate.path):
                broken(
                    f"`{candidate.path}` is not an absolute path; the result must not depend on the current directory"
                )
            if candidate.found_by != finder.name:
                broken(
                    f"`{candidate.path}` has the `found_by` {candidate.found_by!r}; it must be the name, `{finder.name}`"
                )
            if candidate.note.endswith(".") or "\n" in candidate.note:
                broken(f"the note on `{candidate.path}` ends with a full stop or has several lines: {candidate.note!r}")
