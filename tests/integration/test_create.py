"""Test `cloche DEST`: the environment works, and the report is one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.interpreters import MINORS, debian, pyenv, pypy
from tests.trees import snapshot


def run(*command, **more):
    """Run a program and return its standard output; it must exit with 0 and print nothing to standard error."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env=clean, timeout=120, check=False, **more
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


FACTS = """
import json, site, sys, sysconfig
json.dump({"prefix": sys.prefix, "base": sys.base_prefix, "version": sys.version_info[:2],
           "purelib": sysconfig.get_path("purelib"),
           "path": sys.path, "site": site.getsitepackages(), "executable": sys.executable}, sys.stdout)
"""


def facts(python):
    """Return what a Python reports about itself."""
    return json.loads(run(python, "-c", FACTS))


def test_the_report_is_one_line_with_the_activation_command(cloche):
    """A second line says if this machine has only an old pip."""
    done = cloche(".venv")
    assert (done.code, done.err) == (0, "")
    line, *_ = done.out.splitlines()
    assert re.fullmatch(
        rf"created \.venv: CPython {sys.version_info[0]}\.{sys.version_info[1]}\.\d+, pip [\d.]+, \d+ ms; "
        r"activate with: source \.venv/bin/activate",
        line,
    )


@pytest.mark.parametrize("path", ["wheelhuose", "file:///opt/wheels"])
def test_find_links_without_a_directory_is_a_warning(cloche, path):
    """The seeds then come from another source, which would go unnoticed."""
    done = cloche("./env", "--no-seed", "--find-links", path)
    assert (done.code, done.err) == (
        0,
        f"cloche: warning: `--find-links` is set to `{path}`, which is not a directory\n",
    )


def test_a_missing_try_first_with_path_is_a_warning_in_every_run(cloche):
    for _ in range(2):
        done = cloche("./env", "--no-seed", "--try-first-with", "nowhere/python")
        warning = f"`--try-first-with` was ignored: `{cloche.cwd / 'nowhere' / 'python'}` does not exist"
        assert (done.code, done.err) == (0, f"cloche: warning: {warning}\n")


def test_an_invalid_version_file_is_a_warning_in_every_run(cloche):
    """The environment may be for another Python than the author of the file intended."""
    (cloche.cwd / ".python-version").write_text("mine\n")
    warning = f"`.python-version` in {cloche.cwd} was ignored: `mine` is not a valid Python request"
    for words in (["./env", "--no-seed"], ["./env", "--no-seed"], ["./env", "--dry-run"], ["pythons"]):
        done = cloche(*words)
        assert (done.code, done.err) == (0, f"cloche: warning: {warning}\n")
    assert cloche("./env", "--no-seed", "-p", sys.executable).err == ""


def test_the_recorded_command_creates_the_same_environment(cloche):
    """The command has the requested Python, and every argument is quoted for a shell."""
    options = ["--prompt", "it's $HOME", "--activators", "", "--system-site-packages", "--no-vcs-ignore", "--no-seed"]
    assert cloche("a b/it's", "-p", pyenv("3.10"), *options).code == 0
    environment = cloche.cwd / "a b" / "it's"
    before = snapshot(environment)
    config = (environment / "pyvenv.cfg").read_text().splitlines()
    [line] = [line for line in config if line.startswith("command = ")]
    shutil.rmtree(environment)
    command = line.removeprefix("command = ")
    subprocess.run(["sh", "-c", command], env=cloche.environ, check=True, stdout=subprocess.DEVNULL)
    assert snapshot(environment) == before


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("creator", ["symlink", "copy", "venv"])
def test_every_interpreter_gets_a_working_environment(cloche, minor, creator):
    base = pyenv(minor)
    assert cloche("./env", "-p", minor, "--creator", creator).code == 0
    python = cloche.cwd / "env" / "bin" / "python"
    seen = facts(python)
    assert seen["prefix"] == str(cloche.cwd / "env")
    assert os.path.realpath(seen["base"]) == os.path.dirname(os.path.dirname(os.path.realpath(base)))
    assert seen["version"] == [int(part) for part in minor.split(".")]
    assert os.path.isdir(seen["purelib"])
    assert not [entry for entry in seen["path"] if "site-packages" in entry and not entry.startswith(str(cloche.cwd))]
    assert run(python, "-W", "error", "-c", "import ssl, sqlite3, ctypes, json, math") == ""
    assert str(cloche.cwd / "env") in run(python, "-m", "pip", "--version")
    assert str(cloche.cwd / "env") in run(cloche.cwd / "env" / "bin" / f"pip{minor}", "--version")


