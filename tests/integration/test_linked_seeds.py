"""Test environments whose packages are links to the cache (`--link-mode symlink`), before and after it is cleared."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloche.model.interpreter import Host
from cloche.store import Store
from cloche.store.maintenance import prune_store
from tests.distributions import make_wheel
from tests.interpreters import pyenv
from tests.run import Cloche, clean_environ
from tests.tools import require


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    """The command line of a user with an environment `env` that links to the cache, and one that does not."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    command = Cloche(tmp_path / "work", clean_environ(tmp_path / "home", tmp_path / "cache"))
    assert command("./env", "--link-mode", "symlink").code == 0
    assert command("other").code == 0
    return command


def links(cloche: Cloche) -> list[Path]:
    return [path for path in (cloche.cwd / "env" / "lib").rglob("*") if path.is_symlink()]


def pip_works(cloche: Cloche, name: str) -> bool:
    return cloche("run", name, "--", "python", "-m", "pip", "--version").code == 0


def test_clearing_the_cache_warns_and_doctor_repairs(cloche: Cloche) -> None:
    assert links(cloche)
    done = cloche("cache", "clear", "--json")
    warning = (
        f"`{cloche.cwd}/env` links to the cache, and loses its packages; `cloche doctor --fix` installs them again"
    )
    assert done.err == f"cloche: warning: {warning}\n"
    assert done.json["linked"] == [f"{cloche.cwd}/env"]
    assert not pip_works(cloche, "env")
    assert pip_works(cloche, "other")

    (environment,) = cloche("doctor", "env", "--json").json["environments"]
    (finding,) = environment["findings"]
    assert (finding["code"], finding["repairable"]) == ("seed-broken", True)
    assert finding["message"].startswith("pip ")
    assert finding["message"].endswith(" consists of links to a cache that was removed")

    assert cloche("doctor", "env", "--fix").code == 0
    assert pip_works(cloche, "env")
    assert links(cloche)
    assert cloche("doctor", "env").out == f"{cloche.cwd}/env: healthy\n"
    assert cloche("cache", "clear").err == f"cloche: warning: {warning}\n"


def test_a_moved_environment_still_links_to_the_cache(cloche: Cloche) -> None:
    assert cloche("move", "env", "moved").code == 0
    assert cloche("move", "--copy", "other", "copied").code == 0
    assert cloche("cache", "clear", "--json").json["linked"] == [f"{cloche.cwd}/moved"]


def test_a_refresh_installs_the_packages_again(cloche: Cloche) -> None:
    shutil.rmtree(cloche("cache", "dir").out.strip())
    assert cloche("./env").code == 0
    assert pip_works(cloche, "env")
    assert cloche("doctor", "env").code == 0


def test_pruning_keeps_what_environments_link_to(cloche: Cloche) -> None:
    host = Host({}, str(cloche.cwd), sys.platform, os.name, sys.executable)
    store = Store.open(host, cloche("cache", "dir").out.strip())
    later = time.time() + 100 * 86400
    shutil.rmtree(cloche.cwd / "other")
    prune_store(store, later)
    assert pip_works(cloche, "env")
    prune_store(store, later)
    shutil.rmtree(cloche.cwd / "env")
    removed = {os.path.basename(os.path.dirname(removal.path)) for removal in prune_store(store, later)}
    assert {"links"} < removed


def test_packages_that_another_tool_links_to_its_cache_are_one_finding(cloche: Cloche) -> None:
    site = next((cloche.cwd / "other" / "lib").glob("python*/site-packages"))
    target = cloche.cwd / "uv" / "archive"
    for name in ("thing/__init__.py", "thing/part.py", "thing-1.0.dist-info/METADATA", "thing-1.0.dist-info/RECORD"):
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).symlink_to(target / name)
    (environment,) = cloche("doctor", "other", "--json").json["environments"]
    (finding,) = environment["findings"]
    assert (finding["code"], finding["message"]) == (
        "link-dangling",
        f"4 links lead to `{target}`, which does not exist",
    )


def test_a_lost_seed_that_is_not_available_does_not_prevent_other_repairs(cloche: Cloche, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    make_wheel(wheels)
    options = ("--seed", "spam", "--find-links", wheels, "--link-mode", "symlink")
    assert cloche("linked", *options).code == 0
    shutil.rmtree(cloche("cache", "dir").out.strip())
    shutil.rmtree(wheels)

    done = cloche("doctor", "linked", "--fix", PIP_NO_INDEX="1")

    assert done.code == 1
    assert "repaired: seed-broken: lib/" in done.out
    assert "note: `spam==1.0` was not installed again: " in done.out
    assert pip_works(cloche, "linked")

    make_wheel(tmp_path / "others")
    done = cloche("doctor", "linked", "--fix", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "others"))

    assert done.code == 0
    assert cloche("run", "linked", "--", "spam").out == "spam\n"
    assert cloche("doctor", "linked").code == 0


