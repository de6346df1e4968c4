"""`alias virtualenv=cloche`: every spelling of virtualenv's command line is taken, and means what it means there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.distributions import make_wheel
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.run import Outcome

    Plan = dict[str, Any]


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    return Cloche(tmp_path, clean_environ(tmp_path, Path(os.environ["XDG_CACHE_HOME"])))


@pytest.fixture
def plan_for(cloche: Cloche) -> Callable[..., Plan]:
    """Return a function that gives the plan for a command line."""

    def ask(*argv: str) -> Plan:
        said = cloche(*argv, "--dry-run", "--json")
        assert said.code == 0, said.err
        plan: Plan = said.json["plan"]
        return plan

    return ask


def seeds(plan: Plan) -> list[str]:
    return [image["distribution"] for image in plan["images"]]


def settings(cloche: Cloche, *argv: str) -> str:
    """Make an environment and return its pyvenv.cfg."""
    said = cloche(*argv)
    assert said.code == 0, said.err
    return (cloche.cwd / "env" / "pyvenv.cfg").read_text()


@pytest.mark.parametrize(
    ("spelling", "creator"),
    [
        (["--copies"], "copy"),
        (["--always-copy"], "copy"),
        (["--symlinks"], "symlink"),
        (["--creator", "venv"], "venv"),
        (["--creator=builtin"], "symlink" if os.name == "posix" else "copy"),
        (["--creator", "cpython3-posix"], "symlink" if os.name == "posix" else "copy"),
        (["--symlinks", "--copies"], "copy"),
    ],
)
def test_how_it_is_made(plan_for: Callable[..., Plan], spelling: list[str], creator: str) -> None:
    assert plan_for("env", "--no-seed", *spelling)["creator"] == creator


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ([], ["pip"]),
        (["--no-seed"], []),
        (["--without-pip"], []),
        (["--no-pip"], []),
        (["--pip", "none"], []),
        (["--pip=embed"], ["pip"]),
        (["--pip", "bundle"], ["pip"]),
        (["--no-setuptools", "--no-wheel"], ["pip"]),
        (["--setuptools", "none", "--wheel=none"], ["pip"]),
        (["--seeder", "app-data"], ["pip"]),
        (["--seeder", "pip", "--never-download"], ["pip"]),
        (["--no-download"], ["pip"]),
    ],
)
def test_what_is_put_into_it(plan_for: Callable[..., Plan], spelling: list[str], expected: list[str]) -> None:
    assert seeds(plan_for(*spelling, "env")) == expected


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        (["--activators", ""], []),
        (["--activators="], []),
        (["--activators", "bash,cshell"], ["bash", "csh"]),
        (["--activators", "bash, fish,powershell"], ["bash", "fish", "powershell"]),
    ],
)
def test_which_shells_it_serves(plan_for: Callable[..., Plan], spelling: list[str], expected: list[str]) -> None:
    assert sorted(plan_for("env", "--no-seed", *spelling)["activators"]) == expected


@pytest.mark.parametrize(
    "spelling", [["-p", "3"], ["-p3"], ["--python", "3"], ["--python=3"], ["-p", "2.7", "-p", "3"]]
)
def test_which_python(plan_for: Callable[..., Plan], spelling: list[str]) -> None:
    plan = plan_for("env", "--no-seed", *spelling)

    assert plan["environment"]["interpreter"]["version"][0] == 3


def test_wheels_of_ones_own_come_first(cloche: Cloche, wheel: Path) -> None:
    said = cloche("env", "--extra-search-dir", wheel.parent, "--no-pip", "--seed", "leaf", "--dry-run", "--json")

    assert said.code == 0, said.err
    assert seeds(said.json["plan"]) == ["leaf"]
    assert said.json["plan"]["images"][0]["version"] == "1.0.post7"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path / "wheels", "leaf", "1.0.post7")


@pytest.mark.parametrize("spelling", [["--prompt", "it's"], ["--prompt=it's"]])
def test_what_the_shell_shows(cloche: Cloche, spelling: list[str]) -> None:
    assert 'prompt = "it\'s"\n' in settings(cloche, "env", "--no-seed", *spelling)


def test_a_dot_is_the_name_of_the_current_directory(cloche: Cloche) -> None:
    assert f"prompt = '{cloche.cwd.name}'\n" in settings(cloche, "env", "--no-seed", "--prompt", ".")


def test_the_packages_of_the_base_can_be_seen(cloche: Cloche) -> None:
    said = settings(cloche, "--system-site-packages", "env", "--no-seed")

    assert "include-system-site-packages = true\n" in said


def test_clear_makes_it_anew(cloche: Cloche) -> None:
    settings(cloche, "env", "--no-seed")
    (cloche.cwd / "env" / "keepsake").touch()
    settings(cloche, "env", "--no-seed")
    assert (cloche.cwd / "env" / "keepsake").exists()
    settings(cloche, "env", "--no-seed", "--clear", "--force")
    assert not (cloche.cwd / "env" / "keepsake").exists()


def test_version_control_may_see_it(cloche: Cloche) -> None:
    settings(cloche, "env", "--no-seed", "--no-vcs-ignore")

    assert not (cloche.cwd / "env" / ".gitignore").exists()


def test_the_cache_may_be_elsewhere(cloche: Cloche) -> None:
    settings(cloche, "env", "--app-data", "cache")
    assert (cloche.cwd / "cache" / "images").is_dir()
    before = sorted((cloche.cwd / "cache").rglob("*"))
    said = cloche("other", "--app-data=cache", "--read-only-app-data")

    assert said.code == 0
    assert sorted((cloche.cwd / "cache").rglob("*")) == before


def test_packages_may_be_links_into_the_cache(plan_for: Callable[..., Plan]) -> None:
    assert plan_for("env", "--symlink-app-data")["link_mode"] == "symlink"


@pytest.mark.parametrize("spelling", ["--traceback", "--with-traceback"])
def test_an_error_shows_where_it_came_from_if_that_is_asked(cloche: Cloche, spelling: str) -> None:
    said = cloche("env", "-p", "2.5", spelling)

    assert said.code == 3
    assert "Traceback" in said.err
    assert "Traceback" not in cloche("env", "-p", "2.5").err


@pytest.mark.parametrize(("text", "shows"), [("1", True), ("yes", True), ("0", False), ("perhaps", False)])
def test_a_variable_asks_for_it_in_the_words_of_every_flag(cloche: Cloche, text: str, *, shows: bool) -> None:
    assert ("Traceback" in cloche("info", "nowhere", CLOCHE_TRACEBACK=text).err) is shows
    assert ("Traceback" in cloche("info", "nowhere", CLOCHE_WITH_TRACEBACK=text).err) is shows


def test_a_config_file_asks_for_it_too(cloche: Cloche) -> None:
    (cloche.cwd / "pyproject.toml").write_text("[tool.cloche]\ntraceback = true\nclear = 'perhaps'\n")
    assert "Traceback" in cloche("env").err
    assert "Traceback" not in cloche("env", CLOCHE_TRACEBACK="0").err


INEFFECTIVE = [
    ["--no-periodic-update"],
    ["--reset-app-data"],
    ["--discovery", "builtin"],
    ["--venv-redirect"],
    ["--no-venv-redirect"],
    ["--upgrade-embed-wheels"],
]


@pytest.mark.parametrize("spelling", INEFFECTIVE, ids=lambda spelling: str(spelling[0]))
def test_what_has_no_effect_says_so_if_one_listens(cloche: Cloche, spelling: list[str]) -> None:
    def told(said: Outcome) -> bool:
        assert said.code == 0, said.err
        return f"`{spelling[0]}` is accepted for compatibility and ignored" in said.err

    assert told(cloche("env", "--no-seed", *spelling, "-v"))
    assert not told(cloche("env", "--no-seed", *spelling))


def test_it_is_as_talkative_as_one_wants(cloche: Cloche) -> None:
    assert cloche("one", "--no-seed", "-q").out == ""
    assert cloche("two", "--no-seed", "-qq").out == ""
    assert cloche("three", "--no-seed", "-vvv").code == 0


@pytest.mark.parametrize("spelling", ["-h", "--help"])
def test_help_can_be_read_by_programs(cloche: Cloche, spelling: str) -> None:
    """Ansible looks for words that begin with `--`: no colour, no page turner, exit code 0."""
    said = cloche(spelling)

    assert said.code == 0
    assert "\x1b" not in said.out
    assert "--system-site-packages" in said.out.split()


def test_the_version_can_be_read_by_programs(cloche: Cloche) -> None:
    said = cloche("--version")

    assert said.code == 0
    assert said.out.split()[1][0].isdigit()
