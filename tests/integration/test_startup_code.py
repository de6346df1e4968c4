"""Test that packages with code that runs whenever Python starts are listed or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import cloche as library
from tests.distributions import make_wheel
from tests.locks import package, pylock
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

LINE = "import sys; sys.spam = 1"


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """The command line in a directory with a lock file of two packages; one has start-up code, and so has `more`."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    wheels = tmp_path / "wheels"
    spam = make_wheel(wheels, "spam", files={"spam.py": "", "spam.pth": f"# comment\n{LINE}\n"}, entry_points="")
    eggs = make_wheel(wheels, "eggs", files={"eggs.py": ""}, entry_points="")
    more = make_wheel(wheels, "more", files={"usercustomize.py": ""}, entry_points="")
    for name, listed in (("pylock.toml", (spam, eggs)), ("pylock.more.toml", (spam, eggs, more))):
        packages = [package(wheel.name.partition("-")[0], wheels=[wheel]) for wheel in listed]
        (tmp_path / "work" / name).write_text(pylock(packages))
    return Cloche(
        tmp_path / "work",
        {**clean_environ(tmp_path / "home", tmp_path / "cache"), "CLOCHE_FIND_LINKS": str(wheels)},
    )


def test_it_is_listed_in_the_plan_the_result_and_the_information(cloche: Cloche) -> None:
    listed = f"  runs at every start of Python: spam 1.0, spam.pth line 2: {LINE}\n"
    options = ("--lock", "pylock.toml", "--no-download")

    assert listed in cloche("./env", *options, "--dry-run").out
    done = cloche("./env", *options)
    assert done.out.endswith(listed)
    assert listed not in cloche("./env", *options).out, "nothing was installed"
    assert listed in cloche("./again", *options).out, "the plan is cached"
    assert listed not in cloche("./allowed", *options, "--startup-code", "allow").out
    printed = cloche("info", "env", "--json").json["startup_code"]
    assert [
        (item["distribution"], item["path"].rpartition("/")[2], item["line"], item["text"]) for item in printed
    ] == [("spam 1.0", "spam.pth", 2, LINE)]
    images = cloche("./env", *options, "--json").json["plan"]["images"]
    assert [image["startup_code"] for image in images] == [[], [{"path": "spam.pth", "line": 2, "text": LINE}]]


def test_only_what_an_update_installs_is_listed(cloche: Cloche) -> None:
    assert cloche("./env", "--lock", "pylock.toml", "--no-download").code == 0

    updated = cloche("./env", "--lock", "pylock.more.toml", "--no-download").out

    assert "more 1.0, usercustomize.py\n" in updated
    assert "spam.pth" not in updated


def test_it_can_be_refused(cloche: Cloche) -> None:
    done = cloche("./env", "--lock", "pylock.more.toml", "--no-download", "--startup-code", "refuse")

    assert done.code == 5
    message = "`more` 1.0 runs code whenever Python starts: `usercustomize.py` (so do spam)"
    assert done.err.splitlines()[0].endswith(message)
    assert not (cloche.cwd / "env").exists()
    [options] = [part for part in done.err.split("`") if part.startswith("--startup-code")]
    done = cloche("./env", "--lock", "pylock.more.toml", "--no-download", *options.split())
    assert done.code == 0, done.err
    assert "--startup-code more --startup-code spam" in (cloche.cwd / "env/pyvenv.cfg").read_text()


def test_it_can_be_a_setting(cloche: Cloche) -> None:
    options = ("--lock", "pylock.toml", "--no-download", "--dry-run")
    (cloche.cwd / "pyproject.toml").write_text('[tool.cloche]\nstartup-code = ["Spam"]\n')

    assert cloche("./env", *options).code == 0
    assert cloche("./env", *options, CLOCHE_STARTUP_CODE="eggs,other").code == 5
    assert cloche("./env", *options, CLOCHE_STARTUP_CODE="refuse,eggs").code == 2


def test_it_can_be_refused_in_the_python_interface(cloche: Cloche) -> None:
    choices = {
        "lock": cloche.cwd / "pylock.toml",
        "find_links": [cloche.environ["CLOCHE_FIND_LINKS"]],
        "network": "never",
        "cache": cloche.cwd.parent / "cache" / "cloche",
    }

    for refusing in ("refuse", ["eggs"]):
        with pytest.raises(library.SeedError, match=r"`spam` 1\.0 runs code"):
            library.create(cloche.cwd / "env", startup_code=refusing, **choices)
    environment = library.create(cloche.cwd / "env", startup_code=["spam"], **choices)
    assert environment.executable.exists()
