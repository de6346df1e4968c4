"""Test that packages with code that runs whenever Python starts are listed or refused."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

import cloche as library
from tests.distributions import install_wheel, make_wheel
from tests.locks import package, pylock
from tests.run import Cloche, clean_environ
from tests.trees import snapshot

if TYPE_CHECKING:
    from pathlib import Path

LINE = "import sys; sys.spam = 1"


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """The command line in a directory with a lock file of two packages; one has startup code, and so has `more`."""
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


def test_startup_code_is_listed_in_the_plan_the_result_and_the_information(cloche: Cloche) -> None:
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


def test_startup_code_can_be_refused(cloche: Cloche) -> None:
    done = cloche("./env", "--lock", "pylock.more.toml", "--no-download", "--startup-code", "refuse")

    assert done.code == 5
    message = "`more` 1.0 runs code whenever Python starts: `usercustomize.py` (so do spam)"
    assert done.err.splitlines()[0].endswith(message)
    assert not (cloche.cwd / "env").exists()
    [options] = [part for part in done.err.split("`") if part.startswith("--startup-code")]
    done = cloche("./env", "--lock", "pylock.more.toml", "--no-download", *options.split())
    assert done.code == 0, done.err
    assert "--startup-code more --startup-code spam" in (cloche.cwd / "env/pyvenv.cfg").read_text()


def test_the_policy_can_be_a_setting(cloche: Cloche) -> None:
    options = ("--lock", "pylock.toml", "--no-download", "--dry-run")
    (cloche.cwd / "pyproject.toml").write_text('[tool.cloche]\nstartup-code = ["Spam"]\n')

    assert cloche("./env", *options).code == 0
    assert cloche("./env", *options, CLOCHE_STARTUP_CODE="eggs,other").code == 5
    assert cloche("./env", *options, CLOCHE_STARTUP_CODE="refuse,eggs").code == 2


def test_startup_code_can_be_refused_in_the_python_interface(cloche: Cloche) -> None:
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


# Environments that exist


OTHER = next(version for version in ("3.12", "3.13") if version != f"{sys.version_info[0]}.{sys.version_info[1]}")
"""The version of an installed Python other than the one that runs the tests."""


def refused(cloche: Cloche, *argv: object, **variables: str) -> str:
    """Run a command that must be refused and must change nothing; return the options that its hint suggests."""
    before = snapshot(cloche.cwd)
    done = cloche(*argv, **variables)
    assert done.out == ""
    assert re.search("`spam` 1.0 runs code whenever Python starts: `(lib/.*/)?spam.pth`, line 2", done.err), done.err
    assert snapshot(cloche.cwd) == before
    [options] = [part for part in done.err.split("`") if part.startswith("--startup-code")]
    return options


def test_an_upgrade_respects_the_setting(cloche: Cloche) -> None:
    assert cloche("./env", "--lock", "pylock.toml", "--no-download").code == 0
    command = ("upgrade", "env", "-p", OTHER)

    assert refused(cloche, *command, CLOCHE_STARTUP_CODE="refuse") == "--startup-code spam"
    assert refused(cloche, *command, "--dry-run", "--startup-code", "eggs") == "--startup-code eggs --startup-code spam"
    (cloche.cwd / "pyproject.toml").write_text('[tool.cloche]\nstartup-code = "refuse"\n')
    refused(cloche, *command)
    done = cloche(*command, "--startup-code", "spam")

    assert done.code == 0, done.err
    assert "--startup-code spam" in (cloche.cwd / "env/pyvenv.cfg").read_text()


def test_an_upgrade_respects_what_the_environment_was_created_with(cloche: Cloche) -> None:
    (cloche.cwd / "pylock.toml").rename(cloche.cwd / "pylock.later.toml")
    (cloche.cwd / "pylock.toml").write_text(pylock([]))
    assert cloche("./env", "--lock", "pylock.toml", "--startup-code", "refuse").code == 0
    (cloche.cwd / "pylock.later.toml").replace(cloche.cwd / "pylock.toml")

    refused(cloche, "upgrade", "env", "-p", OTHER)

    assert cloche("upgrade", "env", "-p", OTHER, "--startup-code", "allow").code == 0


def test_an_upgrade_respects_the_policy_for_what_pip_installs(cloche: Cloche, tmp_path: Path) -> None:
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    tags = [f"cp{version.replace('.', '')}-none-linux_x86_64" for version in (own, OTHER)]
    files = {"spam.py": "", "spam.pth": f"# comment\n{LINE}\n"}
    [old, _] = [
        make_wheel(tmp_path / "built", "spam", files=files, tags=[tag], pure=False, entry_points="") for tag in tags
    ]
    assert cloche("./env", "--no-seed").code == 0
    [site] = cloche.cwd.glob("env/lib/python*/site-packages")
    install_wheel(old, site)
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "built"), "CLOCHE_FIND_LINKS": ""}
    command = ("upgrade", "env", "-p", OTHER)

    refused(cloche, *command, "--startup-code", "refuse", **settings)

    done = cloche(*command, "--startup-code", "spam", **settings)
    assert done.code == 0, done.err
    assert "reinstalled by pip, in a build for the new Python: spam 1.0" in done.out


def test_newer_seeds_respect_the_policy(cloche: Cloche, tmp_path: Path) -> None:
    old = make_wheel(tmp_path / "old", "setuptools", "1.0", files={"setuptools.py": ""}, entry_points="")
    assert cloche("./env", "--no-pip", "--seed", "setuptools==1.0", "--find-links", old.parent).code == 0
    files = {"setuptools.py": "", "setuptools.pth": LINE}
    make_wheel(old.parent, "setuptools", "99.0", files=files, entry_points="")
    command = ("upgrade", "env", "--seeds")
    before = snapshot(cloche.cwd)

    for option in ((), ("--dry-run",)):
        done = cloche(*command, "--startup-code", "refuse", *option)
        assert (done.code, snapshot(cloche.cwd) == before) == (5, True), done.err
        assert "`setuptools` 99.0 runs code whenever Python starts" in done.err

    assert cloche(*command, "--startup-code", "setuptools").code == 0


def test_a_repair_respects_the_policy(cloche: Cloche) -> None:
    seeded = ("--no-pip", "--seed", "spam", "--link-mode", "symlink", "--no-download")
    assert cloche("./env", *seeded).code == 0
    shutil.rmtree(cloche.cwd.parent / "cache" / "cloche")
    links = {"PIP_FIND_LINKS": cloche.environ["CLOCHE_FIND_LINKS"], "PIP_NO_INDEX": "1"}

    refused(cloche, "doctor", "env", "--fix", CLOCHE_STARTUP_CODE="refuse", **links)

    done = cloche("doctor", "env", "--fix", CLOCHE_STARTUP_CODE="spam", **links)
    assert done.code == 0, done.out


def test_unpacking_respects_the_policy(cloche: Cloche) -> None:
    assert cloche("./env", "--lock", "pylock.toml", "--no-download", "--relocatable").code == 0
    assert cloche("pack", "env", "-o", "env.zip", "--with-base-outside").code == 0
    [site] = cloche.cwd.glob("env/lib/python*/site-packages")
    command = ("unpack", "env.zip", "other")

    assert refused(cloche, *command, CLOCHE_STARTUP_CODE="refuse") == "--startup-code spam"
    assert cloche(*command, CLOCHE_STARTUP_CODE="spam").code == 0

    (site / "planted.pth").write_text(f"{LINE}\n")
    assert cloche("pack", "env", "-o", "planted.zip", "--with-base-outside").code == 0
    done = cloche("unpack", "planted.zip", "planted", "--startup-code", "spam")
    assert "code that belongs to no package runs whenever Python starts: `lib/" in done.err
    assert not (cloche.cwd / "planted").exists()