def test_a_lost_seed_comes_from_the_directory_that_it_came_from(cloche: Cloche, tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels")
    options = ("--seed", "spam", "--find-links", tmp_path / "wheels", "--link-mode", "symlink")
    assert cloche("linked", *options).code == 0
    shutil.rmtree(cloche("cache", "dir").out.strip())

    assert cloche("doctor", "linked", "--fix", PIP_NO_INDEX="1").code == 0
    assert cloche("run", "linked", "--", "spam").out == "spam\n"


def test_lost_seeds_are_downloaded_in_one_call(cloche: Cloche, tmp_path: Path) -> None:
    """The settings of pip are read with another one."""
    wheels, log = tmp_path / "wheels", tmp_path / "log"
    for name in ("spam", "eggs", "ham"):
        make_wheel(wheels, name, files={f"{name}.py": ""}, entry_points="")
    options = ("--seed", "spam", "--seed", "eggs", "--seed", "ham", "--link-mode", "symlink")
    assert cloche("linked", *options, "--find-links", wheels).code == 0
    shutil.rmtree(cloche("cache", "dir").out.strip())
    wheels.rename(tmp_path / "index")

    variables = {**cloche.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "index")}
    traced = [require("strace"), "-f", "-q", "-s", "2000", "-e", "trace=execve", "-o", log]
    command = [*traced, sys.executable, "-m", "cloche", "doctor", "linked", "--fix"]
    subprocess.run(command, check=True, cwd=cloche.cwd, env=variables, capture_output=True)

    assert re.findall('"-m", "pip", "([a-z]+)"', log.read_text()) == ["config", "download"]


def test_a_broken_pip_is_repaired_together_with_a_lost_seed(cloche: Cloche, tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels")
    options = ("--seed", "spam", "--find-links", tmp_path / "wheels", "--link-mode", "symlink")
    assert cloche("linked", "--no-pip", *options).code == 0
    shutil.rmtree(cloche("cache", "dir").out.strip())
    assert cloche("linked", "--link-mode", "copy", PIP_NO_INDEX="1").code == 0
    (pip,) = (cloche.cwd / "linked" / "lib").glob("python*/site-packages/pip/__init__.py")
    pip.unlink()

    done = cloche("doctor", "linked", "--fix", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "wheels"))

    assert done.code == 0, done.out
    assert pip.exists()
    assert cloche("run", "linked", "--", "spam").out == "spam\n"


@pytest.fixture
def older_pip(tmp_path: Path) -> tuple[str, Path]:
    """The version of an older pip, and a directory with its wheel."""
    (wheel,) = Path(pyenv("3.10")).parents[1].glob("lib/python3.10/ensurepip/_bundled/pip-*.whl")
    directory = tmp_path / "older"
    directory.mkdir()
    shutil.copy(wheel, directory)
    return wheel.name.split("-")[1], directory


def remove_file_of_pip(cloche: Cloche) -> None:
    (module,) = (cloche.cwd / "own" / "lib").glob("python*/site-packages/pip/__init__.py")
    module.unlink()


def version_of_pip(cloche: Cloche) -> str:
    return cloche("run", "own", "--", "python", "-m", "pip", "--version").out.split(" ")[1]


def test_a_damaged_pip_is_replaced_by_the_same_version(cloche: Cloche, older_pip: tuple[str, Path]) -> None:
    """Until it is not available any more."""
    version, links = older_pip
    assert cloche("./own", "-p", pyenv("3.12"), "--pip", version, "--find-links", links).code == 0
    remove_file_of_pip(cloche)

    assert cloche("doctor", "own", "--fix", PIP_NO_INDEX="1").code == 0
    assert version_of_pip(cloche) == version

    shutil.rmtree(cloche("cache", "dir").out.strip())
    shutil.rmtree(links)
    remove_file_of_pip(cloche)
    done = cloche("doctor", "own", "--fix", PIP_NO_INDEX="1")

    assert done.code == 0
    assert version_of_pip(cloche) != version
    assert f"note: pip {version_of_pip(cloche)} was installed instead of {version}, which is not available" in done.out


def test_the_index_is_not_asked_for_a_version_of_pip_that_nobody_chose(
    cloche: Cloche, older_pip: tuple[str, Path]
) -> None:
    """The user has installed this version with pip."""
    version, links = older_pip
    assert cloche("./own", "-p", pyenv("3.12")).code == 0
    pip = ("run", "own", "--", "python", "-W", "ignore", "-m", "pip")
    installed = cloche(*pip, "install", "--no-index", "--find-links", links, f"pip=={version}")
    assert installed.code == 0, installed
    remove_file_of_pip(cloche)

    done = cloche("doctor", "own", "--fix", PIP_FIND_LINKS=str(links))

    assert done.code == 0, done
    assert f"note: pip {version_of_pip(cloche)} was installed instead of {version}" in done.out
