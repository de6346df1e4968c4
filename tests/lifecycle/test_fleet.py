"""Test `cloche doctor` and `cloche upgrade` with many environments: one failure never stops or hides the rest."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.__main__ import main
from cloche.api import open_session
from cloche.apply.journal import number_steps, write_journal
from cloche.fs.locks import ReplacedMeanwhile
from cloche.lifecycle.doctor.diagnosis import open_case
from cloche.lifecycle.doctor.repair import repair_environment
from cloche.lifecycle.finder import environments_below
from cloche.lifecycle.move import move_environment, plan_move
from cloche.lifecycle.reader import was_created_for
from cloche.lifecycle.upgrade.plan import plan_upgrade
from cloche.lifecycle.upgrade.rebuild import rebuild
from cloche.model.spec import parse_spec
from tests.lifecycle.environments import run
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

GONE = "/opt/gone-3.12.0"
"""The directory of a patch release that was removed."""


def lose_base(env: Path) -> Path:
    """Let an environment look like one of 3.12.0, which a newer patch release replaced."""
    config = env / "pyvenv.cfg"
    lines = config.read_text().splitlines()
    settings = dict(line.split(" = ", 1) for line in lines)
    prefix = os.path.dirname(settings["home"])
    old = settings["version"]
    config.write_text("\n".join([*lines, ""]).replace(prefix, GONE).replace(f"= {old}", "= 3.12.0"))
    for link in (env / "bin").glob("python*"):
        if os.path.isabs(os.readlink(link)):
            link.unlink()
            link.symlink_to(f"{GONE}/bin/python3.12")
    return env


def break_start(env: Path) -> None:
    """Make every Python that starts in an environment fail."""
    [site] = env.glob("lib/python*/site-packages")
    (site / "sitecustomize.py").write_text("import os; os._exit(3)\n")


def works(env: Path) -> bool:
    return run(env / "bin" / "python", "-c", "import sys; print(sys.prefix)").strip() == str(env)


def test_doctor_summarizes_problems_by_cause(cloche, empty_env) -> None:
    lost = [lose_base(empty_env(name=f"work/{name}/.venv")) for name in ("one", "two")]
    for name in ("three", "four"):
        empty_env(name=name).rename(cloche.cwd / "work" / name)
    healthy = empty_env(name="work/five")

    outcome = cloche("doctor", "--json", "--find", "work")

    assert outcome.code == 1
    summary = outcome.json["summary"]
    assert {key: summary[key] for key in ("environments", "healthy", "failed")} == {
        "environments": 5,
        "healthy": 1,
        "failed": 0,
    }
    base, moved = summary["causes"]
    assert (base["code"], base["repairable"]) == ("base-gone", True)
    assert base["environments"] == sorted(map(str, lost))
    assert f"Python 3.12.0 in `{GONE}/bin`, no longer exists" in base["message"]
    assert moved["code"] == "moved"
    assert moved["environments"] == [str(cloche.cwd / "work" / name) for name in ("four", "three")]
    lines = cloche("doctor", "--find", "work").out.splitlines()
    assert f"{healthy}: healthy" in lines
    assert lines[-3] == "5 environments: 1 healthy, 4 with problems"
    assert lines[-2].startswith("    2 base-gone: its base, Python 3.12.0")


def test_a_renamed_parent_is_one_cause(cloche, empty_env) -> None:
    old, new = cloche.cwd / "work", cloche.cwd / "job"
    for name in ("one", "two"):
        empty_env(name=f"work/{name}/.venv")
    old.rename(new)
    empty_env(name="env").rename(new / "other")

    causes = cloche("doctor", "--json", "--find", new).json["summary"]["causes"]

    assert [(cause["code"], len(cause["environments"])) for cause in causes] == [("moved", 2), ("moved", 1)]
    assert causes[0]["message"] == f"`{old}` was moved or copied to `{new}`"
    assert causes[1]["message"].startswith("the environment was moved from there")


def test_an_environment_that_cannot_be_examined_is_counted_and_named(cloche, empty_env) -> None:
    empty_env()
    outcome = cloche("doctor", "--json", "env", "nothing")

    assert outcome.code == 1
    assert outcome.json["summary"]["failed"] == 1
    assert [environment["healthy"] for environment in outcome.json["environments"]] == [True, False]


def test_an_upgrade_repairs_what_a_new_patch_release_broke(cloche, empty_env) -> None:
    lost = [lose_base(empty_env(name=f"work/{name}/.venv")) for name in ("one", "two")]
    other = empty_env("cloche", "3.11", name="work/three")
    before = snapshot(other)

    outcome = cloche("upgrade", "--find", "work", "--from", "3.12.0", "-p", "3.12", "--json")

    assert outcome.code == 0, outcome.err
    assert outcome.json["summary"] == {"found": 3, "chosen": 2, "outcomes": {"upgraded": 2}}
    assert [environment["from"] for environment in outcome.json["environments"]] == ["3.12.0"] * 2
    assert all(works(env) for env in lost)
    assert snapshot(other) == before
    again = cloche("upgrade", "--find", "work", "--from", "3.12.0")
    assert (again.code, again.out) == (0, "0 environments; left out 3 that use a different Python\n")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_failure_does_not_stop_the_rest(cloche, empty_env, options) -> None:
    first, broken, last = (lose_base(empty_env(name=f"work/{name}")) for name in ("a", "b", "c"))
    break_start(broken)
    before = snapshot(broken)

    outcome = cloche("upgrade", "--find", "work", *options)

    assert outcome.code == 1
    assert works(first)
    assert works(last)
    assert snapshot(broken) == before
    if options:
        _, failed, _ = outcome.json["environments"]
        assert (failed["outcome"], failed["environment"]) == ("failed", str(broken))
        assert "would not work: its Python does not start" in failed["error"]["message"]
        assert outcome.json["summary"]["outcomes"] == {"failed": 1, "upgraded": 2}
    else:
        assert f"error: `{broken}` would not work" in outcome.err
        assert outcome.out.splitlines()[-1] == "3 environments: 1 failed, 2 upgraded"


def test_an_upgrade_that_another_run_was_faster_with_is_not_repeated(cloche, empty_env, monkeypatch, capsys) -> None:
    """The other run changes the environment after this one has read it. What was planned no longer fits."""
    env = empty_env("cloche", "3.12", name="work/env")
    for name, text in cloche.environ.items():
        monkeypatch.setenv(name, text)
    module = importlib.import_module("cloche.cli.upgrade")
    original, others = module.plan_upgrade, []

    def plan_and_be_overtaken(*arguments: object) -> object:
        plan = original(*arguments)
        if not others:
            others.append(cloche("upgrade", env, "-p", "3.11"))
        return plan

    monkeypatch.setattr(module, "plan_upgrade", plan_and_be_overtaken)

    code = main(["upgrade", "--find", str(cloche.cwd / "work"), "-p", "3.11", "--json"])

    assert [other.code for other in others] == [0]
    assert code == 0
    assert json.loads(capsys.readouterr().out)["summary"]["outcomes"] == {"up to date": 1}
    assert works(env)


def test_of_two_runs_at_once_only_one_upgrades_each_environment(cloche, empty_env) -> None:
    envs = [empty_env("cloche", "3.11", name=f"work/{name}") for name in ("a/.venv", "b")]
    command = [sys.executable, "-m", "cloche", "upgrade", "--find", "work", "-p", "3.12", "--json"]
    pipe = subprocess.PIPE
    runs = [
        subprocess.Popen(command, env=cloche.environ, cwd=cloche.cwd, stdout=pipe, stderr=pipe, text=True)
        for _ in range(2)
    ]
    printed = [run.communicate() for run in runs]

    assert [run.returncode for run in runs] == [0, 0], printed
    outcomes = [item["outcome"] for out, _ in printed for item in json.loads(out)["environments"]]
    assert sorted(outcomes) == ["up to date", "up to date", "upgraded", "upgraded"]
    assert all(works(env) for env in envs)
    assert (os.listdir(cloche.cwd / "work" / "a"), sorted(os.listdir(cloche.cwd / "work"))) == ([".venv"], ["a", "b"])


@pytest.mark.parametrize("change", ["upgrade", "move", "doctor"])
def test_nothing_is_changed_in_an_environment_that_was_replaced_since_it_was_read(cloche, empty_env, change) -> None:
    env, other = empty_env("cloche", "3.12", name="env"), empty_env("cloche", "3.11", name="other")
    (env / "bin" / "activate").unlink()
    with open_session(environ=cloche.environ, cache=Path(cloche.environ["XDG_CACHE_HOME"]) / "cloche") as session:
        act: Callable[[], object]
        if change == "upgrade":
            act = partial(rebuild, plan_upgrade(str(env), ["3.10"], "keep", session), session)
        elif change == "move":
            act = partial(move_environment, plan_move(str(env), str(cloche.cwd / "new"), "move", session), session)
        else:
            act = partial(repair_environment, open_case(str(lose_base(env)), session), session)
        env.rename(cloche.cwd / "old")
        other.rename(env)
        before = snapshot(cloche.cwd)

        with pytest.raises(ReplacedMeanwhile) as caught:
            act()

    assert f"another process has replaced or removed `{env}`" in caught.value.message
    assert snapshot(cloche.cwd) == before


@pytest.mark.parametrize("version", ["3.\u00b2.0", "3.\udcb2.0", "x.12", "3"])
def test_a_damaged_version_is_reported_and_does_not_stop_the_rest(cloche, empty_env, version) -> None:
    empty_env(name="work/b")
    damaged = cloche.cwd / "work" / "a"
    damaged.mkdir()
    text = f"home = {GONE}/bin\nversion = {version}\n"
    (damaged / "pyvenv.cfg").write_text(text, encoding="utf-8", errors="surrogateescape")

    outcome = cloche("upgrade", "--find", "work", "--json")

    assert [item["outcome"] for item in outcome.json["environments"]] == ["failed", "up to date"]
    assert "does not record a Python version" in outcome.json["environments"][0]["error"]["message"]
    assert "base-gone" in cloche("doctor", damaged).out


@pytest.mark.parametrize("option", ["--dry-run", "--check"])
def test_a_dry_run_of_several_upgrades_changes_nothing(cloche, empty_env, option) -> None:
    for name in ("work/a", "work/b"):
        lose_base(empty_env(name=name))
    before = snapshot(cloche.cwd / "work")

    outcome = cloche("upgrade", "--find", "work", option)

    assert outcome.code == (option == "--check")
    word = "due" if option == "--check" else "would be upgraded"
    assert outcome.out.splitlines()[-1] == f"2 environments: 2 {word}"
    assert snapshot(cloche.cwd / "work") == before


def test_environments_can_be_named_instead_of_found(cloche, empty_env) -> None:
    envs = [lose_base(empty_env(name=name)) for name in ("a", "b")]

    outcome = cloche("upgrade", "a", "b", "nothing")

    assert outcome.code == 1
    assert "nothing` does not exist" in outcome.err
    assert all(works(env) for env in envs)


@pytest.mark.parametrize("spec", ["my-python", "=>3.12", "system", ""])
def test_an_invalid_python_in_from_is_refused(cloche, spec) -> None:
    outcome = cloche("upgrade", "--find", ".", "--from", spec)

    assert outcome.code == 2
    assert "hint:" in outcome.err


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("3.12.1", True),
        ("3.12", True),
        ("cpython3.12.1", True),
        (">=3.12,<3.13", True),
        ("3.12.2", False),
        ("3.11", False),
        ("pypy3.12", False),
        ("3.12t", False),
        ("/opt/3.12.1/bin/python3.12", True),
        ("/opt/3.12.1", True),
        ("/opt/3.12", False),
        ("any", True),
    ],
)
@pytest.mark.parametrize("version", ["version = 3.12.1", "version_info = 3.12.1.final.0", "version_info = 3.12.1"])
def test_the_recorded_python_decides(tmp_path: Path, spec: str, expected: bool, version: str) -> None:
    """It may no longer exist. `venv` writes the first form, virtualenv and cloche the second, and uv the third."""
    (tmp_path / "pyvenv.cfg").write_text(
        f"home = /opt/3.12.1/bin\n{version}\nexecutable = /opt/3.12.1/bin/python3.12\n"
    )
    (tmp_path / "lib" / "python3.12" / "site-packages").mkdir(parents=True)

    assert was_created_for(str(tmp_path), parse_spec(spec)) is expected


@pytest.mark.parametrize(
    ("text", "spec", "expected"),
    [
        ("3.14.0rc2", "3.14", True),
        ("3.14.0.candidate.2", "3.14.0rc2", True),
        ("3.14.0.candidate.2", "3.14.0rc1", False),
        ("3.12", "3.12", True),
        ("unknown", "3.12", False),
        ("", "3.12", False),
        ("3.12.1.final.x", "3.12", False),
    ],
)
def test_other_forms_of_versions_are_read(tmp_path: Path, text: str, spec: str, expected: bool) -> None:
    (tmp_path / "pyvenv.cfg").write_text(f"home = /opt/bin\nversion_info = {text}\n")

    assert was_created_for(str(tmp_path), parse_spec(spec)) is expected


def test_a_directory_that_cannot_be_searched_is_reported(tmp_path: Path) -> None:
    errors: list[OSError] = []

    assert environments_below(str(tmp_path / "nothing"), errors.append) == []
    assert [error.filename for error in errors] == [str(tmp_path / "nothing")]


def test_environments_inside_packages_are_not_reported(tmp_path: Path) -> None:
    for name in ("a", "a/inner", "a/lib/d", "b/c", "lib/site-packages/d", "b/node_modules/e"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "pyvenv.cfg").touch()

    found = environments_below(str(tmp_path), lambda error: pytest.fail(str(error)))

    assert found == [str(tmp_path / name) for name in ("a", "a/inner", "b/c")]


def test_an_environment_without_its_configuration_is_found(tmp_path: Path) -> None:
    """By the manifest of cloche, beside which there is more of the environment."""
    for name in ("a/bin", "a/lib/python3.12", "b"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / name / ".cloche-manifest").touch()

    assert environments_below(str(tmp_path), lambda error: pytest.fail(str(error))) == [str(tmp_path / "a")]


def test_what_another_run_stages_is_not_an_environment(tmp_path: Path) -> None:
    """It is gone before it can be examined or upgraded."""
    for name in ("a", "..venv.cloche-0/new", ".a.cloche-12/old", "a/.cloche-0/new", ".cloche-tools", ".my.cloche"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "pyvenv.cfg").touch()

    found = environments_below(str(tmp_path), lambda error: pytest.fail(str(error)))

    assert found == [str(tmp_path / name) for name in (".cloche-tools", ".my.cloche", "a")]


def test_an_environment_that_a_killed_run_has_set_aside_is_found(tmp_path: Path) -> None:
    for name in (".set-aside.cloche-0", ".replaced.cloche-1"):
        (tmp_path / "work" / name / "old").mkdir(parents=True)
        (tmp_path / "work" / name / "old" / "pyvenv.cfg").touch()
    write_journal(
        str(tmp_path / "work" / ".set-aside.cloche-0"),
        str(tmp_path / "work" / "set-aside"),
        number_steps([("set-aside", 0, "")]),
    )
    env = tmp_path / "work" / "replaced"
    env.mkdir()
    (env / "pyvenv.cfg").touch()

    def find(leftovers: str) -> list[str]:
        return environments_below(str(tmp_path), lambda error: pytest.fail(str(error)), leftovers)

    assert find("kept") == [str(env)]
    assert find("swept") == [str(env), str(tmp_path / "work" / "set-aside")]
    assert sorted(os.listdir(tmp_path / "work")) == ["replaced", "set-aside"]


@pytest.mark.parametrize("options", [(), ("--json",), ("--traceback",)])
@pytest.mark.parametrize("command", ["doctor", "upgrade", "upgrade --from"])
def test_an_unexpected_exception_does_not_stop_the_rest(
    cloche, empty_env, monkeypatch, capsys, command: str, options
) -> None:
    paths = [str(empty_env(name=f"work/{name}")) for name in ("a", "b", "c")]
    for name, text in cloche.environ.items():
        monkeypatch.setenv(name, text)
    module = importlib.import_module(f"cloche.cli.{command.split()[0]}")
    function = {"doctor": "open_case", "upgrade": "plan_upgrade", "upgrade --from": "was_created_for"}[command]
    original = getattr(module, function)

    def fail_for_one(path: str, *arguments: object) -> object:
        if path == paths[1]:
            raise ZeroDivisionError("a bug")
        return original(path, *arguments)

    monkeypatch.setattr(module, function, fail_for_one)
    chosen = ["--from", "3.12"] if command == "upgrade --from" else []

    code = main([command.split()[0], "--find", str(cloche.cwd / "work"), *chosen, *options])

    out, err = capsys.readouterr()
    assert code == 1
    if options == ("--json",):
        environments = json.loads(out)["environments"]
        errors = [item["error"] for item in sorted(environments, key=lambda item: str(item))]
        assert str(errors).count("unexpected error: ZeroDivisionError: a bug") == 1
        assert len(errors) == 3
    else:
        assert f"error: `{paths[1]}`: unexpected error: ZeroDivisionError: a bug" in err
        assert out.count("healthy" if command == "doctor" else "up to date ") >= 2
        assert ("in fail_for_one" in err) == bool(options)


REPORTS = {
    "upgrade --check": ["upgrade", "env", "--check"],
    "upgrade --find --check": ["upgrade", "--find", ".", "--check"],
    "move --dry-run": ["move", "env", "moved", "--dry-run"],
    "doctor": ["doctor", "env"],
    "create --dry-run": ["./env", "--dry-run", "--no-seed"],
}


@pytest.mark.parametrize("words", REPORTS.values(), ids=REPORTS)
def test_a_command_that_only_reports_leaves_what_a_killed_run_left(cloche, empty_env, words: list[str]) -> None:
    env = empty_env()
    (env / ".cloche-0").mkdir()
    (cloche.cwd / ".env.cloche-0").mkdir()

    cloche(*words)

    assert (env / ".cloche-0").is_dir()
    assert (cloche.cwd / ".env.cloche-0").is_dir()
