"""What a finder promises: to look, to give absolute paths, and to start nothing."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from cloche.model.interpreter import Candidate, Host
from cloche.model.spec import InterpreterSpec
from cloche.testing.checks import Check, as_test, broken, check_documented, check_name, watched
from cloche.testing.fakes import fake_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cloche.plugins.hookspecs import Finder
    from cloche.testing.checks import Test

SPECS = ("3", "3.12", ">=3.8,<4", "pypy3.10", "python3", "3.13t", "/nowhere/python")


def finder_contract(finder: Finder, hosts: Mapping[str, Host] | None = None) -> Test:
    """Return a test of everything that a finder promises.

    :param finder: the object itself.
    :param hosts: more machines to look at, by the name of the case.
    """
    return as_test(finder_checks(finder, hosts))


def finder_checks(finder: Finder, hosts: Mapping[str, Host] | None = None) -> list[Check]:
    """Return the promises one by one; see `finder_contract`."""
    makers: dict[str, Callable[[Path], Host]] = {
        "empty-machine": lambda _: fake_host(),
        "odd-machine": odd_host,
        "this-machine": lambda _: fake_host(environ=dict(os.environ), cwd=os.getcwd()),
        **{name: partial(given, host) for name, host in (hosts or {}).items()},
    }
    return [
        Check("name", lambda _: check_named(finder)),
        Check("documentation", lambda _: check_documented("finder", finder)),
        *(Check(f"candidates-{name}", partial(check_candidates, finder, maker)) for name, maker in makers.items()),
    ]


def given(host: Host, _: Path) -> Host:
    return host


def odd_host(directory: Path) -> Host:
    """Return a host whose variables name what is relative, missing, a file, a directory, or no path at all."""
    (directory / "file").write_text("not a program")
    (directory / "python3").mkdir()
    (directory / "dangling").symlink_to(directory / "missing")
    places = ("", ".", "relative", "~", str(directory), f"{directory}/missing", f"{directory}/file", "\x01")
    odd = os.pathsep.join(places)
    names = ("PATH", "PYENV_ROOT", "CONDA_PREFIX", "CONDA_EXE", "ASDF_DATA_DIR", "MISE_DATA_DIR", "XDG_DATA_HOME")
    return fake_host(environ={**dict.fromkeys(names, odd), "HOME": f"{directory}/file"}, cwd="")


def check_named(finder: Finder) -> None:
    """It has a name, and the method that the core will call."""
    check_name("finder", getattr(finder, "name", None))
    if not callable(getattr(finder, "candidates", None)):
        broken("the finder has no method `candidates`")


def check_candidates(finder: Finder, maker: Callable[[Path], Host], directory: Path) -> None:
    """It gives candidates with absolute paths and its own name, the same each time, and changes and starts nothing."""
    host = maker(directory)
    for text in SPECS:
        spec = InterpreterSpec.parse(text)
        found = watched("`candidates`", lambda: list(finder.candidates(spec, host)))  # noqa: B023
        again = list(finder.candidates(spec, host))
        if found != again:
            broken(f"`candidates` gives {found!r} once and {again!r} another time for `{text}`")
        for one in found:
            if not isinstance(one, Candidate):
                broken(f"`candidates` gives {one!r}, which is no `cloche.Candidate`")
            if not os.path.isabs(one.path):
                broken(f"`{one.path}` is not an absolute path; nothing may depend on the current directory")
            if one.found_by != finder.name:
                broken(f"`{one.path}` is found by `{one.found_by}`, and the finder's name is `{finder.name}`")
            if one.note.endswith(".") or "\n" in one.note:
                broken(f"the note on `{one.path}` ends with a full stop or has several lines: {one.note!r}")