@pytest.mark.parametrize("creator", ["symlink", "copy", "venv"])
def test_an_environment_has_the_same_base_interpreter_under_each_name(cloche, creator):
    """`venv` and virtualenv create an environment within an environment from it."""
    base = pyenv("3.12")
    assert cloche("./env", "-p", base, "--creator", creator, "--no-seed").code == 0
    for name in ("python", "python3", "python3.12"):
        found = run(cloche.cwd / "env" / "bin" / name, "-c", "import sys; print(sys._base_executable)")
        assert os.path.realpath(found) == os.path.realpath(base)


@pytest.mark.parametrize("creator", ["symlink", "copy", "venv"])
def test_pypy_gets_a_working_environment(cloche, creator):
    assert cloche("./env", "-p", pypy(), "--creator", creator).code == 0
    seen = facts(cloche.cwd / "env" / "bin" / "pypy3")
    assert seen["prefix"] == str(cloche.cwd / "env")
    assert "pip" in run(cloche.cwd / "env" / "bin" / "pip", "--version")


@pytest.mark.parametrize("creator", ["symlink", "copy"])
def test_debians_python_needs_no_ensurepip(cloche, creator):
    assert cloche("./env", "-p", debian(), "--creator", creator).code == 0
    seen = facts(cloche.cwd / "env" / "bin" / "python")
    assert seen["purelib"].endswith("/site-packages")
    assert "pip" in run(cloche.cwd / "env" / "bin" / "pip", "--version")


@pytest.mark.parametrize("spec", ["python3.10", "3.10", "cpython@3.10", ">=3.10,<3.11"])
def test_a_python_can_be_requested_in_several_notations(cloche, spec):
    pyenv("3.10")
    assert cloche("./env", "-p", spec, "--no-seed").code == 0
    assert facts(cloche.cwd / "env" / "bin" / "python")["version"] == [3, 10]


def test_the_first_request_with_a_match_is_used(cloche):
    assert cloche("./env", "-p", "3.99", "-p", pyenv("3.9"), "--no-seed").code == 0
    assert facts(cloche.cwd / "env" / "bin" / "python")["version"] == [3, 9]


def test_a_request_without_a_match_exits_with_3_and_a_hint(cloche):
    done = cloche("./env", "-p", "3.99")
    assert done.code == 3
    assert "no interpreter satisfies `3.99`" in done.err
    assert "hint:" in done.err
    assert not (cloche.cwd / "env").exists()


def test_an_environment_given_as_python_is_resolved_to_its_base(cloche):
    assert cloche("one", "--no-seed").code == 0
    assert cloche("two", "-p", cloche.cwd / "one" / "bin" / "python", "--no-seed").code == 0
    assert facts(cloche.cwd / "two" / "bin" / "python")["base"] == facts(cloche.cwd / "one" / "bin" / "python")["base"]


def test_the_version_file_of_a_project_is_used_and_named(cloche):
    pyenv("3.9")
    (cloche.cwd / ".python-version").write_text("3.9\n")
    done = cloche("./env", "--no-seed")
    assert "CPython 3.9" in done.out
    assert "`.python-version` in" in done.out
    assert "CPython 3.10" in cloche("other", "-p", pyenv("3.10"), "--no-seed").out


def test_a_dry_run_prints_the_plan_and_changes_nothing(cloche):
    done = cloche("./env", "--dry-run")
    assert done.code == 0
    assert "link      bin/python -> " in done.out
    assert os.listdir(cloche.cwd) == []


def test_json_is_one_object_with_the_plan_and_the_result(cloche):
    planned = cloche("./env", "--dry-run", "--json").json
    assert planned["schema_version"] == 1
    assert set(planned) == {"schema_version", "plan", "warnings"}
    created = cloche("./env", "--json").json
    environment = created["result"]["environment"]
    assert created["plan"]["operations"] == planned["plan"]["operations"]
    for key in ("root", "executable", "bin", "purelib", "platlib", "include", "config"):
        assert os.path.exists(environment[key]), key
    assert created["result"]["outcome"] == "created"


def test_json_still_has_the_old_names_of_renamed_keys(cloche):
    plan = cloche("./env", "--dry-run", "--json").json["plan"]
    assert plan["strategy"] == plan["way"] == "new"
    trees = [operation for operation in plan["operations"] if operation["kind"] == "InstallTree"]
    assert trees
    assert all(tree["manifest"] == tree["file_list"] for tree in trees)


def test_quiet_suppresses_the_report_and_errors_go_to_standard_error(cloche):
    assert cloche("./env", "-q", "--no-seed") == (0, "", "")
    done = cloche("./env", "--frobnicate")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[0] == "cloche: error: unknown option `--frobnicate`"


