"""Test that `alias virtualenv=cloche` works: every option of virtualenv is accepted and means the same."""

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
    """Return a function that returns the plan for a command line."""

    def plan_for(*argv: str) -> Plan:
        done = cloche(*argv, "--dry-run", "--json")
        assert done.code == 0, done.err
        plan: Plan = done.json["plan"]
        return plan

    return plan_for


def seed_names(plan: Plan) -> list[str]:
    return [image["distribution"] for image in plan["images"]]


def create(cloche: Cloche, *argv: str) -> str:
    """Create the environment `env` and return its `pyvenv.cfg`."""
    done = cloche(*argv)
    assert done.code == 0, done.err
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
def test_the_creator_is_chosen(plan_for: Callable[..., Plan], spelling: list[str], creator: str) -> None:
    assert plan_for("./env", "--no-seed", *spelling)["creator"] == creator


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
def test_the_seeds_are_chosen(plan_for: Callable[..., Plan], spelling: list[str], expected: list[str]) -> None:
    assert seed_names(plan_for(*spelling, "./env")) == expected


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        (["--activators", ""], []),
        (["--activators="], []),
        (["--activators", "bash,cshell"], ["bash", "csh"]),
        (["--activators", "bash, fish,powershell"], ["bash", "fish", "powershell"]),
    ],
)
def test_the_activators_are_chosen(plan_for: Callable[..., Plan], spelling: list[str], expected: list[str]) -> None:
    assert sorted(plan_for("./env", "--no-seed", *spelling)["activators"]) == expected


@pytest.mark.parametrize(
    "spelling", [["-p", "3"], ["-p3"], ["--python", "3"], ["--python=3"], ["-p", "2.7", "-p", "3"]]
)
def test_the_python_is_chosen(plan_for: Callable[..., Plan], spelling: list[str]) -> None:
    plan = plan_for("./env", "--no-seed", *spelling)

    assert plan["environment"]["interpreter"]["version"][0] == 3


def test_wheels_of_the_user_are_preferred(cloche: Cloche, wheel: Path) -> None:
    done = cloche("./env", "--extra-search-dir", wheel.parent, "--no-pip", "--seed", "leaf", "--dry-run", "--json")

    assert done.code == 0, done.err
    assert seed_names(done.json["plan"]) == ["leaf"]
    assert done.json["plan"]["images"][0]["version"] == "1.0.post7"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path / "wheels", "leaf", "1.0.post7")


@pytest.mark.parametrize("spelling", [["--prompt", "it's"], ["--prompt=it's"]])
def test_the_prompt_is_chosen(cloche: Cloche, spelling: list[str]) -> None:
    assert 'prompt = "it\'s"\n' in create(cloche, "./env", "--no-seed", *spelling)


def test_a_dot_as_prompt_is_the_name_of_the_current_directory(cloche: Cloche) -> None:
    assert f"prompt = '{cloche.cwd.name}'\n" in create(cloche, "./env", "--no-seed", "--prompt", ".")


def test_the_packages_of_the_base_interpreter_are_visible(cloche: Cloche) -> None:
    config = create(cloche, "--system-site-packages", "./env", "--no-seed")

    assert "include-system-site-packages = true\n" in config


def test_clear_replaces_the_environment(cloche: Cloche) -> None:
    create(cloche, "./env", "--no-seed")
    (cloche.cwd / "env" / "keepsake").touch()
    create(cloche, "./env", "--no-seed")
    assert (cloche.cwd / "env" / "keepsake").exists()
    create(cloche, "./env", "--no-seed", "--clear", "--force")
    assert not (cloche.cwd / "env" / "keepsake").exists()


def test_the_file_for_version_control_is_left_out(cloche: Cloche) -> None:
    create(cloche, "./env", "--no-seed", "--no-vcs-ignore")

    assert not (cloche.cwd / "env" / ".gitignore").exists()


def test_the_cache_directory_is_chosen(cloche: Cloche) -> None:
    create(cloche, "./env", "--app-data", "cache")
    assert (cloche.cwd / "cache" / "images").is_dir()
    before = sorted((cloche.cwd / "cache").rglob("*"))
    done = cloche("other", "--app-data=cache", "--read-only-app-data")

    assert done.code == 0
    assert sorted((cloche.cwd / "cache").rglob("*")) == before


def test_packages_are_links_into_the_cache(plan_for: Callable[..., Plan]) -> None:
    assert plan_for("./env", "--symlink-app-data")["link_mode"] == "symlink"


@pytest.mark.parametrize("spelling", ["--traceback", "--with-traceback"])
def test_an_error_shows_a_traceback_on_request(cloche: Cloche, spelling: str) -> None:
    done = cloche("./env", "-p", "2.5", spelling)

    assert done.code == 3
    assert "Traceback" in done.err
    assert "Traceback" not in cloche("./env", "-p", "2.5").err


@pytest.mark.parametrize(("text", "shows"), [("1", True), ("yes", True), ("0", False), ("perhaps", False)])
def test_a_variable_requests_a_traceback_like_any_flag(cloche: Cloche, text: str, *, shows: bool) -> None:
    assert ("Traceback" in cloche("info", "nowhere", CLOCHE_TRACEBACK=text).err) is shows
    assert ("Traceback" in cloche("info", "nowhere", CLOCHE_WITH_TRACEBACK=text).err) is shows


def test_a_config_file_requests_a_traceback(cloche: Cloche) -> None:
    (cloche.cwd / "pyproject.toml").write_text("[tool.cloche]\ntraceback = true\nclear = 'perhaps'\n")
    assert "Traceback" in cloche("./env").err
    assert "Traceback" not in cloche("./env", CLOCHE_TRACEBACK="0").err


INEFFECTIVE = [
    ["--no-periodic-update"],
    ["--reset-app-data"],
    ["--discovery", "builtin"],
    ["--venv-redirect"],
    ["--no-venv-redirect"],
    ["--upgrade-embed-wheels"],
]


@pytest.mark.parametrize("spelling", INEFFECTIVE, ids=lambda spelling: str(spelling[0]))
def test_an_ineffective_option_is_reported_only_with_verbose(cloche: Cloche, spelling: list[str]) -> None:
    def is_reported(done: Outcome) -> bool:
        assert done.code == 0, done.err
        return f"`{spelling[0]}` is accepted for compatibility and ignored" in done.err

    assert is_reported(cloche("./env", "--no-seed", *spelling, "-v"))
    assert not is_reported(cloche("./env", "--no-seed", *spelling))


def test_the_verbosity_is_chosen(cloche: Cloche) -> None:
    assert cloche("one", "--no-seed", "-q").out == ""
    assert cloche("two", "--no-seed", "-qq").out == ""
    assert cloche("three", "--no-seed", "-vvv").code == 0


@pytest.mark.parametrize("spelling", ["-h", "--help"])
def test_programs_can_read_the_help(cloche: Cloche, spelling: str) -> None:
    """Ansible looks for words that begin with `--`: no color, no pager, exit code 0."""
    done = cloche(spelling)

    assert done.code == 0
    assert "\x1b" not in done.out
    assert "--system-site-packages" in done.out.split()


def test_programs_can_read_the_version(cloche: Cloche) -> None:
    done = cloche("--version")

    assert done.code == 0
    assert done.out.split()[1][0].isdigit()