def test_system_site_packages_are_visible_only_on_request(cloche):
    for argv, shown in (([], False), (["--system-site-packages"], True)):
        assert cloche("./env", "--clear", "--no-seed", *argv).code == 0
        seen = facts(cloche.cwd / "env" / "bin" / "python")
        outside = [
            entry for entry in seen["path"] if entry.endswith("-packages") and not entry.startswith(str(cloche.cwd))
        ]
        assert bool(outside) is shown


def test_no_seed_leaves_site_packages_empty(cloche):
    assert cloche("./env", "--no-seed").code == 0
    assert os.listdir(facts(cloche.cwd / "env" / "bin" / "python")["purelib"]) == []


HOSTILE = [
    "sp ace",
    "quo'te",
    'dou"ble',
    "dol$HOME",
    "back`tick`",
    "new\nline",
    "ünï",
    "-dash",
    "n" * 200,
    "a;b&c|d",
    "100%",
    "__CLOCHE_PROMPT__",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_pip_runs_from_a_directory_of_any_name(cloche, name):
    done = cloche("--", name)
    assert done.code == 0, done.err
    assert "pip" in run(cloche.cwd / name / "bin" / "pip", "--version")
    assert done.out.startswith("created ")
    assert [line for line in done.out.splitlines()[1:] if "is the newest on this machine" not in line] == []


def test_files_in_the_current_directory_are_neither_imported_nor_run(cloche):
    for name in (
        "pip.py",
        "sysconfig.py",
        "pluggy.py",
        "encodings.py",
        "json.py",
        "cloche_plugin.py",
        "tomllib.py",
        "distlib.py",
    ):
        (cloche.cwd / name).write_text("open('TRAPPED', 'w')")
    for name in ("python3.12", "python3", "pyvenv.cfg", "cloche"):
        (cloche.cwd / name).write_text("#!/bin/sh\ntouch TRAPPED\n")
        (cloche.cwd / name).chmod(0o755)
    (cloche.cwd / "pyproject.toml").write_text('[project]\nname = "x"\nrequires-python = ">=3.6"\n')
    assert cloche("./env").code == 0
    cloche("other", "-p", "3.12", PATH=f":.:{os.environ['PATH']}:")
    assert not (cloche.cwd / "TRAPPED").exists()


def test_a_cached_plan_is_not_used_after_a_project_file_changed(cloche):
    first, second = pyenv("3.9"), pyenv("3.10")
    assert "CPython 3.11" in cloche("./env", "--clear", "--no-seed", "-p", pyenv("3.11")).out
    assert cloche("./env", "--clear", "--no-seed").code == 0
    for python, version in ((first, "3.9"), (second, "3.10")):
        (cloche.cwd / ".python-version").write_text(f"{version}\n")
        assert f"CPython {version}" in cloche("./env", "--clear", "--no-seed").out, python


def test_uninstalling_pip_in_one_environment_changes_neither_the_store_nor_another_environment(cloche, shared_cache):
    assert cloche("one").code == cloche("two").code == 0
    store, two = snapshot(shared_cache / "cloche" / "images"), snapshot(cloche.cwd / "two")
    run(cloche.cwd / "one" / "bin" / "python", "-m", "pip", "uninstall", "-q", "-y", "pip")
    assert not (cloche.cwd / "one" / "bin" / "pip").exists()
    assert snapshot(shared_cache / "cloche" / "images") == store
    assert snapshot(cloche.cwd / "two") == two
    assert cloche("one").code == 0
    assert "pip" in run(cloche.cwd / "one" / "bin" / "pip", "--version")


def test_warnings_are_printed_before_an_error(cloche):
    """The ignored file may be the cause of the error."""
    (cloche.cwd / ".python-version").write_text("my-environment\n")
    done = cloche("./env", "--creator", "wishes")
    assert done.code != 0
    warned, failed = done.err.find("my-environment"), done.err.find("wishes")
    assert 0 <= warned < failed


@pytest.mark.parametrize("command", ["info nowhere", "move nowhere there", "upgrade nowhere", "run nowhere -- true"])
def test_every_command_warns_about_unknown_settings_before_an_error(cloche, command):
    done = cloche(*command.split(), CLOCHE_NONSENSE="1")
    assert done.code != 0
    warned, failed = done.err.find("CLOCHE_NONSENSE"), done.err.find("error:")
    assert 0 <= warned < failed


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no `/dev/full`")
def test_a_warning_is_printed_once_if_the_result_cannot_be_written(cloche):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cloche", "./env", "--dry-run"],
            cwd=cloche.cwd,
            env={**cloche.environ, "CLOCHE_NONSENSE": "1"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.count("CLOCHE_NONSENSE"), done.stderr.count("error:")) == (1, 1, 1)
